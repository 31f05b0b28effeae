"""Decisions: what wins, what fails closed, and what a refusal says."""

from __future__ import annotations

import threading
from typing import Any

import cedarpy
import pytest

from clearway import access
from clearway.access.decide import Judge, Question, roles_that_may
from clearway.access.model import Binding, Grant, TokenActor, User, expand_scopes
from clearway.kernel import SYSTEM, Actor, Invalid, Refused
from clearway.storage import Database

ANA, DANA, ADMIN, BOT = Actor("ana"), Actor("dana"), Actor("admin"), Actor("bot", "robot")


def decide(database: Database, actor: Actor, action: str, **more: Any) -> access.Verdict:
    with database.read() as uow:
        return access.may(uow, actor, action, **more)


@pytest.mark.parametrize("author", ["ana", "ANA", " ana@home.example ", "Ana@Home.example"])
def test_nobody_approves_their_own_change(database: Database, author: str) -> None:
    """Neither by name nor by any address their commits carry; another approver still may."""
    verdict = decide(database, ANA, "promotion:approve", environment="prod", author_of=["dana", author])
    assert (verdict.allowed, verdict.policy) == (False, "no-own-approval")
    assert decide(database, ADMIN, "promotion:approve", environment="prod", author_of=[author]).allowed


def test_an_administrator_does_not_approve_their_own_change_either() -> None:
    """forbid wins over every role."""
    judge = Judge([User("root", grants=(Grant("admin"),))])
    question = Question(Actor("root"), "promotion:approve", "prod", authors=("root",))
    assert judge.decide(question).policy == "no-own-approval"


def test_authors_without_an_account_forbid_nothing_to_others(database: Database) -> None:
    """A commit of somebody unknown can be approved by an approver, whatever the author is called."""
    strange = ["nobody@else.where", 'a"b\\c', "x" * 500, ""]
    assert decide(database, ANA, "promotion:approve", environment="prod", author_of=strange).allowed


@pytest.mark.parametrize("actor", [BOT, SYSTEM])
@pytest.mark.parametrize("action", ["promotion:approve", "promotion:reject", "freeze:override"])
def test_only_people_approve(database: Database, actor: Actor, action: str) -> None:
    """A robot with every role, and Clearway itself, are refused by name of the policy."""
    verdict = decide(database, actor, action, environment="prod")
    assert (verdict.allowed, verdict.policy) == (False, "people-approve")


def test_clearway_itself_carries_on_what_people_started(database: Database) -> None:
    """The system promotes and rolls back; a user who takes its name is not the system."""
    assert decide(database, SYSTEM, "promotion:create", environment="prod").allowed
    assert not decide(database, Actor("clearway"), "promotion:create", environment="prod").allowed
    assert not decide(database, Actor("dana", "system"), "platform:apply").allowed


def test_a_group_gives_its_roles_to_its_members_only(database: Database) -> None:
    """The role of the board counts for ana in its environments, and not for dana."""
    assert decide(database, ANA, "promotion:approve", environment="uat").allowed
    assert not decide(database, ANA, "promotion:approve", environment="qa").allowed
    assert not decide(database, DANA, "promotion:approve", environment="uat").allowed


def test_a_disabled_account_may_nothing() -> None:
    """Whatever its roles, and reading included."""
    judge = Judge([User("dana", grants=(Grant("admin"),), disabled=True)])
    for action in ("platform:read", "promotion:approve", "token:create"):
        assert judge.decide(Question(DANA, action, "prod")).policy == "disabled-account"
    assert judge.who_may("platform:read", None) == []


@pytest.mark.parametrize("action", ["promotion:aprove", "", "*", "read", 'x"y'])
def test_an_unknown_action_is_a_no(database: Database, action: str) -> None:
    """Even for administrators."""
    verdict = decide(database, ADMIN, action, environment="prod")
    assert (verdict.allowed, verdict.policy) == (False, "unknown-action")


def test_an_unknown_user_is_a_no(database: Database) -> None:
    """Someone who is not declared has no permission, not even to read."""
    verdict = decide(database, Actor("mallory"), "platform:read")
    assert (verdict.allowed, verdict.policy) == (False, "unknown-user")


def test_an_error_while_deciding_is_a_no(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """When Cedar reports an error, even beside an Allow, the answer is no and says so."""
    real = cedarpy.is_authorized_batch

    class Broken:
        def __init__(self, result: Any) -> None:
            self.decision, self.allowed = result.decision, result.allowed
            self.diagnostics = cedarpy.Diagnostics({"errors": ["boom"], "reason": result.diagnostics.reasons})

    monkeypatch.setattr(
        cedarpy, "is_authorized_batch", lambda *args: [Broken(result) for result in real(*args)]
    )
    verdict = decide(database, ADMIN, "platform:read")
    assert (verdict.allowed, verdict.policy) == (False, "error")
    assert "boom" in verdict.reason


def test_a_refusal_names_policy_and_way_on(database: Database) -> None:
    """Refused says who, what, where, which policy, and who could instead."""
    with database.read() as uow, pytest.raises(Refused) as caught:
        access.require(uow, DANA, "promotion:approve", environment="prod", service="shop")
    error = caught.value
    assert error.detail == {
        "action": "promotion:approve",
        "policy": "no-permit",
        "environment": "prod",
        "service": "shop",
    }
    assert "dana may not promotion:approve in prod" in error.message
    assert error.todo is not None
    assert "approver for prod" in error.todo
    with database.read() as uow:
        assert access.require(uow, ANA, "promotion:approve", environment="prod", service="shop") is None


def test_the_advice_names_the_smallest_roles() -> None:
    """Not admin where an approver would do."""
    assert roles_that_may("promotion:approve") == ("approver",)
    assert roles_that_may("deployment:rollback") == ("release-manager", "on-call")
    assert roles_that_may("platform:apply") == ("admin",)


def test_who_may_is_the_access_review(database: Database) -> None:
    """Everybody who could approve in prod, without the author."""
    with database.read() as uow:
        assert access.who_may(uow, "promotion:approve", "prod") == ["admin", "ana"]
        assert access.who_may(uow, "promotion:approve", "prod", ["ana@home.example"]) == ["admin"]


def test_a_change_of_people_counts_at_once_and_falls_with_its_transaction(database: Database) -> None:
    """Decisions in the changing transaction see the change; after a rollback nobody does."""
    promoted = access.UserDocument(name="dana", roles=["approver"])
    with pytest.raises(RuntimeError), database.begin() as uow:
        assert not access.may(uow, DANA, "promotion:approve", environment="prod").allowed
        access.apply(uow, ADMIN, [promoted])
        assert access.may(uow, DANA, "promotion:approve", environment="prod").allowed
        raise RuntimeError
    assert not decide(database, DANA, "promotion:approve", environment="prod").allowed
    with database.begin() as uow:
        access.apply(uow, ADMIN, [promoted])
    assert decide(database, DANA, "promotion:approve", environment="prod").allowed


def token(*scopes: str, environments: tuple[str, ...] | None = None, name: str = "admin") -> TokenActor:
    places = None if environments is None else frozenset(environments)
    return TokenActor(name, "person", expand_scopes(scopes), places, via="tok_x")


def test_a_token_reaches_no_further_than_its_scopes(database: Database) -> None:
    """What is out of scope is refused for an administrator too, naming token-scope."""
    actor = token("promotion:*", "*:read")
    assert decide(database, actor, "promotion:approve", environment="prod").allowed
    assert decide(database, actor, "config:read", environment="prod").allowed
    verdict = decide(database, actor, "deployment:rollback", environment="prod")
    assert (verdict.allowed, verdict.policy) == (False, "token-scope")


def test_a_token_never_does_more_than_its_user(database: Database) -> None:
    """A token for everything gives a developer no approval."""
    assert not decide(database, token("*", name="dana"), "promotion:approve", environment="prod").allowed
    own = decide(database, token("*"), "promotion:approve", environment="prod", author_of=["admin"])
    assert own.policy == "no-own-approval"


@pytest.mark.parametrize(
    ("action", "environment", "expected"),
    [
        ("promotion:create", "dev", True),
        ("promotion:create", "prod", False),
        ("promotion:create", None, False),
        ("promotion:read", "prod", False),
        ("promotion:read", None, True),
        ("build:run", None, True),
        ("release:create", "prod", True),
        ("platform:apply", None, False),
        ("user:write", None, False),
        ("token:create", None, False),
    ],
)
def test_a_token_limited_to_environments_administers_nothing(
    database: Database, action: str, environment: str | None, expected: bool
) -> None:
    """It acts in its environments, reads the platform, builds and releases; no way leads around the limit."""
    actor = token("*", environments=("dev",))
    assert decide(database, actor, action, environment=environment).allowed is expected


def test_a_token_actor_is_the_same_person() -> None:
    """Comparing actors does not see through which door they came."""
    assert token("*") == Actor("admin")
    assert Actor("admin") == token("promotion:read")
    assert len({token("*"), Actor("admin")}) == 1
    assert token("*") != Actor("dana")
    assert token("*") != "admin"


@pytest.mark.parametrize("scope", ["promotion", "promotion:", "promotion:fly", "", ":", "**", "x:*", "admin"])
def test_a_scope_that_means_nothing_is_refused(scope: str) -> None:
    """A typing mistake must not make a token that silently reaches less, or more."""
    with pytest.raises(Invalid):
        expand_scopes(["platform:read", scope])


def test_a_binding_to_a_group_without_members_is_no_error() -> None:
    """Groups need no declaration."""
    judge = Judge([User("dana")], [Binding("b", Grant("viewer"), groups=("empty",))])
    assert not judge.decide(Question(DANA, "platform:read")).allowed


def test_environments_that_nobody_names_do_not_pile_up() -> None:
    """Requests for hundreds of made-up environments are answered, and forgotten."""
    judge = Judge(
        [User("dana", grants=(Grant("developer"),)), User("ana", grants=(Grant("approver", ("prod",)),))]
    )
    for number in range(300):
        place = f"made-up-{number}"
        assert judge.decide(Question(DANA, "promotion:create", place)).allowed
        assert not judge.decide(Question(ANA, "promotion:approve", place)).allowed
    assert len(judge._widened) <= 64
    assert judge.decide(Question(ANA, "promotion:approve", "prod")).allowed


def test_threads_share_one_judge() -> None:
    """Decisions of several threads at once, for known and unknown environments, are each their own."""
    judge = Judge([User("ana", grants=(Grant("approver", ("prod",)),))])
    wrong: list[str] = []

    def work() -> None:
        for number in range(100):
            place = "prod" if number % 2 else f"made-up-{number}"
            if judge.decide(Question(ANA, "promotion:approve", place)).allowed != (place == "prod"):
                wrong.append(place)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
