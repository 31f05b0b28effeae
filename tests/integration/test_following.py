"""Repositories that are followed: fetched with sealed credentials, and every move of a branch recorded."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_http import git_server
from house import House
from repositories import Made
from servers import serving

from clearway import catalog, ledger, source
from clearway.integrations.age import AgeCipher
from clearway.kernel import (
    SYSTEM,
    Actor,
    Invalid,
    NotFound,
    Permanent,
    Refused,
    Retry,
    by_kind,
    load_documents,
)

pytestmark = pytest.mark.integration
REPOSITORY = "repository:shop-code"
SECRET = "tok-en-of-the-reader"


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path / "house", more_flows=source.FLOWS)
    made.database.tools[source.Cipher] = AgeCipher.create(tmp_path / "identity")
    made.database.tools[source.Mirrors] = source.Mirrors(tmp_path / "mirrors")
    return made


def declare(house: House, location: str, **more: object) -> None:
    keys = "".join(f", {key}: {value}" for key, value in more.items())
    text = f"""
{{kind: Repository, name: shop-code, location: '{location}'{keys}}}
---
{{kind: Service, name: shop, team: store, repository: shop-code, route: standard}}
"""
    kinds = by_kind(catalog.KINDS)
    with house.database.begin() as uow:
        catalog.apply(uow, SYSTEM, [doc for doc, _ in load_documents(text, "platform.yaml", kinds)])


def entries(house: House, action: str) -> list[ledger.Entry]:
    with house.database.read() as uow:
        found = ledger.entries_about(uow, [REPOSITORY])[REPOSITORY]
        return [each for each in found if each.action == action]


def moves(house: House) -> list[tuple[str, str, int]]:
    with house.database.read() as uow:
        found = source.ref_history(uow, "shop-code").items
    return sorted((each.ref.split("/", 2)[2], each.kind, each.lost) for each in found)


def test_a_declared_repository_is_looked_at_when_its_time_has_come(house: House, tmp_path: Path) -> None:
    """It is fetched at once, then each time the pause is over; nobody has to ask."""
    made = Made(tmp_path / "code")
    first = made.commit({"a": "1"})
    declare(house, str(made.root), poll="5m")
    assert poll(house) == 1
    with house.database.read() as uow:
        assert source.resolve(source.open_repo(uow, "shop"), "main") == first
    second = made.commit({"a": "2"})
    house.clock.advance(299)
    assert poll(house) == 0
    house.clock.advance(2)
    assert poll(house) == 1
    with house.database.read() as uow:
        assert source.resolve(source.open_repo(uow, "shop"), "main") == second
    assert moves(house) == [("main", "advanced", 0)]


def poll(house: House) -> int:
    """What the worker's chore does, and the flows that it starts; how many it started."""
    source.CHORES[0].function(house.database)
    started = len(house.queue.waiting)
    house.run()
    return started


def test_telling_many_times_is_fetching_once(house: House, tmp_path: Path) -> None:
    """A hundred deliveries are one fetch when it began after the last of them."""
    made = Made(tmp_path / "code")
    made.commit({"a": "1"})
    declare(house, str(made.root), poll="0s")
    poll(house)
    house.clock.advance(1)
    for _ in range(100):
        with house.database.begin() as uow:
            source.want(uow, "shop-code")
    house.clock.advance(1)
    house.run()
    with house.database.read() as uow:
        known = source.state(uow, "shop-code")
    assert known is not None
    assert known.begun_at == known.synced_at == house.clock()
    fetches = []
    mirrors = house.database.tools[source.Mirrors]
    mirrors.sync = lambda *words: fetches.append(words)
    with house.database.begin() as uow:
        for number in range(10):
            house.queue.enqueue(uow, "source.follow", f"again/{number}", {"repository": "shop-code"})
    house.run()
    assert fetches == []


def test_what_a_dead_process_fetched_is_recorded_by_the_next(house: House, tmp_path: Path) -> None:
    """A fetch that nobody recorded is found by comparing with what was recorded, not lost."""
    made = Made(tmp_path / "code")
    made.commit({"a": "1"})
    declare(house, str(made.root))
    source.sync(house.database, "shop")
    made.commit({"a": "2"})
    house.database.tool(source.Mirrors).sync("shop-code", str(made.root))  # and then it was killed
    assert moves(house) == []
    source.sync(house.database, "shop")
    assert moves(house) == [("main", "advanced", 0)]


def test_what_was_asked_for_before_a_fetch_needs_no_other(house: House, tmp_path: Path) -> None:
    """A fetch that began later is new enough; what was asked for after it began looks again."""
    made = Made(tmp_path / "far")
    made.commit({"a": "1"})
    declare(house, str(made.root))
    before = house.clock()
    house.clock.advance(1)
    first = source.sync(house.database, "shop", since=before)
    tip = source.resolve(first, "main")
    made.commit({"a": "2"})
    assert source.resolve(source.sync(house.database, "shop", since=before), "main") == tip
    again = source.sync(house.database, "shop", since=house.clock())
    assert source.resolve(again, "main") == made.git("rev-parse", "main")
    other = Made(tmp_path / "elsewhere")
    other.commit({"a": "3"})
    declare(house, str(other.root))
    moved = source.sync(house.database, "shop", since=before)
    assert source.resolve(moved, "main") == other.git("rev-parse", "main")


def test_a_force_push_is_seen_recorded_and_keeps_what_it_took_away(house: House, tmp_path: Path) -> None:
    """The ledger says which branch went where and how many commits are gone; they stay in the mirror."""
    made = Made(tmp_path / "code")
    base = made.commit({"a": "1"})
    made.commit({"a": "2"})
    lost = made.commit({"a": "3"})
    made.git("tag", "v1", base)
    declare(house, str(made.root))
    source.sync(house.database, "shop")
    made.git("reset", "--hard", "--quiet", base)
    new = made.commit({"b": "1"})
    made.git("tag", "--force", "v1", new)
    repo = source.sync(house.database, "shop")
    assert moves(house) == [("main", "rewritten", 2), ("v1", "rewritten", 0)]
    [entry] = entries(house, "repository.history-rewritten")
    assert "2 commits are in no branch and no tag" in (entry.reason or "")
    assert entry.data is not None
    assert ["refs/heads/main", "rewritten", lost, new] in entry.data["moves"]
    assert source.commit(repo, lost).sha == lost
    assert source.unreached(repo, [base, lost, new]) == {lost}


def test_a_branch_that_goes_after_its_merge_is_no_rewrite(house: House, tmp_path: Path) -> None:
    """Deleting what was merged is everyday work; deleting what was not is a loss and is recorded as one."""
    made = Made(tmp_path / "code")
    made.commit({"a": "1"})
    made.git("checkout", "--quiet", "-b", "merged")
    made.commit({"b": "1"})
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--no-ff", "merged", "-m", "merge")
    made.git("checkout", "--quiet", "-b", "unmerged")
    made.commit({"c": "1"})
    made.git("checkout", "--quiet", "main")
    declare(house, str(made.root))
    source.sync(house.database, "shop")
    made.git("branch", "--delete", "--force", "merged")
    source.sync(house.database, "shop")
    assert entries(house, "repository.history-rewritten") == []
    made.git("branch", "--delete", "--force", "unmerged")
    source.sync(house.database, "shop")
    assert len(entries(house, "repository.history-rewritten")) == 1
    assert moves(house) == [("merged", "deleted", 0), ("unmerged", "deleted", 1)]


def test_approvals_of_lost_commits_are_void(tmp_path: Path) -> None:
    """A promotion that waits loses its signatures when its commit leaves history, and says why."""
    house = House(tmp_path / "house", more_flows=source.FLOWS)
    base = house.made.git("rev-parse", "HEAD")
    house.commit("feat: two")
    house.apply(
        f"{{kind: Service, name: shop, team: store, repository: '{house.made.root}', route: standard}}"
    )
    source.sync(house.database, "shop")
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    waiting = house.at("uat")[0]
    house.apply(
        "{kind: Environment, name: uat, order: 2, promotion: automatic, approvals: {count: 2},"
        " gates: [tests-passed], strategy: {kind: recreate}}"
    )
    house.run()
    house.approve(waiting.id)
    assert [each.counts for each in house.look(waiting.id).approvals] == [True]
    house.made.git("reset", "--hard", "--quiet", base)
    house.made.commit({"other": "1"})
    source.sync(house.database, "shop")
    house.run()
    after = house.look(waiting.id)
    assert [each.counts for each in after.approvals] == [False]
    assert after.state == "waiting-approval"
    subject = f"promotion:{waiting.id}"
    with house.database.read() as uow:
        [voided] = [
            each for each in ledger.entries_about(uow, [subject])[subject] if each.action == "approval.voided"
        ]
    assert "is in no branch and no tag any more, since main was rewritten" in (voided.reason or "")


def test_a_repository_that_is_away_is_asked_again_later(house: House, tmp_path: Path) -> None:
    """A failure stands on the repository with its reason; pauses grow; success takes it away."""
    declare(house, str(tmp_path / "code"), poll="1m")
    assert poll(house) == 1
    with house.database.read() as uow:
        state = source.state(uow, "shop-code")
    assert state is not None
    assert state.failures == 1
    assert "git refused" in state.error
    assert state.next_at is not None
    made = Made(tmp_path / "code")
    made.commit({"a": "1"})
    house.clock.advance((state.next_at - house.clock()).total_seconds() - 1)
    assert poll(house) == 0
    house.clock.advance(1)
    assert poll(house) == 1
    with house.database.read() as uow:
        state = source.state(uow, "shop-code")
    assert state is not None
    assert (state.failures, state.error) == (0, "")


@pytest.fixture
def private(tmp_path: Path) -> Iterator[tuple[str, Made, list[str]]]:
    made = Made(tmp_path / "served" / "shop")
    made.commit({"a": "1"})
    asked: list[str] = []
    with serving(git_server(tmp_path / "served", "reader", SECRET, asked)) as address:
        yield f"{address}/shop/.git", made, asked


def give(house: House, kind: str, value: str, username: str = "") -> None:
    with house.database.begin() as uow:
        source.set_credential(uow, Actor("root"), "shop-code", kind, value, username=username)  # type: ignore[arg-type]


def test_a_private_repository_is_fetched_with_its_sealed_password(
    house: House, private: tuple[str, Made, list[str]]
) -> None:
    """Without the credential it is refused, with it fetched; while git runs no process shows the password,
    afterwards no file of Clearway's does, nor the ledger, nor the mirror's settings."""
    location, made, _ = private
    declare(house, location)
    with pytest.raises((Permanent, Retry)):
        source.sync(house.database, "shop")
    give(house, "password", SECRET, "reader")
    with Watching(SECRET) as seen:
        repo = source.sync(house.database, "shop")
    assert source.resolve(repo, "main") == made.git("rev-parse", "main")
    assert seen == []
    for path in (*house.folder.rglob("*"), *repo.path.parent.rglob("*")):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


class Watching:
    """Looks at every process's arguments and variables, again and again, for a word."""

    def __init__(self, word: str) -> None:
        self.word, self.found, self.over = word.encode(), [], threading.Event()  # type: ignore[var-annotated]
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> list[str]:
        self.thread.start()
        return self.found

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.over.is_set():
            for place in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        if self.word in (place / name).read_bytes():
                            self.found.append(str(place / name))
                    except OSError:
                        continue


def test_a_wrong_password_is_not_repeated_in_the_error(
    house: House, private: tuple[str, Made, list[str]]
) -> None:
    """What git complains of is told without the secret."""
    declare(house, private[0])
    give(house, "password", "the-wrong-one-of-all", "reader")
    with pytest.raises((Permanent, Retry)) as refused:
        source.sync(house.database, "shop")
    assert "the-wrong-one" not in str(refused.value)
    with house.database.read() as uow:
        state = source.state(uow, "shop-code")
    assert state is not None
    assert "the-wrong-one" not in state.error


def test_a_credential_does_not_follow_the_repository_to_another_host(
    house: House, private: tuple[str, Made, list[str]]
) -> None:
    """Whoever points the document elsewhere does not get the password there."""
    location, _, asked = private
    declare(house, "https://git.example/shop")
    give(house, "password", SECRET, "reader")
    declare(house, location)
    with pytest.raises(Refused, match=r"was set for https://git\.example"):
        source.sync(house.database, "shop")
    assert asked == []
    with house.database.read() as uow:
        state = source.state(uow, "shop-code")
    assert state is not None
    assert state.failures == 1
    assert "was set for https://git.example" in state.error, "people see why it is not fetched"
    assert poll(house) == 0, "nothing changes by trying"
    give(house, "password", SECRET, "reader")
    assert poll(house) == 1, "with the new one it is tried at once"
    with house.database.read() as uow:
        state = source.state(uow, "shop-code")
    assert state is not None
    assert (state.failures, state.error) == (0, "")


def test_who_may_set_credentials_and_for_what(house: House, tmp_path: Path) -> None:
    """Secrets take the permission for secrets; a repository that nobody declared has none."""
    declare(house, "https://git.example/shop")
    with house.database.begin() as uow:
        with pytest.raises(Refused):
            source.set_credential(uow, Actor("vera"), "shop-code", "webhook", "w" * 20)
        with pytest.raises(NotFound, match="no Repository cart is declared"):
            source.set_credential(uow, Actor("root"), "cart", "webhook", "w" * 20)
        with pytest.raises(Invalid):
            source.set_credential(uow, Actor("root"), "shop-code", "password", "x", username="reader\nx")


def test_a_replaced_webhook_secret_is_taken_for_another_day(house: House) -> None:
    """Rotation loses no delivery: old and new count for a day, then the new one alone; removal is at once."""
    declare(house, "https://git.example/shop")
    give(house, "webhook", "first-" + "1" * 20)
    give(house, "webhook", "second-" + "2" * 20)
    give(house, "webhook", "third-" + "3" * 20)
    with house.database.read() as uow:
        assert source.webhook_secrets(uow, "shop-code") == [b"third-" + b"3" * 20, b"second-" + b"2" * 20]
    house.clock.advance(24 * 3600)
    with house.database.read() as uow:
        assert source.webhook_secrets(uow, "shop-code") == [b"third-" + b"3" * 20]
    with house.database.begin() as uow:
        source.remove_credential(uow, Actor("root"), "shop-code", "webhook")
    with house.database.read() as uow:
        assert source.webhook_secrets(uow, "shop-code") == []
        said = str([each.data for each in ledger.entries_about(uow, [REPOSITORY])[REPOSITORY]])
    assert "second-" not in said


def test_a_deleted_repository_forgets_its_credentials(house: House) -> None:
    """What is declared anew under the same name, perhaps by somebody else, begins without them."""
    declare(house, "https://git.example/shop")
    give(house, "webhook", "first-" + "1" * 20)
    with house.database.begin() as uow:
        kinds = by_kind(catalog.KINDS)
        text = "{kind: Service, name: shop, team: store, repository: /nowhere, route: standard}"
        catalog.apply(uow, SYSTEM, [doc for doc, _ in load_documents(text, "p", kinds)])
    house.apply(house.platform)
    with house.database.begin() as uow:
        docs = [doc for doc, _ in load_documents(house.platform, "p", by_kind(catalog.KINDS))]
        catalog.apply(uow, SYSTEM, docs, prune=True)
    declare(house, "https://git.example/shop")
    with house.database.read() as uow:
        assert source.credentials(uow, "shop-code") == ()


def test_two_services_of_one_repository_share_its_mirror(house: House, tmp_path: Path) -> None:
    """A repository with several services is fetched once for all of them."""
    made = Made(tmp_path / "code")
    made.commit({"a": "1"})
    declare(house, str(made.root))
    with house.database.begin() as uow:
        text = "{kind: Service, name: cart, team: store, repository: shop-code, route: standard}"
        catalog.apply(uow, SYSTEM, [doc for doc, _ in load_documents(text, "p", by_kind(catalog.KINDS))])
    source.sync(house.database, "shop")
    with house.database.read() as uow:
        assert source.open_repo(uow, "cart").path == source.open_repo(uow, "shop").path
        assert source.repository_of(uow, "cart") == "shop-code"


def test_git_ends_with_all_that_it_started(tmp_path: Path) -> None:
    """At its deadline git is ended together with its helpers: nobody waits for a server that says nothing."""
    import socket

    from clearway.source.git import Git

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(Retry, match="no answer"):
            Git(tmp_path / "g").run("ls-remote", address, deadline_s=0.5)
    deadline = time.monotonic() + 10
    while address in _processes():
        assert time.monotonic() < deadline


def _processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout.decode()
