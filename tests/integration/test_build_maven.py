"""The maven recipe with real Maven, where this machine has a repository with the plug-ins that it takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from building import Builder, assert_nothing_matters
from repositories import Made

from clearway import artifacts
from clearway.build import Jars
from clearway.build.ports import FakePackages
from clearway.integrations.bubblewrap import make_sandbox
from clearway.integrations.maven_repository import Mirror
from clearway.storage import Blobs

LOCAL = Path(os.environ.get("CLEARWAY_TEST_M2", str(Path.home() / ".m2" / "repository")))
PLUGINS = {"resources": "3.3.1", "compiler": "3.13.0", "surefire": "3.2.5", "jar": "3.4.2"}
_HERE = LOCAL / "org/apache/maven/plugins"
MISSING = [
    f"maven-{name}-plugin {version}"
    for name, version in PLUGINS.items()
    if not (_HERE / f"maven-{name}-plugin" / version / f"maven-{name}-plugin-{version}.jar").exists()
]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("sandbox"),
    pytest.mark.skipif(shutil.which("mvn") is None, reason="no Maven"),
    pytest.mark.skipif(bool(MISSING), reason=f"{LOCAL} (or CLEARWAY_TEST_M2) lacks {', '.join(MISSING)}"),
]

_PLUGIN = "<plugin><artifactId>maven-{}-plugin</artifactId><version>{}</version></plugin>"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.example</groupId><artifactId>greeter</artifactId><version>1.2.0</version>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies><dependency>
    <groupId>org.junit.jupiter</groupId><artifactId>junit-jupiter</artifactId><version>5.10.2</version>
    <scope>test</scope>
  </dependency></dependencies>
  <build><plugins>{"".join(_PLUGIN.format(*each) for each in PLUGINS.items())}</plugins></build>
</project>
"""
PROJECT = {
    "clearway.yaml": "service: shop\nversion: 1.2.0\nbuild: {recipe: maven}\n",
    "pom.xml": POM,
    "src/main/java/dev/Greeter.java": "package dev; public class Greeter {"
    ' public static String hello() { return "hello"; } }\n',
    "src/test/java/dev/GreeterTest.java": "package dev; import org.junit.jupiter.api.Test;"
    " class GreeterTest { @Test void says() {"
    ' org.junit.jupiter.api.Assertions.assertEquals("hello", Greeter.hello()); } }\n',
}
# As docs/how-to/build-maven.md says it.
LOCK = (
    "find . -type f \\( -name '*.jar' -o -name '*.pom' \\) | LC_ALL=C sort | xargs sha256sum"
    ' > "$OLDPWD/clearway-maven.lock"'
)


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Made as the guide says, with this machine's own repository as the one that is asked."""
    folder = tmp_path_factory.mktemp("maven")
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    mirror = f"<mirror><id>here</id><mirrorOf>*</mirrorOf><url>{LOCAL.as_uri()}</url></mirror>"
    (folder / "settings.xml").write_text(f"<settings><mirrors>{mirror}</mirrors></settings>")
    words = ["mvn", "--batch-mode", "-s", "settings.xml", "-Dmaven.repo.local=.lock-repository", "verify"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"{LOCAL} cannot build the example: {done.stdout[-500:]}")
    subprocess.run(["sh", "-c", f"cd .lock-repository && {LOCK}"], cwd=folder, timeout=60, check=True)
    return (folder / "clearway-maven.lock").read_text()


def _builder(place: Path, made: Made, mode: str = "auto") -> Builder:
    place.mkdir(parents=True, exist_ok=True)
    builder = Builder(place, str(made.root), make_sandbox(mode), FakePackages(place / "p"))
    builder.database.tools[Jars] = Mirror(place / "jars", LOCAL.as_uri())
    return builder


@pytest.fixture
def made(tmp_path: Path, lock: str) -> Made:
    made = Made(tmp_path / "repository")
    made.commit({**PROJECT, "clearway-maven.lock": lock})
    return made


def test_a_jar_is_built_offline_and_twice_the_same(made: Made, tmp_path: Path) -> None:
    """From locked files alone, in a sandbox; named by its coordinates; tests are counted."""
    builder = _builder(tmp_path / "one", made)
    done = builder.run()
    assert (done.status, done.reproduced) == ("succeeded", True), builder.log(done.id)
    assert [(each.name, each.type, each.purl) for each in done.artifacts] == [
        ("greeter-1.2.0.jar", "jar", "pkg:maven/dev.example/greeter@1.2.0")
    ]
    assert done.tests == {"ok": True, "passed": 1, "failed": 0, "skipped": 0, "total": 1}
    with (
        builder.database.tool(Blobs).open(done.artifacts[0].digest) as stream,
        zipfile.ZipFile(stream) as jar,
    ):
        assert "dev/Greeter.class" in jar.namelist()
        assert len({each.date_time for each in jar.infolist()}) == 1
    with builder.database.read() as uow:
        page = artifacts.evidence(uow, done.artifacts[0].digest)
    told = str([dict(each.statement) for each in page])
    assert "pkg:maven/org.junit.jupiter/junit-jupiter@5.10.2" in told


def test_a_jar_is_the_same_whatever_is_otherwise(made: Made, tmp_path: Path) -> None:
    """Maven's archiver takes its times from the project, and its order from nobody's disk."""
    builder = _builder(tmp_path / "one", made)
    assert_nothing_matters(builder.reproduce(builder.run(twice=False)))


def test_a_plain_process_elsewhere_makes_the_same_jar(made: Made, tmp_path: Path) -> None:
    """Path, user and home leave no trace."""
    found = set()
    for place, mode in (("one", "auto"), ("another/deeper/folder", "plain")):
        builder = _builder(tmp_path / place, made, mode)
        done = builder.run(twice=False)
        assert done.status == "succeeded", builder.log(done.id)
        found.add(done.artifacts[0].digest)
    assert len(found) == 1


def test_what_the_lock_leaves_out_is_not_there(made: Made, tmp_path: Path, lock: str) -> None:
    """Although the repository of this machine has it."""
    made.commit(
        {"clearway-maven.lock": "".join(line for line in lock.splitlines(True) if "junit" not in line)}
    )
    builder = _builder(tmp_path / "one", made)
    done = builder.run(twice=False)
    assert done.status == "failed"
    assert "missing in clearway-maven.lock" in (done.error or "")


def test_without_a_lock_nothing_is_fetched(made: Made, tmp_path: Path) -> None:
    """The guide that tells how to make one is named."""
    made.git("rm", "-q", "clearway-maven.lock")
    made.git("commit", "-qm", "feat: no lock")
    done = _builder(tmp_path / "one", made).run(twice=False)
    assert "build-maven.md" in (done.error or "")
