"""Source packages that nobody here wrote, made into services of one commit each."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from building import Builder, Steps
from repositories import Made

from clearway import build
from clearway.build.flows import run_reproduction
from clearway.integrations.bubblewrap import Bubblewrap
from clearway.integrations.fetch import HttpFetcher
from clearway.integrations.python_packages import PythonPackages
from clearway.kernel import SYSTEM


@dataclass(frozen=True)
class Npm:
    """One of npm's registry, by its bytes."""

    name: str
    version: str
    integrity: str  # "sha512-BASE64"

    def fetch(self, folder: Path) -> Path:
        """The published tarball, with its digest checked."""
        folder.mkdir(parents=True, exist_ok=True)
        words = ["npm", "pack", "--silent", "--ignore-scripts", f"{self.name}@{self.version}"]
        subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=300)
        (path,) = folder.glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
        assert self.integrity == f"sha512-{digest}", path.name
        return path


@dataclass(frozen=True)
class Package:
    """One of an index, by its bytes."""

    name: str
    version: str
    sha256: str

    def fetch(self, folder: Path) -> Path:
        """The source distribution, with its digest checked."""
        folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        words += ["--disable-pip-version-check", "--dest", str(folder), f"{self.name}=={self.version}"]
        subprocess.run(words, check=True, capture_output=True, timeout=300)
        (path,) = folder.glob("*.tar.gz")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256, path.name
        return path


_PINNED = json.loads(Path(__file__).with_name("packages.json").read_text(encoding="utf-8"))
PACKAGES = tuple(Package(**each) for each in _PINNED["pypi"])
NPM = tuple(Npm(**each) for each in _PINNED["npm"])


@dataclass(frozen=True)
class Row:
    """What came out, for the table in the documentation."""

    package: str
    backend: str
    kind: str  # "wheel", "sdist" or "npm tarball"
    twice: bool | None  # the same bytes when built twice with nothing otherwise
    verdict: str  # with everything otherwise
    causes: tuple[str, ...]
    rebuilds: int
    seconds: float


WORDS = {
    "identical": "bit-identical",
    "equivalent": "equivalent after normalisation",
    "different": "different",
}


def table(rows: Sequence[Row]) -> str:
    """The rows for the documentation."""
    lines = [
        "| package | built by | makes | twice | with everything otherwise | cause |",
        "|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda each: (each.kind, each.package)):
        twice = "same bytes" if row.twice else "differs"
        causes = ", ".join(f"`{each}`" for each in row.causes)
        lines.append(
            f"| {row.package} | `{row.backend}` | {row.kind} | {twice} | {WORDS[row.verdict]} | {causes} |"
        )
    return "\n".join(lines) + "\n"


@dataclass
class Tried:
    """One build and its reproduction."""

    folder: Path
    wheelhouse: Path
    package: Package | Npm

    def npm(self) -> Row:
        """By the node recipe, from what was published: with its dependencies, without what only made it."""
        made = Made(self.folder / "repository")
        with tarfile.open(self.package.fetch(self.folder / "published")) as stream:
            stream.extractall(self.folder / "unpacked", filter="data")
        (top,) = (self.folder / "unpacked").iterdir()
        for path in top.iterdir():
            path.rename(made.root / path.name)
        told = json.loads((made.root / "package.json").read_text(encoding="utf-8"))
        for key in ("devDependencies", "scripts", "optionalDependencies", "packageManager", "workspaces"):
            told.pop(key, None)
        (made.root / "package.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        lock = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(lock, cwd=made.root, check=True, capture_output=True, timeout=300)
        text = "service: shop\nbuild: {recipe: node}\n"
        (made.root / "clearway.yaml").write_text(text, encoding="utf-8")
        made.git("add", "--all", "--force")
        made.commit({})
        return self.tried(made, "npm pack", "npm tarball", ".tgz")

    def source(self, extra: dict[str, str]) -> tuple[Made, str]:
        """A repository with the package's files, and the name of its backend."""
        archive = self.package.fetch(self.folder / "sdist")
        made = Made(self.folder / "repository")
        with tarfile.open(archive) as stream:
            stream.extractall(self.folder / "unpacked", filter="data")
        (top,) = (self.folder / "unpacked").iterdir()
        for path in top.iterdir():
            path.rename(made.root / path.name)
        known = {}
        if (made.root / "pyproject.toml").exists():
            known = tomllib.loads((made.root / "pyproject.toml").read_text(encoding="utf-8"))
        system = known.get("build-system", {})
        for name, text in extra.items():
            (made.root / name).write_text(text, encoding="utf-8")
        made.git("add", "--all", "--force")
        made.commit({})
        return made, system.get("build-backend", "setuptools.build_meta:__legacy__")

    def wheel(self) -> Row:
        """By the python recipe, as a service would be built."""
        text = f"service: shop\nversion: '{self.package.version}'\nbuild: {{recipe: python}}\n"
        made, backend = self.source({"clearway.yaml": text})
        return self.tried(made, backend, "wheel", ".whl")

    def sdist(self) -> Row:
        """By a script that calls the backend, which is committed beside it."""
        steps = (
            "service: shop\nbuild:\n  recipe: script\n  outputs: [made/*.tar.gz]\n  steps:\n"
            "    - {name: sdist, run: [python3, .clearway-sdist.py]}\n"
        )
        made, backend = self.source({"clearway.yaml": steps, ".clearway-sdist.py": SDIST})
        self.vendor(made.root)
        made.git("add", "--all", "--force")
        made.commit({})
        return self.tried(made, backend, "sdist", ".tar.gz")

    def vendor(self, root: Path) -> None:
        """What the backend needs, beside the package, so that the build needs no network."""
        known = {}
        if (root / "pyproject.toml").exists():
            known = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        wanted = known.get("build-system", {}).get("requires", ["setuptools"])
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(root.parent / "vendor")]
        subprocess.run(
            [*words, "--no-compile", "--only-binary", ":all:", "--disable-pip-version-check", *wanted],
            check=True,
            capture_output=True,
            timeout=300,
        )
        (root.parent / "vendor").rename(root / ".clearway-vendor")

    def tried(self, made: Made, backend: str, kind: str, end: str) -> Row:
        """Build, reproduce, and say what came out."""
        sandbox = Bubblewrap()
        packages, fetcher = PythonPackages(self.wheelhouse), HttpFetcher(self.wheelhouse / "npm")
        system = Builder(self.folder, str(made.root), sandbox, packages, fetcher=fetcher)
        done = system.run()
        assert done.status == "succeeded", system.log(done.id)[-3000:]
        with system.database.begin() as uow:
            asked = build.request_reproduction(uow, SYSTEM, build_id=done.id)
        run_reproduction(system.database, Steps(), asked.id)
        with system.database.read() as uow:
            found = build.reproduction(uow, asked.id)
        assert found.status == "done", found.error
        (output,) = [each for each in found.report["outputs"] if each["name"].endswith(end)]
        return Row(
            f"{self.package.name} {self.package.version}",
            backend,
            kind,
            done.reproduced,
            output["verdict"],
            tuple(each["name"] for each in found.report["causes"])
            if output["verdict"] != "identical"
            else (),
            len(found.report["rebuilds"]),
            round(sum(each["seconds"] for each in found.report["rebuilds"]), 1),
        )


SDIST = """import importlib, os, sys, tomllib
os.rename(".clearway-vendor", "../tmp/vendor")
sys.path.insert(0, os.path.abspath("../tmp/vendor"))
os.environ["PYTHONPATH"] = sys.path[0]
os.remove("clearway.yaml")
os.remove(".clearway-sdist.py")
known = tomllib.load(open("pyproject.toml", "rb")) if os.path.exists("pyproject.toml") else {}
table = known.get("build-system", {})
sys.path[:0] = [os.path.abspath(each) for each in table.get("backend-path", [])]
name, _, rest = table.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
backend = importlib.import_module(name)
for part in filter(None, rest.split(".")):
    backend = getattr(backend, part)
os.makedirs("../out/made")
print(backend.build_sdist(os.path.abspath("../out/made"), {}))
os.rename("../out/made", "made")
"""
