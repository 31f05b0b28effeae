"""One request by one person: who they are, what they may do, what they sent, and how to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from jinja2 import Environment
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from clearway import access, catalog
from clearway.kernel import Actor
from clearway.storage import Database, UnitOfWork

SEEN = "X-Clearway-Seen"

# Where the menu leads: address, words, and the permission that the page needs.
MAIN = (
    ("/", "What runs where", "platform:read"),
    ("/approvals", "Approvals", "promotion:read"),
    ("/promotions", "Promotions", "promotion:read"),
    ("/releases", "Releases", "release:read"),
    ("/builds", "Builds", "build:read"),
    ("/incidents", "Incidents", "incident:read"),
    ("/figures", "Metrics", "metrics:read"),
    ("/audit", "Audit", "ledger:read"),
)
MORE = (
    ("/environments", "Environments", "platform:read"),
    ("/repositories", "Repositories", "platform:read"),
    ("/registries", "Registries", "artifact:read"),
    ("/configuration", "Configuration", "config:read"),
    ("/calendar", "Calendar", "platform:read"),
    ("/people", "People and tokens", "platform:read"),
    ("/trace", "Trace", "release:read"),
    ("/where", "Where a change runs", "release:read"),
)


@dataclass(frozen=True)
class Nav:
    """The menu of one person: only what they may open."""

    main: tuple[tuple[str, str], ...] = ()
    more: tuple[tuple[str, str], ...] = ()


class Visit:
    """What a page's handler is given."""

    def __init__(
        self, request: Request, principal: access.Principal | None = None, csrf: str = "", form: Any = None
    ) -> None:
        self.request = request
        self.principal = principal
        self.csrf = csrf
        self.form: FormData | Mapping[str, Any] = form or {}
        self.database: Database = request.app.state.database
        self.nav = Nav()

    @property
    def actor(self) -> Actor:
        """Who asks."""
        if self.principal is None:
            raise LookupError("nobody is signed in on this page")
        return self.principal.actor

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str | None:
        """A value of the query; an empty one is none."""
        return self.request.query_params.get(name, "").strip() or None

    def said(self, name: str, most: int = 2000) -> str:
        """A value of the form, trimmed and cut."""
        value = self.form.get(name, "")
        return value.strip()[:most] if isinstance(value, str) else ""

    @property
    def partial(self) -> bool:
        """Whether only the moving part of the page was asked for."""
        return "HX-Request" in self.request.headers

    def may(self, uow: UnitOfWork, action: str, **where: Any) -> bool:
        """Whether this person may do it there."""
        return access.may(uow, self.actor, action, **where).allowed

    def places(self, uow: UnitOfWork, action: str) -> frozenset[str]:
        """The environments in which this person may do it."""
        found = catalog.environments(uow)
        return frozenset(each.name for each in found if self.may(uow, action, environment=each.name))

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page, or its moving part; 204 when that is what the browser shows already."""
        text = self.render(template, **values)
        if not self.partial:
            return HTMLResponse(text, status)
        mark = sha256(text.encode()).hexdigest()[:24]
        if self.request.headers.get(SEEN) == mark:
            return Response(status_code=204)
        return HTMLResponse(text, status, {SEEN: mark})

    def render(self, template: str, **values: Any) -> str:
        """A template as text."""
        pages: Environment = self.request.app.state.pages
        return pages.get_template(template).render(visit=self, path=self.request.url.path, **values)

    def go(self, path: str, told: str = "") -> Response:
        """On to another page after something was done; `told` is said there once."""
        answer = RedirectResponse(path, 303)
        if told:
            answer.set_cookie("clearway_told", _quiet(told), max_age=60, httponly=True, samesite="lax")
        return answer

    @property
    def told(self) -> str:
        """What the last page wanted to be said here."""
        return bytes.fromhex(_hex(self.request.cookies.get("clearway_told", ""))).decode(errors="replace")


def _quiet(text: str) -> str:
    return text.encode()[:600].hex()


def _hex(text: str) -> str:
    return text if len(text) % 2 == 0 and all(each in "0123456789abcdef" for each in text) else ""


def nav_of(uow: UnitOfWork, actor: Actor) -> Nav:
    """The menu of whoever asks."""
    answers: dict[str, bool] = {}
    places = [None, *(each.name for each in catalog.environments(uow))]

    def may(action: str) -> bool:
        if action not in answers:
            answers[action] = any(access.may(uow, actor, action, environment=each).allowed for each in places)
        return answers[action]

    kept = [tuple((href, name) for href, name, needs in part if may(needs)) for part in (MAIN, MORE)]
    return Nav(kept[0], kept[1])


def allowed_somewhere(uow: UnitOfWork, actor: Actor, action: str) -> None:
    """Returns when the actor may do it in at least one environment. Raises Refused."""
    if access.may(uow, actor, action).allowed:
        return
    for environment in catalog.environments(uow):
        if access.may(uow, actor, action, environment=environment.name).allowed:
            return
    access.require(uow, actor, action)
