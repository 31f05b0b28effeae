"""Versions, summaries of tests, and the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearway.build.log import LINE_BYTES, Log
from clearway.build.model import Flooded, choose_version, count_tests, name_version, tell_tests
from clearway.kernel import Retry

SHA = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize(
    ("tags", "named", "version"),
    [
        (["v1.2.0"], "9.9.9", "1.2.0"),
        (["1.2.0"], None, "1.2.0"),
        (["v1.9.0", "v1.10.0", "latest"], None, "1.10.0"),
        (["v2.0.0-rc.1", "v2.0.0"], None, "2.0.0"),
        (["shop/v1.2.3"], None, "1.2.3"),
        (["release", "v1", "v1.2"], "0.3.0", "0.3.0+g01234567"),
        ([], None, "0.0.0+g01234567"),
    ],
)
def test_the_version_is_the_tag_s_or_carries_the_commit(
    tags: list[str], named: str | None, version: str
) -> None:
    """The highest version tag wins by order of versions, not of text; without one the commit shows."""
    assert choose_version(tags, named, SHA) == version


def test_a_package_that_names_itself_names_the_version() -> None:
    """Only where no tag, definition or project file did."""
    assert name_version("0.0.0+g01234567", "2.4.2+local") == "2.4.2+g01234567"
    assert name_version("1.0.0", "2.4.2") == "1.0.0"
    assert name_version("0.3.0+g01234567", "2.4.2") == "0.3.0+g01234567"


@pytest.mark.parametrize(
    ("log", "code", "counts"),
    [
        ("....\n-----\nRan 4 tests in 0.1s\n\nOK\n", 0, (4, 0, 0, 4)),
        ("Ran 9 tests in 1s\n\nFAILED (failures=2, errors=1, skipped=1)\n", 1, (5, 3, 1, 9)),
        ("Ran 1 test in 1s\n\nOK (skipped=1)\n", 0, (0, 0, 1, 1)),
        ("==== 3 failed, 10 passed, 2 skipped in 1.2s ====\n", 1, (10, 3, 2, 15)),
        ("12 passed in 0.50s\n", 0, (12, 0, 0, 12)),
        ("=== 1 passed, 2 errors in 0.1s ===\n", 1, (1, 2, 0, 3)),
        ("ok\n", 0, (None, None, None, None)),
        ("", 1, (None, None, None, None)),
    ],
)
def test_counts_come_from_the_summary_line_or_from_nowhere(
    log: str, code: int, counts: tuple[int | None, ...]
) -> None:
    """unittest and pytest say how many; of others only the exit code is known, and nothing is made up."""
    found = count_tests(log, code)
    assert tuple(found[name] for name in ("passed", "failed", "skipped", "total")) == counts
    assert found["ok"] == (code == 0)


def test_a_test_summary_reads_well() -> None:
    """Numbers where there are any."""
    assert tell_tests(count_tests("Ran 2 tests in 0s\n\nFAILED (errors=1)\n", 1)) == "1 of 2 tests passed"
    assert tell_tests(count_tests("", 0)) == "the tests passed"
    assert tell_tests(count_tests("", 1)) == "the tests failed"


def read(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_every_line_says_which_step_wrote_it(tmp_path: Path) -> None:
    """Pieces become lines wherever they are cut; control characters are gone, colours stay."""
    log = Log(tmp_path / "log.txt")
    output = log.step("build 1")
    for piece in (b"one\ntw", b"o\r\n\x1b[31mred\x1b[0m\x07\n", b"caf\xc3", b"\xa9 \xff\n", b"end"):
        output.write(piece)
    output.end()
    log.say("store", "done")
    log.close()
    assert read(tmp_path / "log.txt") == [
        "build 1 | one",
        "build 1 | two",
        "build 1 | \x1b[31mred\x1b[0m",
        "build 1 | café \ufffd",
        "build 1 | end",
        "store | done",
    ]


def test_the_log_can_be_read_while_it_grows(tmp_path: Path) -> None:
    """Nothing waits in a buffer that dies with the process."""
    log = Log(tmp_path / "log.txt")
    log.step("a").write(b"now\npart")
    assert read(tmp_path / "log.txt") == ["a | now"]
    log.close()
    again = Log(tmp_path / "log.txt")
    again.say("b", "after a restart")
    again.close()
    assert read(tmp_path / "log.txt") == ["a | now", "b | after a restart"]


def test_a_flood_is_cut_with_a_word_about_it(tmp_path: Path) -> None:
    """The file stays bounded, also when the writer goes on, and says why it ends."""
    log = Log(tmp_path / "log.txt", most=1000)
    output = log.step("flood")
    for _ in range(3):
        with pytest.raises(Flooded, match="1000 bytes"):
            output.write(b"x" * 50 + b"\n" + b"y" * 5000 + b"\n")
            output.write(b"z" * 990 + b"\n")
    log.close()
    assert (tmp_path / "log.txt").stat().st_size < 1100
    assert read(tmp_path / "log.txt")[-1] == "log | stopped: more than 1000 bytes of log"


def test_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    """A program that never ends its line does not fill the memory."""
    log = Log(tmp_path / "log.txt")
    output = log.step("a")
    for _ in range(4):
        output.write(b"x" * LINE_BYTES)
    output.end()
    log.close()
    assert max(len(line) for line in read(tmp_path / "log.txt")) < 2 * LINE_BYTES
    assert len(output.tail) <= 65536


def test_a_full_disk_is_said_as_such() -> None:
    """A device that is always full stands for the disk."""
    log = Log(Path("/dev/full"))
    with pytest.raises(Retry, match="disk that holds the builds is full"):
        log.say("a", "b")
    log.close()
