"""The same commands work on software that nobody here wrote."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import System
from tests.journeys.platforms import git, one_environment

# Debian 12's Python 3.11.2 has no extraction filters yet; later ones ask for one.
SAFELY: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

pytestmark = [pytest.mark.journey, pytest.mark.integration]

PACKAGE = "pypiserver==2.4.2"


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pypiserver's source distribution, as its makers published it, in a git repository of one commit."""
    folder = tmp_path_factory.mktemp("pypiserver")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        ":all:",
        "-d",
        str(folder),
    ]
    done = subprocess.run([*command, PACKAGE], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the source distribution of {PACKAGE} cannot be fetched: {done.stderr.strip()[-200:]}")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder / "unpacked", **SAFELY)
    source = next((folder / "unpacked").iterdir())
    git(source, "init", "-q", "-b", "main")
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "feat: import pypiserver 2.4.2")
    git(source, "tag", "v2.4.2")
    return source


def test_pypiserver_goes_from_init_to_prod(system: System, repository: Path, tmp_path: Path) -> None:
    """init, build, release, promote: and pip installs from it through the router afterwards."""
    system.up()
    packages = tmp_path / "uploaded"
    assert "pypiserver" in system.cli("init", cwd=repository).stdout
    _open_for_uploads(repository / "clearway.yaml", packages)
    git(repository, "add", "clearway.yaml")
    git(repository, "commit", "-q", "-m", "build: say how to build and run it")
    git(repository, "tag", "-f", "v2.4.2")
    platform = tmp_path / "platform.yaml"
    platform.write_text(one_environment("pypiserver", repository, "{kind: rolling, surge: 1}"))
    system.cli("apply", str(platform), "--yes")
    system.cli("build", "pypiserver", "--ref", "v2.4.2")
    system.cli("release", "pypiserver", "2.4.2")
    system.cli("promote", "pypiserver", "2.4.2", "--to", "prod", "--reason", "first", "--wait")
    with system.client() as client:
        row = next(r for r in client.get("/v1/overview").json()["services"] if r["service"] == "pypiserver")
    cell = row["environments"]["prod"]
    assert cell["version"] == "2.4.2"
    address = str(cell["address"]).rstrip("/")
    target = tmp_path / "target"
    _publish(tmp_path, address)
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target), "--no-deps"]
    command += ["--index-url", f"{address}/simple/", "--isolated", "demo-from-clearway"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (target / "demo_from_clearway.py").exists()


def _open_for_uploads(file: Path, packages: Path) -> None:
    """What only its owner knows: without these words pypiserver takes uploads from nobody."""
    packages.mkdir()
    proposed = file.read_text()
    words = proposed[proposed.index("command: [") :].partition("]")[0]
    file.write_text(proposed.replace(words, f"{words}, -P, ., -a, ., {packages}", 1))


def _publish(folder: Path, address: str) -> None:
    """Build a tiny wheel and upload it with twine, as a person would."""
    project = folder / "project"
    project.mkdir()
    (project / "demo_from_clearway.py").write_text("ANSWER = 42\n")
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "demo-from-clearway"\nversion = "1.0"\n'
    )
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w"]
    subprocess.run([*build, str(project / "dist"), str(project)], check=True, capture_output=True)
    wheel = next((project / "dist").glob("*.whl"))
    upload = [sys.executable, "-m", "twine", "upload", "--repository-url", address + "/"]
    upload += ["-u", "any", "-p", "any", "--non-interactive", str(wheel)]
    deadline = time.monotonic() + 20
    while True:
        done = subprocess.run(upload, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0 or time.monotonic() > deadline:
            break
    assert done.returncode == 0, done.stdout + done.stderr
