"""The Packages port: the real one, and the fake."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import pytest

from clearway.build import Packages
from clearway.build.ports import FakePackages, Wheel
from clearway.integrations.python_packages import PythonPackages
from clearway.integrations.python_packages.installed import closure, pack
from clearway.kernel import Permanent, sha256

pytestmark = pytest.mark.integration


@pytest.fixture(params=["real", "fake"])
def packages(request: pytest.FixtureRequest, tmp_path: Path) -> Packages:
    if request.param == "real":
        return PythonPackages(tmp_path / "wheelhouse")
    path = tmp_path / "pluggy-1.0-py3-none-any.whl"
    path.write_bytes(b"wheel")
    return FakePackages(
        tmp_path / "env", {"pluggy": Wheel("pluggy", "1.0", path, sha256(b"wheel"), "installed")}
    )


def provide(packages: Packages, *requirements: str, prefer_installed: bool = True) -> tuple[Wheel, ...]:
    return packages.provide(
        requirements, prefer_installed=prefer_installed, write=lambda data: None, watch=lambda: None
    )


def test_a_wheel_lies_under_its_digest(packages: Packages) -> None:
    """The digest is that of the bytes, and the same requirement gives the same wheel."""
    (wheel,) = provide(packages, "pluggy")
    assert wheel.name == "pluggy"
    assert sha256(wheel.path.read_bytes()) == wheel.digest
    assert provide(packages, "pluggy") == (wheel,)


def test_no_requirements_are_no_wheels(packages: Packages) -> None:
    """And an environment of nothing is a folder."""
    assert provide(packages) == ()
    assert packages.environment(()).is_dir()


def test_what_cannot_be_had_is_permanent(packages: Packages) -> None:
    """The message names it."""
    with pytest.raises(Permanent, match="clearway-no-such-package"):
        provide(packages, "clearway-no-such-package @ https://127.0.0.1:9/x.whl")


def test_the_same_wheels_are_the_same_environment(packages: Packages) -> None:
    """Made once, whoever asks."""
    wheels = provide(packages, "pluggy")
    assert packages.environment(wheels) == packages.environment(tuple(reversed(wheels)))


@pytest.fixture
def house(tmp_path: Path) -> PythonPackages:
    return PythonPackages(tmp_path / "wheelhouse")


def test_the_backend_needs_no_network(house: PythonPackages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hatchling and all it needs come from what is installed; its command runs from the environment."""
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("nothing is fetched"))
    wheels = provide(house, "hatchling>=1.27", 'nothing; python_version < "3"')
    monkeypatch.undo()
    assert {"hatchling", "packaging", "pathspec", "pluggy"} <= {wheel.name for wheel in wheels}
    assert {wheel.origin for wheel in wheels} == {"installed"}
    place = house.environment(wheels)
    done = subprocess.run(
        [sys.executable, "-S", str(place / "bin/hatchling"), "version", "--help"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place / "site")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_an_installed_package_packs_to_a_wheel_that_pip_takes(house: PythonPackages, tmp_path: Path) -> None:
    """Same bytes each time, a valid record, and nothing of this machine inside."""
    (wheel,) = provide(house, "pluggy")
    again = PythonPackages(tmp_path / "other")
    assert provide(again, "pluggy")[0].digest == wheel.digest
    with zipfile.ZipFile(wheel.path) as archive:
        names = archive.namelist()
        assert not [name for name in names if "__pycache__" in name or name.endswith("direct_url.json")]
        assert names == sorted(names)
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*words, "--target", str(tmp_path / "t"), str(wheel.path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_changed_installed_package_is_not_used() -> None:
    """Its files must be what its record says."""
    package = metadata.distribution("pluggy")
    assert pack(package) is not None

    class Changed(metadata.PathDistribution):
        """The same package, with one file that somebody edited."""

        @property
        def files(self) -> list[metadata.PackagePath] | None:
            found = list(super().files or [])
            for each in found:
                if each.name == "METADATA" and each.hash:
                    each.hash.value = "A" * 43
            return found

    assert pack(Changed(package._path)) is None  # type: ignore[attr-defined]


def test_what_is_installed_in_another_version_is_not_taken() -> None:
    """The requirement decides, also those of requirements; an editable install never counts."""
    from packaging.requirements import Requirement

    assert closure([Requirement("pluggy>=999")]) is None
    assert closure([Requirement("hatchling"), Requirement("pluggy<0.1")]) is None
    assert closure([Requirement("clearway")]) is None
    assert [each.metadata["Name"] for each in closure([Requirement("pluggy")]) or ()] == ["pluggy"]


@pytest.mark.parametrize("bad", ["", "--index-url=http://x", "a b", "../x", "-r/etc/passwd"])
def test_a_requirement_is_never_an_option(house: PythonPackages, bad: str) -> None:
    """pip sees names and versions, nothing that it would take for itself."""
    with pytest.raises(Permanent, match="not a requirement"):
        provide(house, bad, prefer_installed=False)


def test_a_source_package_is_refused_not_run(
    house: PythonPackages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetching runs no code: what has no wheel cannot be had, whatever its setup.py would do."""
    links = tmp_path / "links"
    project = tmp_path / "evil-1.0"
    project.mkdir()
    links.mkdir()
    (project / "setup.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')\n")
    (project / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: evil\nVersion: 1.0\n")
    import tarfile

    with tarfile.open(links / "evil-1.0.tar.gz", "w:gz") as archive:
        archive.add(project, "evil-1.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    with pytest.raises(Permanent, match="as wheels"):
        provide(house, "evil", prefer_installed=False)
    assert not (tmp_path / "owned").exists()


def test_wheels_are_fetched_with_all_they_need(
    house: PythonPackages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip resolves; each file is kept by digest with its origin. A folder stands for the index."""
    links = tmp_path / "links"
    links.mkdir()
    maker = PythonPackages(tmp_path / "maker")
    for wheel in provide(maker, "jinja2"):
        (links / wheel.path.name).write_bytes(wheel.path.read_bytes())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    wheels = provide(house, "Jinja2", prefer_installed=False)
    assert [(wheel.name, wheel.origin) for wheel in wheels] == [("jinja2", "index"), ("markupsafe", "index")]
    with pytest.raises(Permanent, match="no-such"):
        provide(house, "no-such-thing-here", prefer_installed=False)


class Index(http.server.BaseHTTPRequestHandler):
    """A simple index with one package, for who knows the password."""

    files: ClassVar[dict[str, bytes]] = {}
    suffix: ClassVar[str] = ""

    def do_GET(self) -> None:
        known = base64.b64encode(b"bob:hunter2").decode()
        if self.headers.get("Authorization") != f"Basic {known}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.end_headers()
            return
        name = self.path.rstrip("/").rpartition("/")[2].partition("?")[0]
        body = self.files.get(name)
        if body is None:
            links = [
                f'<a href="/files/{each}{self.suffix}#sha256={hashlib.sha256(data).hexdigest()}">{each}</a>'
                for each, data in self.files.items()
                if each.startswith(name.replace("-", "_"))
            ]
            body = "".join(links).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if body.startswith(b"<") else "application/zip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    wheels = provide(PythonPackages(tmp_path / "maker"), "jinja2")
    Index.files = {wheel.path.name: wheel.path.read_bytes() for wheel in wheels}
    Index.suffix = ""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://bob:hunter2@{address}/simple/")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield address
    server.shutdown()
    server.server_close()


def test_a_fetched_wheel_says_where_it_was_without_a_password(house: PythonPackages, index: str) -> None:
    """The place is for the provenance, which everybody reads."""
    wheels = provide(house, "jinja2", prefer_installed=False)
    assert [wheel.name for wheel in wheels] == ["jinja2", "markupsafe"]
    for wheel in wheels:
        assert wheel.location == f"http://{index}/files/{wheel.path.name}"


def test_an_index_cannot_ask_for_our_variables(
    house: PythonPackages, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip would fill in from the environment is no part of an address."""
    monkeypatch.setenv("SECRET", "s3cret")
    Index.suffix = "?x=${SECRET}"
    with pytest.raises(Permanent, match="an address of markupsafe that is none"):
        provide(house, "markupsafe", prefer_installed=False)


def hostile_wheel(place: Path, member: str, entry_points: str = "") -> Wheel:
    info = "evil-1.0.dist-info"
    files = {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points,
        member: "owned",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    path = place / "evil-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return Wheel("evil", "1.0", path, sha256(path.read_bytes()), "index")


@pytest.mark.parametrize(
    ("member", "entry_points"),
    [
        ("../../../escaped", ""),
        ("evil-1.0.data/scripts/../../../escaped", ""),
        ("evil-1.0.data/data/../../escaped", ""),
        ("{root}/escaped", ""),
        ("evil.py", "[console_scripts]\n../../escaped = evil:main\n"),
    ],
)
def test_a_wheel_cannot_write_outside(
    house: PythonPackages, tmp_path: Path, member: str, entry_points: str
) -> None:
    """The service's own wheel is its author's word too, and it is unpacked by us."""
    into = tmp_path / "a/b/c"
    into.mkdir(parents=True)
    with pytest.raises(Permanent, match="cannot be installed"):
        house.environment([hostile_wheel(tmp_path, member.format(root=tmp_path), entry_points)], into)
    assert not [path for path in tmp_path.rglob("*") if path.name == "escaped"]
