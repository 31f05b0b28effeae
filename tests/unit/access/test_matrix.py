"""The permissions page, asked line by line of the policies."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearway.access.decide import Judge, Question, law
from clearway.access.model import ACTIONS, ENVIRONMENT_ACTIONS, ROLES, Grant, User
from clearway.kernel import Actor

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "permissions.md"


def rows_after(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].splitlines()
    table = [line.strip().strip("|").split("|") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table[:1] + table[2:]]


HEAD, *ROWS = rows_after("Actions by role")
MATRIX = {row[0]: dict(zip(HEAD[1:], row[1:], strict=True)) for row in ROWS}
JUDGE = Judge(
    [User(role, grants=(Grant(role),)) for role in ROLES]
    + [User(f"{role}-prod", grants=(Grant(role, ("prod",)),)) for role in ROLES]
    + [User("nobody")]
)


def allowed(name: str, action: str, environment: str | None = None, owner: str | None = None) -> bool:
    return JUDGE.decide(Question(Actor(name), action, environment, owner=owner)).allowed


def test_the_page_names_every_action_and_every_role() -> None:
    """No action and no role is missing from the table, and none is invented."""
    assert set(MATRIX) == ACTIONS
    assert HEAD[1:] == list(ROLES)
    assert {cell for row in MATRIX.values() for cell in row.values()} == {"yes", "all", "own", ""}


def test_the_page_names_what_each_role_contains() -> None:
    """The table of roles is the one that the policies use."""
    rows = rows_after("Roles")[1:]
    assert {row[0]: tuple(part for part in row[1].split(", ") if part) for row in rows} == dict(ROLES)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_a_role_may_what_the_page_says_and_nothing_else(role: str, action: str) -> None:
    """Held for all environments, or for prod; asked in prod, elsewhere, and without environment."""
    cell = MATRIX[action][role]
    everywhere, prod = role, f"{role}-prod"
    other = "somebody-else"  # of tokens: never the role's own
    if action in ENVIRONMENT_ACTIONS:
        yes = cell == "yes"
        assert allowed(everywhere, action, "prod") is yes
        assert allowed(everywhere, action, "never-declared") is yes
        assert allowed(everywhere, action) is yes
        assert allowed(prod, action, "prod") is yes
        assert not allowed(prod, action, "qa")
        assert not allowed(prod, action, "never-declared")
        assert allowed(prod, action) is (yes and (action.endswith(":read")))
    else:
        assert allowed(everywhere, action, owner=other) is (cell in ("yes", "all"))
        assert allowed(prod, action, owner=other) is (cell == "yes")
        assert allowed(prod, action, "prod", owner=other) is (cell == "yes"), "an environment changes nothing"
        own = MATRIX[action]["viewer"] == "own"
        assert allowed(prod, action, owner=prod) is (own or cell == "yes")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_without_a_role_there_are_only_ones_own_credentials(action: str) -> None:
    """A user without any role may manage their own tokens and password, and nothing else."""
    assert not allowed("nobody", action, "prod", owner="dana")
    assert allowed("nobody", action, "prod", owner="nobody") is (MATRIX[action]["viewer"] == "own")


def test_the_page_explains_every_prohibition() -> None:
    """Each policy that forbids stands in the table of what always holds, by its id."""
    named = {row[0].strip("`") for row in rows_after("What always holds")[1:]}
    forbids = {note["id"] for note in law().notes.values() if note["id"] in named}
    assert forbids == {"no-own-approval", "people-approve", "disabled-account"}
    assert named - forbids == {"token-scope", "in-person"}


def test_every_policy_says_its_name_and_reason() -> None:
    """A refusal can always name what decided."""
    notes = list(law().notes.values())
    assert len({note["id"] for note in notes}) == len(notes) > 10
    assert all(note["reason"] for note in notes)
