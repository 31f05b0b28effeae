"""The Signer port: one suite for the process, the file key and the fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from signers import Signing

from clearway.artifacts import PROVENANCE, Signer, Untrusted, sign, statement, verify_envelope
from clearway.artifacts.model import pre_authentication, statement_bytes
from clearway.artifacts.ports import MemorySigner
from clearway.integrations.signer_process import FileSigner

DIGEST = "sha256:" + "ab" * 32
CONTENT = pre_authentication(statement_bytes(statement([("a.whl", DIGEST)], PROVENANCE, {"x": 1})))


@pytest.fixture(params=["process", "file", "memory"])
def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Signer]:
    if request.param == "file":
        yield FileSigner(tmp_path / "keys/evidence.pem")
    elif request.param == "memory":
        yield MemorySigner()
    else:
        process = Signing(tmp_path).start()
        try:
            yield process.client
        finally:
            process.end()


def test_its_own_keys_verify_what_it_signed(signer: Signer) -> None:
    """The key id that comes with a signature is among the public keys, and verifies it."""
    keyid, signature = signer.sign(CONTENT)
    signer.public_keys()[keyid].verify(signature, CONTENT)


def test_the_same_words_give_the_same_signature(signer: Signer) -> None:
    """So that whoever lost an answer may ask again."""
    assert signer.sign(CONTENT) == signer.sign(CONTENT)


def test_it_says_where_its_key_is(signer: Signer) -> None:
    """A provenance repeats it: who reads one knows what to think of the key."""
    assert signer.kind in ("process", "process of its own user", "file", "memory")


def test_securesystemslib_accepts_the_envelope(signer: Signer) -> None:
    """Others' tools verify our evidence."""
    content = sign(signer, statement([("a.whl", DIGEST)], PROVENANCE, {"x": 1}))
    (keyid, public), *_ = signer.public_keys().items()
    key = SSlibKey.from_crypto(public, keyid=keyid)
    assert set(Envelope.from_dict(content).verify([key], 1)) == {keyid}


def test_another_signer_s_word_does_not_count(signer: Signer) -> None:
    """A statement is only as good as the key that signed it."""
    content = sign(MemorySigner(b"\2" * 32), statement([("a", DIGEST)], PROVENANCE, {}))
    with pytest.raises(Untrusted):
        verify_envelope(content, signer.public_keys())
