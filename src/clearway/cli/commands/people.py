"""user, token."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from clearway.cli.context import Context, command, group


def add(app: typer.Typer) -> None:
    """Register the commands."""
    user = group(app, "user", "People and robot accounts.", "clearway user list")
    command(user, "list", "clearway user list")(users)
    command(user, "show", "clearway user show dev")(user_show)
    command(user, "password", "clearway user password dev")(password)
    token = group(app, "token", "API tokens: hashed, scoped, expiring.", "clearway token list")
    command(token, "create", "clearway token create ci --scope build:run --scope '*:read' --expires-in 30d")(
        create
    )
    command(token, "list", "clearway token list")(tokens)
    command(token, "revoke", "clearway token revoke tok_01j...")(revoke)


def users(context: Context) -> None:
    """List users."""
    found = context.server.items("/v1/users", 5000)
    rows = [
        (
            each["name"],
            each["account"],
            each["full_name"],
            ", ".join(_grants(each)),
            "disabled" if each["disabled"] else "",
        )
        for each in found
    ]
    context.show(found, lambda: context.table(("name", "account", "full name", "roles", ""), rows))


def _grants(user: dict[str, object]) -> list[str]:
    grants = user["grants"]
    if not isinstance(grants, list):
        return []
    return [
        each["role"] + (f" ({', '.join(each['environments'])})" if each.get("environments") else "")
        for each in grants
    ]


def user_show(context: Context, name: Annotated[str, typer.Argument(help="The user.")]) -> None:
    """Show one user."""
    found = context.server.get(f"/v1/users/{name}")
    rows = [(key, ", ".join(_grants(found)) if key == "grants" else value) for key, value in found.items()]
    context.show(found, lambda: context.table(("", ""), rows))


def password(context: Context, name: Annotated[str, typer.Argument(help="The user.")]) -> None:
    """Set a password, read from standard input; ends the user's sessions."""
    if sys.stdin.isatty():
        new = str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        new = sys.stdin.readline().rstrip("\n")
    me = context.server.get("/v1/me")["user"]
    body = {"password": new}
    if me["name"] == name and me["has_password"] and sys.stdin.isatty():
        body["current"] = str(typer.prompt("Present password", hide_input=True, err=True))
    context.server.post(f"/v1/users/{name}/password", body)
    context.show({"user": name}, lambda: context.say(f"the password of {name} is set"))


def create(
    context: Context,
    name: Annotated[str, typer.Argument(help="What the token is for.")] = "",
    user: Annotated[str | None, typer.Option(help="Whose; one's own when left out.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="An action, promotion:*, *:read; all when left out.")
    ] = None,
    environment: Annotated[list[str] | None, typer.Option(help="An environment that it reaches.")] = None,
    expires_in: Annotated[str, typer.Option(help="How long it lives, such as 12h or 30d.")] = "90d",
) -> None:
    """Make a token. It is printed once, and can never be shown again."""
    body = {
        "user": user,
        "name": name,
        "scopes": scope or ["*"],
        "environments": environment or None,
        "expires_in": expires_in,
    }
    made = context.server.post("/v1/tokens", body)

    def people() -> None:
        print(f"{made['id']} for {made['user']}, until {made['expires_at'][:16]} UTC:", file=sys.stderr)
        context.say(made["token"])

    context.show(made, people)


def tokens(
    context: Context,
    user: Annotated[str | None, typer.Option(help="Whose; * for everybody's.")] = None,
) -> None:
    """List tokens, without their secrets."""
    found = context.server.items("/v1/tokens", 5000, user=user)
    rows = [
        (
            each["id"],
            each["user"],
            each["label"],
            " ".join(each["scopes"]),
            each["expires_at"][:10],
            (each["last_used_at"] or "never")[:16],
            "revoked" if each["revoked_at"] else "",
        )
        for each in found
    ]
    headings = ("id", "user", "for", "scopes", "expires", "last used", "")
    context.show(found, lambda: context.table(headings, rows, "no token"))


def revoke(context: Context, token_id: Annotated[str, typer.Argument(help="The token's id.")]) -> None:
    """End a token at once."""
    found = context.server.delete(f"/v1/tokens/{token_id}")
    context.show(found, lambda: context.say(f"{token_id} is revoked"))
