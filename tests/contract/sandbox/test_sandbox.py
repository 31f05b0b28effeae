"""The Sandbox port: one suite for bubblewrap, the container, the plain process and the fake."""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from clearway.build import Sandbox
from clearway.build.ports import Ended, FakeSandbox, Job, Limits, Mount
from clearway.build.surroundings import FIXED, NAMES, Surroundings, varied
from clearway.integrations.bubblewrap import MODES, Bubblewrap, Container, Plain, make_sandbox
from clearway.kernel import Invalid

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("sandbox")]

REAL = {
    "hello": ("python", "-c", "print('hello', flush=True)"),
    "fail": ("sh", "-c", "echo out; echo err >&2; exit 3"),
    "hang": ("python", "-c", "print('begun', flush=True)\nimport time; time.sleep(600)"),
    "quiet-hang": ("python", "-c", "import os, time; os.close(1); os.close(2); time.sleep(600)"),
    "flood": ("python", "-c", "while True: print('x' * 1000)"),
    "write": ("sh", "-c", "echo made > made.txt"),
    "environment": ("env",),
    "missing": ("no-such-program",),
}


def _hello(job: Job) -> Generator[bytes, None, int]:
    yield b"hello\n"
    return 0


def _fail(job: Job) -> Generator[bytes, None, int]:
    yield b"out\nerr\n"
    return 3


def _hang(job: Job) -> Generator[bytes, None, int]:
    yield b"begun\n"
    while True:
        yield b""


def _quiet_hang(job: Job) -> Generator[bytes, None, int]:
    while True:
        yield b""


def _flood(job: Job) -> Generator[bytes, None, int]:
    while True:
        yield b"x" * 10_000


def _write(job: Job) -> Generator[bytes, None, int]:
    Path(job.cwd, "made.txt").write_text("made\n")
    yield b""
    return 0


def _environment(job: Job) -> Generator[bytes, None, int]:
    yield "".join(f"{name}={value}\n" for name, value in job.environment.items()).encode()
    return 0


def _missing(job: Job) -> Generator[bytes, None, int]:
    yield b"no-such-program: No such file or directory\n"
    return 127


FAKE = {
    "hello": _hello,
    "fail": _fail,
    "hang": _hang,
    "quiet-hang": _quiet_hang,
    "flood": _flood,
    "write": _write,
    "environment": _environment,
    "missing": _missing,
}


@dataclass
class Bench:
    """A sandbox with a folder to work in."""

    sandbox: Sandbox
    folder: Path
    output: bytearray = field(default_factory=bytearray)

    def run(
        self,
        program: str | tuple[str, ...],
        *,
        watch: Callable[[], None] = lambda: None,
        write: Callable[[bytes], None] | None = None,
        limits: Limits | None = None,
        mounts: tuple[Mount, ...] = (),
        surroundings: Surroundings = FIXED,
    ) -> Ended:
        mount = Mount(self.folder, "/build", writable=True)
        where = self.sandbox.where(mount)
        argv = program if isinstance(program, tuple) else (program,)
        if not isinstance(self.sandbox, FakeSandbox):
            argv = REAL[argv[0]] if isinstance(program, str) else program
            argv = tuple(self.sandbox.python if word == "python" else word for word in argv)
        job = Job(
            argv=argv,
            cwd=where,
            environment={"PATH": "/usr/bin:/bin", "MARK": "a b=c"},
            mounts=(mount, *mounts),
            limits=limits or Limits(seconds=60),
            surroundings=surroundings,
        )
        return self.sandbox.run(job, write or self.output.extend, watch)


def _named(name: str) -> Sandbox:
    if name == "fake":
        return FakeSandbox(FAKE)
    if name == "plain":
        return Plain()
    sandbox = Container() if name == "container" else Bubblewrap()
    if isinstance(sandbox, Bubblewrap) and name == "bubblewrap without prlimit":
        sandbox._prlimit = None
    if reason := sandbox.usable():
        pytest.skip(f"{name} cannot be used here: {reason}")
    return sandbox


REALS = ["bubblewrap", "bubblewrap without prlimit", "container", "plain"]


@pytest.fixture(params=[*REALS, "fake"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(_named(request.param), tmp_path)


@pytest.fixture(params=REALS)
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(_named(request.param), tmp_path)


@pytest.fixture(params=REALS[:3])
def apart(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(_named(request.param), tmp_path)


def _left(mark: str) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if mark in (each.info["cmdline"] or [])]


def test_output_and_exit_code_come_through(bench: Bench) -> None:
    """Both streams, and the code as the command gave it."""
    assert bench.run("hello").state == "exited"
    assert bytes(bench.output) == b"hello\n"
    assert bench.run("fail").code == 3
    assert bytes(bench.output).endswith(b"out\nerr\n")


def test_a_missing_program_is_an_exit_code(bench: Bench) -> None:
    """127, and a line that names it."""
    assert bench.run("missing").code == 127
    assert b"no-such-program" in bench.output


def test_a_job_that_hangs_is_ended(bench: Bench) -> None:
    """After its seconds, also when it closed its output."""
    assert bench.run("hang", limits=Limits(seconds=1)).state == "timeout"
    assert bytes(bench.output) == b"begun\n"
    assert bench.run("quiet-hang", limits=Limits(seconds=1)).state == "timeout"


def test_an_exception_of_the_watch_ends_the_job(bench: Bench) -> None:
    """Cancelling goes through here."""
    calls = []

    def watch() -> None:
        calls.append(1)
        if len(calls) > 1:
            raise InterruptedError("stop")

    for program in ("hang", "quiet-hang"):
        calls.clear()
        with pytest.raises(InterruptedError):
            bench.run(program, watch=watch)


def test_an_exception_of_the_writer_ends_the_job(bench: Bench) -> None:
    """A flood, or a full disk, goes through here."""
    seen = 0

    def write(data: bytes) -> None:
        nonlocal seen
        seen += len(data)
        if seen > 100_000:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        bench.run("flood", write=write)
    assert seen < 300_000


def test_a_writable_mount_is_written(bench: Bench) -> None:
    """What the job makes is there afterwards."""
    assert bench.run("write").code == 0
    assert (bench.folder / "made.txt").read_text() == "made\n"


def test_nothing_of_our_environment_is_inherited(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the job's variables: no token of ours reaches a build."""
    monkeypatch.setenv("CLEARWAY_TOKEN", "secret")
    bench.run("environment")
    names = {line.split("=")[0] for line in bench.output.decode().splitlines()}
    assert {"PATH", "MARK"} <= names <= {"PATH", "MARK", "PWD", "LC_CTYPE"}
    assert "MARK=a b=c" in bench.output.decode()


def test_nothing_is_left_running(real: Bench) -> None:
    """Processes that a job starts in the background, even in a session of their own, end with it."""
    mark = f"sleeper-{os.getpid()}-{real.sandbox.mode}"
    code = "import subprocess as s; s.Popen(['sleep', '300'], start_new_session=True); "
    code += f"s.Popen(['/bin/sh', '-c', 'sleep 300; echo', '{mark}'], start_new_session=True)"
    assert real.run(("python", "-c", code)).code == 0
    assert _left(mark) == []
    with pytest.raises(InterruptedError):
        real.run(("python", "-c", code + "; import time; time.sleep(300)"), watch=_second_call_raises())
    assert _left(mark) == []


def _second_call_raises() -> Callable[[], None]:
    calls = []

    def watch() -> None:
        calls.append(1)
        if len(calls) > 1:
            raise InterruptedError("stop")

    return watch


def test_limits_of_memory_files_and_processes_hold(real: Bench) -> None:
    """One process by the kernel; all of them together by the supervisor."""
    small = Limits(seconds=60, memory_bytes=400 << 20, processes=20, file_bytes=1 << 20)
    assert real.run(("python", "-c", "x = bytearray(1 << 30)"), limits=small).code == 1
    assert b"MemoryError" in real.output
    assert real.run(("python", "-c", "open('big', 'wb').write(bytes(2 << 20))"), limits=small).code != 0
    assert (real.folder / "big").stat().st_size <= 1 << 20
    # Each half of the memory stays below the limit of one process.
    share = "import time; x = bytearray(b'x') * (150 << 20); time.sleep(60)"
    many = f"import subprocess as s, sys; p = [s.Popen([sys.executable, '-c', {share!r}]) for _ in range(4)]"
    assert real.run(("python", "-c", many + "; [q.wait() for q in p]"), limits=small).state == "memory"
    swarm = "import subprocess as s; p = [s.Popen(['sleep', '60']) for _ in range(40)]; [q.wait() for q in p]"
    ended = real.run(("python", "-c", swarm), limits=small)
    assert ended.state == "processes" or ended.code != 0


def test_the_umask_is_not_the_machine_s(real: Bench) -> None:
    """Whoever starts Clearway with another one gets the same modes in the same archives."""
    before = os.umask(0o077)
    try:
        assert real.run(("sh", "-c", "umask")).code == 0
    finally:
        os.umask(before)
    assert bytes(real.output) == b"0022\n"


def test_surroundings_are_what_was_asked_for(real: Bench) -> None:
    """Umask, processors, kernel and clock are otherwise, where the sandbox does not say that they cannot."""
    wanted = varied(NAMES)
    code = "import os, time; print(oct(os.umask(0)), len(os.sched_getaffinity(0)), os.uname().release[:3])"
    began = time.time()
    assert real.run(("python", "-c", code + "; print(time.time())"), surroundings=wanted).code == 0
    first, second = real.output.decode().splitlines()
    umask, processors, kernel = first.split()
    assert umask == "0o2"
    assert processors == "1"
    assert kernel == "2.6" or "kernel" in real.sandbox.fixed
    ahead = float(second) - began
    assert ahead > wanted.clock_s - 60 if "clock" not in real.sandbox.fixed else abs(ahead) < 60


def test_host_and_user_are_what_was_asked_for(apart: Bench) -> None:
    """Host name, number of the user and its name in the list of users."""
    code = "import os, pwd; print(os.uname().nodename, os.getuid(), pwd.getpwuid(os.getuid()).pw_name)"
    assert apart.run(("python", "-c", code), surroundings=varied(["host", "user"])).code == 0
    user = b"1000 build" if "user" in apart.sandbox.fixed else b"4711 mason"
    assert bytes(apart.output) == b"other-host " + user + b"\n"


def test_no_limit_is_raised(real: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that allows its users less than a build may have keeps its word, and the build runs."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(
        "clearway.integrations.bubblewrap.sandbox.job_limits",
        lambda limits: {"NOFILE": hard + 1 if hard != resource.RLIM_INFINITY else 4096, "CORE": 0},
    )
    assert real.run(("sh", "-c", "ulimit -n")).code == 0
    assert 0 < int(real.output) <= (hard if hard != resource.RLIM_INFINITY else 4096)


def test_the_network_is_not_there(apart: Bench) -> None:
    """Not even a listener of this machine is reached."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=3)"
        assert "network" in apart.sandbox.promises
        assert apart.run(("python", "-c", code)).code == 1
        assert b"ConnectionRefusedError" in apart.output


def test_the_machine_s_files_are_not_there(apart: Bench, tmp_path: Path) -> None:
    """A build sees its mounts, /usr and Python; it writes to what is writable alone."""
    (tmp_path / "read.txt").write_text("x")
    mount = Mount(tmp_path / "read.txt", "/given/read.txt")
    code = f"""
import os
assert open('/given/read.txt').read() == 'x'
for path in ({str(Path.home() / ".ssh")!r}, {str(Path(__file__))!r}, '/etc/shadow', '/var/log', '/work'):
    assert not os.path.exists(path), path
for path in ('/usr/x', '/given/read.txt', '/etc/passwd', {sys.base_prefix + "/x"!r}):
    try:
        open(path, 'a')
    except OSError:
        continue
    raise SystemExit(path + ' can be written')
print(os.uname().nodename, os.getuid(), os.getcwd(), oct(os.umask(0)))
"""
    ended = apart.run(("python", "-c", code), mounts=(mount,))
    assert (ended.code, bytes(apart.output)) == (0, b"build 1000 /build 0o22\n")


def test_packages_of_the_machine_are_hidden(apart: Bench) -> None:
    """What a build imports, it was given: pip of the base Python is not there."""
    assert apart.run(("python", "-c", "import pip")).code == 1
    assert b"ModuleNotFoundError" in apart.output


def test_the_choice_is_honest() -> None:
    """Each mode has its own builder id, a plain process promises nothing, and the strongest is chosen."""
    kinds = (Bubblewrap(), Container(), Plain())
    assert Plain().promises == frozenset()
    assert len({each.builder_id for each in kinds}) == len({each.mode for each in kinds}) == 3
    chosen = make_sandbox()
    expected = next(each for each in kinds if isinstance(each, Plain) or each.usable() is None)
    assert (chosen.mode, chosen.builder_id, chosen.promises) == (
        expected.mode,
        expected.builder_id,
        expected.promises,
    )


def test_one_sandbox_can_be_forced() -> None:
    """The setting names it; another word is refused with those that exist."""
    assert [make_sandbox(mode).mode for mode in MODES[1:]] == list(MODES[1:])
    with pytest.raises(Invalid, match="auto, bubblewrap, container, plain"):
        make_sandbox("docker")


def test_where_namespaces_are_forbidden_a_plain_process_stands_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bubblewrap that cannot work is found out before the first build, not during it; podman too."""
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("clearway.integrations.bubblewrap.sandbox.find_program", lambda: str(broken))
    assert "No permissions" in (Bubblewrap().usable() or "")
    if Container().usable() is None:
        assert make_sandbox().mode == "container"
    monkeypatch.setattr("clearway.integrations.bubblewrap.container.find_podman", lambda: str(broken))
    assert Container().usable()
    chosen = make_sandbox()
    assert (chosen.mode, chosen.promises) == ("plain", frozenset())
    assert Bench(chosen, tmp_path).run("hello").code == 0


def test_files_in_memory_have_their_limit(apart: Bench) -> None:
    """What a job writes to /tmp, /dev/shm, /dev or /run is memory: there is no more of it than announced."""
    code = """
import os, multiprocessing
multiprocessing.Lock()  # needs /dev/shm
open('/dev/null', 'w').write('x')
limits = {'/tmp': 64, '/dev/shm': 16, '/run': 1, '/dev': 0, '': 0, '/etc': 0, '/sys': 0}
for folder, most in limits.items():
    wrote = 0
    try:
        with open(folder + '/big', 'wb', buffering=0) as out:
            while wrote < 100:
                wrote += out.write(bytes(1 << 20)) / (1 << 20)
    except OSError as error:
        print(folder, error.strerror)
    assert wrote <= most, (folder, wrote)
"""
    limits = Limits(seconds=60, memory_bytes=64 << 20)
    ended = apart.run(("python", "-c", code), limits=limits)
    assert ended.code == 0, bytes(apart.output)
    assert apart.output.count(b"No space left on device") == 3
    assert apart.output.count(b"Read-only file system") == 4
