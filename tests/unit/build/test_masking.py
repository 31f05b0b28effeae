"""Secrets do not get into a log, however they are printed."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.build.masking import MASK, Masked

SECRET = b"correct-horse/battery+staple"


def printed(values: list[bytes], *pieces: bytes) -> bytes:
    out: list[bytes] = []
    masked = Masked(values, out.append)
    for piece in pieces:
        masked.write(piece)
    masked.end()
    return b"".join(out)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        base64.b64encode(SECRET),
        base64.b64encode(b"user:" + SECRET),
        base64.b64encode(b"x" + SECRET + b"tail"),
        base64.urlsafe_b64encode(SECRET),
        base64.b32encode(SECRET),
        SECRET.hex().encode(),
        SECRET.hex().upper().encode(),
        quote(SECRET.decode(), safe="").encode(),
        b"\n".join(bytes([each]) for each in SECRET),
        b" ".join(bytes([each]) for each in SECRET),
        b"\r\n\t".join(bytes([each]) for each in SECRET),
    ],
)
def test_each_form_is_masked(form: bytes) -> None:
    """As it is, encoded, and with white space in between; nothing of six characters in a row is left."""
    left = printed([SECRET], b"before " + form + b" after\n")
    assert MASK in left
    packed = bytes(each for each in left if each not in b" \r\n\t")
    clear = bytes(each for each in form if each not in b" \r\n\t")
    inner = clear[8:-8]
    assert len(inner) > 6
    assert not any(inner[at : at + 6] in packed for at in range(len(inner) - 6))
    assert left.startswith(b"before ")
    assert left.endswith(b" after\n")


@given(st.lists(st.integers(1, 40), max_size=30))
def test_it_makes_no_difference_where_output_is_cut(cuts: list[int]) -> None:
    """A secret that arrives in pieces is masked like one that arrives whole."""
    text = b"it is " + SECRET + b", and " + SECRET.hex().encode() + b" too\n"
    pieces, rest = [], text
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    assert printed([SECRET], *pieces, rest) == printed([SECRET], text)
    assert SECRET not in printed([SECRET], *pieces, rest)


@given(st.binary(max_size=300))
def test_other_output_stays(text: bytes) -> None:
    """What gives nothing away is written as it is, to the last byte."""
    if SECRET[:4] not in text:
        assert printed([SECRET], text) == text


def test_each_line_of_a_key_is_masked() -> None:
    """A private key has many lines; one of them alone gives it away."""
    key = b"-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"
    left = printed([key], b"second line: kqhkiG9w0BAQEF\n")
    assert b"kqhkiG9w0BAQEF" not in left


def test_json_form_is_masked() -> None:
    """Quotes and backslashes come escaped in JSON."""
    secret = b'a"b\\c"d-and-more'
    left = printed([secret], json.dumps({"token": secret.decode()}).encode())
    assert b"and-more" not in left


def test_what_was_held_back_comes_at_the_end() -> None:
    """The beginning of a secret that goes on differently is no secret."""
    assert printed([SECRET], b"correct-hor") == b"correct-hor"
    assert printed([SECRET], b"correct-hor", b"ns\n") == b"correct-horns\n"


def test_without_secrets_nothing_is_done() -> None:
    """Most steps have none."""
    assert printed([], b"a", b"b") == b"ab"
