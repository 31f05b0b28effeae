"""lint."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clearway.cli.context import Context, command
from clearway.cli.exits import FAILED, CliError

from .platform import _repository_files, _text

if TYPE_CHECKING:
    from clearway.lint import Facts, Finding

_MARKS = {"error": "error", "warning": "warning", "note": "note"}


def add(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "lint", "cd my-service && clearway lint", server=False)(lint)


def lint(
    context: Context,
    folder: Annotated[Path, typer.Argument(help="The repository, or a folder inside it.")] = Path("."),
    format_: Annotated[str, typer.Option("--format", help="text, json or sarif.")] = "text",
    every: Annotated[bool, typer.Option("--all", help="Also what was allowed, with its reason.")] = False,
) -> None:
    """Tell what would make packaging irreproducible, unpinned or unsigned, and how to fix it.

    The exit code is 1 when a finding is an error.
    """
    if format_ not in ("text", "json", "sarif"):
        raise CliError(f"--format {format_}", expected="text, json or sarif")
    names = _repository_files(folder)
    from clearway import lint as rules

    texts = {name: _text(folder / name) if rules.reads(name) else "" for name in names}
    findings = rules.lint(texts, _facts(folder))
    open_ = [each for each in findings if each.allowed is None]
    if format_ == "sarif":
        from importlib.metadata import version

        print(json.dumps(rules.sarif(findings, version("clearway")), indent=2, ensure_ascii=False))
    elif format_ == "json" or context.as_json:
        print(json.dumps(_as_json(findings), indent=2, ensure_ascii=False))
    else:
        _print(context, findings if every else open_, len(findings) - len(open_))
    if any(each.rule.severity == "error" for each in open_):
        raise typer.Exit(FAILED)


def _as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    rows = [
        {
            "rule": each.rule.id,
            "severity": each.rule.severity,
            "file": each.file,
            "line": each.line,
            "message": each.message,
            "why": each.rule.why,
            "fix": each.rule.fix,
            "allowed": each.allowed,
        }
        for each in findings
    ]
    counts = {
        kind: sum(row["severity"] == kind and row["allowed"] is None for row in rows) for kind in _MARKS
    }
    return {"findings": rows, **{f"{kind}s": count for kind, count in counts.items()}}


def _print(context: Context, findings: Sequence[Finding], allowed: int) -> None:
    told: set[str] = set()
    for each in findings:
        rule = each.rule
        word = rule.severity if each.allowed is None else f"allowed ({each.allowed})"
        context.say(f"{each.file}:{each.line}: {word}: {each.message} [{rule.id}]")
        if rule.id not in told and each.allowed is None:
            told.add(rule.id)
            context.say(f"    why: {rule.why}")
            context.say(f"    fix: {rule.fix}")
    counts = [
        sum(each.rule.severity == kind and each.allowed is None for each in findings) for kind in _MARKS
    ]
    words = [f"{count} {kind}{'s' if count != 1 else ''}" for count, kind in zip(counts, _MARKS, strict=True)]
    context.say(f"{', '.join(words)}{f', {allowed} allowed' if allowed else ''}")


def _facts(folder: Path) -> Facts:
    """What git knows of signatures; whether they are right is said by the server, which knows the keys."""
    from clearway.lint import Facts

    head = _git(folder, "cat-file", "commit", "HEAD")
    listed = _git(
        folder, "for-each-ref", "--points-at", "HEAD", "--format=%(objecttype) %(refname)", "refs/tags"
    )
    tags: dict[str, Literal["lightweight", "unsigned", "signed"]] = {}
    for line in listed.splitlines():
        kind, _, name = line.partition(" ")
        short = name.removeprefix("refs/tags/")
        if kind != "tag":
            tags[short] = "lightweight"
        else:
            tags[short] = "signed" if "-----BEGIN " in _git(folder, "cat-file", "tag", name) else "unsigned"
    header = head.partition("\n\n")[0]
    return Facts(("\ngpgsig" in header) if head else None, tags)


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=False)
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
