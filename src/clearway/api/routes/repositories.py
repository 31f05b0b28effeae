"""Repositories: where they are, how far they are known, what git and webhooks are given for them."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from clearway import source
from clearway.api.ask import Answer, Asked
from clearway.api.bodies import CredentialBody, ReasonBody, SyncBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, paged, read_page
from clearway.api.shown import shown
from clearway.storage import Page, UnitOfWork

router = APIRouter(prefix="/v1/repositories", route_class=Guarded, tags=["source"])
Kind = Literal["password", "ssh-key", "webhook"]


@router.get("", **needs("platform:read", "RepositoryPage"))
def repositories(ask: Asked, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Every repository, and how far it is known."""
    return read_page(
        ask, lambda uow: paged(source.repositories(uow), lambda each: each.name, cursor, limit), show=shown
    )


@router.get("/{name}", **needs("platform:read", "Repository", errors=(404,)))
def repository(ask: Asked, name: str) -> Response:
    """One repository."""
    return ask.read(lambda uow: shown(source.repository(uow, name)))


@router.get("/{name}/moves", **needs("platform:read", "RefMovePage", errors=(404,)))
def moves(ask: Asked, name: str, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Which branches and tags moved, force-pushes among them."""

    def look(uow: UnitOfWork) -> Page[source.RefEntry]:
        source.repository(uow, name)
        return source.ref_history(uow, name, cursor, limit)

    return read_page(ask, look, show=shown)


@router.get("/{name}/deliveries", **needs("platform:read", "WebhookDeliveryPage", errors=(404,)))
def deliveries(ask: Asked, name: str, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """What forges told through webhooks, newest first, and what came of it."""

    def look(uow: UnitOfWork) -> Page[source.Delivery]:
        source.repository(uow, name)
        return source.deliveries(uow, name, after=cursor, limit=limit)

    return read_page(ask, look, show=shown)


@router.post("/{name}/sync", status_code=202, **needs("build:run", "Repository", errors=(404, 409)))
def sync(ask: Asked, name: str, body: SyncBody) -> Response:
    """Have a declared repository fetched soon."""
    return ask.write(
        lambda uow: Answer(shown(source.ask_for_sync(uow, ask.actor, name)), 202, f"/v1/repositories/{name}")
    )


@router.get("/{name}/credentials", **needs("secret:write", "CredentialList", errors=(404,)))
def credentials(ask: Asked, name: str) -> Response:
    """What is kept sealed for a repository, without what it says."""
    return ask.read(
        lambda uow: {"items": [shown(each) for each in source.kept_credentials(uow, ask.actor, name)]}
    )


@router.put("/{name}/credentials/{kind}", **needs("secret:write", "Credential", errors=(404, 409)))
def set_credential(ask: Asked, name: str, kind: Kind, body: CredentialBody) -> Response:
    """Seal what git or a webhook is given. A webhook's former secret is taken for another day."""
    return ask.write(
        lambda uow: shown(
            source.set_credential(
                uow, ask.actor, name, kind, body.value, username=body.username, reason=body.reason
            )
        ),
        secret=True,
    )


@router.post(
    "/{name}/credentials/{kind}/remove", **needs("secret:write", "CredentialList", errors=(404, 409))
)
def remove_credential(ask: Asked, name: str, kind: Kind, body: ReasonBody) -> Response:
    """Forget it, a webhook's former secret too."""

    def act(uow: UnitOfWork) -> dict[str, list[Any]]:
        source.remove_credential(uow, ask.actor, name, kind, body.reason)
        return {"items": [shown(each) for each in source.kept_credentials(uow, ask.actor, name)]}

    return ask.write(act)
