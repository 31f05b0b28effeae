"""Where two files differ, of what kind each difference is, and why."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from clearway.build.reproduce.causes import CAUSES, Seen, cause, find_causes, not_causes
from clearway.build.reproduce.contents import MOST_BYTES
from clearway.build.reproduce.difference import MOST, STRIPPABLE, Difference, compare, verdict
from clearway.build.reproduce.model import Mark, score
from clearway.build.reproduce.search import search


def zipped(
    files: dict[str, bytes], when: tuple[int, ...] = (2026, 1, 1, 0, 0, 0), mode: int = 0o644
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, when)
            info.external_attr = (0o100000 | mode) << 16
            archive.writestr(info, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], **about: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in about.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def arred(name: bytes, data: bytes, when: bytes = b"0") -> bytes:
    head = name.ljust(16) + when.ljust(12) + b"0".ljust(6) + b"0".ljust(6) + b"100644".ljust(8)
    return b"!<arch>\n" + head + str(len(data)).encode().ljust(10) + b"`\n" + data + b"\n" * (len(data) % 2)


MONDAY = b"#Mon Jan 05 10:00:00 UTC 2026\na=1\n"
TUESDAY = b"#Tue Jan 06 11:00:00 UTC 2026\na=1\n"
A = {"a.txt": b"a\n", "b.txt": b"b\n"}
CASES = [
    ("x.zip", zipped(A), zipped(A, (2027, 1, 1, 0, 0, 0)), "time"),
    ("x.zip", zipped(A), zipped(A, mode=0o664), "mode"),
    ("x.zip", zipped(A), zipped(dict(reversed(A.items()))), "order"),
    ("x.zip", zipped(A), zipped({**A, "a.txt": b"other\n"}), "content"),
    ("x.zip", zipped(A), zipped({"a.txt": b"a\n"}), "only-first"),
    ("x.zip", zipped({"a.txt": b"a\n"}), zipped(A), "only-second"),
    ("x.tar", tarred(A), tarred(A, mtime=5), "time"),
    ("x.tar", tarred(A), tarred(A, uid=5, uname="mason"), "owner"),
    ("x.tar", tarred(A), tarred(A, mode=0o600), "mode"),
    ("x.tar.gz", gzip.compress(tarred(A), mtime=1), gzip.compress(tarred(A), mtime=2), "gzip-header"),
    ("x.gz", gzip.compress(b"a" * 999, 1, mtime=0), gzip.compress(b"a" * 999, 5, mtime=0), "compression"),
    ("x.tar.gz", gzip.compress(tarred(A), mtime=0), gzip.compress(tarred(A, mtime=9), mtime=0), "time"),
    ("x.a", arred(b"m.o/", b"x"), arred(b"m.o/", b"x", b"99"), "time"),
    ("x.a", arred(b"m.o/", b"x"), arred(b"m.o/", b"y"), "content"),
    ("x.txt", b"one\n", b"two\n", "content"),
    ("x.bin", b"\0one", b"\0two", "content"),
    ("x.properties", MONDAY, TUESDAY, "stamp"),
    ("x.jar", zipped({"META-INF/MANIFEST.MF": b"Built-By: a\nX: 1\n"}),
     zipped({"META-INF/MANIFEST.MF": b"Built-By: b\nX: 1\n"}), "stamp"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "first", "second", "kind"), CASES)
def test_a_difference_is_of_its_kind(name: str, first: bytes, second: bytes, kind: str) -> None:
    """And the verdict follows: what strip-nondeterminism would take away leaves equivalents."""
    found = compare(name, first, second)
    assert {each.kind for each in found} - {"compression", "archive"} == {kind} - {"compression"}
    assert verdict(found) == ("equivalent" if kind in STRIPPABLE else "different")
    assert compare(name, first, first) == []
    assert verdict([]) == "identical"


def test_a_list_of_digests_is_no_difference_of_its_own() -> None:
    """A wheel's RECORD differs because a file does; equivalent files make an equivalent wheel."""
    one = {
        "s/x.properties": b"#Mon Jan 05 10:00:00 UTC 2026\na=1\n",
        "s-1.dist-info/RECORD": b"s/x.properties,1,1\n",
    }
    two = {
        "s/x.properties": b"#Tue Jan 06 10:00:00 UTC 2026\na=1\n",
        "s-1.dist-info/RECORD": b"s/x.properties,2,1\n",
    }
    found = compare("s-1-py3-none-any.whl", zipped(one), zipped(two))
    assert [each.kind for each in found] == ["stamp", "consequence"]
    assert verdict(found) == "equivalent"
    two["s-1.dist-info/RECORD"] = b"s/other,2,1\n"
    assert verdict(compare("s-1-py3-none-any.whl", zipped(one), zipped(two))) == "different"


def test_a_bomb_stays_closed() -> None:
    """What would unpack to more than the budget is compared as bytes, and told as different."""
    bombs = [gzip.compress(each * (MOST_BYTES + 10), 9, mtime=0) for each in (b"a", b"b")]
    assert [each.kind for each in compare("bomb.gz", *bombs)] == ["content"]


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04rubbish",
        b"\x1f\x8b\x08rubbish",
        b"!<arch>\nrubbish" + b" " * 90,
        b"BZhrubbish",
        b"\x7fELF\0",
    ],
)
def test_a_broken_archive_is_bytes(data: bytes) -> None:
    """It is told as different, and nothing breaks."""
    assert [each.kind for each in compare("x", data, data + b"x")] == ["content"]


def test_every_variation_has_a_cause_with_a_fix() -> None:
    """The table of causes is complete."""
    assert not_causes() == []
    for name in CAUSES:
        found = cause(name)
        assert found.says.endswith(".")
        assert found.fix


def test_what_was_shown_counts_before_what_is_likely() -> None:
    """A pattern is looked for only where no experiment named a cause."""
    rows = [Difference("x.whl » a", "mode", "644", "664"), Difference("x.whl » b", "time", "1", "2")]
    found = find_causes(rows, Seen(alone=["umask"]))
    assert [(each.name, each.certainty, each.where) for each in found] == [("umask", "shown", "x.whl » a")]
    assert "setuptools" in found[0].fix


UNSTABLE = Seen(plain_differs=True, plain_stable=False)
OTHER_TOOLS = Seen(plain_differs=True, tools=["gcc: 12 then, 13 now"])


@pytest.mark.parametrize(
    ("difference", "seen", "name"),
    [
        (Difference("x.tar", "owner"), Seen(), "owner"),
        (Difference("x.tar", "order"), Seen(), "order"),
        (Difference("x.gz (time)", "gzip-header"), Seen(), "gzip-header"),
        (Difference("x.gz", "compression"), Seen(), "compression"),
        (Difference("x.tar » a", "mode"), Seen(), "mode"),
        (Difference("x.zip » a", "time", "2026-11-23 1", "2026-11-23 2"),
         Seen(days=[datetime(2026, 11, 23, tzinfo=UTC)]), "clock"),
        (Difference("x.zip » a", "time", "2020-01-01 1", "2020-01-01 2"), Seen(), "file-times"),
        (Difference("x", "content", lines=("-Built 2026-11-23",)), Seen(), "clock"),
        (Difference("x", "content", lines=("+/other/place",)), Seen(around={"/other/place": "path"}), "path"),
        (Difference("x", "content", lines=("-8f3a",)), UNSTABLE, "randomness"),
        (Difference("x", "content", lines=("-a",)), OTHER_TOOLS, "tools"),
    ],
)  # fmt: skip
def test_a_pattern_has_its_cause(difference: Difference, seen: Seen, name: str) -> None:
    """Without an experiment that shows more."""
    assert find_causes([difference], seen)[0].name == name


def test_a_search_finds_every_name_with_few_tries() -> None:
    """One culprit of sixteen in nine tries at most; two that work only together are told together."""
    names = [f"v{number}" for number in range(16)]
    tries: list[int] = []

    def ask(bad: set[str], every: bool = False) -> Any:
        def differs(group: Any) -> bool:
            tries.append(1)
            return bad <= set(group) if every else bool(bad & set(group))

        return differs

    assert search(names, ask({"v11"})).alone == ["v11"]
    assert len(tries) <= 9
    assert search(names, ask({"v1", "v14"})).alone == ["v1", "v14"]
    found = search(names, ask({"v1", "v14"}, every=True))
    assert (found.alone, set(found.together) >= {"v1", "v14"}) == ([], True)
    assert not search(names, ask(set(names)), most=4).whole


def test_a_score_is_the_share_of_the_newest_builds() -> None:
    """What could not be rebuilt counts as not identical; the line tells how it went."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    marks = [
        Mark(str(at), f"bld_{at}", f"rep_{at}", each, now)  # type: ignore[arg-type]
        for at, each in enumerate(["different", "identical", None, "identical"])
    ]
    found = score("shop", marks)
    assert found.share == 0.5
    assert [share for _, share in found.over_time] == [0.0, 0.5, 1 / 3, 0.5]
    assert score("shop", marks, window=1).share == 1.0
    assert score("shop", []).share is None


def test_many_small_differences_are_still_small() -> None:
    """A hundred members with other owners and times are equivalent; words are told for the first ones."""

    def packed(uid: int, last: bytes) -> bytes:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as archive:
            for number in range(300):
                info = tarfile.TarInfo(f"f{number:03}")
                info.uid, info.mtime = uid, uid
                content = last if number == 299 else b"x"
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return made.getvalue()

    found = compare("a.tar", packed(1, b"x"), packed(2, b"x"))
    assert (len(found) > MOST, verdict(found)) == (True, "equivalent")
    assert verdict(compare("a.tar", packed(1, b"x"), packed(2, b"y"))) == "different"
