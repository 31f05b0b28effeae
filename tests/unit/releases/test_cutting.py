"""Cutting a release: version, tag, build and manifest, once each, whatever happens in between."""

from __future__ import annotations

import shutil

import pytest
from house import DANA, OTTO, RITA, VERA, House, Steps

from clearway import build, changes, ledger, releases, source, workflow
from clearway.build import BuildFinished
from clearway.build import store as build_store
from clearway.kernel import Conflict, NotFound, Refused, Retry
from clearway.releases.service import cutting

SERVICE = "{{kind: Service, name: shop, team: store, repository: {where}, route: standard}}"


@pytest.fixture
def house(house: House) -> House:
    house.apply(SERVICE.format(where=house.made.root))
    house.made.git("tag", "v1.0.0")
    house.commit("feat: gifts", a="1")
    return house


def propose(house: House, actor=DANA, **options) -> changes.Proposed:
    return releases.propose_cut(house.database, actor, "shop", **options)


def ask(house: House, actor=DANA, reason: str = "spring") -> releases.Cut:
    proposed = propose(house, actor)
    with house.database.begin() as uow:
        return releases.cut(uow, actor, proposed, reason)


def look(house: House, cut: releases.Cut) -> releases.Cut:
    with house.database.read() as uow:
        return releases.one_cut(uow, cut.id)


def run(house: House, *, builds: str = "succeeded") -> None:
    """Run what was started; a build ends as the test says, with an artifact."""
    while house.queue.waiting:
        flow, key, args = house.queue.waiting.pop(0)
        if flow == "build.run":
            end_build(house, args["build_id"], builds)
        else:
            releases.FLOWS[flow].function(house.database, Steps(key), **args)


def end_build(house: House, build_id: str, status: str) -> None:
    """What the build flow leaves; its artifact is that of another build of the same commit."""
    with house.database.read() as uow:
        asked = build.get(uow, build_id)
    version = asked.ref.removeprefix("refs/tags/v")
    commit = house.made.git("rev-parse", f"{asked.ref}^{{commit}}")
    like = house.build(version) if status == "succeeded" else None
    with house.database.begin() as uow:
        build_store.start(uow, build_id)
        build_store.change_open(
            uow,
            build_id,
            status=status,
            version=version,
            commit=commit,
            artifacts=build_store.pack_artifacts(build.get(uow, like).artifacts if like else ()),
            error=None if like else "tests failed",
            finished_at=uow.now(),
        )
        ended = "succeeded" if like else "failed"
        uow.publish(BuildFinished(build_id, "shop", ended, version, commit, True))


def acts(house: House, cut: releases.Cut) -> list[str]:
    with house.database.read() as uow:
        found = ledger.entries(uow, subject=f"cut:{cut.id}")
    return [each.action for each in found.items]


def test_from_a_commit_to_a_release(house: House) -> None:
    """The tag says who and why; the release is that of the tag's build; each step is in the ledger."""
    cut = ask(house)
    assert (cut.version, cut.tag, cut.state) == ("1.1.0", "v1.1.0", "tagging")
    run(house)
    done = look(house, cut)
    assert done.state == "released"
    told = house.made.git("cat-file", "tag", "v1.1.0")
    assert "tagger dana <dev@example.com>" in told
    assert told.endswith("shop 1.1.0\n\nspring")
    with house.database.read() as uow:
        release = releases.release(uow, "shop", "1.1.0")
    assert (release.id, release.build_id, release.created_by) == (done.release_id, done.build_id, "dana")
    assert sorted(acts(house, cut)) == ["release.cut", "tag.created"]


def test_every_flow_may_run_twice(house: House) -> None:
    """Killed after any step and started again: one tag, one build, one release."""
    cut = ask(house)
    again = list(house.queue.waiting)
    cutting.make_tag(house.database, cut.id)
    made = look(house, cut)
    tag = house.made.git("rev-parse", "v1.1.0")
    for flow, key, args in again:
        releases.FLOWS[flow].function(house.database, Steps(key), **args)
    assert look(house, cut) == made
    run(house)
    done = look(house, cut)
    cutting.finish(house.database, cut.id)
    cutting.make_tag(house.database, cut.id)
    assert look(house, cut) == done
    assert house.made.git("rev-parse", "v1.1.0") == tag
    with house.database.read() as uow:
        builds = build.list(uow, service="shop").items
        assert [each.id for each in builds if each.ref == "refs/tags/v1.1.0"] == [done.build_id]
        assert len(releases.releases(uow, service="shop").items) == 1


def test_a_tag_that_was_pushed_before_the_crash_is_taken_up(house: House) -> None:
    """The tag is out, and nobody wrote it down: it is recognised, and the build follows."""
    cut = ask(house)
    tag = source.Tag(cut.tag, cut.commit, cut.message, "dana", "dev@example.com", cut.created_at)
    assert source.make_tag(house.database, "shop", tag)
    made = house.made.git("rev-parse", "v1.1.0")
    run(house)
    assert look(house, cut).state == "released"
    assert house.made.git("rev-parse", "v1.1.0") == made


def test_the_same_is_cut_once(house: House) -> None:
    """Asked again while it is on its way, it is that one; another commit must wait."""
    cut = ask(house)
    assert ask(house, RITA).id == cut.id
    house.commit("feat: more", b="1")
    with pytest.raises(Conflict, match="already"):
        ask(house)


def test_a_taken_tag_ends_the_cut_and_stays(house: House) -> None:
    """Somebody tagged another commit meanwhile: the cut fails with its name, and nothing is moved."""
    cut = ask(house)
    house.made.git("tag", "v1.1.0", "v1.0.0")
    before = house.made.git("rev-parse", "v1.1.0")
    run(house)
    ended = look(house, cut)
    assert (ended.state, ended.build_id) == ("failed", None)
    assert "names commit" in ended.why
    assert house.made.git("rev-parse", "v1.1.0") == before
    assert sorted(acts(house, cut)) == ["release.cut", "release.cut-failed"]


def test_a_build_that_fails_ends_the_cut(house: House) -> None:
    """The reason is the build's; the tag stays, so the next version is another one."""
    cut = ask(house)
    run(house, builds="failed")
    ended = look(house, cut)
    assert ended.state == "failed"
    assert "tests failed" in ended.why
    assert house.made.git("tag", "--list", "v1.1.0") == "v1.1.0"
    house.commit("fix: tests", b="1")
    assert propose(house).next.tag == "v1.1.1"


def test_a_repository_that_is_away_is_asked_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cut waits, and goes on a minute later when the repository is back."""
    cut = ask(house)

    def gone(*_args: object) -> bool:
        raise Retry("the repository cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(source.Mirrors, "tag", gone)
        run(house)
    assert look(house, cut).state == "tagging"
    house.clock.advance(61)
    assert workflow.wake_due(house.database)
    run(house)
    assert look(house, cut).state == "released"


def test_nothing_new_is_no_release(house: House) -> None:
    """The released commit is refused with the reason; a lost mirror is fetched anew."""
    cut = ask(house)
    run(house)
    assert look(house, cut).state == "released"
    shutil.rmtree(house.mirrors.root / "shop.git")
    with pytest.raises(Conflict, match=r"nothing changed since 1\.1\.0"):
        ask(house)


def test_who_may_not_release_may_not_cut(house: House) -> None:
    """Viewers and on-call are refused before anything is fetched."""
    for actor in (VERA, OTTO):
        with pytest.raises(Refused):
            propose(house, actor)
        proposed = propose(house)
        with pytest.raises(Refused), house.database.begin() as uow:
            releases.cut(uow, actor, proposed)
    with pytest.raises(NotFound), house.database.read() as uow:
        releases.one_cut(uow, "cut_none")


def test_cuts_are_listed_in_pages(house: House) -> None:
    """Newest first; the cursor goes on where the page ended."""
    first = ask(house)
    run(house)
    house.commit("fix: less", b="1")
    second = ask(house)
    with house.database.read() as uow:
        page = releases.cuts(uow, service="shop", limit=1)
        assert [each.id for each in page.items] == [second.id]
        rest = releases.cuts(uow, service="shop", limit=1, after=page.next_cursor)
        assert [each.id for each in rest.items] == [first.id]
        assert releases.cuts(uow, service="cart").items == []
