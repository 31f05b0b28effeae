"""The next version, read from real repositories."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from histories import World

from clearway import source
from clearway.kernel import Conflict, Invalid
from clearway.source import PullRequest

pytestmark = pytest.mark.integration
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.database.dispose()


def test_commits_since_the_last_tag_decide(world: World) -> None:
    """From the first version to the next ones; the commits that decided are named."""
    world.service()
    world.commit("feat: start")
    assert world.next() == "0.1.0"
    world.made.git("tag", "-a", "v1.0.0", "-m", "x")
    assert world.next() is None
    world.commit("docs: words")
    assert world.next() == "1.0.1"
    feature = world.commit("feat(cart): gifts")
    world.commit("fix: less")
    found = world.ask()
    assert (found.next.tag, found.next.last, found.next.changes) == ("v1.1.0", found.next.last, 3)
    assert [each.commit for each in found.next.reasons] == [feature]
    world.commit("fix: rename\n\nBREAKING CHANGE: it is called otherwise")
    assert world.next() == "2.0.0"


def test_what_was_taken_back_raises_nothing(world: World) -> None:
    """A feature and its revert cancel out; the fix beside them stays."""
    world.service()
    world.commit("feat: start")
    world.made.git("tag", "v1.0.0")
    feature = world.commit("feat: gifts")
    world.commit("fix: less", "b")
    world.made.git("revert", "--no-edit", feature)
    assert world.next() == "1.0.1"


def test_only_tags_that_history_reaches_are_continued(world: World) -> None:
    """On a maintenance branch the next fix follows its own last version, not the trunk's."""
    world.service()
    world.commit("feat: start")
    world.made.git("tag", "v1.0.0")
    world.made.git("branch", "maintenance")
    world.commit("feat: more")
    for number in range(1, 9):
        world.made.git("tag", f"v1.{number}.0")  # several tags on one commit: the highest counts
    world.made.git("checkout", "--quiet", "maintenance")
    world.commit("fix: less", "b")
    assert world.next(ref="maintenance") == "1.0.1"
    assert world.next() is None
    world.commit("feat: late", "c")
    with pytest.raises(Conflict, match="another line of history"):
        world.next(ref="maintenance")
    world.commit("fix: say so\n\nRelease-As: 1.0.7", "d")
    assert world.next(ref="maintenance") == "1.0.7"


def test_several_packages_of_one_repository_have_versions_of_their_own(world: World) -> None:
    """By path and tag prefix; a shared folder counts for whoever includes it; merges only by what is new."""
    world.service("web", ", path: web, versioning: {tag_prefix: web/v}")
    world.service("api", ", path: api, versioning: {tag_prefix: api/v, include: [lib]}")
    world.commit("feat: start", "web/a")
    world.commit("feat: start", "api/a")
    for tag in ("web/v1.0.0", "api/v3.0.0", "v9.9.9"):
        world.made.git("tag", tag)
    world.made.git("checkout", "--quiet", "-b", "side")
    world.commit("feat: side", "web/b")
    world.made.git("checkout", "--quiet", "main")
    world.commit("fix: shared", "lib/a")
    world.made.git("merge", "--quiet", "--no-ff", "-m", "Merge side", "side")
    assert (world.next("web"), world.next("api")) == ("1.1.0", "3.0.1")


def test_prereleases_come_from_their_branches(world: World) -> None:
    """On `next/*` the channel is rc; the trunk's version is final, and a channel can be asked for."""
    world.service(more=", versioning: {channels: [{branch: 'next/*', channel: rc}]}")
    world.commit("feat: start")
    world.made.git("tag", "v1.0.0")
    world.made.git("checkout", "--quiet", "-b", "next/2")
    world.commit("feat!: new")
    assert world.next(ref="next/2") == "2.0.0-rc.1"
    world.made.git("tag", "v2.0.0-rc.1")
    assert world.next(ref="next/2") is None
    world.commit("fix: less", "b")
    assert world.next(ref="next/2") == "2.0.0-rc.2"
    assert world.next(ref="next/2", channel="") == "2.0.0"
    assert world.next(ref="next/2", channel="beta") == "2.0.0-beta.1"
    with pytest.raises(Invalid):
        world.next(ref="next/2", channel="1 2")


def test_towncriers_fragments_tell(world: World) -> None:
    """What came since the last version counts; what was there before does not, and a broken one stops."""
    world.service(more=", versioning: {changes: towncrier}")
    world.made.commit(
        {"pyproject.toml": '[tool.towncrier]\ndirectory = "news"\n', "news/1.feature.md": "old"}
    )
    world.made.git("tag", "v1.0.0")
    assert world.next() is None
    world.made.commit({"news/2.bugfix.md": "Less.", "news/README.md": "how"}, "whatever it says")
    found = world.ask().next
    assert (found.version and found.version.text, found.reasons[0].where) == ("1.0.1", "news/2.bugfix.md")
    world.made.commit({"news/+x.removal.md": "Gone."})
    assert world.next() == "2.0.0"
    world.made.commit({"news/3.surprise.md": "?"})
    with pytest.raises(Invalid, match=r"news/3\.surprise\.md"):
        world.next()


def test_changesets_tell(world: World) -> None:
    """By the package's name in package.json."""
    world.service(more=", path: web, versioning: {changes: changesets}")
    world.made.commit({"web/package.json": '{"name": "@web/shop"}', ".changeset/README.md": "how"})
    world.made.git("tag", "v1.0.0")
    world.made.commit({".changeset/a.md": '---\n"@web/shop": minor\n---\n\nGifts.\n'})
    world.made.commit({".changeset/b.md": '---\n"other": major\n---\n\nElse.\n'})
    found = world.ask().next
    assert (found.version and found.version.text, [each.text for each in found.reasons]) == (
        "1.1.0",
        ["Gifts."],
    )


def test_labels_of_pull_requests_tell(world: World) -> None:
    """The strongest label of each merged pull request; a commit without one is quiet."""
    world.service(more=", versioning: {changes: labels, labels: {big: minor, small: patch}}")
    world.commit("start")
    world.made.git("tag", "v1.0.0")
    first = world.commit("squashed (#7)")
    world.commit("pushed without a pull request", "b")
    assert world.next() == "1.0.1"
    told = PullRequest(
        "shop", 7, "Gifts", "", "dev", "merged", "main", "e" * 40, "", ("small", "big"), (), (), AT, first
    )
    with world.database.begin() as uow:
        source.record_pull_request(uow, told)
    found = world.ask().next
    assert (found.version and found.version.text, found.reasons[0].where) == ("1.1.0", "#7")


def test_ten_thousand_tags_are_no_burden(world: World) -> None:
    """Every one of them is looked at, and the highest that is reached is continued."""
    world.service()
    first = world.commit("feat: start")
    lines = "".join(
        f"create refs/tags/v1.{number // 100}.{number % 100} {first}\n" for number in range(10_000)
    )
    world.made.git("update-ref", "--stdin", stdin=lines.encode())
    world.made.git("pack-refs", "--all")
    world.commit("fix: less", "b")
    assert world.next() == "1.99.100"
