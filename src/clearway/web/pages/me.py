"""One's own account: what one may do, the password, and API tokens."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from clearway import access, catalog
from clearway.kernel import Invalid, parse_duration
from clearway.storage import UnitOfWork
from clearway.web.visit import Visit


def show(visit: Visit, fresh: str = "") -> Response:
    """The page; `fresh` is a token's secret, shown this once."""
    with visit.database.read() as uow:
        person = access.user(uow, visit.actor.name)
        environments = [each.name for each in catalog.environments(uow)]
        values: dict[str, Any] = {
            "person": person,
            "groups": access.groups_of(uow, person.name),
            "tokens": access.list_tokens(uow, visit.actor),
            "now": uow.now(),
            "environments": environments,
            "allowed": _allowed(visit, uow, environments),
        }
    return visit.page("me.html", fresh=fresh, **values)


def _allowed(visit: Visit, uow: UnitOfWork, environments: list[str]) -> list[tuple[str, list[str] | None]]:
    """Each action that this person may do: where, or None for the platform as a whole."""
    found: list[tuple[str, list[str] | None]] = []
    for action in sorted(access.ACTIONS):
        personal = action.startswith(("token:", "user:"))
        if visit.may(uow, action, **({"owner": ""} if personal else {})):
            found.append((action, None))
            continue
        if personal:
            if visit.may(uow, action, owner=visit.actor.name):
                found.append((action, ["only your own"]))
            continue
        places = [name for name in environments if visit.may(uow, action, environment=name)]
        if places:
            found.append((action, places))
    return found


def password(visit: Visit) -> Response:
    """A new password, typed twice; every session ends with the old one."""
    new = str(visit.form.get("new", ""))
    if new != str(visit.form.get("again", "")):
        raise Invalid("the two new passwords are not the same", todo="Go back and type them again.")
    with visit.database.begin() as uow:
        access.set_password(
            uow, visit.actor, visit.actor.name, new, current=str(visit.form.get("current", "")) or None
        )
    return visit.go("/sign-in", "Your password is set. Sign in with it.")


def new_token(visit: Visit) -> Response:
    """A token; its secret is on the answer's page and nowhere else."""
    scopes = visit.said("scopes", 1000).replace(",", " ").split() or ["*"]
    days = parse_duration(visit.said("expires", 20) or "90d")
    with visit.database.begin() as uow:
        made = access.create_token(
            uow, visit.actor, label=visit.said("label", 100), scopes=scopes, expires_in=days
        )
    return show(visit, made.secret)


def revoke(visit: Visit) -> Response:
    """It ends at once."""
    with visit.database.begin() as uow:
        access.revoke_token(uow, visit.actor, visit.part("id"), reason=visit.said("reason", 200))
    return visit.go("/me", "Revoked.")
