"""The pages over a house of real rooms; people come in by the door, with a token or a password."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import make_database
from servers import Settings
from showcase import Showcase

from clearway import access, web
from clearway.kernel import SYSTEM, Actor
from clearway.web.guard import COOKIE

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

URL = "http://clearway.example"


class Browser(TestClient):
    """A browser without JavaScript."""

    def form(self, page: str, action: str, **fields: str) -> object:
        """Open a page and send one of its forms."""
        text = self.get(page).text
        found = re.search(r'name="csrf" value="([^"]+)"', text)
        assert found, f"{page} has no form"
        return self.post(action, data={"csrf": found.group(1), **fields})


Open = Callable[..., Browser]


def browser(house: Showcase, name: str | None, *scopes: str) -> Browser:
    """Somebody's browser, signed in with a token; `None` is nobody's."""
    made = Browser(
        web.create_app(house.database, Settings(house.folder)), base_url=URL, raise_server_exceptions=False
    )
    if name:
        with house.database.begin() as uow:
            token = access.create_token(uow, Actor(name), scopes=scopes or ("*",)).secret
        made.cookies.set(COOKIE, token)
    return made


@pytest.fixture(scope="session")
def arrive() -> Open:
    """`arrive(house, "rita")` is rita before any house."""
    return browser


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    """Shared, so tests only look at it."""
    house = Showcase(tmp_path_factory.mktemp("showcase")).fill()
    with house.database.begin() as uow:
        access.apply(uow, SYSTEM, [access.UserDocument(name="nobody")])
    yield house
    house.database.dispose()


@pytest.fixture
def look(filled: Showcase) -> Iterator[Open]:
    """`look("rita")` is rita before the shared house."""
    made: list[Browser] = []

    def make(name: str | None = "rita", *scopes: str) -> Browser:
        made.append(browser(filled, name, *scopes))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Showcase]:
    """One of one's own, with a release that waits for uat."""
    house = Showcase(tmp_path)
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(5, 5.0)
    yield house
    house.database.dispose()


@pytest.fixture
def visit(house: Showcase) -> Iterator[Open]:
    """`visit("rita")` is rita before one's own house."""
    made: list[Browser] = []

    def make(name: str | None = "rita", *scopes: str) -> Browser:
        made.append(browser(house, name, *scopes))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Browser]:
    """The first administrator before a house in which nothing is declared."""
    database = make_database(tmp_path)
    with database.begin() as uow:
        token = access.bootstrap(uow)
    assert token
    made = Browser(web.create_app(database, Settings(tmp_path)), base_url=URL)
    made.cookies.set(COOKIE, token)
    yield made
    made.close()
    database.dispose()
