"""The way back: what ran before, as it ran, and nothing that nobody approved."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from house import DANA, DEFINITION, OTTO, ROOT, House
from hypothesis import given
from hypothesis import strategies as st

from clearway import config, deploy, releases
from clearway.config import Cipher, FakeCipher
from clearway.kernel import Conflict
from clearway.releases.back import trail
from clearway.releases.model import Head
from clearway.storage import Blobs

START = datetime(2026, 1, 1, tzinfo=UTC)


def heads(*runs: str) -> list[Head]:
    """Runs in the order in which they ended: "1" a rollout of release 1, "<1" back to it, "!1" a failure."""
    made = []
    for number, run in enumerate(runs):
        digest = run.lstrip("<!")
        kind = "rollback" if run[0] == "<" else "rollout"
        state = "failed" if run[0] == "!" else "succeeded"
        at = START + timedelta(hours=number)
        made.append(
            Head(f"p{number}", "r", digest, "s", digest, "e", state, "", kind, None, at, at, at, None)
        )
    return made[::-1]


@pytest.mark.parametrize(
    ("runs", "left"),
    [
        (["1", "2"], ["2", "1"]),
        (["1", "2", "<1"], ["1"]),
        (["1", "2", "<1", "2"], ["2", "1"]),
        (["1", "2", "3", "<1"], ["1"]),
        (["1", "2", "<1", "3"], ["3", "1"]),
        (["1", "1", "<1"], ["1"]),
        (["1", "!2", "3"], ["3", "1"]),
        (["<1"], ["1"]),
        ([], []),
    ],
)
def test_what_was_taken_back_is_not_gone_back_to(runs: list[str], left: list[str]) -> None:
    """A rollback takes away what ran after its target; what did well again afterwards counts anew."""
    assert [each.release_digest for each in trail(heads(*runs))] == left


@given(st.lists(st.sampled_from(["1", "2", "3", "<1", "<2", "!3"]), max_size=12))
def test_the_first_of_the_trail_runs(runs: list[str]) -> None:
    """Whatever happened, the trail begins with what ended well last."""
    good = [each for each in runs if each[0] != "!"]
    found = trail(heads(*runs))
    assert [each.release_digest for each in found[:1]] == [each.lstrip("<") for each in good[-1:]]


def test_the_order_of_ending_counts() -> None:
    """What was asked for first and waited longest runs last."""
    older, newer = heads("1", "2")[::-1]
    late = Head(**{**vars(older), "finished_at": START + timedelta(days=1)})
    assert [each.release_digest for each in trail([newer, late])] == ["1", "2"]


NEEDS_NAME = DEFINITION + "  NAME: {type: string}\n"


def say(house: House, key: str, value: str, *, secret: bool = False) -> None:
    with house.database.begin() as uow:
        (config.set_secret if secret else config.set_value)(uow, ROOT, "shop", "dev", key, value, "because")


def go(house: House, version: str, message: str = "", definition: str = DEFINITION) -> releases.Promotion:
    """A release that has reached dev."""
    house.commit(message or f"feat: {version}", definition)
    house.release(version)
    asked = house.promote(version, "dev")
    house.wait(60)
    return house.look(asked.id)


def back(house: House, to: str | None = None, actor=OTTO) -> releases.Promotion:
    with house.database.begin() as uow:
        asked = releases.rollback(uow, actor, "shop", "dev", "customers complain", to)
    house.wait(60)
    return house.look(asked.id)


def runs_with(house: House) -> dict[str, object]:
    with house.database.read() as uow:
        running = deploy.current(uow, "shop", "dev")
    return {"version": running.version} | {
        key: each["value"] or each["secret_version"] for key, each in running.order.config["values"].items()
    }


def test_a_release_comes_back_with_its_configuration_of_then(house: House) -> None:
    """Values that nobody approved for it are not slipped in; an outage by configuration is undone."""
    say(house, "GREETING", "tested")
    say(house, "API_KEY", "first key", secret=True)
    go(house, "1.0.0")
    say(house, "GREETING", "unapproved")
    say(house, "API_KEY", "second key", secret=True)
    go(house, "1.1.0")
    done = back(house)
    assert done.state == "succeeded"
    assert runs_with(house) == {"version": "1.0.0", "GREETING": "tested", "API_KEY": 1}
    lines = {each["key"]: each for each in done.plan["content"]["configuration"]}
    assert lines["GREETING"]["value"] == '"tested"'
    assert lines["GREETING"]["change"] == "changed"


def test_no_way_forward_is_called_back(house: House) -> None:
    """Going back and "back" again to the newer release would be a promotion that nobody approved."""
    go(house, "1.0.0")
    go(house, "1.1.0")
    back(house)
    with pytest.raises(Conflict, match=r"1\.1\.0 did not run well in dev before 1\.0\.0"):
        back(house, "1.1.0", DANA)


def test_configuration_alone_is_taken_back(house: House) -> None:
    """The same release was promoted with another value: going back brings the value before, once."""
    say(house, "GREETING", "good")
    go(house, "1.0.0")
    say(house, "GREETING", "bad")
    house.promote("1.0.0", "dev")
    house.wait(60)
    assert runs_with(house)["GREETING"] == "bad"
    assert back(house).state == "succeeded"
    assert runs_with(house)["GREETING"] == "good"
    with pytest.raises(Conflict, match="no earlier good release"):
        back(house)


def test_a_key_that_was_unset_since_does_not_stop_the_way_back(house: House) -> None:
    """The plan said that going back is possible, and it is."""
    say(house, "NAME", "Ada")
    go(house, "1.0.0", definition=NEEDS_NAME)
    with house.database.begin() as uow:
        config.unset(uow, ROOT, "shop", "dev", "NAME", "not needed any more")
    forward = go(house, "1.1.0")
    assert forward.plan["rollback"]["possible"] is True
    assert back(house).state == "succeeded"
    assert runs_with(house)["NAME"] == "Ada"


def lose_the_key(house: House) -> None:
    house.database.tools[Cipher] = FakeCipher()


def lose_the_bytes(house: House) -> None:
    with house.database.read() as uow:
        digest = releases.release(uow, "shop", "1.0.0").bundle_digest
        uow.tool(Blobs).path(digest).unlink()


def cut_the_bytes(house: House) -> None:
    with house.database.read() as uow:
        digest = releases.release(uow, "shop", "1.0.0").bundle_digest
        path = uow.tool(Blobs).path(digest)
    path.chmod(0o644)
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("lose", "said"),
    [
        (lose_the_key, "configuration API_KEY is a secret whose version 1 .* cannot be read"),
        (lose_the_bytes, "the stored bytes of 1.0.0 are gone"),
        (cut_the_bytes, "the stored bytes of 1.0.0 are gone"),
    ],
)
def test_what_is_gone_is_known_before_going_forward(house: House, lose, said: str) -> None:
    """A secret or bytes that the old release needs: the plan says so before, the rollback says so too."""
    say(house, "API_KEY", "first key", secret=True)
    go(house, "1.0.0")
    with house.database.begin() as uow:
        config.unset(uow, ROOT, "shop", "dev", "API_KEY", "moved")
    lose(house)
    forward = go(house, "1.1.0")
    assert forward.state == "succeeded"
    assert forward.plan["rollback"]["possible"] is False
    assert re.search(said, forward.plan["rollback"]["why"])
    refused = back(house)
    assert refused.state == "refused"
    assert re.search(said, refused.why)


def test_a_rollback_that_waits_is_checked_again(house: House) -> None:
    """It stood behind a rollout that wrote newer data: it must not run over them."""
    go(house, "1.0.0")
    go(house, "1.1.0")
    house.commit("feat: data", DEFINITION + "compatibility: {reads: [1, 2], writes: 2}\n")
    house.release("2.0.0")
    with house.database.begin() as uow:  # asked for before the rollout's flow has begun
        asked = releases.rollback(uow, OTTO, "shop", "dev", "smoke", "1.0.0")
        releases.promote(uow, DANA, "shop", "2.0.0", "dev", "because")
    house.queue.waiting.reverse()
    house.wait(30)
    assert runs_with(house)["version"] == "2.0.0"
    held = house.look(asked.id)
    assert held.state == "held"
    assert held.why == "2.0.0 wrote data version 2, which 1.0.0 cannot read"


def test_the_wished_port_is_in_the_plan_that_is_signed(house: House) -> None:
    """It changes what deploy is asked for, so it changes the hash."""
    house.commit("feat: one")
    house.release("1.0.0")
    with house.database.read() as uow:
        release = releases.release(uow, "shop", "1.0.0")
        before = releases.make_plan(uow, release, "dev")
    house.apply(
        "{kind: Service, name: shop, team: store, repository: /nowhere, route: standard, port_base: 9000}"
    )
    with house.database.read() as uow:
        after = releases.make_plan(uow, release, "dev")
    assert after.hash != before.hash
    [line] = releases.plan_diff(before.content.to_json(), after.content.to_json())
    assert line == {"path": "port_base", "before": None, "after": 9000}
