"""Release notes as a page: for engineers, stakeholders or customers; in Markdown or HTML. Pure.

Rules:
1. Nothing in a commit can change the shape of the page: its text is escaped, its links are ours.
2. Engineers read everything. Stakeholders read what people notice, with tickets and what goes away. Customers
   read what they notice, and no names.
3. The same notes give the same bytes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from clearway.kernel import Invalid

from .change import Change
from .notes import Notes, sections

__all__ = ["AUDIENCES", "FORMATS", "Audience", "Line", "Outline", "check_form", "outline", "render"]

Audience = Literal["engineers", "stakeholders", "customers"]
AUDIENCES: tuple[str, ...] = get_args(Audience)
FORMATS = ("markdown", "html")
MOST_LISTED = 1000
NOTICED = ("Features", "Fixes", "Performance", "Security", "Reverts")

_SPECIAL = re.compile(r"([\\`*<>\[\]|])")
_LEADING = re.compile(r"^(\d*)([#+=.)-])")


@dataclass(frozen=True, slots=True)
class Line:
    """One line under a heading."""

    text: str
    scope: str = ""
    notes: tuple[str, ...] = ()  # behind it, in brackets
    links: tuple[tuple[str, str], ...] = ()  # tickets with their addresses, behind those


@dataclass(frozen=True)
class Outline:
    """A page before it has a form."""

    title: str
    lead: str
    parts: tuple[tuple[str, tuple[Line, ...]], ...]  # headings with their lines


def render(notes: Notes, form: str = "markdown", audience: str = "engineers") -> str:
    """The notes as a text. Raises Invalid for a form or an audience that there is not."""
    check_form(form, audience)
    page = outline(notes, audience)
    return _markdown(page) if form == "markdown" else _html(page)


def check_form(form: str, audience: str) -> None:
    """Raises Invalid for a form or an audience that there is not."""
    if form not in FORMATS:
        raise Invalid(f"{form[:40]!r} is no format of notes", expected=", ".join(FORMATS))
    if audience not in AUDIENCES:
        raise Invalid(f"{audience[:40]!r} is no audience of notes", expected=", ".join(AUDIENCES))


def outline(notes: Notes, audience: str = "engineers") -> Outline:
    """What this audience reads. Raises Invalid."""
    if audience not in AUDIENCES:
        raise Invalid(f"{audience[:40]!r} is no audience of notes", expected=", ".join(AUDIENCES))
    shown = notes.changes
    if audience != "engineers":
        shown = tuple(each for each in shown if each.heading in NOTICED or each.breaking)
    parts: list[tuple[str, tuple[Line, ...]]] = []
    if broken := [_line(notes, each, audience, text) for each in shown for text in each.breaking]:
        parts.append(("Breaking changes", tuple(broken)))
    room = MOST_LISTED
    for heading, changes in sections(shown):
        lines = [_line(notes, each, audience) for each in changes[:room]]
        if len(changes) > room:
            lines.append(Line(f"and {len(changes) - room} more"))
        room = max(0, room - len(changes))
        parts.append((heading, tuple(lines)))
    parts += _around(notes, audience)
    return Outline(f"{notes.service} {notes.version}", _lead(notes, audience, len(shown)), tuple(parts))


def _around(notes: Notes, audience: str) -> list[tuple[str, tuple[Line, ...]]]:
    """What goes away, what operators must do, and who wrote it."""
    found: list[tuple[str, Iterable[Line]]] = []
    if audience != "customers":
        found.append(("Goes away", [_line(notes, each, audience) for each in notes.removed[:MOST_LISTED]]))
        found.append(("Configuration", [Line(each) for each in notes.configuration]))
        found.append(("Flags", [Line(each) for each in notes.flags]))
        found.append(("Migrations", [Line(each) for each in notes.migrations]))
    if audience == "engineers":
        found.append(("Authors", [Line(name, notes=(str(count),)) for name, count in notes.authors]))
    return [(heading, tuple(lines)) for heading, lines in found if lines]


def _lead(notes: Notes, audience: str, shown: int) -> str:
    if audience != "engineers":
        return "" if shown or notes.removed else "Nothing that you would notice."
    since = "the first release here"
    if notes.since_commit:
        since = f"since {notes.since_version or '?'} ({notes.since_commit[:10]})"
    lead = f"Commit {notes.commit[:10]}, {since}: {_counted(notes.commits, 'commit')}."
    if notes.cancelled:
        lead += f" {notes.cancelled} of them cancel each other out."
    if notes.picked:
        lead += f" {_counted(notes.picked, 'commit')} of them ran already, by another way."
    return lead if shown or notes.removed else f"{lead} Nothing new."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _line(notes: Notes, change: Change, audience: str, text: str = "") -> Line:
    told = " ".join((text or change.text).split())
    if audience == "customers":
        return Line(told)
    addresses = dict(notes.links)
    links = tuple((ticket, addresses.get(ticket, "")) for ticket in change.tickets)
    if audience == "stakeholders":
        return Line(told, change.scope or "", (), links)
    said = [change.commit[:10] or change.where, change.author]
    if change.pull is not None:
        said.append(f"pull request {change.pull}")
    if change.reviewers:
        said.append(f"reviewed by {', '.join(change.reviewers)}")
    return Line(told, change.scope or "", tuple(filter(None, said)), links)


def _markdown(page: Outline) -> str:
    lines = [f"# {_plain(page.title)}", ""]
    if page.lead:
        lines += [_plain(page.lead), ""]
    for heading, told in page.parts:
        lines += [f"## {heading}", "", *(_markdown_line(each) for each in told), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _markdown_line(line: Line) -> str:
    scope = f"**{_plain(line.scope)}:** " if line.scope else ""
    told = (
        _plain(line.text) if scope else _LEADING.sub(r"\1\\\2", _plain(line.text))
    )  # "1." would start a list
    behind = [_plain(each) for each in line.notes]
    behind += [f"[{_plain(name)}]({url})" if url else _plain(name) for name, url in line.links]
    return f"- {scope}{told}" + (f" ({', '.join(behind)})" if behind else "")


def _plain(text: str) -> str:
    """Text that stays text in Markdown and in a terminal."""
    return _SPECIAL.sub(r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return "".join(
        " " if char in "\n\t" else char for char in text if char.isprintable() or char in "\n\t"
    ).strip()


def _html(page: Outline) -> str:
    lines = ["<article>", f"<h1>{_escaped(page.title)}</h1>"]
    if page.lead:
        lines.append(f"<p>{_escaped(page.lead)}</p>")
    for heading, told in page.parts:
        lines += [f"<h2>{_escaped(heading)}</h2>", "<ul>", *(_html_line(each) for each in told), "</ul>"]
    return "\n".join([*lines, "</article>"]) + "\n"


def _html_line(line: Line) -> str:
    scope = f"<strong>{_escaped(line.scope)}:</strong> " if line.scope else ""
    behind = [_escaped(each) for each in line.notes]
    behind += [
        f'<a href="{_escaped(url)}">{_escaped(name)}</a>' if url else _escaped(name)
        for name, url in line.links
    ]
    return f"<li>{scope}{_escaped(line.text)}" + (f" ({', '.join(behind)})" if behind else "") + "</li>"


def _escaped(text: str) -> str:
    return html.escape(_one_line(text), quote=True)
