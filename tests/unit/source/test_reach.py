"""What histories have: the index answers as walking does."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from repositories import Made

from clearway.source import Repo
from clearway.source.reach import Reach

# For each commit: which earlier ones are its parents (none: another root), and its clock, which may lie.
HISTORIES = st.lists(
    st.tuples(st.sets(st.integers(0, 30), max_size=3), st.integers(0, 10**9)), min_size=1, max_size=25
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    found = Made(tmp_path_factory.mktemp("reach") / "work")
    found.commit({"a": "1"})
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HISTORIES, st.data())
def test_the_index_answers_as_ancestry_does(
    made: Made, history: list[tuple[set[int], int]], data: st.DataObject
) -> None:
    """Merges of many, criss-cross, several roots, clocks that lie: each answer is that of plain ancestry."""
    repo = Repo(made.root)
    tree = made.git("rev-parse", "HEAD^{tree}")
    ids: list[str] = []
    behind: list[set[int]] = []
    for number, (picked, clock) in enumerate(history):
        parents = sorted(each % number for each in picked) if number else []
        raw = [f"tree {tree}", *(f"parent {ids[each]}" for each in dict.fromkeys(parents))]
        raw += [f"{role} dev <dev@example.com> {clock} +0000" for role in ("author", "committer")]
        text = "\n".join([*raw, "", f"{number} {data.draw(st.integers(0, 10**9))}"])
        ids.append(made.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode()))
        behind.append({number}.union(*(behind[each] for each in parents)))
    tips = data.draw(st.lists(st.integers(0, len(ids) - 1), min_size=1, max_size=8))
    reach = Reach(repo, [ids[tip] for tip in tips])
    for tip in tips:
        assert [number for number, sha in enumerate(ids) if reach.has(ids[tip], sha)] == sorted(behind[tip])
    assert len(reach) == len(set().union(*(behind[tip] for tip in tips)))


def test_what_is_not_there_is_in_no_history(made: Made) -> None:
    """A tip that the mirror does not hold has nothing; a commit of elsewhere is nowhere."""
    repo, tip = Repo(made.root), made.git("rev-parse", "HEAD")
    reach = Reach(repo, [tip, "1" * 40])
    assert reach.has(tip, tip)
    assert not reach.has(tip, "0" * 40)
    assert not reach.has(tip, "f" * 40)
    assert not reach.has("1" * 40, tip)
    assert len(Reach(repo, [])) == 0
