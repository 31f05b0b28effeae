"""What a file, its evidence and a public key prove, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from clearway.kernel import Invalid
from clearway.storage import read_chunks

from .expect import Expectations, Line, Said, compare, inside
from .model import (
    COVERAGE,
    FINDINGS,
    LICENCES,
    PROVENANCE,
    REBUILT,
    REPRODUCED,
    SBOM,
    TEST_RESULT,
    Untrusted,
    read_public_keys,
    signers,
    subject_digests,
    verify_envelope,
)


@dataclass(frozen=True)
class Proven:
    """One verified statement about the file."""

    predicate_type: str
    text: str  # what it proves, for people
    statement: Mapping[str, Any]
    keys: frozenset[str] = frozenset()  # the ids of the known keys that signed it

    @property
    def predicate(self) -> Mapping[str, Any]:
        """What it says; empty when that has another form."""
        found = self.statement.get("predicate")
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Verification:
    """What holds, and what does not."""

    digest: str  # of the file as it is
    proven: tuple[Proven, ...] = ()
    problems: tuple[str, ...] = field(default=())
    lines: tuple[Line, ...] = field(default=())  # the whole answer, for people

    @property
    def verified(self) -> bool:
        """A known key signed a provenance of the file, nothing is wrong, and every expectation is met."""
        unmet = any(line.state == "no" for line in self.lines)
        return not (self.problems or unmet) and any(each.predicate_type == PROVENANCE for each in self.proven)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "digest": self.digest,
            "verified": self.verified,
            "proven": [{"predicate_type": each.predicate_type, "text": each.text} for each in self.proven],
            "problems": list(self.problems),
            "lines": [{"state": each.state, "text": each.text} for each in self.lines],
        }


def verify_file(
    path: Path, evidence: str | bytes, public_keys_pem: bytes, expected: Expectations | None = None
) -> Verification:
    """Verify a file against its evidence (JSON lines of DSSE envelopes) with public keys in PEM form.

    Raises Invalid when the file or the keys cannot be read; everything else is a problem in the answer.
    """
    keys = read_public_keys(public_keys_pem)
    own = _digest(path)
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
        proven.append(Proven(said["predicateType"], _tell(said), said, signers(content, keys)))
    if not any(each.predicate_type == PROVENANCE for each in proven):
        problems.append("no provenance: nothing says where these bytes come from")
    return Verification(own, tuple(proven), tuple(problems), tuple(_lines(own, proven, problems, expected)))


def _digest(path: Path) -> str:
    digest = sha256()
    try:
        for chunk in read_chunks(path):
            digest.update(chunk)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from error
    return "sha256:" + digest.hexdigest()


def _lines(
    own: str, proven: Sequence[Proven], problems: Sequence[str], expected: Expectations | None
) -> Iterator[Line]:
    keys = sorted({key for each in proven for key in each.keys})
    if proven:
        yield Line("yes", f"{len(proven)} statements about {own}, signed by {_names(keys)}")
    for each in proven:
        yield Line("yes", each.text)
    for problem in problems:
        yield Line("no", problem)
    if expected is not None:
        yield from compare(
            expected, [Said(each.predicate_type, each.predicate, each.keys) for each in proven]
        )
    yield from (Line("unsaid", text) for text in _unsaid(proven, expected))


def _names(keys: Sequence[str]) -> str:
    return f"key{'s' if len(keys) > 1 else ''} {', '.join(key[:16] for key in keys)}"


def _unsaid(proven: Sequence[Proven], expected: Expectations | None) -> Iterator[str]:
    """What nobody should read into the answer."""
    if expected is None or not expected.builders:
        yield "that this is a builder you trust, and at which level: name it in a policy"
    if expected is None or not (expected.repositories and expected.refs):
        yield "that this is the repository and the ref you expect: name them in a policy"
    kinds = {each.predicate_type for each in proven}
    if not kinds & {REPRODUCED, REBUILT}:
        yield "that another build would give the same bytes"
    if TEST_RESULT not in kinds:
        yield "that anything was tested"
    yield "that the source is good, and that nobody else ever had the key"


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
            parts = content.get("components")
            return f"contains {len(parts) if isinstance(parts, list) else 0} components besides itself"
        case kind if kind == TEST_RESULT:
            return f"tests: {_said(content.get('result', 'unknown')).lower()}"
        case kind if kind == REPRODUCED:
            same = content.get("identical") is True
            return "built twice, same bytes" if same else "built twice, with DIFFERENT bytes"
        case kind if kind == REBUILT:
            return _tell_rebuilt(content)
        case kind if kind == COVERAGE:
            return f"coverage: {_said(inside(content, 'lines', 'percent'))} % of the lines ran in its tests"
        case kind if kind == FINDINGS:
            return f"scanners found {_said(inside(content, 'counts', 'error'))} errors"
        case kind if kind == LICENCES:
            return f"licences: {_said(inside(content, 'counts', 'denied'))} packages denied by its own list"
        case kind:
            return f"a statement of type {_said(kind)}"


def _said(value: object) -> str:
    """For a terminal: a statement that is signed can still hold letters that do things."""
    text = str(value)[:300] if isinstance(value, str | int | float) else "?"
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _tell_provenance(content: Mapping[str, Any]) -> str:
    sources = inside(content, "buildDefinition", "resolvedDependencies")
    commits = [inside(each, "digest", "gitCommit") for each in sources] if isinstance(sources, list) else []
    commit = next((each for each in commits if isinstance(each, str)), None)
    if commit is None:
        return "provenance without a commit"
    outer = inside(content, "buildDefinition", "externalParameters")
    place = _said(inside(outer, "repository")) if inside(outer, "repository") else ""
    where = f" of {place}" + (f" ({_said(inside(outer, 'ref'))})" if inside(outer, "ref") else "")
    builder = _said(inside(content, "runDetails", "builder", "id"))
    return f"built from commit {_said(commit)}{where if place else ''} by {builder}"


def _tell_rebuilt(content: Mapping[str, Any]) -> str:
    varied = content.get("varied")
    count = len(varied) if isinstance(varied, list) else 0
    match content.get("verdict"):
        case "identical":
            return f"rebuilt from its record with {count} things otherwise, same bytes"
        case "equivalent":
            return f"rebuilt from its record with {count} things otherwise, the same after normalisation"
        case _:
            return "rebuilt from its record, with DIFFERENT bytes"
