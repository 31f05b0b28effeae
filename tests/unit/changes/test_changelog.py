"""Changelogs: every commit once, under the first tag that reached it."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from clearway.changes.changelog import changelog, split, tags_of


@dataclass(frozen=True)
class Told:
    sha: str
    parents: tuple[str, ...] = ()
    author: str = "dev"
    body: str = ""

    @property
    def subject(self) -> str:
        return f"feat: {self.sha}"


def names(commits: list[Told], tags: dict[str, str], tip: str) -> list[tuple[str, list[str]]]:
    return [("+".join(part.names), [each.sha for each in part.commits]) for part in split(commits, tags, tip)]


def test_a_commit_is_told_under_the_first_tag_that_reached_it() -> None:
    """A maintained branch and the trunk: nothing is told twice, whatever the tags are called."""
    fork = [Told("t2", ("t1",)), Told("m2", ("m1",)), Told("t1", ("a",)), Told("m1", ("a",)), Told("a")]
    tags = {"v2": "t1", "v1": "a", "v1.1": "m2"}
    assert names(fork, tags, "t2") == [("v1", ["a"]), ("v2", ["t1"]), ("v1.1", ["m2", "m1"]), ("", ["t2"])]


def test_tags_on_one_commit_share_a_part() -> None:
    """In the order of their numbers; and a branch that ends at a tag has nothing unreleased."""
    line = [Told("b", ("a",)), Told("a")]
    tags = {"v1.10": "b", "v1.9": "b", "v1": "a"}
    assert names(line, tags, "b") == [("v1", ["a"]), ("v1.9+v1.10", ["b"])]
    notes = list(changelog("shop", line, tags, "b"))
    assert [(each.version, each.since_version) for each in notes] == [("v1.9, v1.10", "v1"), ("v1", None)]


def test_a_shallow_history_ends_where_it_ends() -> None:
    """Parents that are not here are no commits, and tags that lead nowhere are no parts."""
    assert names([Told("b", ("gone",))], {"v1": "b", "v0": "gone"}, "b") == [("v1", ["b"])]


def test_only_the_services_own_tags_count() -> None:
    """With a prefix, a digit comes after it; without a rule all tags are meant."""
    tags = {"v1.0": "a", "version-x": "b", "web/v1.0": "c"}
    assert tags_of(tags, "v") == {"v1.0": "a"}
    assert tags_of(tags, "web/v") == {"web/v1.0": "c"}
    assert tags_of(tags, None) == tags


@given(st.data())
def test_every_commit_is_told_exactly_once(data: st.DataObject) -> None:
    """Whatever the merges and tags: nothing lost, nothing twice, and never before what it builds on."""
    size = data.draw(st.integers(1, 25))
    made: list[Told] = []
    for number in range(size):
        before = [each.sha for each in made]
        parents = data.draw(st.lists(st.sampled_from(before), max_size=3, unique=True)) if before else []
        made.append(Told(str(number), tuple(parents)))
    tagged = data.draw(st.lists(st.sampled_from(made), max_size=8))
    tags = {f"v{index}": each.sha for index, each in enumerate(tagged)}
    tip = made[-1].sha
    parts = split(made[::-1], tags, tip)
    told = [each.sha for part in parts for each in part.commits]
    assert len(told) == len(set(told))
    parents_of = {each.sha: each.parents for each in made}
    wanted: set[str] = set()
    ahead = [tip, *tags.values()]
    while ahead:
        sha = ahead.pop()
        if sha not in wanted:
            wanted.add(sha)
            ahead += parents_of[sha]
    assert set(told) == wanted
    assert parts == split(made[::-1], tags, tip)
