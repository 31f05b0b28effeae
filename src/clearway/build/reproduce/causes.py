"""Why two builds of one commit differ, and what to do about it. Pure.

Rules:
1. What an experiment shows counts most: a variation that alone makes the bytes differ is a cause.
2. What the differences look like comes next: a time of today, a path of the bench, an order.
3. A cause that is only likely says so. No cause is better than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from clearway.build.surroundings import NAMES

from .difference import Difference

Certainty = Literal["shown", "likely"]
_FORMATS = {"zip": (".zip",), "jar": (".jar", ".war"), "wheel": (".whl",), "image": (".oci.tar", ".oci")}
_TARS = (".tar.gz", ".tgz", ".tar", ".tar.xz", ".tar.bz2")


@dataclass(frozen=True)
class Cause:
    """One reason, with its fix in plain words."""

    name: str
    says: str
    fix: str
    certainty: Certainty
    where: str = ""  # the first place that shows it

    def as_json(self) -> dict[str, Any]:
        """For a record."""
        return asdict(self)


# name: what happens, the fix, fixes by the kind of file
_TABLE: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "clock": (
        "The time of the build is in the result.",
        "Take the time from SOURCE_DATE_EPOCH instead of from the clock.",
        {
            "wheel": "Use a backend that takes its times from SOURCE_DATE_EPOCH: hatchling, poetry-core, flit"
            " from 3.8 on; in code that the build generates, write no time.",
            "sdist": "setuptools writes the clock into it: use hatchling, flit or poetry-core, or pack"
            " again: `tar --sort=name --mtime=@$SOURCE_DATE_EPOCH --owner=0 --group=0 | gzip -n`.",
            "jar": "`jar --date=...` from JDK 17 on; Maven: project.build.outputTimestamp in the pom.",
            "image": "`buildah build --timestamp $SOURCE_DATE_EPOCH`.",
            "tar": "`tar --mtime=@$SOURCE_DATE_EPOCH`.",
            "gzip": "`gzip -n`.",
            "zip": "`touch` every file to SOURCE_DATE_EPOCH first, then `zip -X`.",
            "c": "Leave out __DATE__ and __TIME__, or let gcc and clang take them from SOURCE_DATE_EPOCH.",
        },
    ),
    "file-times": (
        "The times of source files are in the result.",
        "Give every member of the archive one time, that of SOURCE_DATE_EPOCH.",
        {
            "tar": "`tar --mtime=@$SOURCE_DATE_EPOCH`.",
            "sdist": "setuptools keeps the files' own times: use hatchling, flit or poetry-core.",
            "jar": "`jar --date=...` from JDK 17 on; Maven: project.build.outputTimestamp in the pom.",
            "zip": "`touch` every file to SOURCE_DATE_EPOCH first, then `zip -X`.",
        },
    ),
    "owner": (
        "Names or numbers of users are in the archive.",
        "Fix the owner when packing.",
        {"tar": "`tar --owner=0 --group=0 --numeric-owner`.", "ar": "`ar rcD`."},
    ),
    "mode": (
        "The modes of files are in the archive, and they were not the same.",
        "Fix the modes: `chmod -R u=rwX,go=rX .` before packing.",
        {"tar": "`tar --mode=u=rwX,go=rX`."},
    ),
    "umask": (
        "New files get their modes from the umask, and the modes are in the result.",
        "Put `umask 022` before the command, or fix the modes when packing: `chmod -R u=rwX,go=rX`.",
        {
            "wheel": "setuptools keeps the modes of files that it makes: keep umask 022 (as Clearway does),"
            " or use hatchling, flit or poetry-core.",
            "npm": "`chmod -R u=rwX,go=rX .` before `npm pack`: npm keeps the modes that it finds.",
            "tar": "`tar --mode=u=rwX,go=rX`.",
            "image": "`COPY --chmod=` in the Containerfile, or fix the modes of the context before.",
        },
    ),
    "gzip-header": (
        "gzip wrote a time or a name into its header.",
        "`gzip -n`; in Python `gzip.GzipFile(..., mtime=0)`.",
        {},
    ),
    "order": (
        "Files come in the order in which a folder lists them, or a program drew it by lot.",
        "Sort the names before using them.",
        {
            "tar": "`tar --sort=name`.",
            "c": "`$(sort $(wildcard *.c))` in make; sort what a glob gives.",
            "zip": "`find . | sort | zip -X -@`.",
        },
    ),
    "path": (
        "The folder of the build is in the result.",
        "Use paths relative to the project.",
        {
            "c": "`-ffile-prefix-map=$PWD=.` for gcc and clang; for Go `-trimpath`; for Rust"
            " `--remap-path-prefix`.",
        },
    ),
    "home": (
        "The home folder is in the result, or something in it was used.",
        "Keep configuration in the repository, and write no path of HOME into the result.",
        {},
    ),
    "locale": (
        "Language or character set of the machine change the result: messages, sorting, decimal signs.",
        "`LC_ALL=C.UTF-8` before the command; open text files with an explicit encoding.",
        {},
    ),
    "timezone": (
        "The time zone is in the result.",
        "`TZ=UTC` before the command; write times in UTC.",
        {"wheel": "Use a backend that fills zip times from SOURCE_DATE_EPOCH in UTC: flit 3.8 and newer."},
    ),
    "host": ("The machine's name is in the result.", "Leave it out, or set it by a variable.", {}),
    "user": (
        "The user's name or number is in the result.",
        "Leave it out; fix the owner when packing.",
        {"tar": "`tar --owner=0 --group=0 --numeric-owner`."},
    ),
    "cpus": (
        "The number of processors changes the result.",
        "Let nothing depend on it: a fixed number of jobs, and results collected in a fixed order.",
        {},
    ),
    "kernel": ("The kernel's version is in the result.", "Leave `uname` out of the result.", {}),
    "addresses": (
        "Memory addresses change the result.",
        "Order by names or numbers, never by an object's address or identity.",
        {},
    ),
    "hash-seed": (
        "The order of a Python set or of hashes is in the result.",
        "Sort sets before writing them; `PYTHONHASHSEED=0` hides it.",
        {},
    ),
    "variables": (
        "The variables of the environment are in the result.",
        "Use only the variables that the build needs.",
        {},
    ),
    "search-path": ("PATH is in the result.", "Leave it out.", {}),
    "randomness": (
        "Something is drawn by lot: a key, an id, a name of a temporary file.",
        "Derive it from the contents, or fix the seed from SOURCE_DATE_EPOCH.",
        {},
    ),
    "compression": (
        "The same contents were packed by another version or level of the compression library.",
        "Pin the tool that packs, or leave compression to the store (`gzip -n`, one fixed level).",
        {},
    ),
    "dependencies": (
        "Other versions of what the build needs were used.",
        "Pin them with a lock file that has digests.",
        {},
    ),
    "tools": (
        "Compilers or system packages of this machine are not those of the first build.",
        "Build in an image that is pinned by digest, or build again with today's tools.",
        {},
    ),
    "network": (
        "The build wanted something of the network that is not there now.",
        "Let the fetch phase bring it: name it in a lock file.",
        {},
    ),
}  # fmt: skip
CAUSES = tuple(_TABLE)
_TODAY = re.compile(
    r"(20\d\d)[-/](\d\d?)[-/](\d\d?)"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2},? +(?:\d\d:\d\d:\d\d +)?20\d\d"
    r"|\b1[5-9]\d{8}\b|\d\d:\d\d:\d\d"
)
_BY_KIND = {"owner": "owner", "order": "order", "gzip-header": "gzip-header", "compression": "compression"}


def cause(name: str, where: str = "", certainty: Certainty = "likely") -> Cause:
    """The cause of this name, with the fix for what the place is."""
    says, fix, special = _TABLE[name]
    return Cause(name, says, special.get(_kind_of(where), fix), certainty, where)


def _kind_of(where: str) -> str:
    outer, _, inner = where.partition(" » ")
    outer = outer.partition(" (")[0]
    for kind, ends in _FORMATS.items():
        if outer.lower().endswith(ends):
            return kind
    if outer.endswith(_TARS):
        if outer.endswith(".tgz") and inner.startswith("package"):
            return "npm"
        if (
            outer.endswith(".tar.gz")
            and inner.partition("/")[0] == outer.rpartition("/")[2][: -len(".tar.gz")]
        ):
            return "sdist"
        return "gzip" if "(" in where and outer.endswith("gz") else "tar"
    last = outer.rpartition("/")[2]
    if "." not in last or last.endswith((".o", ".so", ".a", ".out")):
        return "ar" if last.endswith(".a") and not inner else "c"
    return "gzip" if last.endswith(".gz") else ""


@dataclass(frozen=True)
class Seen:
    """What the experiments showed."""

    alone: Sequence[str] = ()  # variations that alone make the bytes differ from those built without any
    together: Sequence[str] = ()  # ... that do so only together
    plain_differs: bool = False  # without any variation the bytes are not the recorded ones
    plain_stable: bool = True  # ... and those of two such rebuilds are the same
    tools: Sequence[str] = ()  # what of the machine is not what the record says
    around: Mapping[str, str] = field(default_factory=dict)  # text of the surroundings: name of the cause
    days: Sequence[datetime] = ()  # when it was built


def find_causes(differences: Sequence[Difference], seen: Seen) -> list[Cause]:
    """The causes, the surest first; each once."""
    found: dict[str, Cause] = {}
    for name in seen.alone:
        wanted = "order" if name == "file-order" else name
        found.setdefault(wanted, cause(wanted, _place(differences, wanted), "shown"))
    if seen.plain_differs and seen.plain_stable and seen.tools:
        found["tools"] = cause("tools", ", ".join(seen.tools[:8]))
    if (seen.plain_differs and not found) or not seen.alone:
        for name, where in _patterns(differences, seen):
            found.setdefault(name, cause(name, where))
    if seen.plain_differs and not seen.plain_stable and not found:
        found["randomness"] = cause("randomness", differences[0].where if differences else "")
    return list(found.values())


def _place(differences: Iterable[Difference], name: str) -> str:
    """Where a cause shows best: a mode for the umask, a time for the clock; else the first difference."""
    kinds = {
        "umask": ("mode",),
        "user": ("owner",),
        "order": ("order",),
        "file-times": ("time",),
        "clock": ("time", "gzip-header"),
        "timezone": ("time",),
    }.get(name, ())
    rows = [each for each in differences if each.kind != "consequence"]
    return next((each.where for each in rows if each.kind in kinds), rows[0].where if rows else "")


def _patterns(differences: Iterable[Difference], seen: Seen) -> Iterable[tuple[str, str]]:
    for each in differences:
        if name := _BY_KIND.get(each.kind):
            yield name, each.where
        elif each.kind == "mode":
            yield "mode", each.where
        elif each.kind in ("time", "stamp"):
            clock = each.kind == "stamp" or not seen.plain_stable or _told_today(each, seen)
            yield ("clock" if clock else "file-times"), each.where
        elif each.kind == "content":
            yield from _in_text(each, seen)


def _told_today(each: Difference, seen: Seen) -> bool:
    return any(day.strftime("%Y-%m-%d") in each.first + each.second for day in _days(seen))


def _days(seen: Seen) -> list[datetime]:
    return [day + timedelta(days=more) for day in seen.days for more in (-1, 0, 1)]


def _in_text(each: Difference, seen: Seen) -> Iterable[tuple[str, str]]:
    text = "\n".join([each.first, each.second, *each.lines])
    known = [name for part, name in seen.around.items() if part and part in text]
    if known:
        yield from ((name, each.where) for name in dict.fromkeys(known))
    elif _TODAY.search(text):
        yield "clock", each.where
    elif not seen.plain_stable:
        yield "randomness", each.where


def not_causes() -> list[str]:
    """Variations that have no cause of their own name in the table; empty: the test says so."""
    return [name for name in NAMES if name not in _TABLE and name != "file-order"]
