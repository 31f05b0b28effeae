"""Real clients of Python packages: the commands of the guide, as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
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
from clearway.faces import pypi
from clearway.kernel import SYSTEM, by_kind, load_documents
from clearway.storage import Blobs, Database, FileBlobs

pytestmark = pytest.mark.integration
GUIDE = Path(__file__).parents[2] / "docs/how-to/use-pypi.md"
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop-prices"
version = "1.0"
requires-python = ">=3.8"

[tool.hatch.build.targets.wheel]
packages = ["shop_prices"]
"""


@dataclass
class Place:
    """A served registry and a project's folder with its distributions."""

    folder: Path
    url: str
    token: str
    database: Database

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A command of the guide."""
        bin_folder = Path(sys.executable).parent
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
        variables = {
            **kept,
            "CLEARWAY": self.url,
            "HOST": self.url.removeprefix("http://"),
            "TOKEN": self.token,
            "PATH": f"{bin_folder}:/usr/bin:/bin",
            "PIP_CONFIG_FILE": os.devnull,  # this machine's own index has no say
            "UV_NO_CONFIG": "1",
            "HOME": str(self.folder),
        }
        words = ["bash", "-ec", command]
        return subprocess.run(
            words, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel and an sdist that a real backend made."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "shop_prices").mkdir()
    (folder / "shop_prices/__init__.py").write_text("PRICE = 7\n")
    script = "from hatchling import build as b; b.build_wheel('dist'); b.build_sdist('dist')"
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True, timeout=60)
    return folder / "dist"


@pytest.fixture
def place(tmp_path: Path, distributions: Path) -> Iterator[Place]:
    tools: dict[type[Any], Any] = {Blobs: FileBlobs(tmp_path / "blobs")}
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC), tools=tools)
    (document,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
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
    shutil.copytree(distributions, folder / "dist")
    with serving(pypi.create_app(database)) as url:
        yield Place(folder, url, token, database)
    database.dispose()


@pytest.fixture(scope="module")
def command() -> Callable[[str], str]:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)

    def find(start: str) -> str:
        (found,) = [each for each in blocks if each.startswith(start)]
        return str(found)

    return find


@pytest.mark.parametrize("publish", ["twine upload", "uv publish"])
def test_what_one_client_publishes_every_client_installs(
    place: Place, command: Callable[[str], str], publish: str
) -> None:
    """twine and uv publish, pip and uv install; the same again is well."""
    for _ in range(2):
        done = place.run(command(publish))
        assert done.returncode == 0, done.stdout + done.stderr
    if publish == "uv publish":  # the sdist: without its wheel it would need a network for the backend
        done = place.run("pip download --no-deps --no-build-isolation --no-cache-dir -d got --index-url"
                         " http://__token__:$TOKEN@$HOST/pypi/store-python/simple/ shop-prices")  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        with tarfile.open(place.folder / "got/shop_prices-1.0.tar.gz") as archive:
            assert "shop_prices-1.0/shop_prices/__init__.py" in archive.getnames()
        return
    for start, folder in (("pip install", "from-pip"), ("uv pip install", "from-uv")):
        done = place.run(command(start))
        assert done.returncode == 0, done.stdout + done.stderr
        assert (place.folder / folder / "shop_prices/__init__.py").read_text() == "PRICE = 7\n"


def test_other_bytes_under_a_released_name_are_refused_in_words(
    place: Place, command: Callable[[str], str]
) -> None:
    """twine shows why."""
    assert place.run(command("twine upload")).returncode == 0
    (wheel,) = (place.folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("x", "y")
    done = place.run(command("twine upload"))
    assert done.returncode != 0
    assert "409" in done.stdout + done.stderr


def test_a_wrong_token_is_told(place: Place, command: Callable[[str], str]) -> None:
    """Nobody publishes or installs with a token that is none."""
    place.token = "cwy_none_none"
    for start in ("twine upload", "uv publish", "pip install", "uv pip install"):
        done = place.run(command(start))
        assert done.returncode != 0
    assert "401" in place.run(command("twine upload")).stdout
