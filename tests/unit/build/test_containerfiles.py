"""What a Containerfile starts from, and that it is named so that nobody else can change it."""

from __future__ import annotations

import pytest

from clearway.build.containerfiles import bases, with_local
from clearway.build.model import BuildFailed

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64

TEXT = f"""
# FROM nothing
FROM --platform=linux/amd64 debian:12@{ONE} AS Tools
RUN --mount=type=bind,from=example.org:5000/a/b@{TWO},target=/x \\
    # a comment inside
    touch /y
FROM scratch
COPY --from=tools /y /y
COPY --from=0 /y /z
COPY --from=example.org:5000/a/b@{TWO} /q /q
from tools as last
"""


def test_bases_are_found_wherever_they_are_named() -> None:
    """In FROM, in COPY, in mounts; each once; stages and scratch are none."""
    found = bases(TEXT)
    assert [(each.name, each.digest) for each in found] == [("debian", ONE), ("example.org:5000/a/b", TWO)]
    assert found[0].reference == f"debian@{ONE}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM debian:12", "not named by its digest"),
        ("FROM debian", "not named by its digest"),
        (f"FROM debian@{ONE[:-1]}", "not named by its digest"),
        ("ARG BASE\nFROM ${BASE}", "is a variable"),
        (f"FROM debian@{ONE}\nCOPY --from=busybox /x /x", "not named by its digest"),
        ("FROM a b c d", "is not understood"),
    ],
)
def test_what_another_may_change_is_refused(text: str, said: str) -> None:
    """With the words that would be accepted."""
    with pytest.raises(BuildFailed, match=said):
        bases(text)


def test_bases_get_the_names_of_the_storage() -> None:
    """Every mention, and nothing that only looks like one."""
    found = {each.written: f"localhost/base-{at}" for at, each in enumerate(bases(TEXT))}
    text = with_local(TEXT, found)
    assert ONE not in text
    assert TWO not in text
    assert "FROM --platform=linux/amd64 localhost/base-0 AS Tools" in text
    assert "COPY --from=localhost/base-1 /q /q" in text
    assert with_local(f"FROM x/debian@{ONE}", {f"debian@{ONE}": "y"}) == f"FROM x/debian@{ONE}"
