"""Where a commit runs: by the releases that contain it, also right after a rollback."""

from __future__ import annotations

import importlib
from datetime import timedelta

import pytest
from house import DANA, OTTO, RITA, House

from clearway import releases, source
from clearway.kernel import Actor, NotFound
from clearway.releases import store as release_store
from clearway.source import PullRequest

# The package's own name of it is the function's.
looking = importlib.import_module("clearway.releases.service.where")


def ask(house: House, subject: str, actor=DANA, **more) -> list[releases.Where]:
    with house.database.read() as uow:
        return releases.where(uow, actor, subject, **more)


def places(house: House, subject: str) -> tuple[list[tuple[str, str]], list[str]]:
    (found,) = ask(house, subject, service="shop")
    return [(run.environment, run.version) for run in found.runs], list(found.missing)


def test_a_commit_runs_where_a_release_contains_it(house: House) -> None:
    """Every stop of the route that runs it, its version, and those that run something without it."""
    first = house.made.git("rev-parse", "HEAD")
    house.release("1.0.0")
    assert places(house, first) == ([], [])
    house.to("uat", "1.0.0")
    second = house.commit("feat: gifts", a="1")
    house.release("1.1.0")
    house.to("dev", "1.1.0")
    assert places(house, first) == ([("dev", "1.1.0"), ("uat", "1.0.0")], [])
    assert places(house, second[:9]) == ([("dev", "1.1.0")], ["uat"])


def test_since_when_and_by_which_promotion(house: House) -> None:
    """The first of an unbroken row: a later release that has it too does not restart the clock."""
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    commit = house.commit("feat: gifts", a="1")
    house.release("1.1.0")
    house.to("dev", "1.1.0")
    brought = house.at("dev")[0]
    house.commit("fix: less", b="1")
    house.release("1.2.0")
    house.to("dev", "1.2.0")
    ((run,),) = (each.runs for each in ask(house, commit, service="shop"))
    assert (run.version, run.promotion, run.since) == ("1.2.0", brought.id, brought.finished_at)


def test_a_row_longer_than_is_looked_back_has_no_beginning(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the look back ends within the row, nothing is said rather than something wrong."""
    commit = house.made.git("rev-parse", "HEAD")
    for number in range(3):
        house.commit(f"fix: {number}", a=str(number))
        house.release(f"1.0.{number}")
        house.to("dev", f"1.0.{number}")
    monkeypatch.setattr(looking, "MOST_RUNS", 3)
    (run,) = ask(house, commit, service="shop")[0].runs
    assert (run.version, run.since, run.promotion) == ("1.0.2", None, None)
    monkeypatch.setattr(looking, "MOST_RUNS", 4)
    (run,) = ask(house, commit, service="shop")[0].runs
    assert run.promotion == house.at("dev")[-1].id


def test_after_a_rollback_it_is_gone_and_comes_anew(house: House) -> None:
    """What went back is not said to run; when it returns, it is from then on."""
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    commit = house.commit("feat: gifts", a="1")
    house.release("1.1.0")
    house.to("dev", "1.1.0")
    house.clock.advance(60)
    with house.database.begin() as uow:
        releases.rollback(uow, OTTO, "shop", "dev", "checkout is slow")
    house.wait(60)
    assert places(house, commit) == ([], ["dev"])
    house.clock.advance(60)
    again = house.promote("1.1.0", "dev")
    house.wait(60)
    (found,) = ask(house, commit, service="shop")
    assert [run.promotion for run in found.runs] == [again.id]


def test_a_pull_request_and_a_ticket_are_commits(house: House) -> None:
    """By what the forge told, and by what the messages of the service's branch say."""
    service = "{kind: Service, name: shop, team: store, repository: /nowhere, route: standard"
    house.apply(service + ", tickets: [{prefix: SHOP-}]}")
    one = house.commit("feat: gifts (SHOP-12)", a="1")
    two = house.commit("fix: gifts\n\nSee SHOP-12, not SHOP-120.", b="1")
    house.commit("fix: other (SHOP-120)", c="1")
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    assert [each.commit for each in ask(house, "SHOP-12")] == [two, one]
    assert [run.environment for run in ask(house, "SHOP-12")[0].runs] == ["dev"]
    with house.database.begin() as uow:
        told = PullRequest(
            "shop", 7, "Gifts", "", "dev", "merged", "main", "e" * 40, "", (), (), (), uow.now(), one
        )
        source.record_pull_request(uow, told)
    assert [each.commit for each in ask(house, "#7")] == [one]


@pytest.mark.parametrize("nothing", ["f" * 40, "abcdef0", "SHOP-1", "#9", "", "--help", "x" * 500, "../etc"])
def test_what_means_no_commit_is_said(house: House, nothing: str) -> None:
    """An unknown id, ticket or pull request, and what is none of them."""
    with pytest.raises(NotFound):
        ask(house, nothing)
    with pytest.raises(NotFound):
        ask(house, nothing, service="shop")


def test_who_may_not_see_an_environment_does_not(house: House) -> None:
    """A person without a role reads no environment's name here."""
    commit = house.made.git("rev-parse", "HEAD")
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    (found,) = ask(house, commit, actor=Actor("nobody"))
    assert (found.runs, found.missing) == ((), ())
    assert ask(house, commit, actor=RITA)[0].runs


def test_a_cherry_pick_runs_in_its_place(house: House) -> None:
    """A fix that was picked onto a release branch is said to run there, and as what."""
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    house.commit("feat: gifts", gifts="1")
    fix = house.commit("fix: prices", prices="1")
    house.made.git("checkout", "--quiet", "-b", "release/1.0", "HEAD~2")
    house.made.git("cherry-pick", fix)
    picked = house.made.git("rev-parse", "HEAD")
    house.mirrors.sync("shop", str(house.made.root))
    house.release("1.0.1")
    house.to("uat", "1.0.1")
    (found,) = ask(house, fix, service="shop")
    assert [(run.environment, run.version, run.picked) for run in found.runs] == [
        ("dev", "1.0.1", picked),
        ("uat", "1.0.1", picked),
    ]
    assert found.runs[0].promotion == house.at("dev")[0].id


def test_the_row_is_by_what_finished(house: House) -> None:
    """Of two promotions the one that finished last is what runs, whichever was asked for first."""
    commit = house.made.git("rev-parse", "HEAD")
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    first = house.at("dev")[0]
    house.commit("fix: more", a="1")
    house.release("1.0.1")
    house.to("dev", "1.0.1")
    (run,) = ask(house, commit, service="shop")[0].runs
    assert (run.promotion, run.since) == (first.id, first.finished_at)
    newest = house.at("dev")[0]
    assert first.finished_at is not None
    with house.database.begin() as uow:
        table = release_store.promotions
        early = first.finished_at - timedelta(days=1)
        uow.connection.execute(table.update().filter_by(id=newest.id).values(finished_at=early))
        release_store.settle(uow, first, runs=True)
    (run,) = ask(house, commit, service="shop")[0].runs
    assert (run.version, run.promotion) == ("1.0.0", newest.id)


def test_a_ticket_on_any_branch_is_found(house: House) -> None:
    """A fix that only a release branch has is found by its ticket too."""
    house.apply(
        "{kind: Service, name: shop, team: store, repository: /nowhere, route: standard,"
        " tickets: [{prefix: SHOP-}]}"
    )
    house.made.git("checkout", "--quiet", "-b", "release/1.0")
    fix = house.commit("fix: prices SHOP-12", prices="1")
    house.made.git("checkout", "--quiet", "main")
    assert [each.commit for each in ask(house, "SHOP-12")] == [fix]
