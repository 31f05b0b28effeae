"""status, trace, notes, incident, metrics, verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from clearway.cli.context import Context, command, group
from clearway.cli.exits import FAILED, OK, CliError

from .deliver import print_plan, print_promotion


def add(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "status", "clearway status")(status)
    command(app, "trace", "clearway trace sha256:4f5e...")(trace)
    command(app, "where", "clearway where 3f2a9c1")(where)
    command(app, "notes", "clearway notes shop 1.1.0 --to prod")(notes)
    command(app, "metrics", "clearway metrics --service shop --environment prod")(metrics)
    command(app, "verify", "clearway verify shop.tar --evidence shop.intoto.jsonl --key evidence.pem")(verify)
    incident = group(
        app,
        "incident",
        "Losses of service: what happened, who looks after it, when it was over.",
        "clearway incident list --open",
    )
    command(incident, "open", "clearway incident open shop --to prod --reason 'checkout times out'")(
        incident_open
    )
    command(incident, "list", "clearway incident list --open")(incidents)
    command(incident, "show", "clearway incident show inc_01j...")(incident_show)
    command(incident, "acknowledge", "clearway incident acknowledge inc_01j...")(acknowledge)
    command(incident, "note", "clearway incident note inc_01j... 'the database was full'")(note)
    command(incident, "restore", "clearway incident restore inc_01j... --reason 'the provider is back'")(
        restore
    )
    command(incident, "resolve", "clearway incident resolve inc_01j... --reason 'fixed in 1.2.1'")(resolve)


def status(
    context: Context,
    subject: Annotated[
        str | None, typer.Argument(help="A service, or the id of a promotion, deployment or build.")
    ] = None,
) -> None:
    """What runs where; or how far a promotion, deployment or build is."""
    kinds = {"prm_": "promotions", "dep_": "deployments", "bld_": "builds"}
    if subject and (kind := kinds.get(subject[:4])):
        found = context.server.get(f"/v1/{kind}/{subject}")
        context.show(found, lambda: _print_one(context, kind, found))
        return
    found = context.server.get("/v1/overview")
    rows = [row for row in found["services"] if subject in (None, row["service"])]
    if subject and not rows:
        raise CliError(
            f"there is no service {subject}", expected=", ".join(r["service"] for r in found["services"])
        )
    names = list(dict.fromkeys(name for row in rows for name in row["environments"]))
    cells = [[row["service"], *(_cell(row["environments"].get(name)) for name in names)] for row in rows]
    context.show(
        {**found, "services": rows},
        lambda: context.table(("service", *names), cells, "no service is declared"),
    )


def _cell(cell: Any) -> str:
    if not cell:
        return ""
    text = str(cell.get("version") or "")
    if cell.get("health") not in (None, "healthy", "ok"):
        text += f" ({cell['health']})"
    if moving := cell.get("moving"):
        text += f" <- {moving['version']} {moving['state']}"
    return text.strip()


def _print_one(context: Context, kind: str, found: Any) -> None:
    if kind == "promotions":
        print_promotion(context, found)
        print_plan(context, found["plan"])
        return
    keep = {
        key: value for key, value in found.items() if not isinstance(value, dict | list) and value is not None
    }
    context.table(("", ""), list(keep.items()))


def trace(
    context: Context,
    subject: Annotated[
        str, typer.Argument(help="A digest, version (shop@1.1.0), commit, instance or deployment.")
    ],
) -> None:
    """From something that runs back to its commit, author, approvers and evidence."""
    from urllib.parse import quote

    found = context.server.get(f"/v1/trace/{quote(subject, safe='')}")
    rows = [(each["kind"], each["text"]) for each in found["links"]]
    context.show(found, lambda: context.table(("", ""), rows))


def where(
    context: Context,
    subject: Annotated[
        str, typer.Argument(help="A commit, a ticket such as SHOP-12, a pull request as '#7'.")
    ],
    service: Annotated[str | None, typer.Option("--service", help="In this service only.")] = None,
) -> None:
    """The environments that run a commit, since when, and by which promotion."""
    from urllib.parse import quote

    found = context.server.get(f"/v1/where/{quote(subject, safe='')}", service=service)

    def tell() -> None:
        for each in found["found"]:
            context.say(f"{each['service']} {each['commit'][:10]} {each['subject']} ({each['author']})")
            for run in each["runs"]:
                since = f" since {run['since'][:16]}, by {run['promotion']}" if run["promotion"] else ""
                picked = f", as the cherry-pick {run['picked'][:10]}" if run["picked"] else ""
                context.say(f"  {run['environment']}: in {run['version']}{since}{picked}")
            for name in each["missing"]:
                context.say(f"  {name}: not yet")
            if not each["runs"] and not each["missing"]:
                context.say("  nowhere: nothing runs")

    context.show(found, tell)


def notes(
    context: Context,
    service: Annotated[str, typer.Argument(help="The service.")],
    version: Annotated[
        str | None,
        typer.Argument(help="A version; with --since or --to also a tag, branch or commit."),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Over what runs in this environment now.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Over this version, tag or commit.")] = None,
    audience: Annotated[
        str, typer.Option("--audience", help="engineers, stakeholders or customers.")
    ] = "engineers",
    form: Annotated[str, typer.Option("--format", help="markdown or html.")] = "markdown",
    template: Annotated[
        Path | None, typer.Option(help="Your own Jinja template; it reads `notes`, as in --json.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of all tags, newest first.")] = False,
) -> None:
    """Release notes: the changes that a release brings, as a set difference of commits."""
    from urllib.parse import quote

    from clearway.cli.exits import CliError

    if form not in ("markdown", "html"):
        raise CliError(f"{form!r} is no format of notes", expected="markdown or html; --json for data")
    if everything:
        if version or to or since or template:
            raise CliError("notes of all tags, or between two points?", expected="--all alone")
        address = f"/v1/services/{quote(service, safe='')}/changelog"
        found = context.server.get(address, audience=audience, format=form)
        context.show(found, lambda: context.say(found["text"].rstrip()))
        return
    if to or since:
        asked = {"to": version, "since": since, "environment": to, "audience": audience}
        found = context.server.get(f"/v1/services/{quote(service, safe='')}/notes", **asked)
    elif version is None:
        raise CliError("notes of which version?", expected="a version, --to ENVIRONMENT, or --since VERSION")
    else:
        place = f"/v1/releases/{quote(service, safe='')}/{quote(version, safe='')}/notes"
        found = context.server.get(place, audience=audience)
    if template:
        from clearway.cli.notes_template import by_template

        text = by_template(_read(template).decode(errors="replace"), found, html=form == "html")
        context.show({**found, "text": text}, lambda: context.say(text.rstrip()))
        return
    context.show(found, lambda: context.say(found[form].rstrip()))


def metrics(
    context: Context,
    service: Annotated[str | None, typer.Option(help="One service only.")] = None,
    environment: Annotated[str | None, typer.Option(help="One environment only. [production]")] = None,
    days: Annotated[int | None, typer.Option(help="How far back. [30]", min=1, max=3650)] = None,
) -> None:
    """The five DORA figures, each with the deployments and incidents behind it (--json)."""
    found = context.server.get("/v1/metrics/dora", service=service, environment=environment, days=days)
    rows = [
        (
            f"{report['service']} in {report['environment']}",
            name.replace("-", " "),
            figure["text"],
            figure["count"],
        )
        for report in found.get("reports", [found])
        for name, figure in report["figures"].items()
    ]
    headings = ("service", "figure", "value", "counted")
    context.show(found, lambda: context.table(headings, rows, "nothing was deployed to production yet"))


def verify(
    context: Context,
    file: Annotated[Path, typer.Argument(help="The file to verify.")],
    evidence: Annotated[
        Path | None, typer.Option(help="Its evidence, as JSON lines. [from the server]")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The public keys, in PEM form. [from the server]")] = None,
    policy: Annotated[Path | None, typer.Option(help="What you expect of it, a YAML file.")] = None,
) -> int:
    """Verify a file against its signed evidence; with --evidence and --key no server is needed."""
    from clearway.artifacts import load_expectations, verify_file

    if not file.is_file():
        raise CliError("there is no such file", where=str(file))
    expected = load_expectations(_read(policy), str(policy)) if policy else None
    said = _read(evidence) if evidence else _fetch(context, f"/v1/artifacts/{_digest(file)}/evidence")
    keys = _read(key) if key else _fetch(context, "/v1/keys/evidence.pem")
    found = verify_file(file, said, keys, expected)

    def people() -> None:
        context.say(f"{file}: {'verified' if found.verified else 'NOT verified'}: {found.digest}")
        words = {"yes": "proven", "no": "NOT so", "unsaid": "not said"}
        for line in found.lines:
            context.say(f"  {words[line.state]:9} {line.text}")

    context.show({"file": str(file), **found.as_json()}, people)
    return OK if found.verified else FAILED


def _digest(file: Path) -> str:
    import hashlib

    with file.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(f"it cannot be read: {error.strerror}", where=str(path)) from None


def _fetch(context: Context, path: str) -> bytes:
    return context.server.bytes(path)


Incident = Annotated[str, typer.Argument(help="The incident's id.", metavar="INCIDENT")]


def incident_open(
    context: Context,
    service: Annotated[str, typer.Argument(help="The service that is lost.")],
    environment: Annotated[str, typer.Option("--to", "--in", help="The environment.")],
    reason: Annotated[
        str, typer.Option("--reason", "--title", "-m", help="What is lost, in one line; kept in the ledger.")
    ],
) -> None:
    """Declare a loss of service that no deployment told of. Gates that ask for calm then hold promotions."""
    body = {"service": service, "environment": environment, "summary": reason}
    _show_incident(context, context.server.post("/v1/incidents", body))


def restore(
    context: Context,
    incident: Incident,
    reason: Annotated[str, typer.Option("--reason", "-m", help="What ended it; kept in the ledger.")],
) -> None:
    """Say that the impact has ended, where no deployment could tell. Afterwards it can be resolved."""
    _show_incident(context, context.server.post(f"/v1/incidents/{incident}/restore", {"reason": reason}))


def incidents(
    context: Context,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=5000)] = 20,
) -> None:
    """List incidents, newest first."""
    found = context.server.items("/v1/incidents", limit)
    if only_open:
        found = [each for each in found if not each.get("restored_at")]
    rows = [
        (
            each["id"],
            each["service"],
            each["environment"],
            each["status"],
            each["opened_at"][:16],
            (each.get("restored_at") or "")[:16],
        )
        for each in found
    ]
    headings = ("id", "service", "environment", "status", "opened", "restored")
    context.show(found, lambda: context.table(headings, rows, "no incident"))


def incident_show(context: Context, incident: Incident) -> None:
    """Show an incident with its timeline."""
    _show_incident(context, context.server.get(f"/v1/incidents/{incident}"))


def acknowledge(context: Context, incident: Incident) -> None:
    """Say that you look after it."""
    _show_incident(context, context.server.post(f"/v1/incidents/{incident}/acknowledge", {}))


def note(
    context: Context,
    incident: Incident,
    text: Annotated[str, typer.Argument(help="What happened or was found.")],
) -> None:
    """Add a note to the timeline."""
    _show_incident(context, context.server.post(f"/v1/incidents/{incident}/note", {"text": text}))


def resolve(
    context: Context,
    incident: Incident,
    reason: Annotated[str, typer.Option("--reason", "-m", help="What was found; kept in the ledger.")],
) -> None:
    """Close it, and say what was found."""
    _show_incident(context, context.server.post(f"/v1/incidents/{incident}/resolve", {"reason": reason}))


def _show_incident(context: Context, found: Any) -> None:
    def people() -> None:
        for key, value in found.items():
            if key != "timeline" and value not in (None, "", [], {}):
                context.say(f"{key}: {value if isinstance(value, str) else json.dumps(value)}")
        for each in found.get("timeline", ()):
            context.say(f"  {each['at'][:19]}  {each['text']}")

    context.show(found, people)
