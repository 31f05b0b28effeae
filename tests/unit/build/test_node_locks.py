"""Locks of npm and pnpm: what they mean, what is refused; hostile texts end in LockError."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clearway.build.locks import LockError, Machine, NodeLock, read_npm, read_pnpm
from clearway.build.locks.model import read_digests
from clearway.build.recipes.node_packages import fitting, purl
from clearway.build.recipes.node_tools import count_tap

GOOD = "sha512-" + base64.b64encode(b"a" * 64).decode()
HEX = "sha512:" + (b"a" * 64).hex()


def npm(packages: dict[str, Any], version: Any = 3) -> NodeLock:
    return read_npm(json.dumps({"lockfileVersion": version, "packages": packages}))


def entry(**given: Any) -> dict[str, Any]:
    return {"version": "1.0.0", "integrity": GOOD, **given}


def test_each_place_has_its_package() -> None:
    """Nested ones too; what is only for development, and what may be missing, is known."""
    lock = npm(
        {
            "": {"dependencies": {"a": "^1"}, "devDependencies": {"b": "*"}},
            "node_modules/a": entry(dependencies={"b": "1"}, dev=True, os=["darwin"], optional=True),
            "node_modules/a/node_modules/@s/b": entry(),
            "packages/w": {"name": "w"},
            "node_modules/w": {"resolved": "packages/w", "link": True},
            "node_modules/c": entry(name="@real/c"),
            "node_modules/a/node_modules/in": entry(inBundle=True, integrity=None),
        }
    )
    found = {each.places[0]: each for each in lock.packages}
    assert set(found) == {"node_modules/a", "node_modules/a/node_modules/@s/b", "node_modules/c"}
    assert (found["node_modules/a"].dev, found["node_modules/a"].optional) == (True, True)
    assert (found["node_modules/a"].needs, found["node_modules/a"].digests) == (("b",), (HEX,))
    assert (found["node_modules/c"].name, found["node_modules/c"].path) == (
        "@real/c",
        "@real/c/-/c-1.0.0.tgz",
    )
    assert lock.links == (("node_modules/w", "packages/w"),)
    assert dict(lock.asked) == {"a": "^1", "b": "*"}
    assert ("node_modules/a/node_modules/.bin", "node_modules/a/node_modules/@s/b") in lock.programs


def test_a_package_comes_from_this_machines_registry_whoever_wrote_the_lock() -> None:
    """An address in the place that every registry has is a path; another address stays one."""
    usual = npm({"node_modules/@s/b": entry(resolved="https://one.example/npm/@s%2fb/-/b-1.0.0.tgz")})
    other = npm({"node_modules/b": entry(resolved="https://one.example/download/b.tgz")})
    assert (usual.packages[0].url, other.packages[0].url) == ("", "https://one.example/download/b.tgz")


@pytest.mark.parametrize(
    ("packages", "reason"),
    [
        ({"node_modules/a": entry(resolved="git+ssh://git@host/a.git#main")}, "from a git repository"),
        ({"node_modules/a": entry(resolved="git://host/a.git")}, "from a git repository"),
        ({"node_modules/a": entry(resolved="github:a/b")}, "from a git repository"),
        ({"node_modules/a": entry(resolved="file:../a.tgz")}, "from a file"),
        ({"node_modules/a": entry(resolved="ftp://host/a")}, "no registry"),
        ({"node_modules/a": {"version": "1.0.0"}}, "no integrity"),
        ({"node_modules/a": entry(integrity="sha512-short")}, "cannot be checked"),
        ({"node_modules/a": entry(integrity="md5-AAAA")}, "cannot be checked"),
        ({"node_modules/a": entry(version="../1")}, "no version"),
        ({"node_modules/../../etc": entry()}, "leaves the project"),
        ({"/node_modules/a": entry()}, "leaves the project"),
        ({"node_modules/.bin": entry()}, "no name"),
        ({"node_modules/a/b/c": entry()}, "no name"),
        ({"node_modules/a\0": entry()}, "leaves the project"),
        ({"node_modules/w": {"link": True, "resolved": "../../etc"}}, "leaves the project"),
        (
            {"node_modules/w": {"link": True, "resolved": "w"}, "node_modules/w/node_modules/a": entry()},
            "behind a link",
        ),
        ({"node_modules/a": []}, "no table"),
    ],
)
def test_what_cannot_be_trusted_is_refused(packages: dict[str, Any], reason: str) -> None:
    """With the file and the entry."""
    with pytest.raises(LockError, match=reason) as caught:
        npm(packages)
    assert str(caught.value).startswith("package-lock.json: ")


@pytest.mark.parametrize("version", [1, 4, None, "3", True])
def test_other_formats_are_refused(version: Any) -> None:
    """With the command that makes a better one."""
    with pytest.raises(LockError, match="npm install --package-lock-only"):
        npm({}, version)


def test_a_weak_digest_beside_a_strong_one_is_kept() -> None:
    """Both have to be right; the strongest comes first."""
    sha1 = "sha1-" + base64.b64encode(b"b" * 20).decode()
    assert read_digests(f"{sha1} {GOOD}", "x") == (HEX, "sha1:" + (b"b" * 20).hex())


PNPM: dict[str, Any] = {
    "lockfileVersion": "9.0",
    "importers": {
        ".": {
            "dependencies": {
                "a": {"specifier": "^1", "version": "1.0.0(p@2.0.0)"},
                "other": {"specifier": "npm:real@1", "version": "real@1.0.0"},
                "w": {"specifier": "workspace:*", "version": "link:packages/w"},
            },
            "devDependencies": {"d": {"specifier": "*", "version": "1.0.0"}},
        },
        "packages/w": {"dependencies": {"p": {"specifier": "2", "version": "2.0.0"}}},
    },
    "packages": {
        key: {"resolution": {"integrity": GOOD}}
        for key in ("a@1.0.0", "p@2.0.0", "real@1.0.0", "d@1.0.0", "@s/o@1.0.0")
    },
    "snapshots": {
        "a@1.0.0(p@2.0.0)": {"dependencies": {"p": "2.0.0"}, "optionalDependencies": {"@s/o": "1.0.0"}},
        "p@2.0.0": {},
        "real@1.0.0": {},
        "d@1.0.0": {},
        "@s/o@1.0.0": {"optional": True},
    },
}


def test_pnpms_folders_and_links() -> None:
    """Each package once; links to what is named; peers tell two of one package apart."""
    lock = read_pnpm(yaml.safe_dump(PNPM))
    found = {each.name: each for each in lock.packages}
    links = dict(lock.links)
    assert found["p"].places == ("node_modules/.pnpm/p@2.0.0/node_modules/p",)
    assert found["@s/o"].places == ("node_modules/.pnpm/@s+o@1.0.0/node_modules/@s/o",)
    assert links["node_modules/a"] == found["a"].places[0]
    assert links["node_modules/other"] == found["real"].places[0]
    assert links["node_modules/w"] == "packages/w"
    assert links["packages/w/node_modules/p"] == found["p"].places[0]
    beside = found["a"].places[0].removesuffix("a")
    assert links[f"{beside}p"] == found["p"].places[0]
    assert links["node_modules/.pnpm/node_modules/p"] == found["p"].places[0]
    assert "node_modules/p" not in links
    assert (found["d"].dev, found["a"].dev, found["p"].dev) == (True, False, False)
    assert (found["@s/o"].optional, found["p"].optional) == (True, False)
    assert lock.asked["other"] == "npm:real@1"


def test_pnpms_older_format() -> None:
    """Format 6 has slashes, and one table."""
    lock = read_pnpm(
        yaml.safe_dump(
            {
                "lockfileVersion": "6.0",
                "dependencies": {"a": {"specifier": "^1", "version": "1.0.0(p@2.0.0)"}},
                "packages": {
                    "/a@1.0.0(p@2.0.0)": {
                        "resolution": {"integrity": GOOD},
                        "dependencies": {"@s/b": "1.0.0"},
                    },
                    "/@s/b@1.0.0": {"resolution": {"integrity": GOOD}},
                },
            }
        )
    )
    found = {each.name: each.places[0] for each in lock.packages}
    assert dict(lock.links)["node_modules/a"] == found["a"]
    assert dict(lock.links)[found["a"].removesuffix("a") + "@s/b"] == found["@s/b"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"packages": {"a@git+https://h/x.git#1": {}}, "snapshots": {"a@git+https://h/x.git#1": {}}},
            "git repo",
        ),
        ({"packages": {"a@file:../x": {}}, "snapshots": {"a@file:../x": {}}}, "from a file"),
        ({"packages": {"a@1.0.0": {}}, "snapshots": {"a@1.0.0": {}}, "importers": {}}, "no integrity"),
        (
            {
                "packages": {"a@1.0.0": {"resolution": {"type": "git", "repo": "x", "commit": "1"}}},
                "snapshots": {"a@1.0.0": {}},
                "importers": {},
            },
            "git repository",
        ),
        ({"importers": {"../..": {}}}, "leaves the project"),
        ({"importers": {".": {"dependencies": {"w": {"version": "link:../../x"}}}}}, "leaves the project"),
        ({"importers": {".": {"dependencies": {"w": {"version": "9.9.9"}}}}}, "not in the file"),
        ({"importers": {".": {"dependencies": {"../w": {"version": "1.0.0"}}}}}, "no name"),
        ({"snapshots": {"a@1.0.0": {"dependencies": {"x": "1.0.0"}}}}, "not in the file"),
        ({"lockfileVersion": "5.4"}, "pnpm install --lockfile-only"),
    ],
)
def test_what_pnpm_wrote_is_not_trusted_either(change: dict[str, Any], reason: str) -> None:
    """With a clear reason."""
    with pytest.raises(LockError, match=reason):
        read_pnpm(yaml.safe_dump({**PNPM, **change}))


_leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([GOOD, "1.0.0"])
_WORDS = (
    "node_modules/a node_modules/a/node_modules/b link resolved integrity version name dependencies a@1.0.0"
    " /a@1.0.0 a@1.0.0(b@1) . .. resolution optional tarball"
)
_keys = st.text(max_size=12) | st.sampled_from(_WORDS.split())
_tables = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=25,
)


@given(_tables, st.sampled_from([2, 3]))
def test_any_text_is_a_lock_or_an_error_npm(packages: Any, version: int) -> None:
    """And whatever is accepted stays below the project."""
    try:
        lock = read_npm(json.dumps({"lockfileVersion": version, "packages": packages}))
    except LockError:
        return
    _stays_inside(lock)


@given(_tables, _tables, _tables, st.sampled_from(["6.0", "9.0"]))
def test_any_text_is_a_lock_or_an_error_pnpm(importers: Any, packages: Any, shots: Any, version: str) -> None:
    """And whatever is accepted stays below the project."""
    said = {"lockfileVersion": version, "importers": importers, "packages": packages, "snapshots": shots}
    try:
        lock = read_pnpm(json.dumps(said))
    except LockError:
        return
    _stays_inside(lock)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_lock_or_an_error(data: bytes) -> None:
    """Nothing else is raised."""
    for read in (read_npm, read_pnpm):
        with pytest.raises(LockError):
            read(data)


def _stays_inside(lock: NodeLock) -> None:
    paths = [place for each in lock.packages for place in each.places]
    paths += [path for link in (*lock.links, *lock.programs) for path in link]
    for path in paths:
        assert not path.startswith("/")
        assert ".." not in path.split("/")
        assert "\0" not in path
    assert all(each.digests for each in lock.packages)


def test_only_what_may_be_missing_is_left_out() -> None:
    """npm's rule for os, cpu and libc, with exclusions."""
    here = Machine("linux", "x64", "glibc")
    lock = npm(
        {
            "node_modules/a": entry(os=["!win32"], cpu=["x64", "arm64"]),
            "node_modules/b": entry(os=["darwin"], optional=True),
            "node_modules/c": entry(libc=["musl"], optional=True),
            "node_modules/d": entry(cpu=["!x64"], optional=True),
        }
    )
    assert [each.name for each in fitting(lock, here)] == ["a"]
    with pytest.raises(LockError, match="does not run on linux"):
        fitting(npm({"node_modules/a": entry(os=["win32"])}), here)


def test_package_urls() -> None:
    """Scopes are namespaces."""
    assert (purl("@a/b", "1.0.0"), purl("b", "1.0.0")) == ("pkg:npm/%40a/b@1.0.0", "pkg:npm/b@1.0.0")


@pytest.mark.parametrize(
    ("log", "counts"),
    [
        ("# tests 5\n# pass 3\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 0\n", (3, 1, 1, 5)),
        ("ℹ tests 2\nℹ pass 2\nℹ fail 0\n", (2, 0, 0, 2)),
        ("  12 passing (30ms)\n  1 pending\n  2 failing\n", (12, 2, 1, 15)),
        ("Tests:       1 failed, 2 skipped, 7 passed, 10 total\n", (7, 1, 2, 10)),
        (
            "\x1b[2m      Tests \x1b[22m \x1b[1m\x1b[32m4 passed\x1b[39m\x1b[22m\x1b[90m (4)\x1b[39m\n",
            (4, 0, 0, 4),
        ),
        ("nothing to count\n", (None, None, None, None)),
    ],
)
def test_summaries_are_counted(log: str, counts: tuple[int | None, ...]) -> None:
    """node --test, mocha, jest and vitest."""
    found = count_tap(log, 0)
    assert tuple(found[name] for name in ("passed", "failed", "skipped", "total")) == counts
