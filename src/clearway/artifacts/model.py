"""Artifacts, and signed statements about them.

Rules:
1. A statement is in-toto v1 JSON; it travels in a DSSE envelope; the signature covers type and bytes.
2. A statement speaks of exactly the digests among its subjects.
3. What an envelope says counts only after a known key verified it; a key id merely helps to find the key.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from clearway.kernel import Invalid, canonical, is_digest

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
SBOM = "https://cyclonedx.org/bom"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
COVERAGE = "https://clearway.dev/attestation/coverage/v1"
FINDINGS = "https://clearway.dev/attestation/findings/v1"
LICENCES = "https://clearway.dev/attestation/licences/v1"
REPRODUCED = "https://clearway.dev/attestation/reproduced/v1"
CLAIMED = "https://clearway.dev/attestation/claimed/v1"  # what another CI sent along
REBUILT = "https://clearway.dev/attestation/rebuilt/v1"

MAX_ENVELOPE = 16 << 20  # bytes of an envelope's payload
MAX_SIGNATURES = 20

Envelope = Mapping[str, Any]


@dataclass(frozen=True)
class Artifact:
    """Bytes with a digest and what they are called."""

    digest: str  # sha256:...
    size: int  # bytes
    name: str  # file name
    type: str  # "bundle", "wheel", "archive", "file"; "evidence": what another CI sent along
    purl: str  # package URL
    service: str
    version: str
    build_id: str | None  # None: uploaded, not built here
    at: datetime


@dataclass(frozen=True)
class Evidence:
    """One signed statement about one digest."""

    id: str
    subject_digest: str
    predicate_type: str
    statement: Mapping[str, Any]
    envelope: Envelope
    at: datetime

    @property
    def predicate(self) -> Mapping[str, Any]:
        """What the statement says about its subjects."""
        found = self.statement.get("predicate", {})
        return found if isinstance(found, Mapping) else {}


class Untrusted(Invalid):
    """An envelope is malformed, or no known key signed it."""

    title = "The evidence cannot be trusted"


def statement(
    subjects: Iterable[tuple[str, str]], predicate_type: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """An in-toto v1 statement about `(name, "sha256:...")` subjects. Raises Invalid without any."""
    named = [{"name": name, "digest": {"sha256": _hexadecimal(digest)}} for name, digest in subjects]
    if not named:
        raise Invalid("a statement needs a subject")
    return {
        "_type": STATEMENT_TYPE,
        "subject": named,
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def _hexadecimal(digest: str) -> str:
    if not is_digest(digest):
        raise Invalid(f"{digest!r} is not a digest", expected="sha256: and 64 hexadecimal digits")
    return digest.removeprefix("sha256:")


def statement_bytes(content: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: canonical, so that the same facts are the same bytes."""
    return canonical(content)


def pre_authentication(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """DSSE's PAE: what a signature covers."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def envelope(payload: bytes, signatures: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    """A DSSE envelope of a payload and its `(key id, signature)` pairs."""
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {"keyid": keyid, "sig": base64.b64encode(signature).decode()} for keyid, signature in signatures
        ],
    }


def key_id(public: Ed25519PublicKey) -> str:
    """The name of a key: SHA-256 of its SubjectPublicKeyInfo."""
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def read_public_keys(pem: bytes) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a PEM text, by key id. Raises Invalid."""
    found: dict[str, Ed25519PublicKey] = {}
    end = b"-----END PUBLIC KEY-----"
    for block in pem.split(end)[:-1]:
        try:
            key = load_pem_public_key(block + end)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Invalid("this is no public key in PEM form") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Invalid("the public key is of another kind", expected="Ed25519")
        found[key_id(key)] = key
    if not found:
        raise Invalid("no public key in this text", expected="-----BEGIN PUBLIC KEY-----")
    return found


def verify_envelope(content: Envelope, public_keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Any]:
    """The statement of an envelope that at least one of the keys signed. Raises Untrusted."""
    payload = _payload(content)
    if not _signers(content, payload, public_keys):
        raise Untrusted("no known key signed this statement", todo="Check which public key you gave.")
    return _statement(payload)


def signers(content: Envelope, public_keys: Mapping[str, Ed25519PublicKey]) -> frozenset[str]:
    """The known keys whose signatures on an envelope hold. Raises Untrusted when it is none."""
    return _signers(content, _payload(content), public_keys)


def _signers(
    content: Envelope, payload: bytes, public_keys: Mapping[str, Ed25519PublicKey]
) -> frozenset[str]:
    signed = pre_authentication(payload, str(content["payloadType"]))
    entries = content["signatures"][:MAX_SIGNATURES]
    return frozenset(str(each["keyid"]) for each in entries if _verified(each, signed, public_keys))


def _payload(content: Envelope) -> bytes:
    if not isinstance(content, Mapping) or content.get("payloadType") != PAYLOAD_TYPE:
        raise Untrusted("this is no in-toto envelope", expected=f"payloadType {PAYLOAD_TYPE}")
    if not isinstance(content.get("signatures"), list):
        raise Untrusted("the envelope has no list of signatures")
    return _decoded(content.get("payload"))


def _decoded(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > MAX_ENVELOPE * 4 // 3 + 4:
        raise Untrusted("the envelope's content is missing or too big")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Untrusted("the envelope's content is not base64") from error


def _verified(entry: object, signed: bytes, public_keys: Mapping[str, Ed25519PublicKey]) -> bool:
    if not isinstance(entry, Mapping):
        return False
    key = public_keys.get(str(entry.get("keyid")))
    if key is None:
        return False
    try:
        key.verify(_decoded(entry.get("sig")), signed)
    except (InvalidSignature, Untrusted):
        return False
    return True


def _statement(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Untrusted("the signed content is not plain JSON") from error
    if not isinstance(found, dict) or found.get("_type") != STATEMENT_TYPE:
        raise Untrusted("the signed content is no in-toto v1 statement")
    if not subject_digests(found) or not isinstance(found.get("predicateType"), str):
        raise Untrusted("the statement names no subject by SHA-256, or no predicate type")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")  # two readers could see two statements
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def subject_digests(content: Mapping[str, Any]) -> list[str]:
    """The digests that a statement speaks of; empty when it is malformed."""
    subjects = content.get("subject")
    if not isinstance(subjects, list):
        return []
    found = []
    for subject in subjects:
        digests = subject.get("digest") if isinstance(subject, Mapping) else None
        text = "sha256:" + str(digests.get("sha256")) if isinstance(digests, Mapping) else ""
        if is_digest(text):
            found.append(text)
    return found
