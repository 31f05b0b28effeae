"""source audit: who changed a file or a line, who looked at it, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from clearway.cli.context import Context
from clearway.cli.exits import CliError

MOST = 5000
PAGE = 200


def audit(
    context: Context,
    spot: Annotated[
        str,
        typer.Argument(
            help="A file or folder in the repository; src/a.py:12 is a line, :10-20 some.", metavar="PATH"
        ),
    ],
    service: Annotated[str, typer.Option("--service", help="Of this service.")],
    ref: Annotated[
        str, typer.Option("--ref", help="As of this branch, tag or commit. [the service's branch]")
    ] = "",
    limit: Annotated[int, typer.Option(help="How many changes.", min=1, max=MOST)] = 50,
) -> None:
    """Every change to a file or lines of it, across renames: by whom, who approved it, where it runs."""
    from urllib.parse import quote

    place = f"/v1/services/{quote(service, safe='')}/history"
    found: Any = None
    items: list[Any] = []
    while found is None or (found["next_cursor"] and len(items) < limit):
        asked = {"path": spot, "ref": ref or None, "limit": min(PAGE, limit - len(items))}
        found = context.server.get(place, **asked, cursor=found["next_cursor"] if found else None)
        items += found["items"]
    if not items:
        raise CliError(f"nothing is known of {spot}")
    context.show({**found, "items": items}, lambda: _tell(context, found, items))


def _tell(context: Context, found: Any, items: list[Any]) -> None:
    lines = "" if found["first"] is None else f":{found['first']}"
    lines += f"-{found['last']}" if lines and found["last"] != found["first"] else ""
    number = found["changes"]
    context.say(
        f"{found['path']}{lines} of {found['service']} at {found['ref']} ({found['commit'][:10]}): "
        f"{number} change{'' if number == 1 else 's'}"
    )
    headings = ("commit", "when", "what", "by", "reviewed", "tickets", "release", "runs in", "approved")
    context.table(headings, [_row(each) for each in items])
    if len(items) < number:
        context.say(f"and {number - len(items)} older; --limit shows more")
    if found["ends"]:
        context.say(found["ends"])


def _row(entry: Any) -> tuple[str, ...]:
    commit = entry["commit"]
    what = commit["subject"]
    if entry["before"]:
        what = f"{entry['how']} from {entry['before']}: {what}"
    elif entry["how"] != "changed":
        what = f"{entry['how']}: {what}"
    author, committer = commit["author"]["name"], commit["committer"]["name"]
    pulls = [f"#{each['number']}" for each in commit["pulls"]]
    signed = {each["by"]: None for place in commit["arrivals"] for each in place["approvals"]}
    return (
        commit["sha"][:10],
        commit["committed_at"][:10],
        what,
        author if committer in ("", author) else f"{author}, applied by {committer}",
        ", ".join([*commit["reviewers"], *pulls]),
        ", ".join(each["name"] for each in commit["tickets"]),
        _release(commit),
        ", ".join(f"{each['environment']} {each['runs']}" for each in commit["arrivals"] if each["runs"]),
        ", ".join(signed),
    )


def _release(commit: Any) -> str:
    """The first release that has it; else the build."""
    if commit["releases"]:
        more = commit["release_count"] - 1
        return f"{commit['releases'][0]['version']}" + (f" and {more} more" if more else "")
    if commit["builds"]:
        return f"none; built as {commit['builds'][0]['version']}"
    return "none"
