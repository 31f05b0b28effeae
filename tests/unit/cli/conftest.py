"""The command line against a real server on a real database."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from databases import make_database
from house import House
from servers import Settings, serving

from clearway import access
from clearway.access import UserDocument
from clearway.api import create_app
from clearway.artifacts import Signer
from clearway.artifacts.ports import MemorySigner
from clearway.cli import main
from clearway.config import Cipher, FakeCipher
from clearway.kernel import SYSTEM, Actor
from clearway.ledger import NoteSigner, load_or_create_key
from clearway.storage import Blobs, Database, FileBlobs


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON; nothing else may be on it."""
        return json.loads(self.out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[Database]:
    tools: dict[type[Any], Any] = {
        Cipher: FakeCipher(),
        Blobs: FileBlobs(folder / "blobs"),
        Signer: MemorySigner(),
        NoteSigner: load_or_create_key(folder / "ledger.key"),
    }
    database = make_database(folder, clock=lambda: datetime.now(UTC), tools=tools)
    with database.begin() as uow:
        people = [UserDocument(name="admin", roles=["admin"]), UserDocument(name="vic", roles=["viewer"])]
        access.apply(uow, SYSTEM, people)
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def address(database: Database, folder: Path) -> Iterator[str]:
    # The server runs in this process: its log must not be taken for the command's output.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with serving(create_app(database, Settings(folder))) as address:
        yield address
    structlog.reset_defaults()


@pytest.fixture
def token(database: Database) -> Callable[[str], str]:
    def make(name: str) -> str:
        with database.begin() as uow:
            return access.create_token(uow, Actor(name)).secret

    return make


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, and no other profile in sight."""
    for name in ("CLEARWAY_URL", "CLEARWAY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLEARWAY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command, without any server known."""

    def call(*arguments: str) -> Done:
        capfd.readouterr()
        code = main(arguments)
        found = capfd.readouterr()
        return Done(code, found.out, found.err)

    return call


@pytest.fixture
def cli(
    run: Callable[..., Done], address: str, token: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Run a command as admin, against the server."""
    monkeypatch.setenv("CLEARWAY_URL", address)
    monkeypatch.setenv("CLEARWAY_TOKEN", token("admin"))
    return run


@pytest.fixture
def by(
    house: House, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """`by("rita", "status")`: a command as a person."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    tokens: dict[str, str] = {}

    def call(name: str, *arguments: str) -> Any:
        if name not in tokens:
            with house.database.begin() as uow:
                tokens[name] = access.create_token(uow, Actor(name)).secret
        monkeypatch.setenv("CLEARWAY_TOKEN", tokens[name])
        return run(*arguments)

    with serving(create_app(house.database, Settings(house.folder))) as address:
        monkeypatch.setenv("CLEARWAY_URL", address)
        yield call
    structlog.reset_defaults()
