"""Stands between the supervisor and the job: lowers limits, then becomes the job, or guards it.

Run alone, by path, with nothing but the standard library: `launch.py exec|guard LIMITS -- ARGV...`.
`guard` (for plain processes) stays as the parent, adopts what the job leaves behind, and ends all of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def limit(text: str) -> None:
    """`DATA=1,NPROC=2`: lower limits, never raise one."""
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        kind = getattr(resource, f"RLIMIT_{name}")
        wanted, (_, hard) = int(value), resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        resource.setrlimit(kind, (wanted, wanted))


def become(argv: list[str]) -> NoReturn:
    """Turn into the job."""
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def children() -> list[int]:
    """Our children, adopted ones included."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as stream:
        return [int(word) for word in stream.read().split()]


def end_all() -> None:
    """Kill every descendant: what a killed one leaves becomes our child, until none is left."""
    while found := children():
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def guard(argv: list[str], limits: str) -> NoReturn:
    """Run the job as a child; whatever ends it or us, nothing of it stays."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    parent = os.getppid()

    def stop(*_: object) -> None:
        end_all()
        os._exit(143)

    signal.signal(signal.SIGTERM, stop)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(143)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        limit(limits)
        become(argv)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            break
    end_all()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def main() -> NoReturn:
    """See the module's text."""
    mode, limits, _, *argv = sys.argv[1:]
    if mode == "guard":
        guard(argv, limits)
    limit(limits)
    become(argv)


if __name__ == "__main__":
    main()
