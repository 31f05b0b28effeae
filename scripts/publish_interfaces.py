"""Writes the generated parts of docs/reference/{cli,api,lint}.md; a test fails when they are out of date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
_OWN = {"--help", "--json", "--url", "--token", "--home"}


class _Nowhere:
    home = Path("/nonexistent")
    url = "http://127.0.0.1:8800"


def cli() -> str:
    """Every command with its arguments, options and example."""
    import typer

    from clearway.cli.app import app

    lines: list[str] = []
    for path, command in _commands(typer.main.get_command(app), ()):
        about = " ".join((command.help or "").split())
        example = command.epilog.removeprefix("Example: ")
        lines += [f"### clearway {' '.join(path)}", "", about, "", "```sh", example, "```", ""]
        rows = [row for each in command.params if (row := _parameter(each))]
        if rows:
            lines += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name, child in children.items():
        yield from _commands(child, (*path, name))


def _parameter(each: Any) -> str:
    names = [*each.opts, *each.secondary_opts]
    if path_only := _OWN & set(names):
        return (
            ""
            if path_only != {"--json"} or each.metavar is None
            else f"| `--json {each.metavar}` | {each.help} |"
        )
    about = (each.help or "").replace("|", "\\|")
    if each.param_type_name == "argument":
        name = each.metavar or each.name.upper()
        need = "" if each.required else " (may be left out)"
        return f"| `{name}` | {about}{need} |"
    need = " **Required.**" if each.required else ""
    return f"| {', '.join(f'`{name}`' for name in names)} | {about}{need} |"


def api() -> str:
    """Every route with its permission and the form of its answer, by kind of resource."""
    from clearway.api import create_app
    from clearway.storage import Database

    database = Database("sqlite:////nonexistent/clearway.db", lambda: None)  # type: ignore[arg-type,return-value]
    document = create_app(database, _Nowhere()).openapi()
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            permission = operation.get("x-clearway-permission")
            about = operation.get("description", "").split("\n\n")[0].replace("\n", " ")
            asked = f"`{permission}`" if permission else "public"
            row = f"| `{method.upper()} {path}` | {asked} | {_gives(operation)} | {about} |"
            by_tag.setdefault(operation["tags"][0], []).append(row)
    lines: list[str] = []
    for tag, rows in by_tag.items():
        lines += [
            f"### {tag.capitalize()}",
            "",
            "| request | permission | answer | |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _gives(operation: Any) -> str:
    """The forms of the good answers, or their media types."""
    found: dict[str, None] = {}
    for status, answer in operation["responses"].items():
        for media, content in answer.get("content", {}).items() if status.startswith("2") else ():
            found[content["schema"].get("$ref", media).removeprefix("#/components/schemas/")] = None
    return ", ".join(f"`{name}`" for name in found) or "nothing"


def lint() -> str:
    """Every rule of `clearway lint`."""
    from clearway.lint import RULES

    rows = [
        f"| `{rule.id}` | {rule.severity} | {rule.title}. {rule.why} | {rule.fix} |".replace("{", "&#123;")
        for rule in RULES
    ]
    return "\n".join(["| rule | severity | what, and why | how to fix it |", "|---|---|---|---|", *rows, ""])


PAGES = {"cli.md": cli, "api.md": api, "lint.md": lint}


def page(name: str, text: str) -> str:
    """The page with its generated part made anew."""
    part = f"{BEGIN}\n{PAGES[name]()}{END}"
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: part, text, flags=re.DOTALL)


if __name__ == "__main__":
    for name in PAGES:
        file = ROOT / "docs" / "reference" / name
        file.write_text(page(name, file.read_text(encoding="utf-8")), encoding="utf-8")
