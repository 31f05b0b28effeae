"""source: repositories, what git is given for them, and who changed what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from clearway.cli.context import Context, command, group
from clearway.cli.exits import FAILED, OK, CliError

from .history import audit

POLL_S = 0.5
_KINDS = ("password", "ssh-key", "webhook")

Repository = Annotated[str, typer.Argument(help="The repository's name.", metavar="REPOSITORY")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the ledger.")]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    source = group(
        app, "source", "Repositories: where they are, and what is known of them.", "clearway source list"
    )
    command(source, "list", "clearway source list")(repositories)
    command(source, "show", "clearway source show shop")(show)
    command(source, "sync", "clearway source sync shop")(sync)
    command(source, "audit", "clearway source audit src/prices.py:12 --service shop")(audit)
    command(source, "deliveries", "clearway source deliveries shop")(deliveries)
    command(source, "check", "clearway source check shop")(check)
    credential = group(
        source,
        "credential",
        "What git and webhooks are given for a repository; kept sealed.",
        "clearway source credential set shop webhook --generate",
    )
    command(credential, "set", "clearway source credential set shop password --user ci-reader < token.txt")(
        set_credential
    )
    command(credential, "list", "clearway source credential list shop")(credentials)
    command(credential, "remove", "clearway source credential remove shop webhook")(remove_credential)


def repositories(
    context: Context,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=5000)] = 200,
) -> None:
    """List the repositories, and how far each is known."""
    found = context.server.items("/v1/repositories", limit)
    rows = [
        (
            each["name"],
            each["health"],
            (each["synced_at"] or "")[:16],
            ", ".join(each["services"]),
            each["location"],
        )
        for each in found
    ]
    headings = ("repository", "is", "fetched", "services", "location")
    context.show(found, lambda: context.table(headings, rows, "no service is declared, and no repository"))


def show(
    context: Context,
    repository: Repository,
    limit: Annotated[int, typer.Option(help="How many moves.", min=1, max=5000)] = 20,
) -> None:
    """Show a repository, and which of its branches and tags moved last."""
    found = context.server.get(f"/v1/repositories/{_quoted(repository)}")
    moves = context.server.items(f"/v1/repositories/{_quoted(repository)}/moves", limit)

    def tell() -> None:
        context.table(("", ""), _facts(found))
        rows = [
            (
                each["seen_at"][:16],
                each["ref"].split("/", 2)[-1],
                each["kind"] + (f", {each['lost']} commits lost" if each["lost"] else ""),
                (each["old"] or "")[:10],
                (each["new"] or "")[:10],
            )
            for each in moves
        ]
        context.table(("seen", "branch or tag", "what", "from", "to"), rows, "nothing moved yet")

    context.show({**found, "moves": moves}, tell)


def _facts(found: Any) -> list[tuple[str, str]]:
    facts = [
        ("location", found["location"]),
        ("is", found["health"] + (f": {found['error']}" if found["error"] else "")),
        ("fetched", found["synced_at"] or "never"),
        ("looked at", f"every {found['poll_s']:g} s" if found["poll_s"] else "when somebody asks or tells"),
        (
            "webhooks",
            "none taken" if found["forge"] == "none" else f"{found['forge']}, at /hooks/{found['name']}",
        ),
        ("services", ", ".join(found["services"]) or "none"),
    ]
    return facts if found["declared"] else [*facts, ("declared", "no; a document of kind Repository does it")]


def _webhooks(found: Any) -> str:
    return "none taken" if found["forge"] == "none" else f"{found['forge']}, at /hooks/{found['name']}"


def sync(
    context: Context,
    repository: Repository,
    wait: Annotated[bool, typer.Option(help="Wait until it is fetched.")] = True,
) -> int:
    """Have a repository fetched now."""
    import time

    place = f"/v1/repositories/{_quoted(repository)}"
    found = before = context.server.post(f"{place}/sync", {})
    while wait and (found["synced_at"], found["failures"]) == (before["synced_at"], before["failures"]):
        time.sleep(POLL_S)
        found = context.server.get(place)
    if found["error"]:
        raise CliError(found["error"], where=repository, code=FAILED)
    context.show(
        found, lambda: context.say(f"fetched {found['synced_at'][:19]}" if wait else "it is fetched soon")
    )
    return OK


def deliveries(
    context: Context,
    repository: Annotated[
        str, typer.Argument(help="The repository's name. [all]", metavar="[REPOSITORY]")
    ] = "",
    limit: Annotated[int, typer.Option(help="How many of each repository.", min=1, max=5000)] = 20,
) -> None:
    """List what forges told through webhooks, newest first, and what came of it."""
    named = [repository] if repository else _listening(context)
    found: list[Any] = []
    for name in named:
        found += context.server.items(f"/v1/repositories/{_quoted(name)}/deliveries", limit)
    found.sort(key=lambda each: str(each["id"]), reverse=True)
    rows = [
        (
            each["received_at"][:19],
            each["repository"],
            each["about"] or each["event"] or each["delivery_id"],
            each["outcome"] + (f" ({each['times']} times)" if each["times"] > 1 else ""),
            each["error"],
        )
        for each in found
    ]
    headings = ("received", "repository", "about", "came of it", "what is wrong")
    context.show(found, lambda: context.table(headings, rows, "nothing was delivered yet"))


def _listening(context: Context) -> list[str]:
    """The repositories that take somebody's webhooks."""
    found = context.server.items("/v1/repositories", 5000)
    return [each["name"] for each in found if each["forge"] != "none"]


def check(
    context: Context,
    service: Annotated[str, typer.Argument(help="The service.")],
) -> int:
    """Hold a service's history against the rules of its branches; fails when something is against them."""
    found = context.server.post(f"/v1/services/{_quoted(service)}/check", {})
    if not found["strategy"]:
        raise CliError(
            f"{service} has no branching strategy",
            todo="Add `branching` to its document, such as {strategy: trunk}.",
        )

    def tell() -> None:
        for each in found["violations"]:
            context.say(f"{each['commit'][:10]} {each['rule']}: {each['why']}")
            context.say(f"  {each['subject']} ({each['author']})")
            context.say(f"  {each['todo']}")
        more = "" if found["whole"] else ", and there is more than is told"
        count, branches = len(found["violations"]), len(found["branches"])
        told = "nothing against the rules" if not count else f"{count} against the rules{more}"
        where = f"{branches} branch{'es' * (branches != 1)}"
        context.say(f"{told}, on {where} with {found['commits']} commits that rules are about")

    context.show(found, tell)
    return FAILED if found["violations"] or not found["whole"] else OK


def set_credential(
    context: Context,
    repository: Repository,
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(_KINDS)}.", metavar="KIND")],
    user: Annotated[str, typer.Option("--user", help="The name that goes with a password.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="Read it from this file. [standard input]")
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make a webhook's secret, and print it.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Seal a password (or token), an SSH key or a webhook's secret; it is never shown again."""
    if kind not in _KINDS:
        raise CliError(f"{kind!r} is no kind of credential", expected=", ".join(_KINDS))
    if generate and (kind != "webhook" or file):
        raise CliError("--generate makes a secret for a webhook only, and reads none")
    value = _new_secret() if generate else _value(kind, file)
    body = {"value": value, "username": user, "reason": reason}
    found = context.server.put(f"/v1/repositories/{_quoted(repository)}/credentials/{kind}", body)
    told = {**found, "secret": value} if generate else found

    def tell() -> None:
        context.say(f"the {kind} of {repository} is set (version {found['version']})")
        if generate:
            context.say(f"give this secret to the forge; it is not shown again: {value}")

    context.show(told, tell)


def credentials(context: Context, repository: Repository) -> None:
    """List what is kept sealed for a repository."""
    found = context.server.get(f"/v1/repositories/{_quoted(repository)}/credentials")["items"]
    rows = [(each["kind"], each["version"], each["host"], each["actor"], each["at"][:16]) for each in found]
    headings = ("kind", "version", "for", "set by", "at")
    context.show(found, lambda: context.table(headings, rows, "nothing is kept for it"))


def remove_credential(
    context: Context,
    repository: Repository,
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(_KINDS)}.", metavar="KIND")],
    reason: Reason = "",
) -> None:
    """Forget a credential, a webhook's former secret too."""
    place = f"/v1/repositories/{_quoted(repository)}/credentials/{_quoted(kind)}/remove"
    context.server.post(place, {"reason": reason})
    context.show({"removed": kind}, lambda: context.say(f"{repository} has no {kind} any more"))


def _value(kind: str, file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"it cannot be read: {error}", where=str(file)) from None
    if sys.stdin.isatty() and kind != "ssh-key":
        return str(typer.prompt(kind, hide_input=True, err=True))
    return sys.stdin.read().rstrip("\n")


def _new_secret() -> str:
    """In the form of Standard Webhooks, which GitLab wants of a signing token; the others take any text."""
    import base64
    import secrets

    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
