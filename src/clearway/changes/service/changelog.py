"""The changelog of a service: the notes of all its tags as one text, and one text by a template."""

from __future__ import annotations

from dataclasses import dataclass

from clearway import catalog, source
from clearway.changes.changelog import changelog, tags_of
from clearway.changes.notes import Known
from clearway.changes.rendering import check_form, render
from clearway.storage import UnitOfWork


@dataclass(frozen=True)
class Changelog:
    """The notes of every tag, newest first."""

    service: str
    parts: int  # notes in it: one for each tagged commit, and one for what no tag reached yet
    tags: int
    commits: int  # merges included
    text: str


def all_notes(
    uow: UnitOfWork, service: str, form: str = "markdown", audience: str = "engineers"
) -> Changelog:
    """The notes of all tags of a service, as last fetched. Raises NotFound, Invalid.

    A walk over the whole history: call it in a read.
    """
    check_form(form, audience)
    known = catalog.service(uow, service)
    rules = known.versioning
    repo = source.open_repo(uow, service)
    found = tags_of(source.tags(repo), rules.tag_prefix if rules else None)
    tip = source.resolve(repo, f"refs/heads/{known.branch}")
    commits = source.history(repo, [*found.values(), tip])
    named = source.mailmap(repo, tip)
    names = {
        each.sha: name for each in commits if (name := named(each.author, each.author_email)) != each.author
    }
    include = rules.include if rules else ()
    told = commits
    if known.path != "." or include:
        told = source.touched(repo, commits, (known.path, *include))
    own = {each.sha for each in told} if len(told) != len(commits) else None
    pulls = source.merged_pulls(uow, source.repository_of(uow, service))
    more = Known(names=names, pulls=pulls, tickets=known.tickets)
    notes = changelog(service, commits, found, tip, more, own)
    texts = [render(each, form, audience) for each in notes]
    return Changelog(service, len(texts), len(found), len(told), "\n".join(texts))
