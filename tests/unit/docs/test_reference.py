"""The reference is true: its tables are the models', and every example in it is accepted."""

from __future__ import annotations

import importlib
import re
import runpy
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from clearway import catalog, config
from clearway.artifacts import REBUILT, Evidence
from clearway.build.reproduce import CAUSES
from clearway.build.surroundings import VARIATIONS
from clearway.catalog import load_definition
from clearway.integrations.cel import CelEvaluator
from clearway.kernel import by_kind, load_documents
from clearway.policy import Gate, check, decide
from clearway.policy.language import FUNCTIONS, MAX_BRACKETS, MAX_CHARACTERS, MAX_COMPREHENSIONS, MAX_TOKENS
from clearway.releases.facts import evidence_facts

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
publish = runpy.run_path(str(ROOT / "scripts/publish_reference.py"))


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found
    return found


@pytest.fixture(scope="module")
def cel() -> Iterator[CelEvaluator]:
    evaluator = CelEvaluator()
    yield evaluator
    evaluator.close()


@pytest.mark.parametrize("page", publish["PAGES"], ids=lambda page: page.name)
def test_the_tables_are_the_models(page: Path) -> None:
    """A key that is added, renamed or explained anew is in the page; `publish_reference.py` writes it."""
    text = page.read_text(encoding="utf-8")
    assert publish["page_text"](text) == text


def test_every_part_of_a_document_has_its_table() -> None:
    """No model that a person can write is left out of the reference."""
    pages = "".join(page.read_text(encoding="utf-8") for page in publish["PAGES"])
    assert set(publish["models"]()) <= set(re.findall(r"<!-- keys of (\w+) -->", pages))
    anchors = {f"#{title.lower()}" for title in re.findall(r"^### (\w+)$", pages, re.MULTILINE)}
    assert set(re.findall(r"\]\((#\w+)\)", pages)) <= anchors


def test_every_key_is_explained() -> None:
    """A table row without a meaning explains nothing."""
    known = publish["models"]()
    for name, schema in known.items():
        for key, each in schema["properties"].items():
            assert publish["meaning_of"](known, key, each), f"{name}.{key}"


@pytest.mark.parametrize("text", blocks("reference/clearway-yaml.md", "yaml"))
def test_examples_of_clearway_yaml_are_accepted(text: str) -> None:
    """What the page shows can be used as it stands."""
    load_definition(text)


def test_the_example_of_platform_files_is_accepted() -> None:
    """The documents are read, and refer to each other only."""
    kinds: dict[str, type[BaseModel]] = {**catalog.KINDS, **config.KINDS}
    (text,) = blocks("reference/platform-files.md", "yaml")
    documents = [each for each, _ in load_documents(text, "page", by_kind(kinds), {"SHOP_REPOSITORY": "/x"})]
    model = importlib.import_module("clearway.catalog.model")
    assert model.dangling([each for each in documents if not isinstance(each, config.ConfigDocument)]) == []
    assert len(documents) == 7


def test_the_gates_of_the_guide_are_gates(cel: CelEvaluator) -> None:
    """Its documents are read and its rules pass the guard and CEL."""
    for text in blocks("how-to/gates.md", "yaml"):
        for document, _ in load_documents(text, "page", by_kind(catalog.KINDS)):
            assert isinstance(document, Gate)
            check(document, cel)
    rules = [rule for text in blocks("how-to/gates.md", "cel") for rule in text.splitlines()]
    assert len(rules) == 7
    facts = {
        "release": {"version": "1.0.0", "authors": ["dev"], "unknown_authors": [], "prerelease": False},
        "evidence": {"reproduced": True, "provenance": {"builder": "https://x"}},
        "promotion": {"kind": "rollout", "environment": "prod"},
        "previous": {"succeeded": True, "soaked_s": 3600},
        "approvals": {"names": ["release-manager"]},
        "incidents": {"open": 0},
    }
    gates = [Gate(name="g", rule=rule, reason="r") for rule in rules]
    assert [verdict.answer for verdict in decide(gates, facts, cel).verdicts] == ["yes"] * 7


@pytest.mark.parametrize(("verdict", "answer"), [("identical", "yes"), ("different", "no"), (None, "no")])
def test_the_gate_of_the_guide_to_reproducing_asks_for_it(
    cel: CelEvaluator, verdict: str | None, answer: str
) -> None:
    """It lets in what a rebuild made again, and nothing that nobody tried."""
    text, planned = blocks("how-to/reproduce.md", "yaml")
    service, _ = load_documents(planned, "reproduce.md", by_kind(catalog.KINDS))[0]
    assert service.reproduce.every.days == 7  # type: ignore[attr-defined]
    gate, _ = load_documents(text, "reproduce.md", by_kind(catalog.KINDS))[0]
    assert isinstance(gate, Gate)
    said = {"verdict": verdict, "identical": verdict == "identical", "varied": ["umask", "path"]}
    found = [Evidence("e", "sha256:1", REBUILT, {"predicate": said}, {}, datetime.now(UTC))]
    facts = {"evidence": evidence_facts(found if verdict else [])}
    assert [each.answer for each in decide([gate], facts, cel).verdicts] == [answer]


def test_the_guide_to_reproducing_names_every_variation_and_cause() -> None:
    """Nothing is varied, and no cause is told, that the page does not explain."""
    text = (DOCS / "how-to/reproduce.md").read_text(encoding="utf-8")
    for each in VARIATIONS:
        assert f"| `{each.name}` |" in text
    for name in CAUSES:
        assert f"`{name}`" in text


def test_the_guide_shows_a_verdict_as_it_is(cel: CelEvaluator) -> None:
    """The example of a no is what a no looks like."""
    (text,) = blocks("how-to/gates.md", "yaml")
    gate, _ = load_documents(text, "page", by_kind(catalog.KINDS))[0]
    assert isinstance(gate, Gate)
    (verdict,) = decide([gate], {"evidence": {"tests": {"total": 9, "failed": 2}}}, cel).verdicts
    (shown,) = blocks("how-to/gates.md", "text")
    assert verdict.would_change in shown
    assert verdict.reason in shown


def test_the_limits_in_the_guide_are_the_guards() -> None:
    """Numbers in prose grow old; these are compared."""
    text = (DOCS / "how-to/gates.md").read_text(encoding="utf-8")
    said = f"more than {MAX_CHARACTERS:,} characters or {MAX_TOKENS} words and signs, "
    assert f"{said}brackets nested more than {MAX_BRACKETS} deep" in text
    assert MAX_COMPREHENSIONS == 5
    assert "more than five of them" in text
    assert {"all", "exists", "exists_one", "filter", "map"} <= FUNCTIONS


def test_the_documents_of_the_guide_to_repositories_belong_together() -> None:
    """The example is accepted, and its service comes from its repository."""
    first, pushed = (
        [each for each, _ in load_documents(text, "follow.md", by_kind(catalog.KINDS))]
        for text in blocks("how-to/follow-a-repository.md", "yaml")
    )
    assert first[1].repository == first[0].name  # type: ignore[attr-defined]
    assert pushed[0].repository == first[0].name  # type: ignore[attr-defined]
    assert pushed[0].builds == "pushed"  # type: ignore[attr-defined]


def test_the_guide_to_branching_shows_every_strategy() -> None:
    """Each example is accepted, and no strategy is without one."""
    kinds = by_kind(catalog.KINDS)
    found = [
        each
        for text in blocks("how-to/branching.md", "yaml")
        for each, _ in load_documents(text, "branching.md", kinds)
    ]
    told = [each.branching.strategy for each in found if isinstance(each, catalog.Service) and each.branching]
    assert told == ["trunk", "github-flow", "release-branches", "gitflow", "own"]


def test_the_services_of_the_guides_to_versions_and_notes_are_services() -> None:
    """Each example is accepted, and together they show every scheme and every front end."""
    notes = [text for text in blocks("how-to/release-notes.md", "yaml") if text.startswith("kind:")]
    examples = [*blocks("how-to/versions.md", "yaml"), *notes]
    services = [
        document
        for text in examples
        for document, _ in load_documents(text, "versions.md", by_kind(catalog.KINDS))
    ]
    told = [each.versioning for each in services if each.versioning]  # type: ignore[attr-defined]
    assert any(each.tickets for each in services)  # type: ignore[attr-defined]
    assert {each.scheme for each in told} == {"semver", "pep440", "calver"}
    assert {each.changes for each in told} == {"commits", "towncrier", "changesets", "labels"}
