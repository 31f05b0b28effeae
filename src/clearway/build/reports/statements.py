"""What reports and licences become: predicates, with the digest of each report that they sum up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearway.artifacts import COVERAGE, FINDINGS, LICENCES
from clearway.build.licences import summary
from clearway.build.parts import Part
from clearway.catalog import Licences

from . import coverage, sarif
from .kept import Report


def statements(
    reports: Sequence[Report], packages: Sequence[Part], policy: Licences
) -> list[tuple[str, dict[str, Any]]]:
    """Coverage and findings where there are reports; licences where there is a list of them."""
    found: list[tuple[str, dict[str, Any]]] = []
    for kind, predicate_type, total in (
        ("coverage", COVERAGE, coverage.total),
        ("sarif", FINDINGS, sarif.total),
    ):
        own = [each for each in reports if each.kind == kind]
        if own:
            summed = total([dict(each.summary) for each in own])
            found.append((predicate_type, {**summed, "reports": [each.as_resource() for each in own]}))
    if policy.allow or policy.deny:
        rows = [(part.purl, part.licence) for part in packages]
        found.append((LICENCES, summary(rows, policy.allow, policy.deny)))
    return found
