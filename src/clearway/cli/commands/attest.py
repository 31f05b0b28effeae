"""attest: inside another CI's job, send what it built; and which CI may."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from clearway.cli.context import Context, command
from clearway.cli.exits import OK, CliError

PIECE = 1 << 20


def add(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "attest", "clearway attest dist/shop.tar --service shop --evidence junit.xml")(attest)
    command(app, "trusted-ci", "clearway trusted-ci")(trusted)


def attest(
    context: Context,
    files: Annotated[list[Path], typer.Argument(help="What was built; the first one is deployed.")],
    service: Annotated[str, typer.Option("--service", help="The service that it is.")],
    version: Annotated[
        str, typer.Option("--version", help="Where no tag of the commit names it. [as for builds]")
    ] = "",
    evidence: Annotated[
        list[Path] | None,
        typer.Option("--evidence", help="JUnit, SBOM, SARIF, in-toto; any number of times."),
    ] = None,
    audience: Annotated[
        str, typer.Option("--audience", help="Whom the token is for. [the server's address]")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Where the job's OIDC token lies. [found by itself]")
    ] = None,
) -> int:
    """Send what this CI job built, with its OIDC token; Clearway vouches for what it can check."""
    from clearway.cli.ci_tokens import find_token

    token = find_token(os.environ, audience or context.address, token_file)
    made = _send(context.address, token, {"service": service, "version": version}, files, evidence or [])
    context.show(made, lambda: _print(context, made))
    return OK


def _send(
    url: str, token: str, query: dict[str, str], files: list[Path], evidence: list[Path]
) -> dict[str, Any]:
    from clearway.cli.client import Server

    named = [("artifact", each) for each in files] + [("evidence", each) for each in evidence]
    with ExitStack() as stack:
        server = stack.enter_context(Server(url, token))
        parts = []
        for field, path in named:
            try:
                stream = stack.enter_context(path.open("rb"))
                digest = hashlib.sha256()
                while piece := stream.read(PIECE):
                    digest.update(piece)
                stream.seek(0)
            except OSError as error:
                raise CliError(f"{path} cannot be read: {error.strerror}") from None
            told = {"Repr-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"}
            parts.append((field, (path.name, stream, "application/octet-stream", told)))
        found: dict[str, Any] = server.upload("/v1/attestations", parts, **query)
        return found


def _print(context: Context, made: dict[str, Any]) -> None:
    job = made["external"]
    context.say(f"{made['id']}: {made['service']} {made['version']}, built by {job['ci']}: {job['run_url']}")
    for each in made["artifacts"]:
        context.say(f"  {each['name']}  {each['digest']}  {each['size']} bytes")
    for each in job["evidence"]:
        worth = "verified" if each["verified"] else "as the job claims"
        context.say(f"  evidence {each['name']}: {each['kind']}, {worth}")
    context.say(f"  recorded at SLSA Build L{job['level']}")


def trusted(context: Context) -> None:
    """Which CI systems may vouch, for which services, from where."""
    found = context.server.items("/v1/trusted-cis", 500)
    rows = [
        (
            each["name"],
            each["forge"],
            each["issuer"],
            rule["service"],
            " ".join(rule["repositories"]),
            " ".join(rule["refs"]),
        )
        for each in found
        for rule in each["services"]
    ]
    headings = ("name", "forge", "issuer", "service", "repositories", "refs")
    context.show(found, lambda: context.table(headings, rows, "no CI is trusted"))
