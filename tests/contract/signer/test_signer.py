"""The Signer port: one suite for the file key and for the fake."""

from __future__ import annotations

from pathlib import Path

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from clearway.artifacts import PROVENANCE, Signer, Untrusted, sign, statement, verify_envelope
from clearway.artifacts.ports import MemorySigner
from clearway.integrations.file_key import FileSigner

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture(params=["file", "memory"])
def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Signer:
    return FileSigner(tmp_path / "keys/evidence.pem") if request.param == "file" else MemorySigner()


def test_its_own_keys_verify_what_it_signed(signer: Signer) -> None:
    """The key id that comes with a signature is among the public keys, and verifies it."""
    keyid, signature = signer.sign(b"content")
    signer.public_keys()[keyid].verify(signature, b"content")


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
