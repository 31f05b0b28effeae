"""Deliveries as they are recorded, and forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from forges import FORGES
from listening import Listening

from clearway import source
from clearway.kernel import Conflict, Retry
from clearway.source import Received, Review, delivery_store
from clearway.source.deliveries import KEPT
from clearway.source.service import forget_deliveries

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
PULL = source.PullRequest(
    repository="shop-code",
    number=7,
    title="Prices",
    body="",
    author="dev",
    state="open",
    target="main",
    head="1" * 40,
    url="",
    labels=(),
    approvers=(),
    commits=(),
    updated_at=AT,
)
TOLD = Received(
    repository="shop-code",
    forge=FORGES[0],
    delivery_id="one",
    event="pull_request",
    digest="sha256:" + "0" * 64,
    about="pull request 7 open",
    fetch=True,
    pull_request=PULL,
)


@pytest.fixture
def listening(tmp_path: Path) -> Listening:
    return Listening(tmp_path, "github")


def receive(listening: Listening, told: Received) -> source.Delivery:
    with listening.database.begin() as uow:
        return source.receive(uow, told)


def test_all_of_it_or_nothing(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delivery, its facts and the wish to fetch commit together: when one fails, a forge that sends again
    finds nothing half done."""

    def fail(*_: object) -> None:
        raise Retry("the machine died here")

    with monkeypatch.context() as broken:
        broken.setattr("clearway.source.service.receiving.want", fail)
        with pytest.raises(Retry):
            receive(listening, TOLD)
    assert listening.deliveries() == []
    assert listening.pull(7) is None
    assert receive(listening, TOLD).outcome == "recorded"
    assert listening.pull(7) == PULL


def test_older_news_are_outdated(listening: Listening) -> None:
    """What is older than what is known is recorded as a delivery, and changes nothing of the facts."""
    receive(listening, TOLD)
    older = replace(PULL, title="Before", updated_at=AT - timedelta(seconds=1))
    told = replace(TOLD, delivery_id="two", digest="sha256:" + "1" * 64, pull_request=older)
    assert receive(listening, told).outcome == "outdated"
    assert listening.pull(7) == PULL


def test_a_late_review_is_not_lost(listening: Listening) -> None:
    """An approval that arrives after newer news of the pull request counts: it is for the same commit."""
    receive(listening, replace(TOLD, pull_request=replace(PULL, updated_at=AT + timedelta(hours=1))))
    review = Review("shop-code", 7, "rita", AT, "approved", PULL.head)
    late = replace(TOLD, delivery_id="two", digest="sha256:" + "1" * 64, reviews=(review,))
    assert receive(listening, late).outcome == "recorded"
    pull = listening.pull(7)
    assert pull is not None
    assert pull.approvers == ("rita",)


def test_deliveries_are_forgotten_after_a_year_and_more(listening: Listening) -> None:
    """They are kept for 400 days; a repetition counts as news of it."""
    for number in range(3):
        digest = f"sha256:{number:064x}"
        receive(listening, replace(TOLD, delivery_id=f"old-{number}", digest=digest, pull_request=None))
    listening.house.clock.advance(KEPT.total_seconds() - 5)
    receive(listening, replace(TOLD, delivery_id="old-0", digest=f"sha256:{0:064x}", pull_request=None))
    assert forget_deliveries(listening.database) == 0
    listening.house.clock.advance(10)
    assert forget_deliveries(listening.database) == 2
    assert [each.delivery_id for each in listening.deliveries()] == ["old-0"]
    assert timedelta(days=400) == KEPT


def test_pages_of_deliveries(listening: Listening) -> None:
    """Newest first, and each on one page."""
    for number in range(5):
        receive(listening, replace(TOLD, delivery_id=str(number), digest=f"sha256:{number:064x}"))
    seen: list[str] = []
    cursor = None
    with listening.database.read() as uow:
        for _ in range(3):
            page = source.deliveries(uow, "shop-code", after=cursor, limit=2)
            seen += [each.delivery_id for each in page.items]
            cursor = page.next_cursor
    assert seen == ["4", "3", "2", "1", "0"]
    assert cursor is None


def both_at_once(listening: Listening, told: list[Received]) -> list[object]:
    """Receive several at the same moment, each tried again like the face does."""
    results: list[object] = []
    gate = threading.Barrier(len(told))

    def one(each: Received) -> None:
        gate.wait()
        for _ in range(10):
            try:
                results.append(receive(listening, each).times)
            except Retry:
                continue
            except Conflict as error:
                results.append(error)
            return

    threads = [threading.Thread(target=one, args=(each,)) for each in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listening]:
    listening = Listening(tmp_path, "github", postgres=request.param == "postgres")
    yield listening
    listening.database.dispose()


def test_at_the_same_moment(either: Listening) -> None:
    """One delivery that comes four times at once is one row, counted; the first two of a pull request at once
    are both kept."""
    listening = either
    assert sorted(both_at_once(listening, [TOLD] * 4), key=str) == [1, 2, 3, 4]
    other = [
        replace(
            TOLD,
            delivery_id=f"n-{number}",
            digest=f"sha256:{number:064x}",
            pull_request=replace(PULL, number=8, updated_at=AT + timedelta(seconds=number)),
            reviews=(Review("shop-code", 8, f"r-{number}", AT, "approved", PULL.head),),
        )
        for number in range(1, 5)
    ]
    assert both_at_once(listening, other) == [1, 1, 1, 1]
    pull = listening.pull(8)
    assert pull is not None
    assert pull.approvers == ("r-1", "r-2", "r-3", "r-4")
    assert pull.updated_at == AT + timedelta(seconds=4)
    with listening.database.read() as uow:
        rows = uow.connection.execute(sa.select(sa.func.count()).select_from(delivery_store.deliveries))
        assert rows.scalar_one() == 5


def test_pull_requests_whose_commits_nobody_told(either: Listening) -> None:
    """Those that the newest deliveries tell of, without the closed ones and those of which they are known."""
    states = (
        (1, "open", ()),
        (2, "merged", ()),
        (3, "closed", ()),
        (4, "open", ("2" * 40,)),
        (5, "open", ()),
    )
    for number, state, commits in states:
        pull = replace(PULL, number=number, state=state, commits=commits)  # type: ignore[arg-type]
        told = replace(TOLD, delivery_id=f"p-{number}", digest=f"sha256:{number:064x}", pull_request=pull)
        receive(either, told)
    with either.database.read() as uow:
        assert {each.number for each in delivery_store.told_without_commits(uow, "shop-code", 9)} == {1, 2, 5}
        assert [each.number for each in delivery_store.told_without_commits(uow, "shop-code", 2)] == [5]
        assert delivery_store.told_without_commits(uow, "other", 9) == []
