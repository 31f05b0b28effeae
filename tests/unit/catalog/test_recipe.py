"""The graph of steps in clearway.yaml."""

from __future__ import annotations

import pytest

from clearway import catalog
from clearway.catalog import in_order, load_definition, needs_of
from clearway.kernel import DocumentError

NINE = [str(number) for number in range(9)]
HEAD = "service: shop\nbuild:\n  recipe: script\n  outputs: [out]\n"


def read(steps: str) -> catalog.Build:
    return load_definition(HEAD + "  steps:\n" + steps).build


def test_without_needs_a_step_follows_the_one_above() -> None:
    """`needs` left out is the step above; an empty list is the commit alone."""
    build = read(
        "  - {name: a, run: [x]}\n  - {name: b, run: [x]}\n  - {name: c, run: [x], needs: []}\n"
        "  - {name: d, run: [x], needs: [a, c]}\n"
    )
    assert needs_of(build.steps) == {"a": (), "b": ("a",), "c": (), "d": ("a", "c")}


def test_the_order_follows_the_needs() -> None:
    """Each step comes after what it needs, else as written."""
    build = read(
        "  - {name: a, run: [x], needs: [c]}\n  - {name: b, run: [x]}\n  - {name: c, run: [x], needs: []}\n"
    )
    assert [step.name for step in in_order(build.steps)] == ["c", "a", "b"]


def test_a_matrix_is_every_combination() -> None:
    """Two axes of two are four runs, in the same order each time."""
    build = read("  - {name: a, run: [x], matrix: {PY: ['3.11', '3.12'], DB: [pg, lite]}}\n")
    assert build.steps[0].combinations() == [
        {"DB": "pg", "PY": "3.11"},
        {"DB": "pg", "PY": "3.12"},
        {"DB": "lite", "PY": "3.11"},
        {"DB": "lite", "PY": "3.12"},
    ]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("  - {name: a, run: [x], needs: [b]}\n  - {name: b, run: [x]}\n", "circle"),
        ("  - {name: a, run: [x], needs: [a]}\n", "circle"),
        ("  - {name: a, run: [x], needs: [z]}\n", "needs z, which is no step"),
        ("  - {name: a, run: [x], services: [db]}\n", "wants db"),
        ("  - {name: a, run: [x]}\n  - {name: a, run: [x]}\n", "same name"),
        ("  - {name: a, run: [x], outputs: [../x]}\n", "leaves the service's folder"),
        ("  - {name: a, run: [x], retries: {times: 99}}\n", "10"),
        (
            f"  - {{name: a, run: [x], matrix: {{A: {NINE}, B: {NINE}}}}}\n",
            "81 runs",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(steps: str, said: str) -> None:
    """A graph that cannot be run is an error of the file, with what was expected."""
    with pytest.raises(DocumentError, match=said):
        read(steps)


def test_a_shared_recipe_comes_alone() -> None:
    """Steps beside `uses` would leave open whose they are."""
    uses = f"  uses: {{repository: recipes, commit: {'a' * 40}, path: x.yaml, digest: 'sha256:{'0' * 64}'}}\n"
    alone = load_definition("service: shop\nbuild:\n  recipe: script\n" + uses)
    assert alone.build.uses is not None
    with pytest.raises(DocumentError, match="uses"):
        load_definition(HEAD + uses + "  steps:\n  - {name: a, run: [x]}\n")


def test_a_service_is_a_program_or_a_known_kind() -> None:
    """`run` belongs to a command; PostgreSQL needs none."""
    good = "  - {name: a, run: [x], services: [db]}\n  services:\n    db: {kind: postgresql}\n"
    assert read(good).services["db"].kind == "postgresql"
    with pytest.raises(DocumentError, match="run"):
        read("  - {name: a, run: [x], services: [db]}\n  services:\n    db: {kind: command}\n")
