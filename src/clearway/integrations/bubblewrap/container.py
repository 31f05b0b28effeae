"""A sandbox of containers: podman with an OCI runtime, no daemon, no image.

Rules:
1. A job finds what it finds in bubblewrap: the machine's /usr read-only, the Python that runs Clearway, its
   mounts, no network but loopback, processes and a host name of its own. Its root is a folder for it alone.
2. The kernel counts memory and processes of the container as a whole, where we may make control groups.
3. Nothing outlives the job. Podman's monitor leaves its parent's side on purpose, so a guard adopts it: the
   guard ends with us, and all of the container with the guard. What podman noted down, mounted and grouped
   lies in a folder of the job, which is cleared away after it, or by the next job when we were killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from clearway.build.ports import Ended, Job, Limits, Mount, Resource, Watch, Write
from clearway.kernel import ClearwayError

from .handing import SECRETS, in_files
from .machine import materials
from .otherwise import before, clock, not_in_container
from .sandbox import (
    ETC,
    LAUNCH,
    SMALL,
    interpreter,
    job_limits,
    limit_words,
    lowered,
    machine_packages,
    stop_guard,
    written,
)
from .supervise import supervise

_MARK = "clearway-container-"  # how the folders of jobs, and their control groups, begin
_GROUPS = Path("/sys/fs/cgroup")
_INSIDE = "/run/launch.py"
_USER, _OTHERS, _COUNT = 1000, 100_000, 1000  # the job's user; who stands for all others on this machine
_SLACK = 2.5  # the group's limit of memory: files in memory count there too, and our own looks come first


class Container:
    """Fulfils build's Sandbox port with podman."""

    mode = "container"
    builder_id = "https://clearway.dev/builders/container/v1"
    promises = frozenset({"network", "files", "processes"})

    def __init__(self, program: str | None = None) -> None:
        self._program = program or find_podman() or "podman"

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
        return not_in_container()

    def where(self, mount: Mount) -> str:
        """See Sandbox.where."""
        return mount.target

    def usable(self) -> str | None:
        """Why containers cannot be used here; None when they can."""
        if self._runtime is None:
            return "neither runc nor crun was found"
        said: list[bytes] = []
        job = Job((self.python, "-I", "-S", "-c", ""), "/", {}, (), Limits(seconds=30))
        try:
            ended = self.run(job, said.append, lambda: None)
        except (OSError, ClearwayError) as error:
            return str(error)
        return (
            None if ended.code == 0 else b"".join(said).decode(errors="replace").strip()[-300:] or "no words"
        )

    def run(self, job: Job, write: Write, watch: Watch) -> Ended:
        """See Sandbox.run."""
        with _folder() as state, in_files(job.secrets) as told:
            mounts = list(job.mounts)
            variables = dict(job.environment)
            if told:
                mounts.append(Mount(Path(told["SECRETS"]), SECRETS))
                variables["SECRETS"] = SECRETS
            outer = [self.python, "-I", "-S", str(LAUNCH), "guard", "", "--", *self._podman(state)]
            try:
                return supervise(
                    [*outer, *self._words(state, job, mounts), *self._inner(job, variables)],
                    environment=_environment(state),
                    cwd="/",
                    limits=job.limits,
                    writes=written(job),
                    write=write,
                    watch=watch,
                    end=stop_guard,
                    own_processes=True,
                )
            finally:
                self._forget(state)

    @cached_property
    def _runtime(self) -> str | None:
        return shutil.which("runc") or shutil.which("crun")

    def _podman(self, state: Path) -> list[str]:
        words = [self._program, "--root", f"{state}/storage", "--runroot", f"{state}/run"]
        words += ["--tmpdir", f"{state}/libpod", "--storage-driver", "vfs", "--events-backend", "none"]
        words += ["--cgroup-manager", "cgroupfs", "--log-level", "error"]
        return [*words, "--runtime", self._runtime or "runc", "--runtime-flag", f"root={state}/runtime"]

    def _words(self, state: Path, job: Job, mounts: list[Mount]) -> list[str]:
        """All of the container but its command."""
        words = [
            "run",
            "--log-driver",
            "passthrough",
            "--network",
            "none",
            "--no-hosts",
            "--hostname",
            job.surroundings.host,
            "--umask",
            f"{job.surroundings.umask:04o}",
        ]
        words += ["--cap-drop", "all", "--security-opt", "no-new-privileges", "--read-only"]
        words += ["--read-only-tmpfs=false", "--workdir", job.cwd, "--user", f"{_USER}:{_USER}"]
        for kind in ("--uidmap", "--gidmap"):
            words += [kind, f"0:{_OTHERS}:{_COUNT}", kind, f"{_USER}:0:1"]
        for name, most in lowered({"NOFILE": 4096, "NPROC": 1 << 15}).items():
            words += ["--ulimit", f"{name.lower()}={most}:{most}"]  # podman's own wishes need a privilege
        words += self._group(state, job.limits)
        words += ["--shm-size", str(max(job.limits.memory_bytes // 4, SMALL))]
        words += _memory("/dev", 64 << 10, "mode=755", read_only=True)
        words += _memory("/sys", SMALL, "mode=755", read_only=True)
        words += _memory("/run", SMALL, "mode=755")
        words += _memory("/tmp", job.limits.memory_bytes, "mode=1777")  # noqa: S108 - the job's own
        for folder in machine_packages():
            words += _bind(state / "empty", folder)
        for path in sorted(ETC.iterdir()):
            words += _bind(path, f"/etc/{path.name}")
        for name in ("/nix/store", "/etc/ld.so.cache", "/etc/alternatives"):
            if os.path.exists(name):
                words += _bind(Path(name), name)
        words += [*_bind(Path("/usr"), "/usr"), *_bind(LAUNCH, _INSIDE)]
        prefix = os.path.realpath(sys.base_prefix)
        if not Path(prefix).is_relative_to("/usr"):
            words += _bind(Path(prefix), prefix)
        for mount in mounts:
            words += _bind(mount.source, mount.target, writable=mount.writable)
        return [*words, "--rootfs", str(state / "root")]

    def _group(self, state: Path, limits: Limits) -> list[str]:
        if os.geteuid():
            return ["--cgroups", "disabled"]
        most = str(int(limits.memory_bytes * _SLACK))
        words = ["--cgroup-parent", f"/{state.name}", "--pids-limit", str(limits.processes + 8)]
        return [*words, "--memory", most, "--memory-swap", most]

    def _inner(self, job: Job, variables: dict[str, str]) -> list[str]:
        """The container's first process: it adopts and ends what the job leaves, and sets its limits."""
        limits = {**job_limits(job.limits), "NPROC": job.limits.processes}
        variables = {**variables, **clock(job.surroundings)}
        told = [f"{name}={value}" for name, value in sorted(variables.items())]
        launch = [self.python, "-I", "-S", _INSIDE, "guard", limit_words(limits), "--"]
        around = replace(job.surroundings, fixed_addresses=False)  # the runtime's filter of calls forbids it
        return ["/usr/bin/env", "-i", *told, *before(around), *launch, *job.argv]

    def _forget(self, state: Path) -> None:
        """Let podman clear away its container, and clear away what it may leave."""
        words = [*self._podman(state), "rm", "--force", "--all", "--time", "0"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(words, env=_environment(state), capture_output=True, timeout=30, check=False)
        clear(state)


def find_podman() -> str | None:
    """The machine's podman."""
    return shutil.which("podman")


def _environment(state: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(state),
        "XDG_RUNTIME_DIR": str(state / "tmp"),
        "TMPDIR": str(state / "tmp"),
        "CONTAINERS_CONF": str(state / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(state / "storage.conf"),
    }


def _bind(source: Path, target: str, *, writable: bool = False) -> list[str]:
    return ["--mount", f'type=bind,"source={source}","destination={target}",ro={str(not writable).lower()}']


def _memory(folder: str, size: int, mode: str, *, read_only: bool = False) -> list[str]:
    words = f"type=tmpfs,destination={folder},tmpfs-size={size},tmpfs-{mode}"
    return ["--mount", words + (",ro=true" if read_only else "")]


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for one job, locked as long as we live; those of the dead are cleared away."""
    _sweep()
    state = Path(tempfile.mkdtemp(prefix=f"{_MARK}{os.getpid()}-"))
    held = os.open(state, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        state.chmod(0o711)  # whoever stands for the container's root walks through it
        root = state / "root"
        for name in ("usr", "proc", "dev", "tmp", "run", "etc", "sys"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib32", "lib64"):
            if os.path.islink(f"/{name}"):
                (root / name).symlink_to(os.readlink(f"/{name}"))
        for path in (root, *root.iterdir()):
            if not path.is_symlink():
                path.chmod(0o777 if path.name in ("tmp", "run") else 0o755)  # the runtime copies the mode
        for name in ("tmp", "empty"):
            (state / name).mkdir(mode=0o755)
        (state / "containers.conf").write_text('[engine]\nevents_logger = "none"\n')
        (state / "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\nrunroot = "{state}/run"\ngraphroot = "{state}/storage"\n'
        )
        yield state
    finally:
        os.close(held)
        clear(state)


def _sweep() -> None:
    """Clear away the folders of jobs whose worker was killed: nobody holds their lock any more."""
    for path in Path(tempfile.gettempdir()).glob(f"{_MARK}*"):
        with contextlib.suppress(OSError):
            if path.is_symlink() or path.stat().st_uid != os.geteuid():
                continue
            held = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                clear(path)
            finally:
                os.close(held)


def clear(state: Path) -> None:
    """Unmount, drop the control groups and remove: what podman may have left of a job."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as stream:
        mounted = [line.split()[1] for line in stream]
    for target in sorted(mounted, reverse=True):
        if Path(target).is_relative_to(state):
            subprocess.run(["umount", "-l", target], capture_output=True, check=False)
    for group in (*_GROUPS.glob(f"*/{state.name}"), *_GROUPS.glob(state.name)):
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
    shutil.rmtree(state, ignore_errors=True)
