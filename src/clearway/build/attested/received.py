"""What a job sent: its artifacts and its evidence, told apart and named. Pure, but for reading evidence.

Rules:
1. A name is a file's own name, nothing else: it never leads anywhere.
2. What kind of evidence it is, its content says. What cannot be verified here is kept, and said to be so.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from packageurl import PackageURL
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from clearway.artifacts import PROVENANCE, pre_authentication, subject_digests
from clearway.build.model import BuildFailed
from clearway.build.reports import READERS, Report
from clearway.catalog import ProvenanceKey
from clearway.kernel import Invalid

Role = Literal["artifact", "evidence"]
MAX_EVIDENCE = 32 << 20  # bytes of one file
_NAME = re.compile(r"[^\x00-\x1f\x7f/\\\ud800-\udfff]{1,200}")
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst")
_IN_TOTO = "application/vnd.in-toto+json"
_BUNDLE = "application/vnd.dev.sigstore.bundle"


@dataclass(frozen=True)
class Received:
    """One file, as it lies here."""

    role: Role
    name: str
    path: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Piece:
    """A file of evidence, and what it is."""

    file: Received
    kind: str  # junit, coverage, sarif, sbom, in-toto, provenance, sigstore-bundle, file
    content: Any = None  # of a bill of materials, as JSON; of a report, its summary
    verified: bool = False  # a declared key of the CI signed it, about all that was sent

    def as_report(self) -> Report | None:
        """Of what tests and scanners leave; None for what is none."""
        file = self.file
        if self.kind not in READERS:
            return None
        return Report(self.kind, file.name, file.digest, file.size, self.content)


def check_names(files: Sequence[Received]) -> None:
    """Raises Invalid for a name that is none, or that stands twice."""
    seen: set[tuple[str, str]] = set()
    for each in files:
        if not _NAME.fullmatch(each.name) or each.name in (".", ".."):
            raise Invalid(f"{each.name[:60]!r} is no name of a file")
        if (each.role, each.name) in seen:
            raise Invalid(f"two files are called {each.name}", expected="a name for each")
        seen.add((each.role, each.name))
    if not any(each.role == "artifact" for each in files):
        raise Invalid("there is no artifact", expected="at least one file that was built")


def type_of(file: Received, first: bool) -> str:
    """`bundle`, `wheel`, `archive` or `file`. The first archive is what is deployed."""
    if file.name.endswith(".bundle.tar") or (first and file.name.endswith(_TARS)):
        return "bundle"
    if file.name.endswith(".whl"):
        return "wheel"
    return "archive" if file.name.endswith((*_TARS, ".zip", ".jar")) else "file"


def purl_of(file: Received, service: str, version: str) -> str:
    """The package's address: a wheel's own, else the service's."""
    try:
        name, own, _, _ = parse_wheel_filename(file.name)
        return str(PackageURL("pypi", name=str(name), version=str(own)).to_string())
    except InvalidWheelFilename:
        told = {"file_name": file.name}
        return str(PackageURL("generic", name=service, version=version, qualifiers=told).to_string())


def read_piece(file: Received, keys: Sequence[ProvenanceKey], artifacts: Sequence[str]) -> Piece:
    """What a file of evidence is; `artifacts` are the digests that signed provenance must speak of."""
    if file.size > MAX_EVIDENCE:
        raise Invalid(f"{file.name} is too large for evidence", expected=f"at most {MAX_EVIDENCE >> 20} MiB")
    data = file.path.read_bytes()
    kind, content = _told(data)
    if kind in READERS:
        return Piece(file, kind, _summary(file, kind))
    if kind == "in-toto" and any(_is_signed(content, key, artifacts) for key in keys):
        return Piece(file, "provenance", verified=True)
    return Piece(file, kind, content if kind == "sbom" else None)


def _told(data: bytes) -> tuple[str, Any]:
    """The kind of a content, and the content where it is JSON."""
    start = data[:65536].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        found = re.search(rb"<(testsuites?|coverage|report)[\s>]", start)
        root = found.group(1) if found else b""
        return ("junit" if root.startswith(b"test") else "coverage" if root else "file"), None
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return "file", None
    if not isinstance(content, dict):
        return "file", None
    if content.get("bomFormat") == "CycloneDX":
        return "sbom", content
    if isinstance(content.get("runs"), list) and isinstance(content.get("version"), str):
        return "sarif", content
    if str(content.get("mediaType", "")).startswith(_BUNDLE):
        return "sigstore-bundle", content
    return ("in-toto" if content.get("payloadType") == _IN_TOTO else "file"), content


def _summary(file: Received, kind: str) -> dict[str, Any]:
    try:
        with file.path.open("rb") as stream:
            return READERS[kind](stream)
    except BuildFailed as error:
        raise Invalid(f"the {kind} report {file.name} cannot be used: {error.message}") from None


def _is_signed(envelope: Mapping[str, Any], key: ProvenanceKey, artifacts: Sequence[str]) -> bool:
    """Whether the key signed SLSA provenance of its own builder about every artifact."""
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(each["sig"], validate=True) for each in envelope["signatures"]]
        said = json.loads(payload)
    except (KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        return False
    known = load_pem_public_key(key.key.encode())
    signed = pre_authentication(payload, _IN_TOTO)
    if not any(_verified(known, each, signed) for each in signatures[:10]) or not isinstance(said, dict):
        return False
    about = said.get("predicateType") == PROVENANCE and set(artifacts) <= set(subject_digests(said))
    return about and _builder(said) == key.builder


def _verified(key: Any, signature: bytes, signed: bytes) -> bool:
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
        elif isinstance(key, EllipticCurvePublicKey):
            size = hashes.SHA256() if key.curve.name == "secp256r1" else hashes.SHA384()
            key.verify(signature, signed, ECDSA(size))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _builder(said: Any) -> Any:
    for step in ("predicate", "runDetails", "builder", "id"):
        said = said.get(step) if isinstance(said, Mapping) else None
    return said
