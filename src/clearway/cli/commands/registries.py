"""registry: what registries hold, and promoting from one to another."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from clearway.cli.context import Context, command, group
from clearway.cli.exits import FAILED, OK

Registry = Annotated[str, typer.Argument(help="The registry's name.", metavar="REGISTRY")]
Package = Annotated[str, typer.Argument(help="The package's name.", metavar="PACKAGE")]
Version = Annotated[str, typer.Argument(help="A version, tag or digest.", metavar="VERSION")]
Limit = Annotated[int, typer.Option(help="How many.", min=1, max=5000)]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    registry = group(
        app, "registry", "Registries: where packages live, and how far they got.", "clearway registry list"
    )
    command(registry, "list", "clearway registry list")(registries)
    command(registry, "packages", "clearway registry packages tools --like jq")(packages)
    command(registry, "versions", "clearway registry versions tools jq")(versions)
    command(registry, "show", "clearway registry show tools jq 1.7")(show)
    command(registry, "promote", 'clearway registry promote tools jq 1.7 --to tools-released -m "tested"')(
        promote
    )


def size_of(count: int) -> str:
    """Bytes as people say them."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def registries(context: Context, limit: Limit = 200) -> None:
    """List the registries, and how much is in each."""
    found = context.server.items("/v1/registries", limit)
    rows = [
        (
            each["name"],
            each["format"],
            each["mode"],
            each["maturity"],
            each["team"] or "",
            each["usage"]["packages"],
            size_of(each["usage"]["size"]),
        )
        for each in found
    ]
    headings = ("name", "format", "mode", "maturity", "team", "packages", "size")
    context.show(found, lambda: context.table(headings, rows, "no registry is declared"))


def packages(
    context: Context,
    registry: Registry,
    like: Annotated[str, typer.Option("--like", help="Only names that contain this.")] = "",
    limit: Limit = 200,
) -> None:
    """List the packages of a registry."""
    asked = {"like": like} if like else {}
    found = context.server.items(f"/v1/registries/{registry}/packages", limit, **asked)
    context.show(found, lambda: context.say("\n".join(found) or "no package"))


def versions(context: Context, registry: Registry, package: Package) -> None:
    """List a package's versions and tags, newest arrival first."""
    found = context.server.get(f"/v1/registries/{registry}/versions", package=package)
    tags: dict[str, list[str]] = {}
    for name, target in found["tags"].items():
        tags.setdefault(target, []).append(name)
    rows = [
        (
            each["version"],
            ", ".join(tags.pop(each["version"], [])),
            each["files"],
            size_of(each["size"]),
            each["at"][:16],
            each["by"],
        )
        for each in found["items"]
    ]
    rows += [(target, ", ".join(names), "", "", "", "") for target, names in tags.items()]
    headings = ("version", "tags", "files", "size", "came", "by")
    context.show(found, lambda: context.table(headings, rows, f"{registry} has no {package}"))


def show(context: Context, registry: Registry, package: Package, version: Version) -> None:
    """Show all that belongs to a version: files, what they name, what is said about them, evidence."""
    found = context.server.get(f"/v1/registries/{registry}/closure", package=package, version=version)
    context.show(found, lambda: _print(context, found))


def promote(
    context: Context,
    registry: Registry,
    package: Package,
    version: Version,
    to: Annotated[str, typer.Option("--to", help="The registry that shall have it.")],
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the ledger.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go along.")] = False,
) -> int:
    """Have a version in another registry too, with its whole closure; no bytes move, the digests stay."""
    if dry_run:
        path = f"/v1/registries/{registry}/closure"
        found = context.server.get(path, package=package, version=version, to=to)
    else:
        body = {"package": package, "version": version, "to": to, "reason": reason}
        found = context.server.post(f"/v1/registries/{registry}/promotions", body)
    context.show(found, lambda: _promoted(context, found, to, dry_run))
    return FAILED if found["missing"] else OK


def _promoted(context: Context, found: dict[str, Any], to: str, dry_run: bool) -> None:
    _print(context, found)
    if found["missing"]:
        context.say(f"it lacks {', '.join(found['missing'])}, which {to} asks for")
    elif dry_run:
        context.say(f"all of it would be in {to} too; nothing was done")
    else:
        context.say(f"{found['package']} {found['version']} is in {to}, with the same digests")


def _print(context: Context, found: dict[str, Any]) -> None:
    rows = [
        (each["path"], each["digest"], size_of(each["size"]), len(found["evidence"].get(each["digest"], ())))
        for each in found["files"]
    ]
    context.table(("file", "digest", "size", "evidence"), rows)
