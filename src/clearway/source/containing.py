"""Which points of a history contain which commits: many of both, in one walk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clearway.kernel import NotFound

from .repo import Repo

__all__ = ["containing"]


def containing(repo: Repo, tips: Sequence[str], shas: Iterable[str]) -> dict[str, list[str]]:
    """For each of the commits, the tips that reach it, itself included; in the order of the tips.

    Tips that the mirror does not have (any more) contain nothing. Each commit of the history is looked at
    once at most, and none that is older than all that are asked for.
    """
    wanted = set(shas)
    here = [tip for tip in dict.fromkeys(tips) if _is_here(repo, tip)]
    found: dict[str, list[str]] = {sha: [] for sha in wanted}
    if not here or not wanted:
        return found
    # One bit for each tip; children come before their parents, so what a commit has by then is all.
    reach = {tip: 1 << number for number, tip in enumerate(here)}
    for each in repo.walk_all(here):
        sha = str(each.id)
        bits = reach.pop(sha, 0)
        if sha in wanted:
            found[sha] = [tip for number, tip in enumerate(here) if bits >> number & 1]
            wanted.discard(sha)
            if not wanted:
                break
        for parent in each.parent_ids:
            name = str(parent)
            reach[name] = reach.get(name, 0) | bits
    return found


def _is_here(repo: Repo, sha: str) -> bool:
    try:
        repo.find(sha)
    except NotFound:
        return False
    return True
