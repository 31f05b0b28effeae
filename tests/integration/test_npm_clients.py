"""Real clients of npm packages: the commands of the guide, as they stand there, and a suite of others."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import make_database
from servers import serving

from clearway import access, catalog
from clearway.access import UserDocument
from clearway.faces import npm
from clearway.kernel import SYSTEM, Actor, by_kind, load_documents
from clearway.storage import Blobs, Database, FileBlobs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed"),
]
GUIDE = Path(__file__).parents[2] / "docs/how-to/use-npm.md"
TOOLS = ("pnpm@12.21.0", "@yarnpkg/cli-dist@4.18.1", "@verdaccio/e2e-cli@4.0.1")
OPEN = "{kind: Registry, name: open, format: npm, anonymous: read}"
FIRST, PASSWORD = "a first long word", "a long word of their own"


@dataclass
class Place:
    """A served registry and a project's folder."""

    folder: Path
    url: str
    token: str
    database: Database
    tools: str = ""  # a folder with further clients

    def run(self, command: str, folder: str = "project") -> subprocess.CompletedProcess[str]:
        """A command of the guide."""
        (self.folder / folder).mkdir(exist_ok=True)
        return subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder / folder,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def variables(self) -> dict[str, str]:
        """The environment of a client."""
        kept = {name: value for name, value in os.environ.items() if not name.lower().startswith("npm_")}
        return {
            **kept,
            "CLEARWAY": self.url,
            "HOST": self.url.removeprefix("http:"),
            "TOKEN": self.token,
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "HOME": str(self.folder),  # this machine's own .npmrc has no say
            "npm_config_cache": str(self.folder / "cache"),
            "npm_config_update_notifier": "false",
            "npm_config_fund": "false",
            "XDG_DATA_HOME": str(self.folder / "data"),
        }

    def well(self, command: str, folder: str = "project") -> str:
        """What a command that must do its work wrote."""
        done = self.run(command, folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def version(self, version: str, **more: Any) -> None:
        """Give the project a version."""
        described = {"name": "@shop/prices", "version": version, "main": "index.js", "license": "MIT", **more}
        (self.folder / "project/package.json").write_text(json.dumps(described))


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The further clients, from the machine's own registry of npm packages."""
    folder = tmp_path_factory.mktemp("tools")
    words = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *TOOLS]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, cwd=folder)
    if done.returncode != 0:
        pytest.skip(f"{', '.join(TOOLS)} cannot be installed here: {done.stderr[-200:]}")
    return str(folder / "node_modules/.bin")


def at_the_root(app: Any) -> Any:
    """The suite of others looks for a registry at the root of a host: there it finds the one called open."""

    async def rooted(scope: Any, receive: Any, send: Any) -> None:
        if not scope["path"].startswith("/npm/"):
            scope = {**scope, "path": "/npm/open" + scope["path"]}
        await app(scope, receive, send)

    return rooted


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    kept: dict[type[Any], Any] = {Blobs: FileBlobs(tmp_path / "blobs")}
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC), tools=kept)
    (document,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    with database.begin() as uow:
        people = [UserDocument(name=name, roles=["developer", "admin"]) for name in ("dev", "other")]
        access.apply(uow, SYSTEM, people)
        documents = load_documents(
            f"kind: Team\nname: storefront\n---\n{OPEN}\n---\n{document}", "p.yaml", by_kind(catalog.KINDS)
        )
        catalog.apply(uow, SYSTEM, [each for each, _ in documents])
    with database.begin() as uow:
        token = access.create_token(uow, access.TokenActor("dev", actions=access.ACTIONS)).secret
    folder = tmp_path / "home"
    (folder / "project").mkdir(parents=True)
    (folder / "project/index.js").write_text("module.exports = 7\n")
    with serving(at_the_root(npm.create_app(database))) as url:
        # a client that leaves the loopback's number alone would take it for another host
        made = Place(folder, url.replace("127.0.0.1", "localhost"), token, database)
        made.version("1.0.0")
        yield made
    database.dispose()


@pytest.fixture(scope="module")
def command() -> Callable[[str], str]:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)

    def find(start: str) -> str:
        (found,) = [each for each in blocks if each.startswith(start)]
        return str(found)

    return find


def typed(place: Place, command: str, name: str, password: str) -> int:
    """The exit code of a login, when somebody at a terminal answers as they are asked."""
    ours, theirs = pty.openpty()
    words = ["bash", "-ec", command]
    with subprocess.Popen(
        words, cwd=place.folder, env=place.variables(), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        asked, seen, deadline = [(b"Username:", name), (b"Password:", password)], b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                seen += os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if asked and asked[0][0] in seen:
                os.write(ours, asked.pop(0)[1].encode() + b"\n")
                seen = b""
        os.close(ours)
        return process.wait(30)


def signed_in(place: Place, command: Callable[[str], str]) -> None:
    place.well(command("npm config"))
    (place.folder / "user").mkdir()
    (place.folder / "user/package.json").write_text('{"name": "user", "version": "1.0.0"}')
    shutil.copy(place.folder / "project/.npmrc", place.folder / "user")


def test_npm_publishes_installs_tags_deprecates_and_unpublishes(
    place: Place, command: Callable[[str], str]
) -> None:
    """The guide from its beginning to its end."""
    signed_in(place, command)
    assert place.well(command("npm whoami")).strip() == "dev"
    place.well(command("npm publish"))
    assert place.run(command("npm publish")).returncode != 0
    place.version("2.0.0")
    place.well(command("npm publish"))
    place.well(command("npm install"), "user")
    assert place.well("node -p 'require(\"@shop/prices\")'", "user").strip() == "7"
    lock = json.loads((place.folder / "user/package-lock.json").read_text())
    assert lock["packages"]["node_modules/@shop/prices"]["version"] == "2.0.0"
    place.well("rm -rf node_modules && npm ci && npm audit", "user")
    place.well(command("npm dist-tag"))
    assert json.loads(place.well("npm view @shop/prices dist-tags --json"))["stable"] == "1.0.0"
    place.well(command("npm deprecate"))
    assert place.well("npm view @shop/prices@1.0.0 deprecated").strip() == "use 2.0"
    assert "@shop/prices" in place.well("npm search --json prices")
    place.well("npm unpublish @shop/prices@2.0.0 --force")
    assert json.loads(place.well("npm view @shop/prices versions --json")) in ("1.0.0", ["1.0.0"])
    place.well(command("npm unpublish"))
    assert "404" in place.run("npm view @shop/prices").stderr


def test_npm_login_takes_a_password_and_logout_ends_the_token(place: Place) -> None:
    """With the prompts answered; a wrong password is told."""
    with place.database.begin() as uow:
        access.set_password(uow, Actor("other"), "dev", FIRST)
        access.set_password(uow, Actor("dev"), "dev", PASSWORD, current=FIRST)
    registry = "--registry $CLEARWAY/npm/store-js/"
    login = f"npm login --auth-type=legacy {registry}"
    assert typed(place, login, "dev", "wrong") != 0
    assert typed(place, login, "dev", PASSWORD) == 0
    assert place.well(f"npm whoami {registry}").strip() == "dev"
    place.well(f"npm logout {registry}")
    assert place.run(f"npm whoami {registry}").returncode != 0


def test_a_wrong_token_is_told(place: Place, command: Callable[[str], str]) -> None:
    """Nobody publishes or installs with a token that is none."""
    place.token = "cwy_none_none"
    signed_in(place, command)
    assert "401" in place.run(command("npm publish")).stderr
    assert "401" in place.run(command("npm install"), "user").stderr


def test_pnpm_publishes_and_installs(place: Place, command: Callable[[str], str], tools: str) -> None:
    """With the same .npmrc."""
    place.tools = tools
    signed_in(place, command)
    place.well(command("pnpm publish"))
    place.well(command("pnpm add"), "user")
    assert place.well("node -p 'require(\"@shop/prices\")'", "user").strip() == "7"


def test_yarn_publishes_and_installs(place: Place, command: Callable[[str], str], tools: str) -> None:
    """With a .yarnrc.yml."""
    place.tools = tools
    (place.folder / ".yarnrc.yml").write_text(
        f"npmRegistryServer: {place.url}/npm/store-js\nnpmAuthToken: {place.token}\n"
        "unsafeHttpWhitelist: [localhost]\nnodeLinker: node-modules\nenableTelemetry: false\n"
        "npmMinimalAgeGate: 0\nenableImmutableInstalls: false\n"
    )
    (place.folder / "project/yarn.lock").touch()
    place.well("yarn install && yarn npm publish")
    (place.folder / "user").mkdir()
    (place.folder / "user/package.json").write_text('{"name": "user", "version": "1.0.0"}')
    (place.folder / "user/yarn.lock").touch()
    place.well(command("yarn add"), "user")
    assert place.well("node -p 'require(\"@shop/prices\")'", "user").strip() == "7"


@pytest.mark.parametrize(
    ("client", "without"),
    [
        (
            "npm",
            ["package-names"],
        ),  # it publishes a name with capitals, which npm does not take for new packages
        ("pnpm", ["package-names"]),
        # the last two fetch plug-ins that not every source of packages has
        ("yarn-modern", ["package-names", "login", "deprecate", "ping"]),
    ],
)
def test_the_suite_that_registries_are_tested_with(
    place: Place, tools: str, client: str, without: list[str]
) -> None:
    """@verdaccio/e2e-cli, also with the checks that it knows others to fail."""
    place.tools = tools
    program = {"npm": "npm", "pnpm": "pnpm", "yarn-modern": "yarn"}[client]
    where = shutil.which(program, path=f"{tools}:{os.environ['PATH']}")
    skipped = " ".join(f"--skip-test {each}" for each in without)
    done = place.run(
        f"E2E_PENDING_CONTRACT_CHECKS=true verdaccio-e2e --registry {place.url} --token {place.token}"
        f" --pm {client}={where} --timeout 120000 {skipped}"
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "0 failed" in done.stdout
