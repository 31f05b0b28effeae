"""Who may sign a promotion, for the page that says whom to ask."""

from __future__ import annotations

from clearway import access, catalog, releases
from clearway.kernel import Actor
from clearway.storage import UnitOfWork


def why_not(uow: UnitOfWork, actor: Actor, promotion: releases.Promotion) -> str:
    """Why this person cannot approve; empty when they can."""
    if promotion.state not in releases.WAITING:
        return "It does not wait any more."
    if any(each.actor == actor.name for each in promotion.standing):
        return "You have approved this plan."
    verdict = access.may(
        uow,
        actor,
        "promotion:approve",
        service=promotion.service,
        environment=promotion.environment,
        author_of=promotion.authors,
    )
    if not verdict.allowed:
        return _sentence(f"{verdict.reason}. {verdict.todo}".strip())
    groups = _groups(uow, promotion.environment)
    if groups and not groups & access.standing(uow, actor.name, promotion.environment):
        return f"In {promotion.environment}, members of {', '.join(sorted(groups))} approve."
    return ""


def approvers(uow: UnitOfWork, promotion: releases.Promotion) -> list[str]:
    """Who may approve it: neither authors nor who asked for it, and of the right groups."""
    able = access.who_may(uow, "promotion:approve", promotion.environment, promotion.authors)
    groups = _groups(uow, promotion.environment)
    return [name for name in able if not groups or groups & access.standing(uow, name, promotion.environment)]


def _groups(uow: UnitOfWork, environment: str) -> frozenset[str]:
    rule = catalog.environment(uow, environment).approvals
    return frozenset(rule.groups) if rule else frozenset()


def _sentence(text: str) -> str:
    text = text.strip(". ")
    return f"{text[:1].upper()}{text[1:]}." if text else "You may not."
