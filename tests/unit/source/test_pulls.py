"""What forges told of pull requests: kept by repository and number, found by commit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import make_database

from clearway import source
from clearway.source import PullRequest
from clearway.storage import Database

AT = datetime(2026, 1, 5, tzinfo=UTC)
ONE, TWO, SQUASHED = "1" * 40, "2" * 40, "3" * 40
TOLD = PullRequest(
    repository="shop",
    number=7,
    title="Prices",
    body="They were wrong.",
    author="dev",
    state="open",
    target="main",
    head=TWO,
    url="https://git.example/shop/7",
    labels=("fix",),
    approvers=("qa-lead",),
    commits=(ONE, TWO),
    updated_at=AT,
)
MERGED = replace(
    TOLD, state="merged", merge_commit=SQUASHED, merged_at=AT, updated_at=AT + timedelta(seconds=9)
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = make_database(tmp_path)
    yield database
    database.dispose()


def test_a_pull_request_is_found_by_each_of_its_commits(database: Database) -> None:
    """Its commits before the squash, and what the squash left; nothing for strangers."""
    with database.begin() as uow:
        assert source.record_pull_request(uow, MERGED)
    with database.read() as uow:
        found = source.pull_requests_of(uow, "shop", [ONE, TWO, SQUASHED, "4" * 40])
        assert found == {sha: [MERGED] for sha in (ONE, TWO, SQUASHED)}
        assert source.pull_requests_of(uow, "tool", [ONE]) == {}
        assert source.pull_request(uow, "shop", 7) == MERGED
        assert source.pull_request(uow, "shop", 8) is None


def test_older_news_that_comes_late_changes_nothing(database: Database) -> None:
    """Forges send out of order, and twice: the newest state stands."""
    with database.begin() as uow:
        assert source.record_pull_request(uow, MERGED)
    with database.begin() as uow:
        assert not source.record_pull_request(uow, TOLD)
        assert source.record_pull_request(uow, MERGED)
    with database.read() as uow:
        assert source.pull_request(uow, "shop", 7) == MERGED


def test_a_commit_that_left_a_pull_request_is_not_found_there(database: Database) -> None:
    """After a rebase the old commits belong to it no more; one commit may belong to several."""
    rebased = replace(TOLD, commits=(TWO,), updated_at=AT + timedelta(seconds=1))
    with database.begin() as uow:
        source.record_pull_request(uow, TOLD)
        source.record_pull_request(uow, rebased)
        source.record_pull_request(uow, replace(rebased, number=3))
    with database.read() as uow:
        found = source.pull_requests_of(uow, "shop", [ONE, TWO])
    assert [each.number for each in found[TWO]] == [3, 7]
    assert ONE not in found


def test_a_thousand_commits_are_asked_at_once(database: Database) -> None:
    """More names than a query takes are asked in parts."""
    with database.begin() as uow:
        source.record_pull_request(uow, TOLD)
    with database.read() as uow:
        asked = [f"{number:040x}" for number in range(2000)] + [ONE]
        assert source.pull_requests_of(uow, "shop", asked) == {ONE: [TOLD]}


def test_for_a_whole_history_only_merged_ones_and_little_of_them(database: Database) -> None:
    """By each commit that belongs to one, lowest number first; open ones and other repositories are out."""
    other = replace(MERGED, number=3, head=SQUASHED, commits=(), merge_commit=SQUASHED)
    with database.begin() as uow:
        for each in (MERGED, other, replace(TOLD, number=8), replace(MERGED, repository="till")):
            assert source.record_pull_request(uow, each)
    with database.read() as uow:
        found = source.merged_pulls(uow, "shop")
    assert {sha: [each.number for each in pulls] for sha, pulls in found.items()} == {
        ONE: [7],
        TWO: [7],
        SQUASHED: [3, 7],
    }
    (pull,) = found[ONE]
    assert (pull.approvers, pull.commits, pull.merge_commit) == (("qa-lead",), (ONE, TWO), SQUASHED)
