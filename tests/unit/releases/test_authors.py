"""Whose change it is: what git was told, read so that nobody gains by telling it something else."""

from __future__ import annotations

import pytest
from house import DANA, DEFINITION, QUIN, RITA, House

from clearway import access, releases
from clearway.kernel import Actor, Refused


def commit(house: House, message: str, author: str) -> None:
    house.made.commit({"clearway.yaml": DEFINITION}, message, author)
    house.mirrors.sync("shop", str(house.made.root))


def waiting(house: House) -> releases.Promotion:
    """The release waits for approvals in uat."""
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.run()
    return house.at("uat")[0]


def test_who_committed_under_another_name_does_not_approve(house: House) -> None:
    """Dana commits as rita: both wrote it, and neither approves."""
    commit(house, "feat: mine", "rita <rita@example.com>")
    asked = waiting(house)
    for actor in (DANA, RITA):
        with pytest.raises(Refused, match="no-own-approval"):
            house.approve(asked.id, actor)
    house.approve(asked.id, QUIN)


def test_a_co_author_does_not_approve(house: House) -> None:
    """A squashed branch names its people in trailers."""
    commit(house, "feat: ours\n\nCo-authored-by: Rita <x@example.com>\nCo-authored-by: rita <y@z>", "")
    asked = waiting(house)
    with pytest.raises(Refused, match="no-own-approval"):
        house.approve(asked.id, RITA)


def test_an_author_whom_nobody_knows_costs_one_approval_more(house: House) -> None:
    """Whoever hides behind a made-up address can be one of the approvers, but not all of them."""
    commit(house, "feat: whose?", "Mister X <x@nowhere.example>")
    asked = waiting(house)
    content = asked.plan["content"]
    assert content["approvals_needed"] == 2
    assert content["unknown_authors"] == [{"name": "Mister X", "email": "x@nowhere.example"}]
    assert any("unknown author: Mister X <x@nowhere.example>" in each for each in asked.plan["warnings"])
    house.approve(asked.id, RITA)
    house.run()
    assert house.at("uat")[0].state == "waiting-approval"
    house.approve(asked.id, QUIN)
    house.run()
    assert house.at("uat")[0].state not in releases.WAITING


def test_declaring_the_author_lifts_it(house: House) -> None:
    """A user without any role is enough: they are known, and no approver."""
    commit(house, "feat: by a guest", "Guest <guest@nowhere.example>")
    with house.database.begin() as uow:
        access.apply(uow, Actor("root"), [access.UserDocument(name="guest", email="guest@nowhere.example")])
    content = waiting(house).plan["content"]
    assert (content["approvals_needed"], content["unknown_authors"]) == (1, [])


def test_gates_can_ask_for_known_authors(house: House) -> None:
    """`release.unknown_authors` is a fact."""
    commit(house, "feat: whose?", "Mister X <x@nowhere.example>")
    made = house.release("1.0.0")
    with house.database.read() as uow:
        assert [each.name for each in releases.facts.unknown_authors(uow, made.authors)] == ["Mister X"]
