"""Makes a job's surroundings other than they are: processors, kernel, addresses, clock.

Rule: what the machine has no program for is told in advance, never skipped in silence.
"""

from __future__ import annotations

import os
import platform
import shutil
from functools import lru_cache
from glob import glob

from clearway.build import Surroundings

_SYSTEM = "/usr/bin:/usr/local/bin"
_FAKETIME = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
_NO_TASKSET = "taskset (util-linux) is not on this machine"
_NO_SETARCH = "setarch (util-linux) is not on this machine"


def before(around: Surroundings) -> list[str]:
    """The words before a command that give it other processors, another kernel, fixed addresses."""
    words: list[str] = []
    if around.cpus is not None and (program := _program("taskset")):
        own = sorted(os.sched_getaffinity(0))
        words += [program, "--cpu-list", ",".join(map(str, own[: max(1, around.cpus)]))]
    if (around.kernel or around.fixed_addresses) and (program := _program("setarch")):
        words += [program, platform.machine()]
        words += ["--uname-2.6"] if around.kernel else []
        words += ["--addr-no-randomize"] if around.fixed_addresses else []
    return words


def clock(around: Surroundings) -> dict[str, str]:
    """The variables that set a job's clock ahead; files keep the times that they have."""
    library = _faketime()
    if not around.clock_s or library is None:
        return {}
    return {"LD_PRELOAD": library, "FAKETIME": f"+{around.clock_s}", "NO_FAKE_STAT": "1"}


def not_in_bubblewrap() -> dict[str, str]:
    """What a namespace on this machine cannot vary."""
    found: dict[str, str] = {}
    if _program("taskset") is None:
        found["cpus"] = _NO_TASKSET
    elif len(os.sched_getaffinity(0)) == 1:
        found["cpus"] = "this machine has a single processor"
    if _program("setarch") is None:
        found |= {"kernel": _NO_SETARCH, "addresses": _NO_SETARCH}
    if _faketime() is None:
        found["clock"] = "faketime is not on this machine; the clock has only gone on since the build"
    return found


def not_in_container() -> dict[str, str]:
    """What a container of podman cannot vary."""
    return {
        **not_in_bubblewrap(),
        "addresses": "the container's runtime does not let a job fix its addresses",
        "user": "a container's job is one user; only its variables are varied",
    }


def not_plain() -> dict[str, str]:
    """What a plain process cannot vary."""
    return {
        **not_in_bubblewrap(),
        "host": "a plain process has the machine's host name",
        "user": "a plain process runs as Clearway's own user; only its variables are varied",
    }


def _program(name: str) -> str | None:
    return shutil.which(name, path=_SYSTEM)


@lru_cache(1)
def _faketime() -> str | None:
    return next((path for pattern in _FAKETIME for path in sorted(glob(pattern))), None)
