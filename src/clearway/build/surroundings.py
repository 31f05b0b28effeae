"""What surrounds a build's commands and must not change what they make: fixed, or varied to find out. Pure.

Rules:
1. Without a word everything has its fixed value, the same on every machine.
2. A variation changes one thing only, so that a difference has a name.
3. What cannot be varied here is told with its reason, never left out silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

OTHER_USER = ("mason", 4711)  # the sandbox's list of users knows both


@dataclass(frozen=True)
class Surroundings:
    """All of it."""

    umask: int = 0o022
    timezone: str = "UTC"
    locale: str = "C.UTF-8"
    bench: str = "/build"  # the path of the bench, where the sandbox has a file system of its own
    home: str = "home"  # HOME, below the bench
    host: str = "build"
    user: str = "build"
    uid: int = 1000
    cpus: int | None = None  # at most so many; None: all of the machine
    kernel: str | None = None  # what uname says; None: the truth
    fixed_addresses: bool = False  # memory addresses are not drawn by lot
    hash_seed: str = "0"  # of Python's texts
    variables: tuple[tuple[str, str], ...] = ()  # that no build needs
    search_path: tuple[str, ...] = ()  # more folders of PATH, without programs
    file_order: str = "own"  # in which a folder lists its files: the file system's own, or "reversed"
    file_times_s: int = 0  # the files of the checkout are this much older
    clock_s: int = 0  # the clock is this much ahead

    def as_json(self) -> dict[str, Any]:
        """For a record."""
        return {**asdict(self), "umask": f"{self.umask:04o}"}


FIXED = Surroundings()


def read_surroundings(said: Mapping[str, Any]) -> Surroundings:
    """From a record; what it does not tell has the fixed value."""
    known = {each.name: said[each.name] for each in fields(Surroundings) if each.name in said}
    if "umask" in known:
        known["umask"] = int(str(known["umask"]), 8)
    for name in ("variables", "search_path"):
        if name in known:
            known[name] = tuple(tuple(each) if isinstance(each, list) else each for each in known[name])
    return Surroundings(**known)


@dataclass(frozen=True)
class Variation:
    """One thing that is otherwise."""

    name: str
    says: str  # what is otherwise, for people
    change: Callable[[Surroundings], Surroundings]


def _to(name: str, says: str, **values: Any) -> Variation:
    return Variation(name, says, lambda known: replace(known, **values))


VARIATIONS: tuple[Variation, ...] = (
    _to("umask", "new files are the group's too (umask 0002)", umask=0o002),
    _to("timezone", "the time zone is 13 h 45 min ahead", timezone="XYZ-13:45"),
    _to("locale", "another language and character set", locale="C"),
    _to("path", "the build lies in another folder", bench="/other/place/of-the-build"),
    _to("home", "another home folder", home="houses/mason"),
    _to("host", "another host name", host="other-host"),
    _to("user", "another user with another number", user=OTHER_USER[0], uid=OTHER_USER[1]),
    _to("cpus", "a single processor", cpus=1),
    _to("kernel", "another kernel version", kernel="2.6"),
    _to("addresses", "memory addresses are not drawn by lot", fixed_addresses=True),
    _to("hash-seed", "another seed of Python's hashes", hash_seed="4711"),
    _to("variables", "variables that no build needs", variables=(("CLEARWAY_VARIED", "yes"),)),
    _to("search-path", "more folders in PATH", search_path=("/nowhere/bin",)),
    _to("file-order", "folders list their files the other way round", file_order="reversed"),
    _to("file-times", "the source's files are 400 days older", file_times_s=400 * 86400),
    _to("clock", "the clock is 400 days ahead", clock_s=400 * 86400 + 7261),
)
NAMES = tuple(each.name for each in VARIATIONS)


def varied(names: Iterable[str], base: Surroundings = FIXED) -> Surroundings:
    """The base with these variations."""
    wanted = set(names)
    for each in VARIATIONS:
        if each.name in wanted:
            base = each.change(base)
    return base


def says(name: str) -> str:
    """What a variation changes, for people."""
    return next((each.says for each in VARIATIONS if each.name == name), name)
