"""The Target port: one suite for processes of this machine and for the fake."""

from __future__ import annotations

import contextlib
import os
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from services import make_bundle, wait_until

from clearway.deploy.launch import free_port
from clearway.deploy.ports import FakeTarget, Launch, Target
from clearway.integrations.local import LocalTarget
from clearway.kernel import Permanent, Retry


@pytest.fixture(params=["local", "fake"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    target = LocalTarget(tmp_path / "local") if request.param == "local" else FakeTarget()
    yield target
    target.stop("ins_1", 0.2)


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    digest, _ = make_bundle(tmp_path, "1.0.0")
    port = free_port(set())
    variables = {"PORT": str(port), "CLEARWAY_VERSION": "1.0.0"}
    return Launch("ins_1", digest, ("python", "-m", "tiny_main"), port, variables)


def healthy(target: Target, launch: Launch) -> bool:
    return target.observe(launch.instance_id, launch.port, "/healthz").healthy


def test_it_starts_once_is_seen_and_ends(target: Target, launch: Launch, tmp_path: Path) -> None:
    """Install, start, observe and stop: each a second time does nothing more."""
    for _ in range(2):
        target.install(launch.bundle_digest, make_bundle(tmp_path, "1.0.0")[1])
    target.start(launch)
    wait_until(lambda: healthy(target, launch), "it to be healthy")
    seen = target.observe("ins_1", launch.port, "/healthz")
    target.start(launch)
    assert target.observe("ins_1", launch.port, "/healthz") == seen
    for _ in range(2):
        target.stop("ins_1", 2.0)
        assert not target.observe("ins_1", launch.port, "/healthz").alive


def test_what_is_not_installed_does_not_start(target: Target, launch: Launch) -> None:
    """Permanent: trying again changes nothing."""
    with pytest.raises(Permanent):
        target.start(launch)


def test_what_never_started_is_not_alive(target: Target, launch: Launch) -> None:
    """A look at nothing is an answer, no error."""
    seen = target.observe("ins_1", launch.port, "/healthz")
    assert not seen.alive
    assert not seen.healthy
    assert seen.detail


def local(tmp_path: Path) -> LocalTarget:
    return LocalTarget(tmp_path / "local")


def test_another_object_finds_the_process_and_cannot_start_it_twice(tmp_path: Path, launch: Launch) -> None:
    """The lock says that it lives: a restarted Clearway adopts it, and two starts make one process."""
    local(tmp_path).install(launch.bundle_digest, make_bundle(tmp_path, "1.0.0")[1])
    local(tmp_path).start(launch)
    try:
        first = local(tmp_path).observe("ins_1", launch.port, "/healthz").pid
        local(tmp_path).start(launch)
        assert first == local(tmp_path).observe("ins_1", launch.port, "/healthz").pid
    finally:
        local(tmp_path).stop("ins_1", 2.0)


def test_a_console_script_of_the_bundle_can_be_the_command(tmp_path: Path, launch: Launch) -> None:
    """What the wheels install is on the path, and nothing is fetched."""
    target = local(tmp_path)
    target.install(launch.bundle_digest, make_bundle(tmp_path, "1.0.0")[1])
    try:
        target.start(Launch("ins_1", launch.bundle_digest, ("tiny-server",), launch.port, launch.variables))
        wait_until(lambda: healthy(target, launch), "it to be healthy")
    finally:
        target.stop("ins_1", 2.0)


def test_a_program_that_is_nowhere_is_named(tmp_path: Path, launch: Launch) -> None:
    """Permanent, with the program's name."""
    target = local(tmp_path)
    target.install(launch.bundle_digest, make_bundle(tmp_path, "1.0.0")[1])
    with pytest.raises(Permanent, match="no-such-program"):
        target.start(Launch("ins_1", launch.bundle_digest, ("no-such-program",), launch.port, {}))


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path, launch: Launch) -> None:
    """stop returns when it is gone, its children too."""
    target = local(tmp_path)
    target.install(launch.bundle_digest, make_bundle(tmp_path, "1.0.0")[1])
    program = "import signal,subprocess,time;signal.signal(15,signal.SIG_IGN);subprocess.run(['sleep','600'])"
    target.start(Launch("ins_1", launch.bundle_digest, ("python", "-c", program), launch.port, {}))
    assert target.observe("ins_1", launch.port, "/").alive
    target.stop("ins_1", 0.2)
    assert not target.observe("ins_1", launch.port, "/").alive


@pytest.mark.parametrize("text", [b"no tar at all", b""])
def test_a_broken_bundle_leaves_no_install(tmp_path: Path, launch: Launch, text: bytes) -> None:
    """Complete or not at all."""
    target = local(tmp_path)
    (tmp_path / "broken").write_bytes(text)
    with pytest.raises(Permanent):
        target.install(launch.bundle_digest, tmp_path / "broken")
    assert list(target.installs.iterdir()) == []


def test_a_wheel_that_writes_outside_its_folder_is_refused_by_name(tmp_path: Path, launch: Launch) -> None:
    """A hostile wheel is no surprise: Permanent, naming the wheel; nothing is left or written elsewhere."""
    wheel = tmp_path / "evil-1.0-py3-none-any.whl"
    record = "../../escaped.txt,,\nevil-1.0.dist-info/WHEEL,,\nevil-1.0.dist-info/RECORD,,\n"
    about = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("../../escaped.txt", "here")
        archive.writestr("evil-1.0.dist-info/WHEEL", about)
        archive.writestr("evil-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        archive.writestr("evil-1.0.dist-info/RECORD", record)
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        archive.add(wheel, arcname=wheel.name)
    target = local(tmp_path)
    with pytest.raises(Permanent, match=r"evil-1\.0-py3-none-any\.whl cannot be installed"):
        target.install(launch.bundle_digest, tmp_path / "evil.tar")
    assert list(target.installs.iterdir()) == []
    assert not list(tmp_path.rglob("escaped.txt"))


def test_a_bundle_with_a_broken_wheel_is_never_installable(tmp_path: Path) -> None:
    """Permanent, with its reason, so that nobody tries it for ever."""
    (tmp_path / "app-1.0.0-py3-none-any.whl").write_bytes(b"no zip at all")
    with tarfile.open(tmp_path / "bundle.tar", "w") as archive:
        archive.add(tmp_path / "app-1.0.0-py3-none-any.whl", "app-1.0.0-py3-none-any.whl")
    target = local(tmp_path)
    with pytest.raises(Permanent, match=r"app-1\.0\.0-py3-none-any\.whl cannot be installed"):
        target.install("sha256:" + "0" * 64, tmp_path / "bundle.tar")
    assert list(target.installs.iterdir()) == []


def test_a_full_disk_while_installing_is_told_and_leaves_nothing(
    tmp_path: Path, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry: with space it works."""
    target = local(tmp_path)
    bundle = make_bundle(tmp_path, "1.0.0")[1]
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(Retry, match="full"):
            target.install(launch.bundle_digest, bundle)
    assert list(target.installs.iterdir()) == []
    target.install(launch.bundle_digest, bundle)


def test_a_full_disk_while_starting_is_told(tmp_path: Path, launch: Launch) -> None:
    """The launcher cannot write its files (here a folder stands in the way): Retry, and nothing runs."""
    target = local(tmp_path)
    target.install(launch.bundle_digest, make_bundle(tmp_path, "1.0.0")[1])
    (target.instances / "ins_1" / "log").mkdir(parents=True)
    with pytest.raises(Retry):
        target.start(launch)
    assert not target.observe("ins_1", launch.port, "/healthz").alive


def test_a_file_that_was_changed_on_disk_is_replaced_before_it_runs(tmp_path: Path, launch: Launch) -> None:
    """The bytes that run are those that were installed: edited, added and lost files are found and said."""
    target, bundle = local(tmp_path), make_bundle(tmp_path, "1.0.0")[1]
    assert target.install(launch.bundle_digest, bundle) == ""
    (place,) = target.installs.iterdir()
    program = place / "site" / "tiny.py"
    honest = program.read_text()
    assert program.stat().st_mode & 0o222 == 0
    assert target.install(launch.bundle_digest, bundle) == ""
    program.chmod(0o644)
    program.write_text(honest.replace("serving", "stealing"))
    (place / "site" / "sitecustomize.py").write_text("print('me too')")
    said = target.install(launch.bundle_digest, bundle)
    assert "site/tiny.py" in said
    assert "site/sitecustomize.py" in said
    assert program.read_text() == honest
    assert not (place / "site" / "sitecustomize.py").exists()
    assert target.install(launch.bundle_digest, bundle) == ""
    assert [each.name for each in target.installs.iterdir()] == [place.name]


def test_an_install_without_a_record_is_made_anew(tmp_path: Path, launch: Launch) -> None:
    """What an older Clearway installed is not trusted, and nobody is blamed for it."""
    target, bundle = local(tmp_path), make_bundle(tmp_path, "1.0.0")[1]
    target.install(launch.bundle_digest, bundle)
    next(target.records.iterdir()).unlink()
    assert target.install(launch.bundle_digest, bundle) == ""
    assert len(list(target.records.iterdir())) == 1


def test_a_service_that_dribbles_is_not_healthy(
    tmp_path: Path, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then keeps nobody waiting: one look has one deadline."""
    from clearway.integrations.local import target as module

    monkeypatch.setattr(module, "HEALTH_S", 0.3)
    target, stop = local(tmp_path), threading.Event()
    target.install(launch.bundle_digest, make_bundle(tmp_path, "1.0.0")[1])
    with socket.create_server(("127.0.0.1", 0)) as server:

        def dribble() -> None:
            with server.accept()[0] as client, contextlib.suppress(OSError):
                client.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not stop.wait(0.05):
                    client.sendall(b"x")

        thread = threading.Thread(target=dribble)
        thread.start()
        target.start(Launch("ins_1", launch.bundle_digest, ("sleep", "600"), 1, {}))
        try:
            seen = target.observe("ins_1", server.getsockname()[1], "/healthz")
        finally:
            stop.set()
            thread.join(10)
            target.stop("ins_1", 0.5)
    assert (seen.alive, seen.healthy) == (True, False)
    assert "does not answer" in seen.detail
