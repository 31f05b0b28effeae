"""What a file, its evidence and a public key prove, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from clearway.kernel import Invalid
from clearway.storage import read_chunks

from .model import (
    PROVENANCE,
    REPRODUCED,
    SBOM,
    TEST_RESULT,
    Untrusted,
    read_public_keys,
    subject_digests,
    verify_envelope,
)


@dataclass(frozen=True)
class Proven:
    """One verified statement about the file."""

    predicate_type: str
    text: str  # what it proves, for people
    statement: Mapping[str, Any]


@dataclass(frozen=True)
class Verification:
    """What holds, and what does not."""

    digest: str  # of the file as it is
    proven: tuple[Proven, ...] = ()
    problems: tuple[str, ...] = field(default=())

    @property
    def verified(self) -> bool:
        """The file has provenance that a known key signed, and nothing about it is wrong."""
        return not self.problems and any(each.predicate_type == PROVENANCE for each in self.proven)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "digest": self.digest,
            "verified": self.verified,
            "proven": [{"predicate_type": each.predicate_type, "text": each.text} for each in self.proven],
            "problems": list(self.problems),
        }


def verify_file(path: Path, evidence: str | bytes, public_keys_pem: bytes) -> Verification:
    """Verify a file against its evidence (JSON lines of DSSE envelopes) with public keys in PEM form.

    Raises Invalid when the file or the keys cannot be read; everything else is a problem in the answer.
    """
    keys = read_public_keys(public_keys_pem)
    try:
        digest = sha256()
        for chunk in read_chunks(path):
            digest.update(chunk)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from error
    own = "sha256:" + digest.hexdigest()
    proven: list[Proven] = []
    problems: list[str] = []
    for number, content in _envelopes(evidence, problems):
        try:
            said = verify_envelope(content, keys)
        except Untrusted as error:
            problems.append(f"statement {number}: {error.message}")
            continue
        if own not in subject_digests(said):
            problems.append(
                f"statement {number}: it is about other bytes ({', '.join(subject_digests(said))})"
            )
            continue
        proven.append(Proven(said["predicateType"], _tell(said), said))
    if not any(each.predicate_type == PROVENANCE for each in proven):
        problems.append("no provenance: nothing says where these bytes come from")
    return Verification(own, tuple(proven), tuple(problems))


def _envelopes(evidence: str | bytes, problems: list[str]) -> Iterator[tuple[int, Any]]:
    text = evidence.decode(errors="replace") if isinstance(evidence, bytes) else evidence
    for number, line in enumerate((line for line in text.splitlines() if line.strip()), start=1):
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            problems.append(f"statement {number}: not JSON")


def _tell(said: Mapping[str, Any]) -> str:
    predicate = said.get("predicate")
    content: Mapping[str, Any] = predicate if isinstance(predicate, Mapping) else {}
    match said["predicateType"]:
        case kind if kind == PROVENANCE:
            return _tell_provenance(content)
        case kind if kind == SBOM:
            return f"contains {len(content.get('components') or ())} components besides itself"
        case kind if kind == TEST_RESULT:
            return f"tests: {str(content.get('result', 'unknown')).lower()}"
        case kind if kind == REPRODUCED:
            same = content.get("identical") is True
            return "built twice, same bytes" if same else "built twice, with DIFFERENT bytes"
        case kind:
            return f"a statement of type {kind}"


def _tell_provenance(content: Mapping[str, Any]) -> str:
    try:
        sources = content["buildDefinition"]["resolvedDependencies"]
        commit = next(
            each["digest"]["gitCommit"] for each in sources if "gitCommit" in each.get("digest", {})
        )
        return f"built from commit {commit} by {content['runDetails']['builder']['id']}"
    except (KeyError, TypeError, StopIteration, AttributeError):
        return "provenance without a commit"
