"""reproduce: the same bytes once more, or where they differ and why."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from clearway.cli import watch
from clearway.cli.context import Context, command
from clearway.cli.exits import FAILED, OK, CliError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_WORDS = {
    "identical": "bit-identical",
    "equivalent": "equivalent after normalisation",
    "different": "different",
}
_SHOWN = 12  # differences, unless all are asked for


def add(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "reproduce", "clearway reproduce shop 1.4.2")(reproduce)


def reproduce(
    context: Context,
    artifact: Annotated[
        str | None, typer.Argument(help="A digest, a file, or a service.", metavar="ARTIFACT")
    ] = None,
    version: Annotated[str | None, typer.Argument(help="With a service: of this version. [newest]")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end.")] = True,
    whole: Annotated[
        bool, typer.Option("--all", help="Show every difference, and diffoscope's words.")
    ] = False,
    equivalent: Annotated[
        bool, typer.Option("--equivalent", help="Be content with what is the same after normalisation.")
    ] = False,
    score: Annotated[
        str | None, typer.Option("--score", help="How much of a service came out again.", metavar="SERVICE")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="List attempts, of a service if one is named.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", help="How many to list.", min=1, max=5000)] = 20,
) -> int:
    """Build it again from its record, with everything otherwise that can be, and compare the bytes.

    Exit code 0: bit-identical. 1: not, or it could not be rebuilt.
    """
    if score:
        return _score(context, score)
    if listing:
        return _list(context, artifact, limit)
    if artifact is None:
        raise CliError("what shall be reproduced?", expected="a digest, a file, or SERVICE VERSION")
    found = context.server.post("/v1/reproductions", _wanted(artifact, version))
    if wait:
        found = watch.reproduction(context, found["id"])
    context.show(found, lambda: _print(context, found, whole))
    if found["status"] in ("queued", "running"):
        return OK
    good = ("identical", "equivalent") if equivalent else ("identical",)
    return OK if found["verdict"] in good else FAILED


def _wanted(artifact: str, version: str | None) -> dict[str, str]:
    if _DIGEST.match(artifact):
        return {"artifact": artifact}
    path = Path(artifact)
    if version is None and path.is_file():
        with path.open("rb") as stream:
            return {"artifact": "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()}
    if version is None and ("/" in artifact or path.suffix):
        raise CliError(f"there is no file {artifact}", expected="a digest, a file, or SERVICE VERSION")
    return {"service": artifact} | ({"version": version} if version else {})


def _print(context: Context, found: Any, whole: bool) -> None:
    head = f"{found['artifact']} ({found['service']} {found['version']})"
    if found["status"] in ("queued", "running"):
        context.say(f"{found['id']}: {head}: {found['status']}")
        return
    if found["verdict"] is None:
        context.say(f"{head}: could not be rebuilt")
        context.say(f"  {found['error']}")
        return
    report = found["report"]
    context.say(f"{head}: {_WORDS[found['verdict']]}")
    context.say(f"  {found['digest']}")
    context.say(f"  otherwise were: {', '.join(report['varied']) or 'nothing'}")
    for name, reason in report["not_varied"].items():
        context.say(f"  not otherwise: {name}: {reason}")
    for each in report["outputs"]:
        if each["recorded"] != found["digest"]:
            context.say(f"  {each['name']}: {_WORDS[each['verdict']]}")
    for note in report["notes"]:
        context.say(f"  note: {note}")
    for each in report["causes"]:
        context.say(f"  cause ({each['certainty']}): {each['name']}: {each['says']}")
        context.say(f"    fix: {each['fix']}")
    _print_differences(context, report, whole)


def _print_differences(context: Context, report: Any, whole: bool) -> None:
    rows = report["differences"]
    for each in rows if whole else rows[:_SHOWN]:
        sides = f": {each['first']} | {each['second']}" if each["first"] or each["second"] else ""
        note = f" ({each['note']})" if each["note"] else ""
        context.say(f"  {each['where']}: {each['kind']}{sides}{note}")
        for line in each["lines"] if whole else each["lines"][:6]:
            context.say(f"    {line}")
    if not whole and len(rows) > _SHOWN:
        context.say(f"  and {len(rows) - _SHOWN} more: --all shows them")
    if whole and report["diffoscope"]:
        context.say(report["diffoscope"].rstrip("\n"))


def _score(context: Context, service: str) -> int:
    found = context.server.get(f"/v1/services/{service}/reproducibility")

    def tell() -> None:
        if found["share"] is None:
            context.say(f"{service}: nothing was reproduced yet")
            return
        context.say(f"{service}: {found['share']:.0%} of its newest builds came out bit-identical")
        rows = [
            (
                each["version"],
                _WORDS.get(each["verdict"], "could not be rebuilt"),
                each["at"][:16],
                each["build_id"],
            )
            for each in reversed(found["marks"])
        ]
        context.table(("version", "verdict", "at", "build"), rows, "none")

    context.show(found, tell)
    return OK


def _list(context: Context, service: str | None, limit: int) -> int:
    found = context.server.items("/v1/reproductions", limit, service=service)
    rows = [
        (
            each["id"],
            each["service"],
            each["version"],
            each["artifact"],
            _WORDS.get(each["verdict"], each["status"]),
            each["asked_by"],
            each["asked_at"][:16],
        )
        for each in found
    ]
    headings = ("id", "service", "version", "artifact", "verdict", "asked by", "asked for")
    context.show(found, lambda: context.table(headings, rows, "nothing was reproduced yet"))
    return OK
