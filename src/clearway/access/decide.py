"""Decisions by Cedar over the declared people and roles. Pure: everything it knows is handed in.

Rules:
1. What no policy permits is refused; `forbid` wins over every `permit`.
2. An action, a user or an attribute that the schema does not know, or an error while deciding, is a no.
3. A token narrows its user's permissions before Cedar is asked; it never widens them.
4. A token or password that somebody else made for its user does not approve, reject or override: whoever made
   it may hold it still.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from clearway.kernel import Actor

from .model import (
    ACTIONS,
    ENVIRONMENT_ACTIONS,
    PERSONAL_ACTIONS,
    ROLES,
    Binding,
    Grant,
    TokenActor,
    User,
    Verdict,
)

_EVERYWHERE = "*"
_READS = frozenset(action for action in ACTIONS if action.endswith(":read"))
#: What a token that is limited to environments may do to the platform as a whole.
_DELIVERY = frozenset({"build:run", "artifact:write", "release:create"})
_MOST_WIDENED = 64
_OWN_BY_DEFAULT = frozenset({"token:create", "token:read", "token:revoke"})


def _cedar() -> Any:
    """Cedar, loaded for the first decision: a process that starts has none to make."""
    import cedarpy

    return cedarpy


@dataclass(frozen=True)
class Law:
    """The compiled policies, their schema, and what each policy says about itself."""

    policies: Any
    schema: Any
    notes: Mapping[str, Mapping[str, str]]  # Cedar's own policy id -> our annotations


@cache
def law() -> Law:
    """The policies that ship with Clearway, checked against their schema."""
    cedarpy = _cedar()
    here = files("clearway.access")
    policies = here.joinpath("policies.cedar").read_text("utf-8")
    schema = cedarpy.Schema.from_str(here.joinpath("schema.cedarschema").read_text("utf-8"))
    checked = cedarpy.validate_policies(policies, schema)
    if not checked.validation_passed:
        raise RuntimeError("policies.cedar: " + "; ".join(str(error) for error in checked.errors))
    parsed = json.loads(cedarpy.policies_to_json_str(policies))["staticPolicies"]
    notes = {key: policy["annotations"] for key, policy in parsed.items()}
    return Law(cedarpy.PolicySet.from_str(policies), schema, notes)


@dataclass(frozen=True)
class Question:
    """One request for a decision."""

    actor: Actor
    action: str
    environment: str | None = None
    service: str | None = None
    authors: tuple[str, ...] = ()  # user names, e-mail addresses or author names
    owner: str | None = None  # whose token or password it is


class Judge:
    """Answers questions about one state of the declared people and roles."""

    def __init__(self, users: Iterable[User], bindings: Iterable[Binding] = ()) -> None:
        self.users = {user.name: user for user in users}
        self._bindings = bindings = list(bindings)
        self._people = _identities(self.users.values())
        grants = [grant for user in self.users.values() for grant in user.grants]
        grants += [binding.grant for binding in bindings]
        self._environments = {name for grant in grants for name in grant.environments or ()}
        entities = [
            *_role_entities(self._environments),
            *_people_entities(self.users.values(), bindings),
            _place("Platform", "clearway", held=None, full=_EVERYWHERE),
            *(_place("Environment", name, held=name, full=name) for name in self._environments),
            {"uid": {"type": "System", "id": "clearway"}, "attrs": {}, "parents": []},
        ]
        self._entities = _cedar().Entities.from_json_str(json.dumps(entities), law().schema)
        self._widened: dict[str, Any] = {}

    def decide(self, question: Question) -> Verdict:
        """Yes or no, and by which policy."""
        return self.decide_all([question])[0]

    def decide_all(self, questions: Sequence[Question]) -> list[Verdict]:
        """Many decisions at once; each environment of them must be the same."""
        early = [self._before_cedar(question) for question in questions]
        asked = [question for question, verdict in zip(questions, early, strict=True) if verdict is None]
        answers = iter(self._ask(asked) if asked else ())
        return [verdict or next(answers) for verdict in early]

    def who_may(self, action: str, environment: str | None, authors: Sequence[str] = ()) -> list[str]:
        """The enabled users who may do it, by name."""
        names = sorted(self.users)
        questions = [
            Question(self.actor(name), action, environment, authors=tuple(authors)) for name in names
        ]
        verdicts = self.decide_all(questions)
        return [name for name, verdict in zip(names, verdicts, strict=True) if verdict.allowed]

    def standing(self, name: str, environment: str) -> frozenset[str]:
        """A user's groups, and the roles held in an environment: own ones, and those of Role documents."""
        user = self.users.get(name)
        if user is None:
            return frozenset()
        grants = [*user.grants, *(each.grant for each in self._bindings if _binds(each, user))]
        here = {each.role for each in grants if not each.environments or environment in each.environments}
        return frozenset({*user.groups, *here})

    def actor(self, name: str) -> Actor:
        """The user as an actor."""
        return Actor(name, "robot" if self.users[name].account == "robot" else "person")

    def names_of(self, authors: Iterable[str]) -> set[str]:
        """The users behind author names and e-mail addresses; what belongs to no user stays as it is."""
        found: set[str] = set()
        for author in authors:
            found |= self._people.get(author.strip().lower(), {author})
        return found

    def knows(self, names: Iterable[str]) -> bool:
        """Whether any of these names and e-mail addresses belongs to a user."""
        return any(name.strip().lower() in self._people for name in names)

    def _before_cedar(self, question: Question) -> Verdict | None:
        actor, action = question.actor, question.action
        if action not in ACTIONS:
            return Verdict(False, "unknown-action", f"there is no action {action!r}")
        if actor.kind != "system" and actor.name not in self.users:
            return Verdict(False, "unknown-user", f"there is no user {actor.name}", "Declare the user first.")
        if isinstance(actor, TokenActor):
            return _token_says_no(actor, question)
        return None

    def _ask(self, questions: Sequence[Question]) -> list[Verdict]:
        requests = [self._request(question) for question in questions]
        place = requests[0]["resource"]
        entities = self._entities if place["type"] == "Platform" else self._entities_with(place["id"])
        results = _cedar().is_authorized_batch(requests, law().policies, entities, law().schema)
        return [self._verdict(*pair) for pair in zip(questions, results, strict=True)]

    def _entities_with(self, environment: str) -> Any:
        """The entities, with one environment that perhaps no grant names: there only roles for all count."""
        if environment in self._environments:
            return self._entities
        known = self._widened.get(environment)
        if known is None:
            if len(self._widened) >= _MOST_WIDENED:
                self._widened.clear()  # names come from requests; they must not fill the memory
            added = [_place("Environment", environment, held=_EVERYWHERE, full=_EVERYWHERE)]
            known = self._entities.with_added_json_str(json.dumps(added), law().schema)
            self._widened[environment] = known
        return known

    def _request(self, question: Question) -> dict[str, Any]:
        environment = question.environment if question.action in ENVIRONMENT_ACTIONS else None
        owner = question.owner
        if owner is None and question.action in _OWN_BY_DEFAULT:
            owner = question.actor.name
        context: dict[str, Any] = {"authors": [_user(name) for name in self.names_of(question.authors)]}
        if question.service is not None:
            context["service"] = question.service
        if owner is not None:
            context["owner"] = _user(owner)
        system = question.actor.kind == "system"
        return {
            "principal": {"type": "System" if system else "User", "id": question.actor.name},
            "action": {"type": "Action", "id": question.action},
            "resource": (
                {"type": "Platform", "id": "clearway"}
                if environment is None
                else {"type": "Environment", "id": environment}
            ),
            "context": context,
        }

    def _verdict(self, question: Question, result: Any) -> Verdict:
        errors = result.diagnostics.errors
        if result.decision == _cedar().Decision.NoDecision or errors:
            return Verdict(False, "error", f"the decision failed: {'; '.join(errors)}")
        notes = [law().notes[reason] for reason in result.diagnostics.reasons]
        if notes:
            note = min(notes, key=lambda each: each["id"])
            return Verdict(result.allowed, note["id"], note["reason"], note.get("todo", ""))
        place = f" in {question.environment}" if question.environment else ""
        return Verdict(
            False, "no-permit", f"no role of {question.actor.name} allows {question.action}{place}"
        )


def advice(question: Question) -> str:
    """Which roles would allow it: found by asking the policies, so that it is never out of step with them."""
    roles = roles_that_may(question.action)
    if not roles:
        return ""
    place = f" for {question.environment}" if question.environment else ""
    return f"Ask someone who is {' or '.join(roles)}{place}, or ask an administrator for the role."


@cache
def roles_that_may(action: str) -> tuple[str, ...]:
    """The smallest roles that allow an action: those that contain no other role that does."""
    judge = Judge([User(role, grants=(Grant(role),)) for role in ROLES])
    enough = {role for role in ROLES if judge.decide(Question(Actor(role), action, "any", owner="-")).allowed}
    return tuple(role for role in ROLES if role in enough and not enough & set(ROLES[role]))


def _token_says_no(actor: TokenActor, question: Question) -> Verdict | None:
    action = question.action
    if action not in actor.actions:
        return Verdict(
            False, "token-scope", f"the token does not reach {action}", "Use a token with that scope."
        )
    if actor.handed_by and action in PERSONAL_ACTIONS:
        return _not_in_person(actor)
    if actor.environments is None:
        return None
    if action in ENVIRONMENT_ACTIONS and question.environment is not None:
        inside = question.environment in actor.environments
    else:
        inside = action in _READS or action in _DELIVERY
    if inside:
        return None
    place = question.environment or "the platform as a whole"
    return Verdict(
        False,
        "token-scope",
        f"the token is limited to {', '.join(sorted(actor.environments))}; this is about {place}",
        "Use a token without that limit.",
    )


def _not_in_person(actor: TokenActor) -> Verdict:
    if actor.via:
        why = f"the token in use was made by {actor.handed_by}, who may hold it too"
        todo = "Sign in with a password of your own (clearway login --user), and use a token that you made."
    else:
        why = f"the password in use was set by {actor.handed_by}, who may know it too"
        todo = "Change your password first, on your own page."
    return Verdict(False, "in-person", f"{why}; {actor.name} has to do it in person", todo)


def _user(name: str) -> dict[str, str]:
    return {"type": "User", "id": name}


def _role(role: str, place: str | None) -> dict[str, str]:
    return {"type": "Role", "id": role if place is None else f"{role}@{place}"}


def _place(kind: str, name: str, *, held: str | None, full: str) -> dict[str, Any]:
    """A resource with the roles that count in it."""
    attrs = {
        "held": {role: _role(role, held) for role in ROLES},
        "full": {role: _role(role, full) for role in ROLES},
    }
    return {"uid": {"type": kind, "id": name}, "attrs": attrs, "parents": []}


def _role_entities(environments: Iterable[str]) -> list[dict[str, Any]]:
    """admin@prod is in release-manager@prod and in admin; admin@* is in admin@prod for every environment."""
    entities: list[dict[str, Any]] = []
    named = sorted(environments)
    for role, contained in ROLES.items():
        entities.append(
            {"uid": _role(role, None), "attrs": {}, "parents": [_role(r, None) for r in contained]}
        )
        wider = [_role(role, None)]
        for place in (_EVERYWHERE, *named):
            parents = [_role(other, place) for other in contained] + wider
            if place == _EVERYWHERE:
                parents += [_role(role, name) for name in named]
            entities.append({"uid": _role(role, place), "attrs": {}, "parents": parents})
    return entities


def _binds(binding: Binding, user: User) -> bool:
    return user.name in binding.users or bool(set(user.groups) & set(binding.groups))


def _granted(grant: Grant) -> list[dict[str, str]]:
    return [_role(grant.role, place) for place in grant.environments or (_EVERYWHERE,)]


def _people_entities(users: Iterable[User], bindings: Sequence[Binding]) -> list[dict[str, Any]]:
    by_user: dict[str, list[dict[str, str]]] = {}
    by_group: dict[str, list[dict[str, str]]] = {}
    for binding in bindings:
        for name in binding.users:
            by_user.setdefault(name, []).extend(_granted(binding.grant))
        for group in binding.groups:
            by_group.setdefault(group, []).extend(_granted(binding.grant))
    entities: list[dict[str, Any]] = []
    for user in users:
        parents = [role for grant in user.grants for role in _granted(grant)] + by_user.get(user.name, [])
        for group in user.groups:
            by_group.setdefault(group, [])
            parents.append({"type": "Group", "id": group})
        attrs = {"kind": user.account, "disabled": user.disabled}
        entities.append({"uid": _user(user.name), "attrs": attrs, "parents": parents})
    for group, roles in by_group.items():
        entities.append({"uid": {"type": "Group", "id": group}, "attrs": {}, "parents": roles})
    return entities


def _identities(users: Iterable[User]) -> dict[str, set[str]]:
    """Lower-case names, e-mail addresses and aliases, and the users they belong to."""
    people: dict[str, set[str]] = {}
    for user in users:
        for text in (user.name, user.full_name, user.email, *user.aliases):
            if text:
                people.setdefault(text.strip().lower(), set()).add(user.name)
    return people
