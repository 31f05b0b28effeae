"""What every recipe hands over at its end, and the comparison of two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clearway.build import provenance
from clearway.build.products import digests, explain_difference
from clearway.build.work import Work

Rows = Sequence[Mapping[str, Any]]


def made(
    products: Rows,
    *,
    tests: Any = None,
    compared: Any = None,
    tools: Rows = (),
    packages: Rows = (),
    materials: Rows = (),
    internal: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`products` in order, the deployable one first; `tools` built them, `packages` run with them.

    `materials` are further resolved dependencies, `internal` further parameters of the provenance.
    """
    return {
        "products": list(products),
        "tests": tests,
        "compared": compared,
        "reproduced": compared["identical"] if compared else None,
        "tools": list(tools),
        "packages": list(packages),
        "materials": list(materials),
        "internal": dict(internal or {}),
    }


def compare(work: Work, first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, Any]:
    """Two runs, each a path by the name of the output."""
    one, two = ({name: Path(path) for name, path in run.items()} for run in (first, second))
    found = provenance.reproduced(digests(one), digests(two), work.sandbox.mode)
    if found["identical"]:
        work.log.say("compare", "built twice, same bytes")
    for line in explain_difference(one, two):
        work.log.say("compare", line)
    return found
