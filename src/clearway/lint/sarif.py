"""Findings in SARIF 2.1.0, for code hosts and editors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .model import Finding
from .rules import RULES

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Sequence[Finding], version: str) -> dict[str, Any]:
    """One run; what was allowed is there, marked as suppressed with its reason."""
    numbers = {rule.id: number for number, rule in enumerate(RULES)}
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.why},
            "help": {"text": rule.fix},
            "defaultConfiguration": {"level": rule.severity},
        }
        for rule in RULES
    ]
    driver = {"name": "clearway lint", "version": version, "rules": rules}
    results = [_result(each, numbers[each.rule.id]) for each in findings]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _result(finding: Finding, number: int) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": finding.file}, "region": {"startLine": finding.line}}
    found: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": number,
        "level": finding.rule.severity,
        "message": {"text": f"{finding.message}. {finding.rule.fix}"},
        "locations": [{"physicalLocation": place}],
    }
    if finding.allowed is not None:
        found["suppressions"] = [{"kind": "inSource", "justification": finding.allowed}]
    return found
