"""release, promote, approve, reject, rollback."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from clearway.cli import watch
from clearway.cli.client import gate_lines
from clearway.cli.context import Context, command
from clearway.cli.exits import FAILED, OK, REFUSED, CliError

Service = Annotated[str, typer.Argument(help="The service.")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the ledger.")]
Most = Annotated[int, typer.Option("--limit", help="How many to list.", min=1, max=5000)]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "release", "clearway release shop --next")(release)
    command(app, "promote", "clearway promote shop 1.2.0 --to prod --reason 'spring sale' --wait")(promote)
    command(app, "approve", "clearway approve prm_01j... --comment 'seen the plan'")(approve)
    command(app, "reject", "clearway reject prm_01j... --reason 'not on a Friday'")(reject)
    command(app, "rollback", "clearway rollback shop --in prod --reason 'checkout is slow' --wait")(rollback)


def release(
    context: Context,
    service: Service,
    version: Annotated[str | None, typer.Argument(help="The version of a build that succeeded.")] = None,
    build_id: Annotated[str | None, typer.Option("--build", help="Of this very build.", metavar="ID")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List releases instead.")] = False,
    limit: Most = 20,
    coming: Annotated[
        bool, typer.Option("--next", help="Cut the next version: tag the commit, build it, release it.")
    ] = False,
    ref: Annotated[
        str, typer.Option("--ref", help="With --next: branch, tag or commit. [the service's branch]")
    ] = "",
    channel: Annotated[
        str | None, typer.Option("--channel", help="With --next: a prerelease, such as rc; '' for none.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --next: only say what and why.")] = False,
    wait: Annotated[bool, typer.Option(help="With --next: wait for the end.")] = True,
    reason: Reason = "",
) -> int:
    """Make a release of a build: an immutable manifest with one digest. With --next, from the commit on."""
    if coming:
        if version is not None or build_id is not None or listing:
            raise CliError("--next finds the version by itself", expected="no version, --build or --list")
        body = {"service": service, "ref": ref, "channel": channel}
        return _next_version(context, body) if dry_run else _cut(context, {**body, "reason": reason}, wait)
    if ref or channel is not None or dry_run:
        raise CliError(
            "--ref, --channel and --dry-run belong to --next", expected="clearway release SERVICE --next"
        )
    if listing or (version is None and build_id is None):
        found = context.server.items("/v1/releases", limit, service=service)
        rows = [
            (each["version"], each["digest"], each["commit"][:10], each["created_by"], each["at"][:16])
            for each in found
        ]
        if not found:
            context.server.get(f"/v1/services/{service}")  # says so when there is no such service
        headings = ("version", "digest", "commit", "by", "at")
        context.show(found, lambda: context.table(headings, rows, "no release"))
        return OK
    made = context.server.post("/v1/releases", {"service": service, "version": version, "build_id": build_id})
    context.show(made, lambda: context.say(f"release {made['service']} {made['version']}: {made['digest']}"))
    return OK


def _next_version(context: Context, body: dict[str, Any]) -> int:
    found = context.server.post("/v1/next-versions", body)

    def tell() -> None:
        if found["version"] is None:
            context.say(f"no new version: {found['why']}")
            return
        context.say(f"{found['version']} as {found['tag']}, of commit {found['commit'][:10]}: {found['why']}")
        for each in found["reasons"][:20]:
            context.say(f"  {(each['where'] or each['commit'] or '')[:10]}  {each['text'].splitlines()[0]}")
        if len(found["reasons"]) > 20:
            context.say(f"  and {len(found['reasons']) - 20} more")

    context.show(found, tell)
    return OK


def _cut(context: Context, body: dict[str, Any], wait: bool) -> int:
    found = context.server.post("/v1/cuts", body)
    if wait:
        found = watch.cut(context, found["id"])

    def tell() -> None:
        context.say(f"{found['service']} {found['version']} ({found['tag']}): {found['state']}")
        context.say(f"  {found['why']}")
        if found["build_id"]:
            context.say(f"  build {found['build_id']}")

    context.show(found, tell)
    return FAILED if found["state"] == "failed" else OK


def promote(
    context: Context,
    service: Service,
    version: Annotated[str, typer.Argument(help="The release's version.")],
    to: Annotated[str, typer.Option("--to", help="The environment.")],
    reason: Reason = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and each gate's answer; do nothing.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the end.")] = False,
    override: Annotated[
        bool, typer.Option("--override-freeze", help="Go in spite of a freeze, if permitted.")
    ] = False,
) -> int:
    """Send a release to an environment; it waits there for approvals, windows and soak time by itself."""
    body = {
        "service": service,
        "version": version,
        "environment": to,
        "reason": reason,
        "override_freeze": override,
    }
    if dry_run:
        plan = context.server.post("/v1/promotions", body, dry_run=True)
        context.show(plan, lambda: print_plan(context, plan))
        return OK if plan.get("allowed", True) else REFUSED
    found = context.server.post("/v1/promotions", body)
    return _finish(context, found, wait)


def _finish(context: Context, found: Any, wait: bool) -> int:
    if wait:
        found = watch.promotion(context, found["id"])
    context.show(found, lambda: print_promotion(context, found))
    if found["state"] in ("refused", "rejected", "cancelled", "superseded"):
        return REFUSED
    return FAILED if found["state"] in ("failed", "rolled-back") else OK


def print_promotion(context: Context, found: Any) -> None:
    """A promotion in a few lines."""
    context.say(
        f"{found['id']}: {found['service']} {found['version']} to {found['environment']}: {found['state']}"
    )
    if found.get("why"):
        context.say(f"  {found['why']}")
    context.say(f"  plan {found['plan_hash']}")
    for each in found["approvals"]:
        void = f" (void: {each['void_reason']})" if each["voided_at"] else ""
        context.say(f"  {each['meaning']} by {each['actor']} at {each['at'][:16]}{void}")
    if found["state"] in ("held", "waiting-approval", "waiting-window"):
        gates = found.get("gates") or {}
        for line in gate_lines(each for each in gates.get("verdicts", ()) if each.get("answer") != "yes"):
            context.say(f"  {line}")
    if found["state"] == "waiting-approval":
        context.say(f"  what to do: somebody else runs `clearway approve {found['id']}`")


def print_plan(context: Context, plan: Any) -> None:
    """A plan: what will happen, each gate's answer, the way back."""
    content = plan["content"]
    replaces = f", replacing {content['replaces_version']}" if content.get("replaces_version") else ""
    context.say(f"plan {plan['hash']}")
    context.say(f"  {content['service']} {content['version']} to {content['environment']}{replaces}")
    for number, step in enumerate(content["steps"], 1):
        context.say(f"  {number}. {step['text']}")
    for line in content.get("configuration", ()):
        if line["change"] != "same":
            value = "(secret)" if line["value"] is None else line["value"]
            context.say(f"  config {line['key']} {line['change']}: {value} (from {line['origin']})")
    for line in gate_lines(_verdicts(plan)):
        context.say(f"  {line}")
    for line in plan.get("problems", ()):
        context.say(f"  problem: {line}")
    for line in plan.get("warnings", ()):
        context.say(f"  warning: {line}")
    for line in plan.get("waits", ()):
        context.say(f"  waits: {line}")
    back = content["rollback"]
    context.say(f"  rollback: {'possible' if back['possible'] else 'NOT possible'}: {back['why']}")
    if content.get("approvals_needed"):
        context.say(f"  approvals needed: {content['approvals_needed']}")


def _verdicts(plan: Any) -> Any:
    gates = plan.get("gates") or {}
    return gates.get("verdicts", ()) if isinstance(gates, dict) else gates


def approve(
    context: Context,
    promotion_id: Annotated[str, typer.Argument(help="The promotion's id.", metavar="PROMOTION")],
    plan_hash: Annotated[
        str | None,
        typer.Option("--plan-hash", help="The plan that you read; else it is shown and asked for."),
    ] = None,
    meaning: Annotated[str, typer.Option(help="What your signature says.")] = "reviewed and approved",
    comment: Annotated[str, typer.Option("--comment", "-m", help="A remark.")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Sign the plan as it is now, without asking.")
    ] = False,
) -> None:
    """Sign a promotion's plan. The signature is bound to the plan's hash, and void when the plan changes."""
    if plan_hash is None:
        shown = context.server.get(f"/v1/promotions/{promotion_id}")
        plan_hash = shown["plan_hash"]
        if not yes:
            if not sys.stdin.isatty():
                raise CliError("nobody is here to read the plan", expected="--plan-hash HASH, or --yes")
            print_plan(context, shown["plan"])
            typer.confirm("Approve this plan?", abort=True, err=True)
    body = {"plan_hash": plan_hash, "meaning": meaning, "comment": comment}
    found = context.server.post(f"/v1/promotions/{promotion_id}/approve", body)
    context.show(found, lambda: print_promotion(context, found))


def reject(
    context: Context,
    promotion_id: Annotated[str, typer.Argument(help="The promotion's id.", metavar="PROMOTION")],
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the ledger.")],
) -> None:
    """Say no to a promotion, for good."""
    found = context.server.post(f"/v1/promotions/{promotion_id}/reject", {"reason": reason})
    context.show(found, lambda: print_promotion(context, found))


def rollback(
    context: Context,
    service: Service,
    environment: Annotated[str, typer.Option("--in", help="The environment.")],
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the ledger.")],
    to: Annotated[str | None, typer.Option("--to", help="The version. [the one that ran before]")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end.")] = False,
) -> int:
    """Go back to an earlier release, as a planned deployment."""
    body = {"service": service, "environment": environment, "reason": reason, "to": to}
    return _finish(context, context.server.post("/v1/rollbacks", body), wait)
