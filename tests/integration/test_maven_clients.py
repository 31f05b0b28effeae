"""Real Maven deploys and consumes, and curl reads, by the commands of the guide as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import make_database
from defusedxml.ElementTree import fromstring
from servers import serving

from clearway import access, artifacts, catalog
from clearway.access import UserDocument
from clearway.faces import maven
from clearway.kernel import SYSTEM, by_kind, load_documents
from clearway.storage import Blobs, Database, FileBlobs

LOCAL = Path(os.environ.get("CLEARWAY_TEST_M2", str(Path.home() / ".m2" / "repository")))
PLUGINS = {
    "clean": "3.4.1",
    "resources": "3.3.1",
    "compiler": "3.13.0",
    "surefire": "3.2.5",
    "jar": "3.4.2",
    "install": "3.1.3",
    "deploy": "3.1.3",
}
_HERE = LOCAL / "org/apache/maven/plugins"
MISSING = [
    f"maven-{name}-plugin {version}"
    for name, version in PLUGINS.items()
    if not (_HERE / f"maven-{name}-plugin" / version / f"maven-{name}-plugin-{version}.jar").exists()
]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("mvn") is None, reason="no Maven"),
    pytest.mark.skipif(bool(MISSING), reason=f"{LOCAL} (or CLEARWAY_TEST_M2) lacks {', '.join(MISSING)}"),
]
GUIDE = Path(__file__).parents[2] / "docs/how-to/use-maven.md"
_PLUGIN = "<plugin><artifactId>maven-{}-plugin</artifactId><version>{}</version></plugin>"


def pom(artifact: str, version: str, more: str = "") -> str:
    return f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>dev.example</groupId><artifactId>{artifact}</artifactId><version>{version}</version>
  <properties><maven.compiler.release>17</maven.compiler.release>
  <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>{more}
  <build><plugins>{"".join(_PLUGIN.format(*each) for each in PLUGINS.items())}</plugins></build></project>"""


@dataclass
class Place:
    """A served registry, and a folder with a project."""

    folder: Path
    url: str
    token: str
    database: Database
    asked: list[tuple[str, str]]

    def write(self, version: str, text: str = "hello") -> None:
        """A library of this version."""
        (self.folder / "pom.xml").write_text(pom("greeter", version))
        source = self.folder / "src/main/java/dev/Greeter.java"
        source.parent.mkdir(parents=True, exist_ok=True)
        body = f'public static String hello() {{ return "{text}"; }}'
        source.write_text(f"package dev; public class Greeter {{ {body} }}")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A command of the guide; Maven with the guide's settings and this machine's copy of Central."""
        command = command.replace("mvn ", "mvn -s settings.xml -Dmaven.repo.local=local-repository ")
        variables = {**os.environ, "CLEARWAY": self.url, "TOKEN": self.token}
        return subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def guide() -> str:
    return GUIDE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def command(guide: str) -> Callable[[str], str]:
    blocks = re.findall(r"```sh\n(.*?)```", guide, re.S)

    def find(start: str) -> str:
        (found,) = [each for each in blocks if each.startswith(start)]
        return str(found)

    return find


@pytest.fixture
def place(tmp_path: Path, guide: str) -> Iterator[Place]:
    tools: dict[type[Any], Any] = {Blobs: FileBlobs(tmp_path / "blobs")}
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC), tools=tools)
    (document,) = re.findall(r"```yaml\n(.*?)```", guide, re.S)
    with database.begin() as uow:
        access.apply(uow, SYSTEM, [UserDocument(name="dev", roles=["developer"])])
        text = "kind: Team\nname: storefront\n---\n" + document
        documents = load_documents(text, "p.yaml", by_kind(catalog.KINDS))
        catalog.apply(uow, SYSTEM, [each for each, _ in documents])
    with database.begin() as uow:
        actor = access.TokenActor("dev", actions=access.ACTIONS)
        token = access.create_token(uow, actor).secret
    folder = tmp_path / "project"
    folder.mkdir()
    (ours,) = re.findall(r"```xml\n(<settings>.*?)```", guide, re.S)
    central = f"<mirror><id>here</id><mirrorOf>central</mirrorOf><url>{LOCAL.as_uri()}</url></mirror>"
    mirrors = f"<mirrors>{central}</mirrors></settings>"
    (folder / "settings.xml").write_text(ours.replace("</settings>", mirrors))
    asked: list[tuple[str, str]] = []
    app = maven.create_app(database)

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        asked.append((scope["method"], scope["path"].rpartition("/")[2]))
        await app(scope, receive, send)

    with serving(listening) as url:
        yield Place(folder, url, token, database, asked)
    database.dispose()


def _use(place: Place, guide: str, version: str, *, want: str) -> None:
    """Another project takes the library from the registry, into a repository that never saw it."""
    (repositories,) = re.findall(r"```xml\n(<repositories>.*?)```", guide, re.S)
    dependency = f"<groupId>dev.example</groupId><artifactId>greeter</artifactId><version>{version}</version>"
    more = f"<dependencies><dependency>{dependency}</dependency></dependencies>"
    strict = "<{0}><checksumPolicy>fail</checksumPolicy></{0}>"
    ours = repositories.replace("http://127.0.0.1:8800", place.url)
    policies = strict.format("releases") + strict.format("snapshots")
    more += ours.replace("</url></repository>", f"</url>{policies}</repository>")
    shutil.rmtree(place.folder / "local-repository/dev", ignore_errors=True)
    shutil.rmtree(place.folder / "src")
    (place.folder / "pom.xml").write_text(pom("shop", "1.0", more))
    source = place.folder / "src/main/java/dev/Shop.java"
    source.parent.mkdir(parents=True)
    body = "public static void main(String[] all) { System.out.println(Greeter.hello()); }"
    source.write_text(f"package dev; public class Shop {{ {body} }}")
    done = place.run("mvn --batch-mode -llr clean package")
    assert done.returncode == 0, done.stdout[-3000:]
    jar, *_ = (place.folder / "local-repository/dev/example/greeter").rglob("greeter-*[0-9T].jar")
    classes = f"{place.folder / 'target/classes'}:{jar}"
    run = subprocess.run(["java", "-cp", classes, "dev.Shop"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == want


def test_a_snapshot_is_deployed_again_and_used(
    place: Place, command: Callable[[str], str], guide: str
) -> None:
    """Twelve PUTs a deployment; the second build is the one that others get, and the first stays."""
    for number, text in ((1, "first"), (2, "second")):
        place.write("1.1-SNAPSHOT", text)
        place.asked.clear()
        done = place.run(command("mvn"))
        assert done.returncode == 0, done.stdout[-3000:]
        puts = [name for method, name in place.asked if method == "PUT"]
        assert len(puts) == 12, puts
        with place.database.read() as uow:
            files = artifacts.files_of(uow, "store-maven", "dev.example:greeter", "1.1-SNAPSHOT")
        assert len(files) == 2 * number
    _use(place, guide, "1.1-SNAPSHOT", want="second")


def test_a_release_is_deployed_once_used_and_read(
    place: Place, command: Callable[[str], str], guide: str
) -> None:
    """Other bytes under its version are refused in words that Maven shows; a version range finds it."""
    place.write("1.0")
    done = place.run(command("mvn"))
    assert done.returncode == 0, done.stdout[-3000:]
    done = place.run(command("curl"))
    assert done.returncode == 0, done.stderr
    assert fromstring(done.stdout).findtext("versioning/release") == "1.0"
    assert (place.folder / "greeter-1.0.pom").read_bytes() == (place.folder / "pom.xml").read_bytes()
    place.write("1.0", "changed")
    done = place.run(command("mvn"))
    assert done.returncode != 0
    assert "409" in done.stdout
    _use(place, guide, "[1.0,2)", want="hello")


def test_a_wrong_token_is_told(place: Place, command: Callable[[str], str]) -> None:
    """Nothing is deployed with a token that is none."""
    place.write("1.0")
    place.token = "cwy_none_none"
    done = place.run(command("mvn"))
    assert done.returncode != 0
    assert "401" in done.stdout
    with place.database.read() as uow:
        assert not artifacts.packages_in(uow, "store-maven").items
