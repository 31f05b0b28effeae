"""Every route needs a permission, and asks for it before anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from clearway import access
from clearway.api import create_app
from clearway.api.guard import PUBLIC, Guarded, needs, permission_of
from clearway.storage import Database


class _Nowhere:
    home = Path("/nonexistent")
    url = "http://clearway.example"


def walk(routes: list[BaseRoute]) -> list[Any]:
    """Every route, through routers that are mounted or included lazily."""
    found: list[Any] = []
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", None
        )
        found += walk(list(inner)) if inner else [route]
    return found


ROUTES = walk(list(create_app(Database("sqlite:////nonexistent/x.db", lambda: None), _Nowhere()).routes))  # type: ignore[arg-type,return-value]
PROTECTED = [
    (method, route.path, permission_of(route))
    for route in ROUTES
    if route.path not in PUBLIC
    for method in sorted(route.methods - {"HEAD"})
]


def address(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "some-thing", path)


def test_every_route_is_protected_or_on_the_public_list() -> None:
    """A route that is not public is guarded, and names an action that exists."""
    assert len(PROTECTED) > 10
    for route in ROUTES:
        if route.path in PUBLIC:
            continue
        assert isinstance(route, Guarded), route.path
        assert permission_of(route) in access.ACTIONS, route.path


def test_a_route_without_a_permission_cannot_be_made() -> None:
    """Forgetting the declaration fails when the module is imported; so does an unknown action."""
    router = APIRouter(route_class=Guarded)
    with pytest.raises(ValueError, match="declares no permission"):
        router.get("/v1/open")(lambda: None)
    with pytest.raises(ValueError, match="no action"):
        needs("everything:do")
    assert issubclass(Guarded, APIRoute)


@pytest.mark.parametrize(("method", "path", "action"), PROTECTED)
def test_without_a_token_nothing_is_answered(
    client: Callable[..., Any], method: str, path: str, action: str
) -> None:
    """No token, or one that nobody has: 401, whatever the body."""
    nobody = client(None)
    for headers in ({}, {"Authorization": "Bearer cwy_x_y"}, {"Authorization": "Basic YTpi"}):
        answer = nobody.request(method, address(path), content=b"{not json", headers=headers)
        assert answer.status_code == 401, (answer.status_code, answer.text)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path", "action"), PROTECTED)
def test_a_token_without_the_right_is_refused(
    client: Callable[..., Any], method: str, path: str, action: str
) -> None:
    """A token that reaches every action but this one: 403, whatever the body."""
    others = sorted(access.ACTIONS - {action})
    answer = client("admin", *others).request(method, address(path), content=b"{not json")
    assert answer.status_code == 403, (answer.status_code, answer.text)
    assert answer.json()["action"] == action


@pytest.mark.parametrize(("method", "path", "action"), PROTECTED)
def test_a_person_without_a_role_is_refused(
    client: Callable[..., Any], method: str, path: str, action: str
) -> None:
    """Being known is not being allowed, but for what is one's own."""
    if action in ("token:create", "token:read", "token:revoke", "user:write"):
        return
    assert client("nobody").request(method, address(path), content=b"{not json").status_code == 403


def test_a_role_in_one_environment_opens_the_door(client: Callable[..., Any], database: Database) -> None:
    """Whoever may do it somewhere is let through to the room, which asks for the very environment."""
    from clearway.access import UserDocument
    from clearway.api.guard import require_somewhere
    from clearway.kernel import SYSTEM, Actor, Refused

    text = "kind: Environment\nname: uat\norder: 1\n---\nkind: Environment\nname: prod\norder: 2\n"
    client("admin").post("/v1/apply", json={"files": {"e.yaml": text}}).raise_for_status()
    with database.begin() as uow:
        access.apply(
            uow, SYSTEM, [UserDocument(name="ute", roles=[{"role": "approver", "environments": ["uat"]}])]
        )
    with database.read() as uow:
        require_somewhere(uow, Actor("ute"), "promotion:approve")
        with pytest.raises(Refused):
            access.require(uow, Actor("ute"), "promotion:approve", environment="prod")
        with pytest.raises(Refused):
            require_somewhere(uow, Actor("ute"), "config:write")
