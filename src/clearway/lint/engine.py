"""Applies the rules, and what people allowed with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from .commands import MAKEFILES, is_containerfile, is_pipeline
from .model import Facts, Finding, Rule, Tree
from .packages import REQUIREMENTS
from .rules import ALLOW, CHECKS, RULES

_NAMES = (
    *("pyproject.toml", "setup.py", "setup.cfg", "package.json", "package-lock.json", "npm-shrinkwrap.json"),
    *("pnpm-lock.yaml", "pom.xml", "clearway.yaml", "uv.lock", "pylock.toml", ".gitattributes"),
    *MAKEFILES,
)
_ENDS = (".sh", ".bash", ".mk", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp")
_ALLOW = re.compile(
    r"clearway-lint:[ \t]*allow[ \t]+([\w-]+)(?:[ \t]+in[ \t]+([^\s:]+))?[ \t]*(?::[ \t]*(.*))?"
)


@dataclass
class _Allowed:
    rule: str
    file: str
    line: int
    glob: str  # empty: this place alone
    reason: str
    used: bool = False


def reads(path: str) -> bool:
    """Whether a rule looks into such a file."""
    name = PurePosixPath(path).name
    return (
        name in _NAMES
        or name.endswith(_ENDS)
        or REQUIREMENTS.search(path) is not None
        or re.fullmatch(r"(webpack|vite|rollup|esbuild)\.config\.[cm]?[jt]s", name) is not None
        or is_containerfile(path)
        or is_pipeline(path)
    )


def lint(files: Mapping[str, str], facts: Facts | None = None) -> list[Finding]:
    """The findings by file and line, allowed ones marked. `files`: text by path, if it `reads` it."""
    tree = Tree(files, facts or Facts())
    allowed = list(_allowances(files))
    found = [
        Finding(rule, file, line, message) for rule, check in CHECKS for file, line, message in check(tree)
    ]
    marked = [_marked(each, allowed) for each in dict.fromkeys(found)]
    marked += _about_allowances(allowed)
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(marked, key=lambda each: (each.file, each.line, order[each.rule.severity], each.rule.id))


def _allowances(files: Mapping[str, str]) -> Iterator[_Allowed]:
    for path, text in files.items():
        whole = PurePosixPath(path).name == "clearway.yaml"
        for number, line in enumerate(text.split("\n") if "clearway-lint:" in text else (), 1):
            if match := _ALLOW.search(line):
                reason = re.sub(r"(-->|\*/)\s*$", "", match[3] or "").strip()
                yield _Allowed(match[1], path, number, (match[2] or "*") if whole else "", reason)


def _marked(finding: Finding, allowed: list[_Allowed]) -> Finding:
    for each in allowed:
        if each.rule != finding.rule.id or not each.reason:
            continue
        here = each.file == finding.file and each.line in (finding.line, finding.line - 1)
        if here or (each.glob and fnmatchcase(finding.file, each.glob)):
            each.used = True
            return replace(finding, allowed=each.reason)
    return finding


def _about_allowances(allowed: list[_Allowed]) -> Iterator[Finding]:
    known: dict[str, Rule] = {rule.id: rule for rule in RULES}
    for each in allowed:
        if each.rule not in known:
            said = f"there is no rule {each.rule}"
        elif not each.reason:
            said = f"{each.rule} is allowed without a reason"
        elif not each.used:
            said = f"{each.rule} is allowed, and nothing breaks it here"
        else:
            continue
        yield Finding(ALLOW, each.file, each.line, said)
