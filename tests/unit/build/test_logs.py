"""Logs: hostile text, packing, reading by offset and line, searching, what says why it failed, kill -9."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from building import Builder
from hypothesis import given, settings
from hypothesis import strategies as st
from repositories import Made

from clearway import build
from clearway.build import kept_log, store
from clearway.build.colours import clean, plain
from clearway.build.failing import Line, pick, split
from clearway.build.log import LINE_BYTES, Log
from clearway.build.ports import FakePackages, FakeSandbox
from clearway.kernel import Invalid, NotFound

SGR = re.compile(r"\x1b\[[0-9;]{0,40}m")
PIECES = st.sampled_from(
    [
        *(b"\x1b", b"[", b"31", b"m", b";", b"\n", b"\r", b"\x07", b"\x9b", b"\xc2\x9b", b"]0;title", b"2K"),
        *(b" ", b"?"),
        *(b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xff", b"\xc3", b"a | b", b"\x1b[31m", b"\x1b[8;1;2H"),
        "é✓".encode(),
    ]
)
HOSTILE = st.lists(PIECES | st.binary(max_size=8), max_size=40).map(b"".join)
TURNS = "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
FORBIDDEN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{TURNS}]")


@given(HOSTILE)
@settings(max_examples=200, deadline=None)
def test_of_hostile_text_only_colours_are_left(text: bytes) -> None:
    """Nothing that a terminal obeys, turns round, or ends a line at, however it is put together."""
    kept = clean(text).decode()
    assert not FORBIDDEN.search(SGR.sub("", kept).replace("\n", ""))
    assert kept.count("\n") == text.count(b"\n")
    assert clean(kept.encode()).decode() == kept
    assert "\x1b" not in plain(kept)


@given(st.lists(HOSTILE, max_size=6))
@settings(max_examples=60, deadline=None)
def test_every_line_has_its_step_however_the_output_is_cut(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    """No program can write a line in the name of another step."""
    path = tmp_path_factory.mktemp("log") / "log.txt"
    log = Log(path)
    output = log.step("evil 1")
    for piece in pieces:
        output.write(piece)
    output.end()
    log.close()
    text = path.read_text()
    assert text.count("\n") == len(text.splitlines())
    assert all(line.startswith("evil 1 | ") for line in text.splitlines())


def test_blocks_and_long_lines(tmp_path: Path) -> None:
    """A block is taken whole; the one line in it that is too long is cut, and the others are not."""
    log = Log(tmp_path / "log.txt")
    log.step("a").write(b"one\n" * 9000 + b"x" * (2 * LINE_BYTES) + b"\n" + b"two\n" * 9000)
    log.close()
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert (lines.count("a | one"), lines.count("a | two"), len(lines)) == (9000, 9000, 18001)
    assert lines[9000] == "a | " + "x" * LINE_BYTES + " [line cut]"


def write(folder: Path, lines: int, text: Callable[[int], str] = "compile 1 | line {}".format) -> bytes:
    folder.mkdir(parents=True, exist_ok=True)
    data = "".join(f"{text(number)}\n" for number in range(1, lines + 1)).encode()
    (folder / kept_log.GROWING).write_bytes(data)
    return data


def test_a_packed_log_reads_as_it_did(tmp_path: Path) -> None:
    """By offset, by line, and with any gzip program."""
    data = write(tmp_path, 150_000, lambda number: f"compile 1 | line {number} {'y' * (number % 50)}")
    places = [0, 1, 17, 1 << 20, (1 << 20) + 7, len(data) - 5, len(data), len(data) + 9]
    lines = [1, 2, 777, 40_000, 150_000, 150_001, 999_999]

    def seen() -> list[object]:
        with kept_log.opened(tmp_path) as stored:
            return [
                [stored.read(place, 100) for place in places],
                [stored.line(place) for place in places[:-1]],
                [stored.start(line) for line in lines],
                b"".join(stored.blocks(12345)),
                stored.size(),
                stored.read(5, 3 << 20),
            ]

    before = seen()
    assert before[2][2] == data.index(b"compile 1 | line 777 ")  # type: ignore[index]
    assert kept_log.pack(tmp_path)
    assert os.listdir(tmp_path) == [kept_log.PACKED]
    assert seen() == before
    assert gzip.decompress((tmp_path / kept_log.PACKED).read_bytes()) == data
    assert (tmp_path / kept_log.PACKED).stat().st_size < len(data) / 4
    assert not kept_log.pack(tmp_path)


def test_a_short_log_is_not_packed(tmp_path: Path) -> None:
    """It would gain nothing."""
    write(tmp_path, 3)
    assert not kept_log.pack(tmp_path)
    assert os.listdir(tmp_path) == [kept_log.GROWING]


WRITER = """
import sys
from pathlib import Path
from clearway.build.log import Log
output = Log(Path(sys.argv[1]), 1 << 40).step("compile 1")
number = 0
while True:
    output.write(b"".join(b"line %d of many\\n" % at for at in range(number, number + 997)))
    number += 997
    if number == 997 * 20: print("going", flush=True)
"""


def test_a_writer_killed_at_any_moment_loses_nothing_it_had_written(tmp_path: Path) -> None:
    """After kill -9 every line is whole but for one at most, and the next writer begins on a new one."""
    path = tmp_path / "log.txt"
    for _ in range(3):
        path.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"going\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        log = Log(path)
        log.say("build", "taken over")
        log.close()
        *lines, last = path.read_text().splitlines()
        assert last == "build | taken over"
        assert len(lines) >= 997 * 20
        whole = [f"compile 1 | line {number} of many" for number in range(len(lines))]
        assert lines[:-1] == whole[:-1]
        assert whole[-1].startswith(lines[-1])


PACKER = """
import os, sys
from pathlib import Path
from clearway.build import kept_log, store
real, at = kept_log._member, []
def member(block):
    at.append(1)
    if len(at) == 3 and sys.argv[2] == "inside": os.kill(os.getpid(), 9)
    return real(block)
kept_log._member = member
if sys.argv[2] == "named": kept_log._sync = lambda folder: os.kill(os.getpid(), 9)
kept_log.pack(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("moment", ["inside", "named"])
def test_a_crash_while_packing_loses_nothing(tmp_path: Path, moment: str) -> None:
    """Killed in the middle of the packed file, or between its name and the other one's end."""
    data = write(tmp_path, 200_000)
    done = subprocess.run([sys.executable, "-c", PACKER, str(tmp_path), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    for _ in range(2):
        with kept_log.opened(tmp_path) as stored:
            assert b"".join(stored.blocks()) == data
        kept_log.pack(tmp_path)
    assert os.listdir(tmp_path) == [kept_log.PACKED]


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    made = Made(tmp_path / "repository")
    return Builder(tmp_path, str(made.root), FakeSandbox({}), FakePackages(tmp_path / "packages"))


def ended(builder: Builder, lines: list[str], status: str = "failed", times: int = 1) -> str:
    """A build that ended, with this log."""
    identity = builder.request()
    folder = builder.workshop.log_path(identity).parent
    folder.mkdir(parents=True)
    (folder / kept_log.GROWING).write_text("".join(f"{line}\n" for line in lines) * times)
    with builder.database.begin() as uow:
        store.change_open(uow, identity, status=status)
    return identity


def test_lines_are_read_by_number(builder: Builder) -> None:
    """From the start or the end, and never more than asked for."""
    identity = ended(builder, [f"a | {number}" for number in range(1, 1001)])
    with builder.database.read() as uow:
        some = build.log_lines(uow, identity, 998, 10)
        assert [(each.number, each.text) for each in some.lines] == [
            (998, "998"),
            (999, "999"),
            (1000, "1000"),
        ]
        assert (some.following, some.total) == (None, 1000)
        assert build.log_lines(uow, identity, -2, 1).lines[0].text == "999"
        assert build.log_lines(uow, identity, 1, 5).following == 6
        assert build.log_lines(uow, identity, 5000, 5).lines == []
        for first, count in ((0, 5), (1, 0), (1, 100_000)):
            with pytest.raises(Invalid):
                build.log_lines(uow, identity, first, count)
        with pytest.raises(NotFound):
            build.log_lines(uow, "bld_none")


@pytest.mark.parametrize("packed", [False, True])
def test_a_search_sees_the_whole_log(builder: Builder, packed: bool) -> None:
    """Any case, through colours, by step, page by page, with the numbers of the lines."""
    lines = [
        "compile 1 | nothing here",
        "compile 2 | An \x1b[31mErr\x1b[0mor",
        "test | größe ERROR",
        "error | no",
    ]
    identity = ended(builder, lines, times=40_000)
    if packed:
        assert kept_log.pack(builder.workshop.log_path(identity).parent)
    with builder.database.read() as uow:
        found = build.search_log(uow, identity, "error", limit=3)
        assert [(each.number, each.step) for each in found.hits] == [
            (2, "compile 2"),
            (3, "test"),
            (6, "compile 2"),
        ]
        assert found.hits[0].text == "An Error"
        after = build.search_log(uow, identity, "error", after=found.more_after or 0, limit=1)
        assert [each.number for each in after.hits] == [7]
        last = build.search_log(uow, identity, "error", after=159_998)
        assert ([each.number for each in last.hits], last.more_after) == ([159_999], None)
        own = build.search_log(uow, identity, "", step="compile", limit=4)
        assert [each.number for each in own.hits] == [1, 2, 5, 6]
        assert [each.number for each in build.search_log(uow, identity, "GRÖSSE", limit=1).hits] == []
        assert [each.number for each in build.search_log(uow, identity, "GRÖßE", limit=1).hits] == [3]
        for text in ("", "x" * 201, "a\nb"):
            with pytest.raises(Invalid):
                build.search_log(uow, identity, text)


def test_the_whole_log_is_a_file_without_colours(builder: Builder) -> None:
    """For an editor or a colleague."""
    identity = ended(builder, ["a | \x1b[1;31mred\x1b[0m"], times=100_000)
    with builder.database.read() as uow:
        text = b"".join(build.whole_log(uow, identity))
    assert text == b"a | red\n" * 100_000


def test_logs_that_a_crash_left_are_packed_later(builder: Builder) -> None:
    """Those of builds that ended; one that runs stays as it is."""
    left, runs = ended(builder, ["a | x"], times=30_000), ended(builder, ["a | x"], "running", times=30_000)
    build.pack_logs(builder.database)
    assert os.listdir(builder.workshop.root / left) == [kept_log.PACKED]
    assert os.listdir(builder.workshop.root / runs) == [kept_log.GROWING]


def lines_of(text: str) -> list[Line]:
    return [Line(at, *split(line)) for at, line in enumerate(text.strip().splitlines(), 1)]


def test_a_traceback_is_told_whole() -> None:
    """With the line that names the error, and of the step that failed only."""
    quiet = "\n".join(f"test | ok {number}" for number in range(100))
    text = f"""compile | error: not ours
{quiet}
test | Traceback (most recent call last):
test |   File "x.py", line 3, in f
test |     g()
test | ValueError: nothing
{quiet}
test | failed: step test failed with exit code 1"""
    found = pick(lines_of(text))
    assert {each.step for each in found} == {"test"}
    assert [each.text for each in found if each.bad][:4] == [
        "Traceback (most recent call last):",
        '  File "x.py", line 3, in f',
        "    g()",
        "ValueError: nothing",
    ]
    assert found[-1].text.startswith("failed: ")
    assert len(found) < 20


@pytest.mark.parametrize(
    "text",
    [
        "main.c:3:5: error: expected ';'",
        "\x1b[1;31merror\x1b[0m[E0425]: cannot find value",
        "FAILED tests/test_a.py::test_b - assert 1 == 2",
        "E       assert 1 == 2",
        "npm ERR! code ELIFECYCLE",
        "[ERROR] COMPILATION ERROR :",
        "make: *** [Makefile:3: all] Error 1",
        "undefined reference to `foo'",
        "sh: 1: gcc: not found",
        "not ok 3 - it adds",
        "java.lang.NullPointerException: x",
    ],
)
def test_what_tools_say_of_errors_is_recognised(text: str) -> None:
    """Compilers, test runners, package managers, shells."""
    lines = [f"build | {'.' * 9}"] * 3 + ["s | quiet"] * 30 + [f"s | {text}"] + ["s | quiet"] * 30
    assert [each.text for each in pick(lines_of("\n".join(lines))) if each.bad] == [text]


@pytest.mark.parametrize(
    "text", ["0 errors, 0 failed", "gcc -Werror -c x.c", "no errors", "src/error.c", "-Wno-error=x"]
)
def test_what_only_looks_like_an_error_is_none(text: str) -> None:
    """Summaries of nothing, options, names of files."""
    assert not [each for each in pick(lines_of(f"s | {text}")) if each.bad]


def test_a_step_that_failed_before_it_wrote_is_the_one() -> None:
    """Not the one before it that was only the last to write."""
    found = pick(lines_of("compile 1 | fine\ntest 1 | failed: no secret\nbuild 1 | failed: step test"))
    assert [(each.step, each.text) for each in found] == [("test 1", "failed: no secret")]
