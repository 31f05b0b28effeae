"""Signing statements, keeping them, and giving them out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clearway.artifacts import store
from clearway.artifacts.model import (
    Envelope,
    Evidence,
    envelope,
    pre_authentication,
    statement_bytes,
    subject_digests,
    verify_envelope,
)
from clearway.artifacts.ports import Signer
from clearway.kernel import Invalid, digest_of
from clearway.storage import UnitOfWork


def sign(signer: Signer, content: Mapping[str, Any]) -> dict[str, Any]:
    """A statement in a signed envelope. May talk to a remote signer: call it outside transactions."""
    payload = statement_bytes(content)
    return envelope(payload, [signer.sign(pre_authentication(payload))])


def attach(uow: UnitOfWork, digest: str, predicate_type: str, content: Envelope) -> Evidence:
    """Keep a signed envelope as evidence about a digest; the same again changes nothing.

    Raises Untrusted when no key of ours signed it, Invalid when it speaks of something else.
    """
    said = verify_envelope(content, uow.tool(Signer).public_keys())
    subjects = subject_digests(said)
    if digest not in subjects or said["predicateType"] != predicate_type:
        raise Invalid(
            f"the statement is {said['predicateType']} about {', '.join(subjects)}",
            expected=f"{predicate_type} about {digest}",
        )
    content_digest = digest_of({"payload": content["payload"]})
    identity = store.known_evidence(uow, content_digest) or store.add_evidence(
        uow, content_digest, subjects, said, dict(content)
    )
    # Not by its digest: bytes that a thousand builds made have thousands of statements.
    return store.evidence_by_id(uow, identity, digest)


def evidence(uow: UnitOfWork, digest: str) -> list[Evidence]:
    """Every statement about a digest, oldest first."""
    return store.evidence_about(uow, [digest])


def evidence_of(uow: UnitOfWork, digests: Sequence[str]) -> list[Evidence]:
    """Every statement about any of the digests, in one query."""
    return store.evidence_about(uow, digests)


def export_evidence(uow: UnitOfWork, digest: str) -> str:
    """The envelopes about a digest as JSON lines (`.intoto.jsonl`), for verification anywhere."""
    return "".join(json.dumps(dict(each.envelope), sort_keys=True) + "\n" for each in evidence(uow, digest))


def public_key_pem(uow: UnitOfWork) -> str:
    """The public keys that verify our evidence, in PEM form."""
    keys = uow.tool(Signer).public_keys()
    return "".join(
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for key in keys.values()
    )


def verify_stored(uow: UnitOfWork, digest: str) -> list[Evidence]:
    """The evidence about a digest, each envelope verified again just now. Raises Untrusted."""
    keys = uow.tool(Signer).public_keys()
    found = evidence(uow, digest)
    for each in found:
        verify_envelope(each.envelope, keys)
    return found
