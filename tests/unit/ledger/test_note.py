"""Signed notes and checkpoints against published examples, and against forgers."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clearway.ledger.note import (
    NoteError,
    TreeHead,
    VerifierKey,
    format_head,
    open_note,
    parse_head,
    sign_note,
)
from clearway.ledger.standalone_verify import BadNote, read_checkpoint, read_key

# The example of Go's golang.org/x/mod/sumdb/note, where the format comes from. Ed25519 is deterministic, so
# the same key over the same text must give the same note.
VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.
"""
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
NOTE = f"{TEXT}\n— PeterNeumann {SIGNATURE}\n"
# The example of C2SP tlog-checkpoint.
CHECKPOINT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

KEY = VerifierKey.parse(VERIFIER)
PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)


def signed(text: str) -> str:
    return sign_note(text, KEY.name, KEY.public, PRIVATE.sign)


def test_the_published_note_is_made_and_opened() -> None:
    """Byte for byte."""
    assert signed(TEXT) == NOTE
    assert open_note(NOTE, KEY) == TEXT
    assert str(KEY) == VERIFIER


def test_the_published_checkpoint_is_read_and_written() -> None:
    """Origin, size and root, byte for byte."""
    head = parse_head(CHECKPOINT)
    assert (head.origin, head.size, head.root.hex()[:8]) == (
        "example.com/behind-the-sofa",
        20852163,
        "0ac5186a",
    )
    assert format_head(head) == CHECKPOINT
    assert read_checkpoint(signed(CHECKPOINT), VERIFIER) == (head.origin, head.size, head.root)


def test_the_lonely_program_knows_the_published_key() -> None:
    """The verifier that was written apart reads the same key from the same text."""
    assert read_key(VERIFIER) == (KEY.name, KEY.key_id, KEY.public)


def test_signatures_of_others_are_passed_over() -> None:
    """A witness or a new key of the log may sign too, before or after."""
    other = Ed25519PrivateKey.generate()
    line = sign_note(CHECKPOINT, "witness.example", other.public_key().public_bytes_raw(), other.sign).split(
        "\n"
    )[-2]
    text, ours = signed(CHECKPOINT).rsplit("\n\n", 1)
    for note in (f"{text}\n\n{line}\n{ours}", f"{text}\n\n{ours}{line}\n"):
        assert open_note(note, KEY) == CHECKPOINT
        assert read_checkpoint(note, VERIFIER)[1] == 20852163


def broken() -> dict[str, str]:
    note = signed(CHECKPOINT)
    text, line = note.rsplit("\n\n", 1)
    other = Ed25519PrivateKey.generate()
    forged = sign_note(CHECKPOINT, KEY.name, other.public_key().public_bytes_raw(), other.sign)
    raw = b64decode(line.split(" ")[2])
    borrowed = b64decode(forged.split("\n")[-2].split(" ")[2])
    return {
        "text changed": note.replace("20852163", "20852162"),
        "origin changed": note.replace("example.com", "example.org"),
        "signed by another key": forged,
        "another key under our id": f"{text}\n\n— {KEY.name} {b64encode(raw[:4] + borrowed[4:]).decode()}\n",
        "signature cut": f"{text}\n\n— {KEY.name} {b64encode(raw[:-1]).decode()}\n",
        "no signature": text + "\n\n",
        "no empty line": note.replace("\n\n", "\n"),
        "hyphen for dash": note.replace("—", "-"),
        "not base64": f"{text}\n\n— {KEY.name} ***\n",
        "empty": "",
        "lines between": note.replace("\n\n", "\n\nunsigned words\n\n"),
    }


@pytest.mark.parametrize("how", broken())
def test_a_broken_or_forged_note_is_refused(how: str) -> None:
    """By both readers."""
    note = broken()[how]
    with pytest.raises(NoteError):
        open_note(note, KEY)
    with pytest.raises(BadNote):
        read_checkpoint(note, VERIFIER)


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        "origin\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n1\nAAAA\n",
        "origin\n1\n???\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "",
    ],
)
def test_a_note_that_is_no_checkpoint_is_refused(text: str) -> None:
    """Even when the key signed it."""
    with pytest.raises(NoteError):
        parse_head(text)
    if text:
        with pytest.raises(BadNote):
            read_checkpoint(signed(text), VERIFIER)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "PeterNeumann",
        VERIFIER.replace("c74f20a3", "c74f20a4"),
        VERIFIER.replace("Peter", "Paul"),
        VERIFIER[:-4],
        VERIFIER.replace("+AR", "+BR"),
        "a b+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_damaged_key_is_refused(key: str) -> None:
    """A typing mistake in a key is no other key."""
    with pytest.raises(NoteError):
        VerifierKey.parse(key)
    with pytest.raises(BadNote):
        read_key(key)


@pytest.mark.parametrize("text", ["no newline", "tab\t\n", "nul\0\n"])
def test_what_cannot_be_a_note_is_not_signed(text: str) -> None:
    """Control characters could make one text look like another."""
    with pytest.raises(NoteError):
        signed(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b"])
def test_what_cannot_name_a_key_is_not_used(name: str) -> None:
    """The format splits at spaces and plus signs."""
    with pytest.raises(NoteError):
        sign_note(TEXT, name, KEY.public, PRIVATE.sign)


def test_heads_survive_the_round_trip() -> None:
    """Empty and large."""
    for size in (0, 1, 2**53):
        head = TreeHead("a.example/b", size, bytes(range(32)))
        assert parse_head(format_head(head)) == head
