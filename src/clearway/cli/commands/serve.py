"""up, down, login, doctor, schema, demo."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from clearway.cli import profile
from clearway.cli.context import Context, command
from clearway.cli.exits import FAILED, OK, UNREACHABLE, CliError
from clearway.cli.plain import PlainCommand

DEFAULT_PORT = 8800


def add(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "up", "clearway up --home ~/.clearway --port 8800", server=False)(up)
    command(app, "down", "clearway down --all", server=False)(down)
    command(app, "login", "clearway login https://clearway.example.com")(login)
    command(app, "doctor", "clearway doctor")(doctor)
    command(app, "schema", "clearway schema > clearway.schema.json", server=False)(schema)
    app.command("demo", cls=PlainCommand, epilog="Example: clearway demo --keep --json story.json")(demo)


def up(
    context: Context,
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> int:
    """Start Clearway in a folder: server, worker and signer, until Ctrl-C. Services outlive it."""
    from clearway.cli.supervise import up as supervise

    def say(event: dict[str, Any], text: str) -> None:
        print(json.dumps(event) if context.as_json else text, flush=True)

    return supervise(context.home, host, port, say)


def down(
    context: Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Stop the services that it deployed, and the router, too.")
    ] = False,
) -> None:
    """Stop the Clearway of a folder."""
    from clearway.cli.supervise import down as stop

    was_up = stop(context.home)
    stopped = _stop_services(context.home) if everything else None
    text = "stopped" if was_up else "it was not up"
    if everything:
        text += "; services and router are stopped"
    context.show({"was_up": was_up, "services_stopped": stopped}, lambda: context.say(text))


def _stop_services(home: Path) -> bool:
    """What was deployed is not ours to know: the process that knows every target stops it."""
    import subprocess

    if not home.is_dir():
        return False
    command = [sys.executable, "-m", "clearway.wiring", "stop", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CliError(
            "not everything could be stopped",
            FAILED,
            where=str(home),
            more=tuple(done.stderr.splitlines()[-5:]),
        )
    return True


def login(
    context: Context,
    address: Annotated[str, typer.Argument(help="The server's address.", metavar="URL")],
    name: Annotated[
        str, typer.Option("--token-file", help="Read the token from a file; - is standard input.")
    ] = "",
    user: Annotated[
        str, typer.Option(help="Your name: a password makes a token of your own, which may approve.")
    ] = "",
    change: Annotated[
        bool,
        typer.Option("--new-password", help="Change the password too: it was set by somebody else."),
    ] = False,
) -> None:
    """Sign in to a server: checks a token, or makes one with your password; keeps it in the home folder."""
    from clearway.cli.client import Server

    own = _claim(address.rstrip("/"), user, change) if user else ""
    token = own or context._given[1] or _read_token(name)
    with Server(address.rstrip("/"), token.strip()) as server:
        me = server.get("/v1/me")
    file = profile.save(context.home, {"url": address.rstrip("/"), "token": token.strip()})
    if address.startswith("http://") and not address.startswith(
        ("http://127.", "http://localhost", "http://[::1]")
    ):
        print("warning: over http:// anybody on the way can read the token", file=sys.stderr)
    found = {"url": address, "user": me["user"]["name"], "profile": str(file)}
    context.show(found, lambda: context.say(f"signed in to {address} as {found['user']}; kept in {file}"))


def _claim(address: str, user: str, change: bool) -> str:
    """A token of one's own; passwords are asked for, or read from standard input, a line each."""
    from clearway.cli.client import Server

    body = {"name": user, "label": "clearway login", "password": _secret("Password")}
    if change:
        body["new_password"] = _secret("New password", again=True)
    with Server(address, "") as server:
        return str(server.post("/v1/sign-in", body)["token"])


def _secret(what: str, *, again: bool = False) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt(what, hide_input=True, confirmation_prompt=again, err=True))


def _read_token(name: str) -> str:
    if name == "-":
        return sys.stdin.readline()
    if name:
        try:
            return Path(name).read_text(encoding="utf-8")
        except OSError as error:
            raise CliError(f"the token cannot be read: {error.strerror}", where=name) from None
    return str(typer.prompt("Token", hide_input=True, err=True))


def schema(context: Context) -> None:
    """Print the JSON Schema of clearway.yaml, for editors."""
    from clearway.catalog import definition_schema

    print(json.dumps(definition_schema(), indent=2))


def doctor(context: Context) -> int:
    """Check this machine, the folder, the server and the token; say what is wrong and what to do."""
    from clearway.cli.doctor import examine

    url, token, home = context._given
    checks = examine(context.home, lambda: profile.find(url, token, home))
    mark = {"ok": "ok  ", "warning": "warn", "failed": "FAIL"}

    def people() -> None:
        for each in checks:
            context.say(f"{mark[each['status']]}  {each['name']}: {each['message']}")
            if each.get("todo"):
                context.say(f"      {each['todo']}")

    context.show({"checks": checks}, people)
    failed = [each for each in checks if each["status"] == "failed"]
    if not failed:
        return OK
    return UNREACHABLE if all(each["name"] == "server" for each in failed) else FAILED


def demo(
    home: Annotated[Path | None, typer.Option(help="The folder to run in.", metavar="DIR")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running.")] = False,
    data: Annotated[
        Path | None, typer.Option("--json", help="Write the story as data.", metavar="FILE")
    ] = None,
) -> int:
    """Run the main job from commit to production and back, on a real service behind a real router."""
    from clearway.cli.demo import server, story

    try:
        story.tell((home or Path(".clearway-demo")).absolute(), keep=keep, data=data)
    except server.DemoFailed as error:
        first, *more = str(error).splitlines() or ["the demo failed"]
        raise CliError(first, FAILED, more=tuple(more)) from None
    return OK
