"""Every route needs a permission, and asks for it before anything else."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import make_database
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from clearway import access
from clearway.access import UserDocument
from clearway.api import create_app
from clearway.api.guard import PUBLIC, Guarded, needs, permission_of, require_somewhere
from clearway.kernel import SYSTEM, Actor, Refused
from clearway.storage import Database

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


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


class Door:
    """One application for the whole walk, asked by people with all sorts of tokens."""

    def __init__(self, folder: Path) -> None:
        self.database = make_database(folder, clock=lambda: datetime.now(UTC))
        self.http = TestClient(create_app(self.database, _Nowhere()), raise_server_exceptions=False)
        self._tokens: dict[tuple[str, str], str] = {}
        with self.database.begin() as uow:
            people = [UserDocument(name="admin", roles=["admin"]), UserDocument(name="nobody")]
            access.apply(uow, SYSTEM, people)

    def token(self, name: str, without: str = "") -> str:
        """A token that reaches every action but one."""
        if (name, without) not in self._tokens:
            with self.database.begin() as uow:
                scopes = sorted(access.ACTIONS - {without})
                self._tokens[name, without] = access.create_token(uow, Actor(name), scopes=scopes).secret
        return self._tokens[name, without]

    def ask(self, method: str, path: str, authorization: str | None) -> Any:
        """A request whose body nobody may look at."""
        headers = {"Authorization": authorization} if authorization else {}
        return self.http.request(method, address(path), content=b"{not json", headers=headers)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    made = Door(tmp_path_factory.mktemp("door"))
    yield made
    made.http.close()
    made.database.dispose()


@pytest.mark.parametrize(("method", "path", "action"), PROTECTED)
def test_without_a_token_nothing_is_answered(door: Door, method: str, path: str, action: str) -> None:
    """No token, or one that nobody has: 401, whatever the body."""
    for authorization in (None, "Bearer cwy_x_y", "Basic YTpi"):
        answer = door.ask(method, path, authorization)
        assert answer.status_code == 401, (answer.status_code, answer.text)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path", "action"), PROTECTED)
def test_a_token_without_the_right_is_refused(door: Door, method: str, path: str, action: str) -> None:
    """A token that reaches every action but this one: 403, whatever the body."""
    answer = door.ask(method, path, f"Bearer {door.token('admin', action)}")
    assert answer.status_code == 403, (answer.status_code, answer.text)
    assert answer.json()["action"] == action


@pytest.mark.parametrize(("method", "path", "action"), PROTECTED)
def test_a_person_without_a_role_is_refused(door: Door, method: str, path: str, action: str) -> None:
    """Being known is not being allowed, but for what is one's own."""
    answer = door.ask(method, path, f"Bearer {door.token('nobody')}")
    own = action in ("token:create", "token:read", "token:revoke", "user:write")
    assert (answer.status_code == 403) is not own


def test_a_role_in_one_environment_opens_the_door(client: Callable[..., Any], database: Database) -> None:
    """Whoever may do it somewhere is let through to the room, which asks for the very environment."""
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
