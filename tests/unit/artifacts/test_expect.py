"""What somebody expects of a file: met, not met, or not said; whatever the evidence looks like."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearway.artifacts import (
    COVERAGE,
    FINDINGS,
    LICENCES,
    PROVENANCE,
    REPRODUCED,
    SBOM,
    TEST_RESULT,
    Expectations,
    Untrusted,
    Verification,
    load_expectations,
    sign,
    statement,
    verify_envelope,
    verify_file,
)
from clearway.artifacts.model import envelope, pre_authentication
from clearway.artifacts.ports import MemorySigner
from clearway.kernel import Invalid, sha256

SIGNER, OTHER = MemorySigner(), MemorySigner(b"\5" * 32)
KEYS = {**SIGNER.public_keys(), **OTHER.public_keys()}
PEM = b"".join(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in KEYS.values())
(OWN_KEY,) = SIGNER.public_keys()
BYTES = b"the artifact"
DIGEST = sha256(BYTES)
BUILDER = "https://clearway.dev/builders/bubblewrap/v1"
REPOSITORY = "https://git.example.com/store/shop.git"


def provenance(**changes: str) -> dict[str, Any]:
    values = {
        "builder": BUILDER,
        "repository": REPOSITORY,
        "ref": "v1.1.0",
        "service": "shop",
        "key": "process",
    }
    values |= changes
    return {
        "buildDefinition": {
            "externalParameters": {name: values[name] for name in ("repository", "ref", "service")},
            "internalParameters": {"signer": {"key": values["key"]}},
            "resolvedDependencies": [{"digest": {"gitCommit": "c" * 40}}],
        },
        "runDetails": {"builder": {"id": values["builder"]}},
    }


def component(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "library", "name": name, **more}


MIT = [{"expression": "MIT"}]
OWN = [{"name": "clearway:origin", "value": "built"}]
BILL = {
    "components": [
        component("shop", properties=OWN),
        component("web", scope="required", licenses=[{"expression": "MIT OR GPL-3.0-only"}]),
        component("backend", scope="excluded", licenses=[{"expression": "GPL-3.0-only"}]),
    ]
}
GOOD: dict[str, dict[str, Any]] = {
    PROVENANCE: provenance(),
    SBOM: BILL,
    TEST_RESULT: {"result": "PASSED", "counts": {"passed": 9, "failed": 0, "total": 9}},
    REPRODUCED: {"identical": True},
    COVERAGE: {"lines": {"percent": 80}},
    FINDINGS: {"complete": True, "counts": {"error": 0}},
    LICENCES: {"counts": {"denied": 0}},
}
PAGE = (Path(__file__).parents[3] / "docs/how-to/verify.md").read_text(encoding="utf-8")
STRICT = """
builders: {"https://clearway.dev/builders/bubblewrap/v1": 2}
level: 2
services: [shop]
repositories: ["https://git.example.com/store/*"]
refs: ["v*"]
signer: [process]
require: [provenance, sbom, tests, coverage, findings, licences, reproduced]
tests: 5
reproduced: true
coverage: 80
errors: 0
allow: [MIT]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.tar"
    path.write_bytes(BYTES)
    return path


def lines(said: dict[str, Any] | list[tuple[str, Any]], signer: MemorySigner = SIGNER) -> str:
    pairs = list(said.items()) if isinstance(said, dict) else said
    return "".join(
        json.dumps(sign(signer, statement([("a", DIGEST)], kind, each))) + "\n" for kind, each in pairs
    )


def verify(file: Path, said: Any, expected: str = STRICT) -> Verification:
    text = said if isinstance(said, str) else lines(said)
    return verify_file(file, text, PEM, load_expectations(expected, "policy.yaml"))


def unmet(found: Verification) -> list[str]:
    return [line.text for line in found.lines if line.state == "no"]


def test_what_meets_every_line_is_verified(file: Path) -> None:
    """Each expectation is a line that says what was seen."""
    found = verify(file, GOOD)
    assert found.verified, unmet(found)
    proven = [line.text for line in found.lines if line.state == "yes"]
    assert f"built by a builder you trust: {BUILDER}" in proven
    assert "of a ref you expect: v1.1.0" in proven
    assert "the tests passed, 5 or more" in proven
    assert [line.text for line in found.lines if line.state == "unsaid"] == [
        "that the source is good, and that nobody else ever had the key"
    ]


@pytest.mark.parametrize(
    ("kind", "predicate", "says"),
    [
        (PROVENANCE, provenance(builder="https://clearway.dev/builders/plain/v1"), "a builder you trust"),
        (PROVENANCE, provenance(repository="https://evil.example.com/shop.git"), "a repository you expect"),
        (PROVENANCE, provenance(ref="main"), "of a ref you expect: it says main"),
        (PROVENANCE, provenance(service="till"), "of a service you expect"),
        (PROVENANCE, provenance(key="file"), "of a place of the signing key you expect: it says file"),
        (TEST_RESULT, {"result": "FAILED"}, "the tests passed, 5 or more: the result is FAILED"),
        (TEST_RESULT, {"result": "PASSED", "counts": {"passed": 4}}, "4 passed"),
        (TEST_RESULT, {"result": "PASSED", "passedTests": ["a"]}, "1 passed"),
        (REPRODUCED, {"identical": False}, "two builds gave different bytes"),
        (REPRODUCED, {"identical": "yes"}, "two builds gave different bytes"),
        (COVERAGE, {"lines": {"percent": 79.9}}, "79.9 %"),
        (COVERAGE, {"lines": {"percent": None}}, "no share is given"),
        (FINDINGS, {"complete": True, "counts": {"error": 2}}, "2 errors"),
        (FINDINGS, {"complete": False, "counts": {"error": 0}}, "did not come to its end"),
        (
            SBOM,
            {"components": [component("x", licenses=[{"expression": "GPL-3.0-only"}])]},
            "x (GPL-3.0-only)",
        ),
        (SBOM, {"components": [component("x")]}, "x (says nothing), which is not understood"),
        (SBOM, {"components": [component("a", licenses=MIT, components=[component("deep")])]}, "deep"),
        (SBOM, {"components": [component("x", licenses=[*MIT, {"license": {"id": "GPL-3.0-only"}}])]}, "x ("),
        (SBOM, {"components": "many"}, "another form"),
    ],
)
def test_each_expectation_can_fail(file: Path, kind: str, predicate: Any, says: str) -> None:
    """With the reason in the line; nothing else changes."""
    found = verify(file, {**GOOD, kind: predicate})
    assert not found.verified
    assert any(says in text for text in unmet(found)), unmet(found)


@pytest.mark.parametrize("kind", [each for each in GOOD if each != LICENCES])
def test_what_is_not_there_meets_nothing(file: Path, kind: str) -> None:
    """A missing statement is never a good one."""
    assert not verify(file, {each: said for each, said in GOOD.items() if each != kind}).verified


def test_one_provenance_has_to_meet_all(file: Path) -> None:
    """Two that are half right are no right one; beside a right one, another does no harm."""
    rest = [(kind, each) for kind, each in GOOD.items() if kind != PROVENANCE]
    wrong_ref, wrong_builder = provenance(ref="main"), provenance(builder="https://x")
    assert not verify(file, [(PROVENANCE, wrong_ref), (PROVENANCE, wrong_builder), *rest]).verified
    assert verify(file, [(PROVENANCE, wrong_ref), (PROVENANCE, provenance()), *rest]).verified


def test_a_failed_run_is_not_undone_by_one_that_passed(file: Path) -> None:
    """All test results about the bytes count."""
    pairs = [*GOOD.items(), (TEST_RESULT, {"result": "FAILED"})]
    assert not verify(file, pairs).verified


def test_a_level_is_what_the_policy_grants(file: Path) -> None:
    """A builder that is trusted at level 1 does not reach level 2, whatever its name says."""
    found = verify(file, GOOD, f'builders: {{"{BUILDER}": 1}}\nlevel: 2\n')
    assert unmet(found) == ["built at level 2 or above: it says you grant its builder level 1"]
    with pytest.raises(Invalid, match="expected the builders"):
        load_expectations("level: 2\n", "policy.yaml")


def test_a_key_that_was_not_named_proves_nothing(file: Path) -> None:
    """It is among the given ones, and not among the expected ones."""
    named = f"keys: [{OWN_KEY}]\nrequire: [provenance]\n"
    assert verify(file, GOOD, named).verified
    found = verify(file, lines(GOOD, OTHER), named)
    assert unmet(found) == [
        "every statement is signed by a key you named",
        "there is a statement of the kind provenance",
    ]


def test_without_a_policy_the_answer_says_what_it_leaves_open(file: Path) -> None:
    """Nobody shall read more into it than is there."""
    found = verify_file(file, lines({PROVENANCE: provenance()}), PEM)
    assert found.verified
    unsaid = " ".join(line.text for line in found.lines if line.state == "unsaid")
    for words in (
        "a builder you trust",
        "the ref you expect",
        "the same bytes",
        "tested",
        "the source is good",
    ):
        assert words in unsaid


def test_the_policy_of_the_guide_is_one(file: Path) -> None:
    """It is read, and its example of an answer is in the words of the answer."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    found = verify(file, {**GOOD, PROVENANCE: provenance(ref="main")}, text)
    assert unmet(found) == ["of a ref you expect: it says main"]
    assert unmet(found)[0] in PAGE
    assert f"built by a builder you trust: {BUILDER}" in PAGE


@pytest.mark.parametrize(
    "text",
    ["builder: {}\n", "level: 4\n", "tests: -1\n", "coverage: 101\n", "require: [magic]\n", "- a\n", ""],
)
def test_a_policy_with_a_mistake_is_refused(text: str) -> None:
    """A key that nobody knows could be the one that was meant to protect."""
    with pytest.raises(Invalid, match=r"policy\.yaml"):
        load_expectations(text, "policy.yaml")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"_type":"https://in-toto.io/Statement/v1","_type":"https://in-toto.io/Statement/v1"}',
        b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"a":1,"a":2}}',
        b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"a":NaN}}',
        b"[" * 100_000,
        b"{" + b'"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_two_readers_could_read_differently_is_untrusted(payload: bytes) -> None:
    """A key twice, a number that JSON has not: also with a good signature."""
    signed = envelope(payload, [SIGNER.sign(pre_authentication(payload))])
    with pytest.raises(Untrusted):
        verify_envelope(signed, KEYS)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.text(max_size=8)
    | st.floats(-1e6, 1e6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "buildDefinition",
                    "externalParameters",
                    "internalParameters",
                    "runDetails",
                    "builder",
                    "id",
                    "signer",
                    "key",
                    "ref",
                    "repository",
                    "service",
                    "resolvedDependencies",
                    "digest",
                    "gitCommit",
                    "components",
                    "licenses",
                    "expression",
                    "license",
                    "name",
                    "scope",
                    "result",
                    "counts",
                    "passed",
                    "error",
                    "complete",
                    "lines",
                    "percent",
                    "identical",
                    "passedTests",
                    "properties",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.dictionaries(st.sampled_from(sorted(GOOD)), ANYTHING, min_size=1, max_size=7))
def test_predicates_of_any_form_are_an_answer(file: Path, said: dict[str, Any]) -> None:
    """Signed by a known key and still nonsense: lines, no crash, and not verified."""
    shaped = {kind: each if isinstance(each, dict) else {"x": each} for kind, each in said.items()}
    found = verify(file, shaped)
    assert not found.verified
    assert all(line.text.isprintable() for line in found.lines)
    json.dumps(found.as_json())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_evidence_says_the_same_or_is_not_verified(file: Path, data: st.DataObject) -> None:
    """Whichever bytes somebody changes, cuts, doubles or swaps: never another answer that is good."""
    good = lines(GOOD)
    whole = {(each.predicate_type, json.dumps(each.statement)) for each in verify(file, good).proven}
    raw = bytearray(good.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["set", "cut", "insert", "swap"])):
            case "set":
                raw[at] = data.draw(st.integers(0, 255))
            case "cut":
                del raw[at : at + data.draw(st.integers(1, 200))]
            case "insert":
                raw[at:at] = data.draw(st.binary(max_size=20))
            case "swap":
                rows = bytes(raw).split(b"\n")
                raw = bytearray(b"\n".join(reversed(rows)))
        if not raw:
            return
    found = verify_file(file, bytes(raw), PEM, Expectations())
    for each in found.proven:
        assert (each.predicate_type, json.dumps(each.statement)) in whole


def test_an_envelope_with_many_signatures_is_read_so_far(file: Path) -> None:
    """A thousand signatures cost nobody a minute."""
    content = json.loads(lines({PROVENANCE: provenance()}))
    bogus = {"keyid": OWN_KEY, "sig": base64.b64encode(b"x" * 64).decode()}
    content["signatures"] = [bogus] * 100_000 + content["signatures"]
    assert not verify_file(file, json.dumps(content), PEM).verified
