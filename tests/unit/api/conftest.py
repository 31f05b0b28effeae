"""The API over a real database with real rooms."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from answers import Free, Held
from databases import make_database
from house import House
from servers import Settings

from clearway import access
from clearway.access import UserDocument
from clearway.api import create_app
from clearway.api.middleware import MAX_BODY
from clearway.artifacts import Signer
from clearway.artifacts.ports import MemorySigner
from clearway.config import Cipher, FakeCipher
from clearway.kernel import SYSTEM, Actor
from clearway.ledger import NoteSigner, load_or_create_key
from clearway.storage import Blobs, Database, FileBlobs

PEOPLE = [
    UserDocument(name="admin", roles=["admin"]),
    UserDocument(name="dev", roles=["developer"]),
    UserDocument(name="vic", roles=["viewer"]),
    UserDocument(name="audra", roles=["auditor"]),
    UserDocument(name="nobody"),
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    tools: dict[type[Any], Any] = {
        Cipher: FakeCipher(),
        Blobs: FileBlobs(tmp_path / "blobs"),
        Signer: MemorySigner(),
    }
    tools[NoteSigner] = load_or_create_key(tmp_path / "ledger.key")
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC), tools=tools)
    with database.begin() as uow:
        access.apply(uow, SYSTEM, PEOPLE)
    yield database
    database.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[None]:
    """Holds the lock that a running worker holds."""
    with (tmp_path / "worker.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


Client = Callable[..., Held]


@pytest.fixture
def token(database: Database) -> Callable[..., str]:
    def make(name: str, *scopes: str) -> str:
        with database.begin() as uow:
            return access.create_token(uow, Actor(name), scopes=scopes or ("*",)).secret

    return make


@pytest.fixture
def client(database: Database, settings: Settings, token: Callable[..., str]) -> Iterator[Client]:
    """`client("dev")` is a browserless dev; `client(None)` shows no token."""
    made: list[Held] = []

    def make(name: str | None = "admin", *scopes: str, max_body: int = MAX_BODY, held: bool = True) -> Held:
        app = create_app(database, settings, max_body=max_body)
        headers = {"Authorization": f"Bearer {token(name, *scopes)}"} if name else {}
        made.append((Held if held else Free)(app, headers=headers, raise_server_exceptions=False))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def house_client(house: House, tmp_path: Path) -> Iterator[Callable[..., Held]]:
    """Clients of the API over a whole house, by who asks."""
    app = create_app(house.database, Settings(tmp_path))
    made: list[Held] = []

    def make(name: str, *environments: str) -> Held:
        with house.database.begin() as uow:
            token = access.create_token(uow, Actor(name), environments=environments or None)
        headers = {"Authorization": f"Bearer {token.secret}"}
        made.append(Held(app, headers=headers, raise_server_exceptions=False))
        return made[-1]

    yield make
    for each in made:
        each.close()
