"""Statements, envelopes, and what an outsider can check."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from clearway.artifacts import (
    PROVENANCE,
    REPRODUCED,
    SBOM,
    TEST_RESULT,
    Untrusted,
    read_public_keys,
    sign,
    statement,
    verify_envelope,
    verify_file,
)
from clearway.artifacts.ports import MemorySigner
from clearway.kernel import Invalid, sha256

SIGNER = MemorySigner()
KEYS = SIGNER.public_keys()
PEM = b"".join(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in KEYS.values())
BYTES = b"the artifact"
DIGEST = sha256(BYTES)
FACTS: dict[str, Any] = {
    "buildDefinition": {"resolvedDependencies": [{"digest": {"gitCommit": "c" * 40}}]},
    "runDetails": {"builder": {"id": "https://clearway.dev/builders/x"}},
}


def signed(predicate_type: str = PROVENANCE, predicate: Any = FACTS, digest: str = DIGEST) -> dict[str, Any]:
    return sign(SIGNER, statement([("a", digest)], predicate_type, predicate))


def test_a_statement_needs_subjects_with_digests() -> None:
    """Evidence about nothing, or about something that is no digest, is refused."""
    with pytest.raises(Invalid):
        statement([], PROVENANCE, {})
    with pytest.raises(Invalid):
        statement([("a", "abc")], PROVENANCE, {})


def test_the_same_facts_are_the_same_envelope() -> None:
    """Canonical bytes and Ed25519 leave nothing to chance: a step done twice makes one piece of evidence."""
    assert signed(predicate={"b": 1, "a": 2}) == signed(predicate={"a": 2, "b": 1})


def _changed(**values: Any) -> dict[str, Any]:
    return {**signed(), **values}


def _payload(content: Any) -> dict[str, Any]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return _changed(payload=base64.b64encode(raw).decode())


@pytest.mark.parametrize(
    "envelope",
    [
        {},
        [],
        None,
        _changed(payloadType="text/plain"),
        _changed(payload="%%%"),
        _changed(payload=None),
        _changed(signatures=[]),
        _changed(signatures=None),
        _changed(signatures=[{"keyid": next(iter(KEYS)), "sig": "AAAA"}]),
        _changed(signatures=[{"sig": 1}, None, "x"]),
        _payload(statement([("a", "sha256:" + "0" * 64)], PROVENANCE, FACTS)),
    ],
)
def test_a_changed_envelope_is_untrusted(envelope: Any) -> None:
    """Another payload, type or signature, or no shape at all: Untrusted, never a crash."""
    with pytest.raises(Untrusted):
        verify_envelope(envelope, KEYS)


@given(st.binary(max_size=40))
def test_what_is_signed_must_be_a_statement(raw: bytes) -> None:
    """A known key under bytes that are no in-toto statement proves nothing."""
    from clearway.artifacts.model import envelope, pre_authentication

    with pytest.raises(Untrusted):
        verify_envelope(envelope(raw, [SIGNER.sign(pre_authentication(raw))]), KEYS)


def lines(*envelopes: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in envelopes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.bundle.tar"
    path.write_bytes(BYTES)
    return path


def test_a_file_with_good_evidence_verifies_offline(file: Path) -> None:
    """Bytes, evidence and public key are enough; the answer says what each statement proves."""
    found = verify_file(
        file,
        lines(
            signed(),
            signed(SBOM, {"components": [{}, {}]}),
            signed(TEST_RESULT, {"result": "PASSED"}),
            signed(REPRODUCED, {"identical": True}),
        ),
        PEM,
    )
    assert found.verified
    assert found.digest == DIGEST
    assert [each.text for each in found.proven] == [
        f"built from commit {'c' * 40} by https://clearway.dev/builders/x",
        "contains 2 components besides itself",
        "tests: passed",
        "built twice, same bytes",
    ]


def test_a_changed_file_does_not_verify(file: Path) -> None:
    """One byte more, and the evidence is about something else."""
    file.write_bytes(BYTES + b"!")
    found = verify_file(file, lines(signed()), PEM)
    assert not found.verified
    assert "other bytes" in found.problems[0]


def test_evidence_of_a_stranger_does_not_count(file: Path) -> None:
    """Signed well, by a key that nobody named."""
    stranger = sign(MemorySigner(b"\7" * 32), statement([("a", DIGEST)], PROVENANCE, FACTS))
    found = verify_file(file, lines(stranger), PEM)
    assert not found.verified
    assert "no known key" in found.problems[0]


def test_no_provenance_is_not_verified(file: Path) -> None:
    """An SBOM alone does not say where bytes come from; one bad line spoils the rest."""
    assert not verify_file(file, lines(signed(SBOM, {})), PEM).verified
    assert not verify_file(file, "", PEM).verified
    assert not verify_file(file, lines(signed()) + "{nonsense\n", PEM).verified


def test_what_cannot_be_read_is_said(file: Path, tmp_path: Path) -> None:
    """No key, a key of another kind, no file: clear errors."""
    with pytest.raises(Invalid):
        verify_file(file, "", b"")
    with pytest.raises(Invalid):
        read_public_keys(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(Invalid):
        verify_file(tmp_path / "nothing", "", PEM)
