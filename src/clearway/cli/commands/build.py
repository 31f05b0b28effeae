"""build, and the secrets that its steps are given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from clearway.cli import logs, watch
from clearway.cli.context import Context, command, group
from clearway.cli.exits import FAILED, OK, CliError

Most = Annotated[int, typer.Option("--limit", help="How many to list.", min=1, max=5000)]
Service = Annotated[str, typer.Argument(help="The service.")]
SecretName = Annotated[str, typer.Argument(help="How steps name it, as NPM_TOKEN.", metavar="NAME")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the ledger.")]
_WAYS = {"answered": "cached", "runs": "runs", "skipped": "skipped", "open": "?"}


def add(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "build", "clearway build shop --ref v1.2.0")(build)
    secret = group(
        app,
        "secret",
        "Secrets that steps of builds are given; kept sealed.",
        "clearway secret set shop NPM_TOKEN < token.txt",
    )
    command(secret, "set", "clearway secret set shop NPM_TOKEN < token.txt")(set_secret)
    command(secret, "list", "clearway secret list shop")(secrets)
    command(secret, "remove", "clearway secret remove shop NPM_TOKEN")(remove_secret)


def build(
    context: Context,
    service: Annotated[str | None, typer.Argument(help="The service.")] = None,
    ref: Annotated[str, typer.Option("--ref", help="Tag, branch or commit. [the service's branch]")] = "",
    once: Annotated[bool, typer.Option("--once", help="Build once; do not compare a second build.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the end, with the log.")] = True,
    listing: Annotated[bool, typer.Option("--list", help="List builds instead.")] = False,
    log: Annotated[
        str | None, typer.Option("--log", help="Print the log of a build instead.", metavar="ID")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="With --log: until the build has ended.")] = False,
    search: Annotated[
        str, typer.Option("--search", help="With --log: only lines with this text.", metavar="TEXT")
    ] = "",
    step: Annotated[
        str, typer.Option("--step", help="With --log: only lines of this step.", metavar="NAME")
    ] = "",
    failing: Annotated[
        bool, typer.Option("--failing", help="With --log: only the lines that say why it failed.")
    ] = False,
    limit: Most = 20,
    retry: Annotated[
        str | None,
        typer.Option("--retry", help="Do a build again; what ended well is not run.", metavar="ID"),
    ] = None,
    start: Annotated[
        str,
        typer.Option("--from", help="With --retry: run this step and those after it again.", metavar="STEP"),
    ] = "",
    rerun: Annotated[
        str | None,
        typer.Option("--rerun", help="Run all of a build again, with the same inputs.", metavar="ID"),
    ] = None,
    cancel: Annotated[
        str | None, typer.Option("--cancel", help="Stop a build instead.", metavar="ID")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Run nothing: the steps, and what earlier builds answer.")
    ] = False,
    here: Annotated[
        Path | None,
        typer.Option("--here", help="Build this work tree as it is, before it is pushed.", metavar="DIR"),
    ] = None,
) -> int:
    """Build a service in a sandbox, twice, and compare."""
    if log:
        return logs.show(context, log, follow=follow, search=search, step=step, failing=failing)
    if follow or search or step or failing:
        raise CliError("--follow, --search, --step and --failing belong to --log", expected="--log ID")
    if listing:
        return _list_builds(context, service, limit)
    if cancel:
        found = context.server.post(f"/v1/builds/{_quoted(cancel)}/cancel", {"reason": ""})
        context.show(found, lambda: context.say(f"{found['id']}: {found['status']}, asked to stop"))
        return OK
    if retry or rerun:
        return _again(context, retry, rerun, start, wait)
    if here is not None:
        service, ref = _send_tree(context, here, service, ref)
    if service is None:
        raise CliError("which service?", expected="clearway build SERVICE, --here DIR, or --list")
    if plan:
        return _plan(context, service, ref)
    found = context.server.post("/v1/builds", {"service": service, "ref": ref, "twice": not once})
    if wait:
        found = watch.build(context, found["id"])
    context.show(found, lambda: _print_build(context, found))
    return FAILED if found["status"] in ("failed", "cancelled") else OK


def _list_builds(context: Context, service: str | None, limit: int) -> int:
    found = context.server.items("/v1/builds", limit, service=service)
    if service and not found:
        context.server.get(f"/v1/services/{service}")  # says so when there is no such service
    rows = [
        (
            each["id"],
            each["service"],
            each["version"],
            _state(each),
            _same(each),
            "a work tree" if each["ref"].startswith("refs/clearway/trials/") else each["ref"],
            _built_by(each),
            each["queued_at"][:16],
        )
        for each in found
    ]
    headings = ("id", "service", "version", "status", "same twice", "ref", "built by", "asked for")
    context.show(found, lambda: context.table(headings, rows, "no build"))
    return OK


def _built_by(found: Any) -> str:
    """Empty for what was built here."""
    return f"{found['external']['ci']}, L{found['external']['level']}" if found["external"] else ""


def _state(found: Any) -> str:
    """With its place, when it waits in the queue."""
    spot = found["queue"]
    return f"queued, {spot['position']} of {spot['waiting']} in {spot['pool']}" if spot else found["status"]


def _same(found: Any) -> str:
    return {True: "yes", False: "NO", None: ""}[found["reproduced"]]


def _print_build(context: Context, found: Any) -> None:
    context.say(f"{found['id']}: {found['service']} {found['version'] or found['ref']}: {_state(found)}")
    if found["error"]:
        context.say(f"  {found['error']}")
    if job := found["external"]:
        context.say(f"  built by {job['ci']} (SLSA Build L{job['level']}): {job['run_url']}")
    for each in found["artifacts"]:
        context.say(f"  {each['name']}  {each['digest']}  {each['size']} bytes")
    if found["reproduced"] is not None:
        context.say(
            "  built twice: the same bytes" if found["reproduced"] else "  built twice: DIFFERENT bytes"
        )


def _again(context: Context, retry: str | None, rerun: str | None, start: str, wait: bool) -> int:
    if retry and rerun:
        raise CliError("--retry and --rerun are two ways to do it again", expected="one of them")
    if rerun and start:
        raise CliError("--rerun runs everything", expected="--retry ID --from STEP")
    body = {"anew": "*" if rerun else start or None}
    found = context.server.post(f"/v1/builds/{_quoted(retry or rerun or '')}/again", body)
    if wait:
        found = watch.build(context, found["id"])
    context.show(found, lambda: _print_build(context, found))
    return FAILED if found["status"] in ("failed", "cancelled") else OK


def _send_tree(context: Context, folder: Path, service: str | None, ref: str) -> tuple[str, str]:
    """Send the work tree; the service that its file names, and what to build."""
    from clearway.cli import worktree

    if ref:
        raise CliError("--here builds the work tree as it is", expected="no --ref")
    tree = worktree.find(folder)
    name = service or worktree.service_of(folder)
    place = f"/v1/services/{_quoted(name)}"
    known = context.server.get(f"{place}/heads")["commits"]
    commit, data = worktree.bundle(tree, known)
    if data is None:
        return name, commit
    return name, str(context.server.send(f"{place}/trials", data)["ref"])


def _plan(context: Context, service: str, ref: str) -> int:
    found = context.server.get(f"/v1/services/{_quoted(service)}/build-plan", ref=ref)

    def tell() -> None:
        context.say(f"{service} {found['version']}, commit {found['commit'][:12]}, in {found['mode']}")
        if not found["steps"]:
            context.say(f"the steps of the {found['recipe']} recipe are its own affair")
            return
        rows = [
            (
                each["name"],
                ", ".join(each["needs"]),
                _WAYS[each["way"]],
                "" if each["seconds"] is None else f"{each['seconds']:.1f} s",
                each["why"],
            )
            for each in found["steps"]
        ]
        context.table(("step", "after", "", "took", "why"), rows, "no step")

    context.show(found, tell)
    return OK


def set_secret(
    context: Context,
    service: Service,
    name: SecretName,
    file: Annotated[
        Path | None, typer.Option("--file", help="Read it from this file. [standard input]")
    ] = None,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Also for branches and work trees that have not landed.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Seal a secret for steps that name it; it is never shown again."""
    body = {"value": _value(name, file), "anywhere": anywhere, "reason": reason}
    found = context.server.put(f"/v1/services/{_quoted(service)}/build-secrets/{_quoted(name)}", body)
    context.show(found, lambda: context.say(f"{name} of {service} is set (version {found['version']})"))


def secrets(context: Context, service: Service) -> None:
    """List the secrets of a service's builds."""
    found = context.server.get(f"/v1/services/{_quoted(service)}/build-secrets")["items"]
    rows = [
        (
            each["name"],
            each["version"],
            "every build" if each["anywhere"] else "what landed",
            each["set_by"],
            each["set_at"][:16],
        )
        for each in found
    ]
    headings = ("name", "version", "for", "set by", "at")
    context.show(found, lambda: context.table(headings, rows, "no secret is set"))


def remove_secret(context: Context, service: Service, name: SecretName, reason: Reason = "") -> None:
    """Forget a secret."""
    place = f"/v1/services/{_quoted(service)}/build-secrets/{_quoted(name)}/remove"
    context.server.post(place, {"reason": reason})
    context.show({"removed": name}, lambda: context.say(f"{service} has no secret {name} any more"))


def _value(name: str, file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"it cannot be read: {error}", where=str(file)) from None
    if sys.stdin.isatty():
        return str(typer.prompt(name, hide_input=True, err=True))
    return sys.stdin.read().rstrip("\n")


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
