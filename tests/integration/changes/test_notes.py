"""Release notes of real histories, of the kinds that hurt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from histories import World

from clearway import changes, source
from clearway.changes import Notes
from clearway.kernel import ClearwayError
from clearway.source import PullRequest

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.service()
    world.commit("feat: start")
    yield world
    world.database.dispose()


def head(world: World) -> str:
    return world.made.git("rev-parse", "HEAD")


def branch(world: World, name: str, at: str = "HEAD") -> None:
    world.made.git("checkout", "--quiet", "-b", name, at)


def back(world: World) -> None:
    world.made.git("checkout", "--quiet", "main")


def told(world: World, to: str, since: str | None, **more: Any) -> Notes:
    world.mirrors.sync("shop", str(world.made.root))
    with world.database.read() as uow:
        return changes.draft_notes(uow, "shop", "new", to, since_version="old", since_commit=since, **more)


def texts(notes: Notes) -> list[str]:
    return sorted(each.text for each in notes.changes)


def gone(notes: Notes) -> list[str]:
    return sorted(each.text for each in notes.removed)


def test_a_hotfix_that_was_picked_is_neither_new_nor_lost(world: World) -> None:
    """Production runs a hotfix branch; the trunk has the same patch, without a word of where it came from."""
    base = head(world)
    fix = world.commit("fix: prices", "prices")
    world.commit("feat: gifts", "gifts")
    trunk = head(world)
    branch(world, "hotfix", base)
    world.made.git("cherry-pick", fix)
    running = head(world)
    assert running != fix
    notes = told(world, trunk, running)
    assert (texts(notes), gone(notes), notes.picked) == (["gifts"], [], 1)


def test_a_hotfix_that_was_not_merged_back_is_said_to_go_away(world: World) -> None:
    """What runs and is not in what comes is told, and not as new."""
    base = head(world)
    world.commit("feat: gifts", "gifts")
    trunk = head(world)
    branch(world, "hotfix", base)
    world.commit("fix: prices", "prices")
    notes = told(world, trunk, head(world))
    assert (texts(notes), gone(notes)) == (["gifts"], ["prices"])
    assert "## Goes away" in changes.render(notes)


def test_going_back_tells_what_is_lost_and_nothing_new(world: World) -> None:
    """Right after a rollback, and for one: the difference is that of what runs."""
    old = head(world)
    world.commit("feat: gifts", "gifts")
    new = head(world)
    notes = told(world, old, new)
    assert (texts(notes), gone(notes), notes.commits) == ([], ["gifts"], 0)
    again = told(world, new, old)
    assert (texts(again), gone(again)) == (["gifts"], [])


def test_a_pick_with_a_trailer_counts_also_when_its_patch_changed(world: World) -> None:
    """`cherry-pick -x` names the original, whatever the conflict made of it."""
    base = head(world)
    fix = world.commit("fix: prices", "prices")
    trunk = head(world)
    branch(world, "hotfix", base)
    world.made.commit({"prices": "other"}, f"fix: prices\n\n(cherry picked from commit {fix})")
    notes = told(world, trunk, head(world))
    assert (texts(notes), gone(notes), notes.picked) == ([], [], 1)


def test_merges_count_once_whatever_their_shape(world: World) -> None:
    """An octopus of three, a criss-cross, and the same patch on two branches."""
    base = head(world)
    for name in ("one", "two", "three"):
        branch(world, name, base)
        world.commit(f"feat: {name}", name)
    back(world)
    world.made.git("merge", "--quiet", "--no-ff", "-m", "Merge three", "one", "two", "three")
    octopus = told(world, head(world), base)
    assert (texts(octopus), octopus.commits) == (["one", "three", "two"], 4)
    start = head(world)
    branch(world, "left", start)
    world.commit("fix: left", "left")
    left = head(world)
    branch(world, "right", start)
    world.commit("fix: right", "right")
    right = head(world)
    world.made.git("merge", "--quiet", "-m", "cross", left)
    world.made.git("checkout", "--quiet", "left")
    world.made.git("merge", "--quiet", "-m", "criss", right)
    world.made.git("cherry-pick", "--allow-empty", "-Xours", "--keep-redundant-commits", "two")
    world.made.git("merge", "--quiet", "-m", "again", "right")
    crossed = told(world, head(world), start)
    assert {"left", "right"} <= set(texts(crossed))
    assert texts(crossed).count("left") == 1
    back(world)
    branch(world, "a", start)
    patch = world.commit("fix: same", "same")
    branch(world, "b", start)
    world.commit("feat: other", "other")
    world.made.git("cherry-pick", patch)
    world.made.git("merge", "--quiet", "-m", "both", "a")
    assert texts(told(world, head(world), start)) == ["other", "same"]


def test_what_was_taken_back_and_redone_is_told(world: World) -> None:
    """Its patch is there twice, with a revert between: it is in effect, so it is new."""
    base = head(world)
    feature = world.commit("feat: gifts", "gifts")
    world.made.git("revert", "--no-edit", feature)
    world.made.git("cherry-pick", feature)
    branch(world, "side", base)
    world.commit("fix: less", "less")
    world.made.git("checkout", "--quiet", "main")
    world.made.git("merge", "--quiet", "-m", "side", "side")
    assert texts(told(world, head(world), base)) == ["gifts", "less"]


def test_a_squashed_pull_request_and_its_own_commits_count_once(world: World) -> None:
    """Merged twice, once squashed and once as a branch: the squash tells it, with who approved."""
    base = head(world)
    branch(world, "work", base)
    first = world.commit("wip", "gifts")
    second = world.commit("wip again", "gifts")
    back(world)
    squashed = world.made.commit(
        {"gifts": "wip again"}, "feat: gifts (#7)\n\nReviewed-by: qa-lead <q@example.com>"
    )
    world.made.git("merge", "--quiet", "-s", "ours", "-m", "Merge work", "work")
    with world.database.begin() as uow:
        source.record_pull_request(
            uow,
            PullRequest(
                "shop", 7, "Gifts", "", "dev", "merged", "main", second, "", (), ("release-manager",),
                (first, second), uow.now(), squashed,
            ),
        )  # fmt: skip
    notes = told(world, head(world), base)
    (change,) = notes.changes
    assert (change.text, change.pull, change.reviewers) == ("gifts (#7)", 7, ("qa-lead", "release-manager"))
    with world.database.read() as uow:
        text = changes.all_notes(uow, "shop").text
    assert "gifts (#7) (" in text
    assert "pull request 7, reviewed by qa-lead, release-manager" in text
    assert "wip" not in text


def test_a_branch_that_the_target_was_moved_on_to_is_told_whole(world: World) -> None:
    """A pull request that left its own newest commit squashed nothing: each of its commits is told."""
    base = head(world)
    first, second = world.commit("feat: gifts", "gifts"), world.commit("fix: wraps", "wraps")
    with world.database.begin() as uow:
        source.record_pull_request(
            uow,
            PullRequest(
                "shop", 7, "Gifts", "", "dev", "merged", "main", second, "", (), (),
                (first, second), uow.now(), second,
            ),
        )  # fmt: skip
    assert texts(told(world, head(world), base)) == ["gifts", "wraps"]


def test_authors_are_called_as_the_mailmap_says(world: World) -> None:
    """One person with two names is one author."""
    base = head(world)
    world.made.commit({"a": "1"}, "fix: one", author="dev <dev@home.example>")
    world.made.commit({"a": "2"}, "fix: two", author="The Dev <dev@work.example>")
    world.made.commit(
        {".mailmap": "Dev Person <dev@work.example> <dev@home.example>\nDev Person <dev@work.example>\n"}
    )
    notes = told(world, head(world), base)
    assert dict(notes.authors)["Dev Person"] == 2
    assert {each.author for each in notes.changes if each.heading == "Fixes"} == {"Dev Person"}


def test_unrelated_roots_are_a_difference_too(world: World) -> None:
    """A history that begins anew brings all of itself, and what ran goes away."""
    old = head(world)
    world.made.git("checkout", "--quiet", "--orphan", "anew")
    world.commit("feat: anew", "anew")
    notes = told(world, head(world), old)
    assert (texts(notes), gone(notes)) == (["anew"], ["start"])


def test_clocks_that_go_back_change_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that claims the year 1970, or 2100, is where its parents say."""
    base = head(world)
    for number, when in enumerate(("@0 +0000", "@4102444800 +0000", "@86400 +0000")):
        (world.made.root / "n").write_text(str(number))
        world.made.git("add", "--all")
        tree = world.made.git("write-tree")
        people = f"author dev <d@e> {when[1:]}\ncommitter dev <d@e> {when[1:]}\n"
        raw = f"tree {tree}\nparent {head(world)}\n{people}\nfix: {number}\n"
        sha = world.made.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode())
        world.made.git("update-ref", "refs/heads/main", sha)
    assert texts(told(world, head(world), base)) == ["0", "1", "2"]


def test_messages_in_any_bytes_are_read(world: World) -> None:
    """Latin-1 without saying so, and names of it: replaced, never a fault; and the same bytes each time."""
    base = head(world)
    tree = world.made.git("write-tree")
    raw = b"tree " + tree.encode() + b"\nparent " + base.encode()
    who = b"J\xf6rg <j@e> 1772366400 +0000"
    raw += b"\nauthor " + who + b"\ncommitter " + who + b"\n\nfix: gr\xfc\xdfe\n\xff\n"
    sha = world.made.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
    world.made.git("update-ref", "refs/heads/main", sha)
    notes = told(world, sha, base)
    assert notes.changes[0].text.startswith("gr")
    assert changes.render(notes) == changes.render(told(world, sha, base))
    assert notes.digest == told(world, sha, base).digest


def test_a_huge_commit_is_one_change(world: World) -> None:
    """Three thousand files: its patch is not compared, and it is told all the same."""
    base = head(world)
    branch(world, "side", base)
    world.commit("fix: side", "side")
    back(world)
    world.made.commit({f"many/{number}": str(number) for number in range(2500)}, "feat: many")
    world.made.git("merge", "--quiet", "-m", "side", "side")
    assert texts(told(world, head(world), base)) == ["many", "side"]


def test_a_shallow_mirror_has_what_it_has(world: World, tmp_path: Path) -> None:
    """A repository that is itself a shallow clone: its history ends, and notes end with it."""
    world.commit("feat: two", "two")
    world.commit("feat: three", "three")
    shallow = tmp_path / "shallow"
    world.made.git("clone", "--quiet", "--depth=2", f"file://{world.made.root}", str(shallow))
    tip = head(world)
    world.made.root = shallow
    with pytest.raises(ClearwayError, match="shallow"):
        told(world, tip, None)


def test_services_of_one_repository_read_their_own_changes(world: World) -> None:
    """By path: what the neighbour did is not in the notes."""
    world.service("web", ", path: web")
    base = head(world)
    world.commit("feat: mine", "web/a")
    world.commit("feat: the neighbour's", "api/a")
    world.mirrors.sync("web", str(world.made.root))
    with world.database.read() as uow:
        notes = changes.draft_notes(uow, "web", "1", head(world), since_version="0", since_commit=base)
    assert texts(notes) == ["mine"]


def test_tickets_are_links_of_the_services_own_making(world: World) -> None:
    """Found by what stands before the number; nothing of a commit becomes an address."""
    world.service(
        more=", tickets: [{prefix: SHOP-, url: 'https://jira.example/browse/{ticket}'}, "
        "{prefix: 'AB#', url: 'https://dev.example/edit/{number}'}, {prefix: '#'}]"
    )
    base = head(world)
    world.commit("fix: prices (SHOP-12, AB#7)\n\nCloses #3, XSHOP-9, #4x and SHOP-12 again.", "prices")
    notes = told(world, head(world), base)
    assert notes.changes[0].tickets == ("SHOP-12", "AB#7", "#3")
    assert dict(notes.links) == {
        "SHOP-12": "https://jira.example/browse/SHOP-12",
        "AB#7": "https://dev.example/edit/7",
    }
    assert "[SHOP-12](https://jira.example/browse/SHOP-12)" in changes.render(notes)
