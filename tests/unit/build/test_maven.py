"""What is read for a Maven build: the lock, Maven's words, and the coordinates in a jar."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from clearway.build.maven_lock import parse
from clearway.build.recipes.maven import coordinates, count_surefire
from clearway.kernel import Invalid

ONE = "1" * 64


def test_a_lock_is_what_sha256sum_writes() -> None:
    """Digest, two spaces, path; `./` in front is `find`'s; sorted; comments are comments."""
    text = f"# made by hand\n{ONE}  ./org/x/y/1.0/y-1.0.jar\n\n{'2' * 64}  junit/junit/4.13/junit-4.13.pom\n"
    found = parse(text)
    assert [each.path for each in found] == ["junit/junit/4.13/junit-4.13.pom", "org/x/y/1.0/y-1.0.jar"]
    assert found[1].digest == f"sha256:{ONE}"
    assert [each.purl for each in found] == [None, "pkg:maven/org.x/y@1.0"]


def test_a_classifier_is_part_of_the_name() -> None:
    """The same version has several jars; a jar in a place that is none has no name."""
    text = f"{ONE}  a/b/1/b-1-linux.jar\n{ONE}  a/b/1/other.jar\n{ONE}  short.jar\n"
    assert [each.purl for each in parse(text)] == ["pkg:maven/a/b@1?classifier=linux", None, None]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no digest", "a SHA-256, two spaces and a path"),
        (f"{ONE}  ../../etc/passwd", "leaves the repository"),
        (f"{ONE}  a/./b", "leaves the repository"),
        (f"{ONE}  a//b", "leaves the repository"),
        (f"{ONE}  /etc/passwd", "leaves the repository"),
        (f"{ONE}  a b", "a SHA-256, two spaces and a path"),
        (f"{ONE[:-1]}  a", "a SHA-256, two spaces and a path"),
        (f"{ONE}  a\n{ONE}  ./a", "is there twice"),
    ],
)
def test_a_line_that_is_none_is_named(line: str, said: str) -> None:
    """With its number."""
    with pytest.raises(Invalid, match=said) as caught:
        parse(line)
    assert "clearway-maven.lock:" in str(caught.value)


def test_tests_of_all_modules_are_counted() -> None:
    """Once each: the lines of single classes, which have a time, are in their module's summary."""
    log = """
[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 1, Time elapsed: 0.04 s -- in a.ATest
[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 1
[ERROR] Tests run: 4, Failures: 1, Errors: 1, Skipped: 0
"""
    assert count_surefire(log, 1) == {"ok": False, "passed": 4, "failed": 2, "skipped": 1, "total": 7}
    assert count_surefire("[INFO] BUILD SUCCESS\n", 0)["total"] is None


def _jar(place: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(place, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return place


def test_a_jar_tells_its_coordinates(tmp_path: Path) -> None:
    """Its own, not those of what was shaded into it; without any, it is just a file."""
    own = {"META-INF/maven/dev.x/greeter/pom.properties": "#c\nversion=1.2\ngroupId=dev.x\n"}
    other = {"META-INF/maven/org.y/words/pom.properties": "version=9\n"}
    jar = _jar(tmp_path / "greeter-1.2.jar", own | other)
    assert str(coordinates(jar, "jar")) == "pkg:maven/dev.x/greeter@1.2"
    war = _jar(tmp_path / "greeter-1.2.war", own)
    assert str(coordinates(war, "war")) == "pkg:maven/dev.x/greeter@1.2?type=war"
    assert coordinates(_jar(tmp_path / "plain.jar", {}), "jar") is None
    (tmp_path / "broken.jar").write_bytes(b"no archive")
    assert coordinates(tmp_path / "broken.jar", "jar") is None
