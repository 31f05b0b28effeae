"""apply, init, config."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from clearway.cli.context import Context, command, group
from clearway.cli.exits import FAILED, CliError

_MARKS = {"create": "+", "update": "~", "delete": "-"}
_MOST_FILES = 20_000
_MOST_YAML = 1 << 20  # what the server reads of one file
_MOST_BYTES = 400_000


def add(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "apply", "clearway apply examples/platform --set SHOP_REPOSITORY=/srv/shop.git")(apply)
    command(app, "init", "cd my-service && clearway init", server=False)(init)
    config = group(
        app,
        "config",
        "Configuration of services in environments; * stands for all of them.",
        "clearway config get shop prod",
    )
    command(config, "get", "clearway config get shop prod")(get)
    command(config, "set", "clearway config set shop prod GREETING='Good day' --reason 'style guide'")(
        set_value
    )
    command(config, "unset", "clearway config unset shop prod GREETING")(unset)
    command(config, "secret", "clearway config secret shop prod API_KEY < key.txt")(secret)


def apply(
    context: Context,
    paths: Annotated[list[Path], typer.Argument(help="YAML files, or folders of them.")],
    variables: Annotated[
        list[str] | None,
        typer.Option("--set", help="A value for ${NAME} in the files.", metavar="NAME=VALUE"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the diff and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    prune: Annotated[bool, typer.Option(help="Delete what the files do not name.")] = False,
) -> None:
    """Declare the platform: teams, people, environments, routes, gates. Shows a diff first."""
    body = {
        "files": _read(paths),
        "variables": _pairs(variables or [], "--set", "NAME=VALUE"),
        "prune": prune,
    }
    diffs = context.server.post("/v1/apply", body, dry_run=True)["diffs"]
    changed = [each for each in diffs if each["action"] != "none"]
    if not context.as_json:
        _print(context, diffs)
    applied = False
    if changed and not dry_run:
        if not yes and not context.as_json:
            _confirm(f"Apply {len(changed)} changes?")
        diffs = context.server.post("/v1/apply", body)["diffs"]
        applied = True
    context.show(
        {"applied": applied, "diffs": diffs},
        lambda: context.say("applied" if applied else "nothing was changed"),
    )


def _confirm(question: str) -> None:
    """Returns on yes. Raises CliError on no, and where nobody answers."""
    try:
        said = typer.confirm(question, err=True)
    except typer.Abort:
        if sys.stdin.isatty():  # Ctrl-C, Ctrl-D
            raise
        print(file=sys.stderr)
        raise CliError(
            "nobody is here to be asked; nothing was changed", expected="an answer, or --yes"
        ) from None
    if not said:
        raise CliError("stopped; nothing was changed", FAILED)


def _read(paths: list[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in paths:
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        if not files:
            raise CliError("no YAML file is in this folder", where=str(path))
        for file in files:
            found[str(file)] = _read_text(file)
    return found


def _read_text(file: Path) -> str:
    """A platform file; what is too big, or no file at all, is not even opened."""
    try:
        if not file.is_file():
            what = "there is no such file" if not file.exists() else "this is no plain file"
            raise CliError(what, where=str(file), expected="a YAML file, or a folder of them")
        if (size := file.stat().st_size) > _MOST_YAML:
            raise CliError(
                f"the file has {size} bytes", where=str(file), expected=f"at most {_MOST_YAML} bytes"
            )
        content = file.read_bytes()
        return content.decode("utf-8")
    except OSError as error:
        raise CliError(f"it cannot be read: {error.strerror}", where=str(file)) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CliError(
            f"byte 0x{content[error.start]:02x} is no UTF-8 text",
            where=f"{file}:{line}",
            expected="a YAML file in UTF-8",
        ) from None


def _pairs(given: list[str], where: str, expected: str) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise CliError(f"{each!r} sets nothing", where=where, expected=expected)
        found[name] = value
    return found


def _print(context: Context, diffs: list[Any]) -> None:
    same = 0
    for each in diffs:
        if each["action"] == "none":
            same += 1
            continue
        context.say(f"{_MARKS[each['action']]} {each['kind']} {each['name']}")
        for change in each["changes"] if each["action"] == "update" else ():
            context.say(f"    {change['key']}: {_short(change['before'])} -> {_short(change['after'])}")
    if same:
        context.say(f"  {same} unchanged")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "..."


def init(
    context: Context,
    folder: Annotated[Path, typer.Argument(help="The repository, or a folder inside it.")] = Path("."),
    force: Annotated[bool, typer.Option(help="Replace a clearway.yaml that is there.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Print the proposal, write nothing.")] = False,
) -> None:
    """Propose a clearway.yaml for a git repository: how to build, run and check its service."""
    target = folder / "clearway.yaml"
    if target.exists() and not (force or show):
        raise CliError("there is one already", where=str(target), todo="Edit it, or replace it with --force.")
    files = _repository_files(folder)
    from clearway import catalog

    texts = {name: _text(folder / name) if catalog.reads(name) else "" for name in files}
    proposal = catalog.propose(texts, folder=folder.resolve().name)
    if not show:
        _write(target, proposal.text)
    found = {
        "service": proposal.service,
        "recipe": proposal.recipe,
        "file": None if show else str(target),
        "text": proposal.text,
        "explanation": list(proposal.explanation),
    }

    def people() -> None:
        if show:
            context.say(proposal.text)
            return
        context.say(f"wrote {target} for the service {proposal.service} ({proposal.recipe})")
        for line in proposal.explanation:
            context.say(f"  {line}")
        context.say("Look it over, commit it, and declare the service with `clearway apply`.")

    context.show(found, people)


def _repository_files(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise CliError("there is no such folder", where=str(folder))
    command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise CliError("git is not installed", todo="Install git.") from None
    if done.returncode:
        raise CliError(
            "this is no git repository",
            where=str(folder),
            expected="a folder of a git repository",
            todo="Make one: git init && git add -A && git commit.",
        )
    names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return names[:_MOST_FILES]


def _text(path: Path) -> str:
    if path.is_symlink() or not path.is_file():  # a link may lead out of the repository
        return ""
    with path.open("rb") as stream:
        return stream.read(_MOST_BYTES).decode("utf-8", errors="replace")


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"it cannot be written: {error.strerror}", where=str(target)) from None


Service = Annotated[str, typer.Argument(help="The service; * for every one.")]
Environment = Annotated[str, typer.Argument(help="The environment; * for every one.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the ledger.")]


def get(context: Context, service: Service, environment: Environment) -> None:
    """Show every value that reaches a service in an environment, and the layer it comes from."""
    found = context.server.get(f"/v1/config/{service}/{environment}")
    rows = [
        (
            each["key"],
            "(secret)" if each["secret"] else each["value"],
            each["origin"],
            each["version"],
            each["actor"],
        )
        for each in found["entries"]
    ]
    context.show(
        found, lambda: context.table(("key", "value", "from", "version", "set by"), rows, "no value is set")
    )


def set_value(
    context: Context,
    service: Service,
    environment: Environment,
    values: Annotated[list[str], typer.Argument(help="Values to set.", metavar="KEY=VALUE...")],
    reason: Reason = "",
) -> None:
    """Set plain values in one layer."""
    pairs = _pairs(values, "KEY=VALUE", "KEY=VALUE")
    path = f"/v1/config/{service}/{environment}"
    for key, value in pairs.items():
        found = context.server.put(path, {"key": key, "value": value, "reason": reason})
    context.show(found, lambda: context.say(f"set {', '.join(pairs)} for {service} in {environment}"))


def unset(
    context: Context,
    service: Service,
    environment: Environment,
    key: Annotated[str, typer.Argument(help="The key.")],
    reason: Reason = "",
) -> None:
    """Remove a value from one layer; the layers below count again."""
    found = context.server.put(
        f"/v1/config/{service}/{environment}", {"key": key, "value": None, "reason": reason}
    )
    context.show(found, lambda: context.say(f"{key} is not set for {service} in {environment} any more"))


def secret(
    context: Context,
    service: Service,
    environment: Environment,
    key: Annotated[str, typer.Argument(help="The key.")],
    reason: Reason = "",
) -> None:
    """Set a secret, read from standard input; it is encrypted at once and never shown again."""
    if sys.stdin.isatty():
        value = str(typer.prompt(key, hide_input=True, err=True))
    else:
        value = sys.stdin.read().rstrip("\n")
    body = {"key": key, "value": value, "reason": reason}
    found = context.server.put(f"/v1/config/{service}/{environment}/secret", body)
    context.show(found, lambda: context.say(f"{key} is set (version {found['version']})"))
