"""Recipes that mean harm. Each ends with a clear state, and leaves a clean host: in every real sandbox."""

from __future__ import annotations

import base64
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from building import Builder, script_service
from repositories import Made

from clearway import build
from clearway.build.ports import FakePackages, Limits
from clearway.integrations.bubblewrap import Bubblewrap, Container, make_sandbox
from clearway.kernel import SYSTEM

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("sandbox")]

LIMITS = Limits(
    seconds=60, memory_bytes=512 << 20, processes=60, file_bytes=1 << 30, disk_bytes=96 << 20, entries=20_000
)
SECRET = "correct-horse-battery-staple"


class Scene:
    """A machine with a recipe on it, and what a look at the machine tells afterwards."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.mode = mode
        self.made = Made(folder / "repository")
        self.builder = Builder(folder, str(self.made.root), make_sandbox(mode), FakePackages(folder / "p"))
        self.builder.workshop = replace(self.builder.workshop, limits=LIMITS, log_bytes=1 << 20)
        self.builder.database.tools[build.Workshop] = self.builder.workshop
        self.before = self.seen()

    def run(self, code: str, *, outputs: str = "[out.txt]", extra: str = "") -> build.Build:
        """A build of one step that runs this Python; then the host must be clean."""
        script_service(
            self.made,
            f"  - {{name: evil, run: [python, evil.py]{extra}}}\n",
            outputs=outputs,
            files={"evil.py": code, "in.txt": "x"},
        )
        done = self.builder.run(twice=False)
        assert self.seen() == self.before
        assert os.listdir(self.builder.workshop.root / done.id) in (["log.txt"], ["log.gz"])
        assert done.status in ("succeeded", "failed")
        assert done.finished_at is not None
        return done

    def seen(self) -> dict[str, list[str]]:
        """Our processes, mounts, control groups and temporary folders."""
        children = psutil.Process().children(recursive=True)
        own = f"clearway-container-{os.getpid()}-"
        mounts = Path("/proc/self/mounts").read_text(errors="surrogateescape").splitlines()
        groups = Path("/sys/fs/cgroup")
        return {
            "processes": [str(each) for each in children if each.status() != psutil.STATUS_ZOMBIE],
            "mounts": [each for each in mounts if own in each or str(self.builder.workshop.root) in each],
            "groups": [
                str(each)
                for name in (own, f"clearway-job-{os.getpid()}-")
                for each in (*groups.glob(f"{name}*"), *groups.glob(f"*/{name}*"))
            ],
            "folders": [str(each) for each in Path(tempfile.gettempdir()).glob(f"{own}*")],
        }


@pytest.fixture(params=["bubblewrap", "container", "plain"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    """Every mode: limits, output files and the clean end hold in all of them."""
    return _scene(request.param, tmp_path)


@pytest.fixture(params=["bubblewrap", "container"])
def apart(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    """The modes that promise to keep builds apart."""
    return _scene(request.param, tmp_path)


def _scene(mode: str, folder: Path) -> Scene:
    if mode != "plain" and (reason := (Container() if mode == "container" else Bubblewrap()).usable()):
        pytest.skip(f"{mode} cannot be used here: {reason}")
    return Scene(folder, mode)


# It stops by itself: a machine on which the limit does not hold must survive its test.
BOMB = """
import os, time
for generation in range(8):
    try:
        os.fork()
    except OSError:
        time.sleep(0.05)
time.sleep(60)
"""


def test_a_fork_bomb(scene: Scene) -> None:
    """It reaches its limit, is told so, and every one of its processes is gone."""
    done = scene.run(BOMB)
    assert done.status == "failed"
    assert "ran more than 60 processes" in (done.error or "")


def test_a_disk_filler(scene: Scene) -> None:
    """With many files, each of them small: all of them count, and what it wrote is removed."""
    done = scene.run("for n in range(10**9):\n    open(f'f{n}', 'wb').write(bytes(1 << 20))\n")
    assert done.status == "failed"
    assert "more than 96 MiB" in (done.error or "")


def test_a_filler_of_empty_files_in_silence(scene: Scene) -> None:
    """Files cost more than bytes; closing the output hides nothing."""
    code = "import os, time\nos.close(1); os.close(2)\nfor n in range(10**9):\n"
    code += "    n % 1000 or os.mkdir(f'd{n // 1000}')\n    open(f'd{n // 1000}/f{n}', 'wb').close()\n"
    done = scene.run(code)
    assert done.status == "failed"
    assert "20000 files" in (done.error or "")


def test_a_filler_that_is_quick_and_deep(scene: Scene) -> None:
    """It ends before anybody looks, with folders deeper than a path can be long."""
    code = "import os\nfor n in range(3000):\n    os.mkdir('d' * 20); os.chdir('d' * 20)\n"
    code += "for n in range(200):\n    open(f'f{n}', 'wb').write(bytes(1 << 20))\n"
    done = scene.run(code)
    assert done.status == "failed"
    assert "more than 96 MiB" in (done.error or "")


def test_a_log_without_end(scene: Scene) -> None:
    """10 GB of log and more: it is stopped at the log's size, which holds whole lines."""
    done = scene.run("import sys\nwhile True:\n    sys.stdout.write('x' * 99 + '\\n')\n")
    assert done.status == "failed"
    assert "of log" in (done.error or "")
    log = scene.builder.log(done.id)
    assert len(log) <= 1 << 21
    assert f"{'x' * 99}\n" in log


DAEMON = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        null = os.open('/dev/null', os.O_RDWR)
        for each in (0, 1, 2):
            os.dup2(null, each)
        open('daemon', 'w').write('runs')
        time.sleep(600)
    os._exit(0)
while not os.path.exists('daemon'):
    time.sleep(0.01)
open('out.txt', 'w').write('made')
"""


def test_a_daemon_that_left_its_parents(scene: Scene) -> None:
    """Twice forked, in a session of its own, deaf to signals: it ends with the step, which did well."""
    done = scene.run(DAEMON)
    assert (done.status, done.error) == ("succeeded", None)


@pytest.mark.parametrize(
    ("code", "outputs"),
    [
        ("os.symlink('/etc/passwd', 'out.txt')", "[out.txt]"),
        ("os.symlink('/etc', 'deep')", "[deep/passwd]"),
        ("os.symlink('/proc/self/environ', 'out.txt')", "[out.txt]"),
        ("os.mkfifo('out.txt')", "[out.txt]"),
        ("os.chdir('..'); os.rename('source', 'x'); os.symlink('/etc', 'source')", "[passwd]"),
        ("os.link('/usr/bin/env', 'out.txt')", "[out.txt]"),
    ],
    ids=["link", "link to a folder", "link to a process", "pipe", "the folder itself", "hard link"],
)
def test_an_output_that_leaves_the_bench(apart: Scene, code: str, outputs: str) -> None:
    """What is no plain file of the bench is no output, whichever way it got its name."""
    done = apart.run(f"import os\n{code}\n", outputs=outputs)
    assert (done.status, done.artifacts) == ("failed", ())


def test_two_names_of_one_file_are_two_outputs(scene: Scene) -> None:
    """A hard link inside the bench is copied, not followed anywhere: the bytes are the bench's own."""
    code = "import os\nopen('a.txt', 'w').write('own')\nos.link('a.txt', 'out.txt')\n"
    done = scene.run(code, outputs="[a.txt, out.txt]")
    assert done.status == "succeeded"
    assert len({each.digest for each in done.artifacts}) == 1


READ = """
import os, sys
open('out.txt', 'w').write('looked')
found = []
for path in {paths!r}:
    for each in (path, '/proc/1/root' + path, '/build/..' + path, '/proc/self/cwd/../..' + path):
        try:
            found.append(open(each, 'rb').read(20))
        except OSError:
            pass
for folder, folders, files in os.walk({walk!r}):
    folders[:] = [each for each in folders if folder + each not in ('/proc', '/sys', '/usr')]
    found += [folder for each in files if each == 'other-build.txt']
print(found)
sys.exit(bool(found))
"""


def _treasures(scene: Scene) -> list[str]:
    """Another build's file, the database, a key, the signer's socket, our own memory and environment."""
    other = scene.builder.workshop.fresh("bld_other", "work") / "other-build.txt"
    other.write_text("not yours")
    key = scene.builder.workshop.root.parent / "keys" / "evidence.pem"
    key.parent.mkdir(exist_ok=True)
    key.write_text("the key")
    database = scene.builder.database.engine.url.database or ""
    assert Path(database).exists()
    return [*map(str, (other, key, database)), f"/proc/{os.getpid()}/environ", f"/proc/{os.getpid()}/cmdline"]


def test_others_files_keys_and_the_database(apart: Scene) -> None:
    """Nothing of the server can be named, by any way round."""
    done = apart.run(READ.format(paths=_treasures(apart), walk="/"))
    assert (done.status, done.error) == ("succeeded", None), apart.builder.log(done.id)


def test_a_plain_process_promises_none_of_it(tmp_path: Path) -> None:
    """It can read another build's files, and its provenance claims nothing else: no promise, its own id."""
    scene = _scene("plain", tmp_path)
    done = scene.run(READ.format(paths=_treasures(scene)[:1], walk="."))
    assert "not yours" in scene.builder.log(done.id)
    assert (done.status, done.mode) == ("failed", "plain")
    sandbox = make_sandbox("plain")
    assert (sandbox.promises, sandbox.builder_id.split("/")[-2]) == (frozenset(), "plain")


@pytest.fixture
def listeners() -> Iterator[list[str]]:
    """A port, an abstract socket and a socket's file of this machine: the server might listen there."""
    with tempfile.TemporaryDirectory() as folder:
        names = [f"\0clearway-{os.getpid()}", f"{folder}/socket"]
        with ExitStack() as stack:
            port = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for name in names:
                listener = stack.enter_context(socket.socket(socket.AF_UNIX))
                listener.bind(name)
                listener.listen()
            yield [str(port.getsockname()[1]), *names]


def test_the_network_and_the_sockets_of_the_machine(apart: Scene, listeners: list[str]) -> None:
    """Neither a port nor an abstract socket nor a socket's file is reached, and no name is resolved."""
    code = f"""
import socket, sys
reached = []
def attempt(kind, where):
    with socket.socket(kind) as each:
        each.settimeout(2)
        try:
            each.connect(where)
            reached.append(where)
        except OSError:
            pass
attempt(socket.AF_INET, ('127.0.0.1', {listeners[0]}))
attempt(socket.AF_INET, ('192.0.2.1', 80))
attempt(socket.AF_UNIX, {listeners[1]!r})
attempt(socket.AF_UNIX, {listeners[2]!r})
try:
    reached.append(socket.getaddrinfo('example.org', 80))
except OSError:
    pass
print(reached)
open('out.txt', 'w').write('alone')
sys.exit(bool(reached))
"""
    done = apart.run(code)
    assert (done.status, done.error) == ("succeeded", None), apart.builder.log(done.id)


SAY = """
import base64, os, sys, time
value = open(os.environ['SECRETS'] + '/TOKEN', 'rb').read()
out = sys.stdout.buffer
out.write(b'whole ' + value + b'\\n')
for byte in value:
    out.write(bytes([byte]))
    out.flush()
    time.sleep(0.01)
out.write(b'\\n' + base64.b64encode(value) + b'\\n')
out.write(base64.b64encode(b'a' + value) + b'\\n' + base64.b64encode(b'ab' + value) + b'\\n')
out.write(base64.urlsafe_b64encode(value) + b'\\n' + value.hex().encode() + b'\\n')
open('out.txt', 'w').write('said')
"""


def test_a_secret_that_is_said_in_pieces_and_in_disguise(scene: Scene) -> None:
    """Byte by byte, in base64 at each offset, in hexadecimals: the log has none of it."""
    with scene.builder.database.begin() as uow:
        build.set_secret(uow, SYSTEM, "shop", "TOKEN", SECRET)
    done = scene.run(SAY, extra=", secrets: [TOKEN]")
    assert (done.status, done.error) == ("succeeded", None), scene.builder.log(done.id)
    log = scene.builder.log(done.id)
    assert log.count("[masked]") >= 7
    for part in (
        SECRET,
        SECRET[:12],
        SECRET.encode().hex()[:16],
        base64.b64encode(SECRET.encode()).decode()[:12],
    ):
        assert part not in log


def test_secrets_of_one_step_are_not_in_the_next(scene: Scene) -> None:
    """They are mounted for the step that names them, and gone with it."""
    with scene.builder.database.begin() as uow:
        build.set_secret(uow, SYSTEM, "shop", "TOKEN", SECRET)
    after = "import os\nassert 'SECRETS' not in os.environ\nassert not os.path.exists('/run/secrets/TOKEN')\n"
    script_service(
        scene.made,
        "  - {name: first, run: [python, first.py], secrets: [TOKEN]}\n"
        "  - {name: then, run: [python, then.py]}\n",
        files={"first.py": "import os\nopen('out.txt', 'w').write(os.listdir(os.environ['SECRETS'])[0])\n"}
        | {"then.py": after},
    )
    done = scene.builder.run(twice=False)
    assert (done.status, done.error) == ("succeeded", None), scene.builder.log(done.id)
    assert scene.seen() == scene.before
