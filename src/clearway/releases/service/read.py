"""Reading releases and promotions."""

from __future__ import annotations

from typing import Any

from clearway import changes
from clearway.changes import ChangeRequest, Notes
from clearway.kernel import Invalid, NotFound
from clearway.releases import store
from clearway.releases.model import Promotion, Release
from clearway.storage import Page, UnitOfWork, decode_cursor, encode_cursor

MOST = 500


def release(uow: UnitOfWork, service: str, version: str) -> Release:
    """One release by service and version. Raises NotFound."""
    found = store.release_by(uow, service=service, version=version)
    if found is None:
        raise NotFound(f"there is no release {version} of {service}", todo="Make it with `clearway release`.")
    return found


def releases(
    uow: UnitOfWork,
    *,
    service: str | None = None,
    version: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[Release]:
    """Releases, newest first."""
    check_limit(limit)
    equal = {"service": service, "version": version}
    found = store.release_page(uow, equal, cursor(after), limit + 1)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def notes(uow: UnitOfWork, service: str, version: str) -> Notes:
    """The notes of a release, as they were made with it. Raises NotFound."""
    return changes.read_notes(uow, release(uow, service, version).notes_digest)


def promotion(uow: UnitOfWork, promotion_id: str) -> Promotion:
    """One promotion with its approvals. Raises NotFound."""
    found = store.promotion(uow, promotion_id)
    if found is None:
        raise NotFound(f"there is no promotion {promotion_id}")
    return found


def promotions(
    uow: UnitOfWork,
    *,
    service: str | None = None,
    version: str | None = None,
    environment: str | None = None,
    states: tuple[str, ...] | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[Promotion]:
    """Promotions, newest first."""
    check_limit(limit)
    equal = {"service": service, "version": version, "environment": environment}
    found = store.promotion_page(uow, equal, states, cursor(after), limit + 1)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def promotion_of_deployment(uow: UnitOfWork, deployment_id: str) -> Promotion | None:
    """The promotion that a deployment carries out; None for a deployment that no promotion ordered."""
    return store.promotion_of_deployment(uow, deployment_id)


def change_request(uow: UnitOfWork, promotion_id: str) -> ChangeRequest:
    """The change request of a promotion. Raises NotFound."""
    return changes.change_request(uow, promotion_id)


def cursor(after: str | None) -> str | None:
    return str(decode_cursor(after)) if after else None


def check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST:
        raise Invalid(f"a page of {limit}", expected=f"1 to {MOST}")


def newest_definitions(uow: UnitOfWork, service: str | None = None) -> dict[str, dict[str, Any]]:
    """The clearway.yaml of the newest release of each service, or of one."""
    return store.newest_definitions(uow, service)
