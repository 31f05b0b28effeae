"""audit: verify, log, export."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Annotated, Any

import typer

from clearway.cli.context import Context, command, group
from clearway.cli.exits import FAILED, OK, CliError


def add(app: typer.Typer) -> None:
    """Register the commands."""
    audit = group(
        app,
        "audit",
        "The ledger: who did what, when and why, and the proof that nothing was changed.",
        "clearway audit verify",
    )
    command(audit, "verify", "clearway audit verify --checkpoint kept-elsewhere.txt")(verify)
    command(audit, "log", "clearway audit log --subject promotion:prm_01j...")(log)
    command(audit, "export", "clearway audit export ./ledger-copy")(export)


def verify(
    context: Context,
    folder: Annotated[
        Path | None, typer.Option(help="An export, verified without a server.", metavar="DIR")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The verifier key, or a file of it. [beside the export]")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="A checkpoint kept from earlier: what it vouched for must still be there."),
    ] = None,
) -> int:
    """Verify the whole ledger, or an export of it, against its signed checkpoints."""
    old = _read(checkpoint) if checkpoint else None
    found = _offline(folder, key, old) if folder else _live(context, old)

    def people() -> None:
        verdict = "verified" if found["verified"] else "NOT verified"
        context.say(f"{found['entries']} entries, root {found['root']}: {verdict}")
        for each in found["problems"]:
            context.say(f"  {each['kind']}: {each['message']}")

    context.show(found, people)
    return OK if found["verified"] else FAILED


def _live(context: Context, old: str | None) -> Any:
    if old is None:
        return context.server.get("/v1/ledger/verify")
    return context.server.post("/v1/ledger/verify", {"checkpoint": old})


def _offline(folder: Path, key: str | None, old: str | None) -> dict[str, Any]:
    from dataclasses import asdict

    from clearway import ledger

    beside = folder / "verifier.key"
    if key is None:
        if not beside.is_file():
            raise CliError(
                "the verifier key is not beside the export", where=str(beside), expected="--key KEY"
            )
        print("note: the key came with the export; a key you kept yourself proves more", file=sys.stderr)
    text = _read(beside if key is None else Path(key)) if key is None or Path(key).is_file() else key
    try:
        found = ledger.verify_folder(folder, text.strip(), old)
    except ledger.BadNote as error:
        raise CliError(f"this is no verifier key: {error}", where="--key") from None
    return {
        "verified": found.ok,
        "entries": found.entries,
        "root": found.root,
        "origin": found.origin,
        "problems": [asdict(each) for each in found.problems],
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"it cannot be read: {error}", where=str(path)) from None


def log(
    context: Context,
    subject: Annotated[str | None, typer.Option(help="About this, such as promotion:prm_01j...")] = None,
    action: Annotated[str | None, typer.Option(help="Whose action begins so, such as promotion.")] = None,
    actor: Annotated[str | None, typer.Option(help="By this one.")] = None,
    limit: Annotated[int, typer.Option(help="How many of the newest.", min=1, max=100_000)] = 50,
) -> None:
    """List ledger entries, newest last."""
    found = context.server.items(
        "/v1/ledger/entries", limit, subject=subject, action=action, actor=actor, newest_first=True
    )
    found.reverse()
    rows = [
        (each["index"], each["at"][:19], each["actor"], each["action"], each["subject"], each["reason"])
        for each in found
    ]
    context.show(found, lambda: context.table(("#", "at", "who", "did", "to", "why"), rows, "no entry"))


def export(
    context: Context, folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="DIR")]
) -> None:
    """Copy the ledger into a folder, with the program that verifies it anywhere."""
    if folder.exists() and any(folder.iterdir()):
        raise CliError("the folder is not empty", where=str(folder), expected="a new folder")
    content = context.server.bytes("/v1/ledger/export")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        _unpack(archive, folder)
    note = (folder / "checkpoint").is_file()
    found = {"folder": str(folder), "bytes": len(content), "checkpoint": note}
    text = f"exported to {folder}; verify it with `clearway audit verify --folder {folder}`"
    context.show(found, lambda: context.say(text))


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """The plain files of an export, without its leading folder; whatever leads out is an error."""
    for member in archive.getmembers():
        place = (folder / member.name.removeprefix("ledger").lstrip("/")).resolve()
        content = archive.extractfile(member) if member.isfile() else None
        if not place.is_relative_to(folder.resolve()) or (content is None and not member.isdir()):
            raise CliError(f"the server's export holds {member.name!r}, which is no plain file inside it")
        if content is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            with content, place.open("wb") as out:
                shutil.copyfileobj(content, out)
