"""Making the plan of a promotion: facts come from the rooms below, the plan itself is a pure value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import median

from clearway import catalog, changes, config, deploy, policy, source
from clearway.catalog import Environment, ServiceDefinition
from clearway.kernel import Conflict, Invalid, NotFound, canonical, digest_of
from clearway.releases import rollouts, store
from clearway.releases.calendar import Answer, Calendar, ask
from clearway.releases.facts import Ran, gather, ran_there, unknown_authors
from clearway.releases.model import Author, Head, Kind, Promotion, Release
from clearway.releases.plan import Plan, PlanContent, RollbackInfo, config_lines, way_back
from clearway.releases.service.backing import obstacles, order_of, restored
from clearway.storage import UnitOfWork

HISTORY = 100


@dataclass(frozen=True)
class ChangeSet:
    """The commits between what runs and what will run."""

    commits: int
    breaking: int
    authors: tuple[Author, ...]


NOTHING = ChangeSet(0, 0, ())


@dataclass(frozen=True)
class Prepared:
    """A plan, and the very order that it describes: what is hashed is what is handed to deploy."""

    plan: Plan
    order: deploy.Order


def make_plan(
    uow: UnitOfWork,
    release: Release,
    environment: str,
    *,
    kind: Kind = "rollout",
    requested_by: str = "",
    approvers: Sequence[str] = (),
    override_freeze: bool = False,
) -> Plan:
    """What promoting the release to the environment would do now, and what stands against it."""
    return prepare(
        uow,
        release,
        environment,
        kind=kind,
        requested_by=requested_by,
        approvers=approvers,
        override_freeze=override_freeze,
    ).plan


def prepare(
    uow: UnitOfWork,
    release: Release,
    environment: str,
    *,
    kind: Kind,
    requested_by: str,
    approvers: Sequence[str] = (),
    override_freeze: bool = False,
) -> Prepared:
    """The plan with its order, from one reading of everything."""
    place = catalog.environment(uow, environment)
    runs = running_release(uow, release.service, environment)
    schema = definition_of(release).config
    changed = NOTHING  # a way back brings nobody's change, and must not wait for a repository
    if kind == "rollout":
        resolved = config.resolve(uow, release.service, environment, schema)
        problems = tuple(f"configuration {each.key} {each.message}" for each in resolved.problems)
        changed = change_set(uow, release.service, runs.commit if runs else None, release.commit)
        problems += _astray(uow, release, environment)
    else:
        resolved, problems = restored(uow, release, environment, schema)
    order = rollouts.order(release, place, resolved, kind, _port_base(uow, release.service, environment))
    content = _content(uow, release, place, runs, resolved, changed, order, override_freeze)
    window = calendar_answer(uow, release.service, place)
    plan = Plan(
        content,
        problems,
        window=window,
        expected_s=_expected(uow, release.service, environment),
        breaking=changed.breaking,
        warnings=_about_unknown(content),
    )
    if kind == "rollback":  # no gate stands between on-call and the last good release
        return Prepared(plan, order)
    gates = ask_gates(uow, release, place, requested_by=requested_by, approvers=approvers, window=window)
    return Prepared(replace(plan, gates=gates, waits=waits_for(uow, release, environment)), order)


def _astray(uow: UnitOfWork, release: Release, environment: str) -> tuple[str, ...]:
    """Why releases of this commit may not go there, by the rules of its branches."""
    origin = source.origin(uow, release.service, release.commit)
    if origin is None or origin.allows(environment):
        return ()
    told = f"{release.version} is of commit {release.commit[:12]}"
    if not origin.branches:
        return (f"{told}, which is on no branch whose releases may go anywhere",)
    return (f"{told}, and releases of {', '.join(origin.branches[:5])} may not go to {environment}",)


def waits_for(uow: UnitOfWork, release: Release, environment: str) -> tuple[str, ...]:
    """The stop where the release must do well first, and what to do about it."""
    before = stop_before(uow, release.service, environment)
    if before is None or previous_run(uow, release, environment).succeeded:
        return ()
    do = f"clearway promote {release.service} {release.version} --to {before}"
    return (f"{release.version} must do well in {before} first; promote it there (`{do}`)",)


def ask_gates(
    uow: UnitOfWork,
    release: Release,
    place: Environment,
    *,
    requested_by: str,
    approvers: Sequence[str],
    window: Answer,
) -> policy.Decision:
    """What the environment's gates say to a release now."""
    facts = gather(
        uow,
        release,
        place.name,
        kind="rollout",
        requested_by=requested_by,
        approvers=approvers,
        previous=previous_run(uow, release, place.name),
        window=window,
    )
    evaluator: policy.Evaluator = uow.tool(policy.Evaluator)
    return policy.decide(place.gates, facts, evaluator)


def definition_of(release: Release) -> ServiceDefinition:
    """The release's clearway.yaml."""
    return ServiceDefinition.model_validate_json(canonical(dict(release.definition)))


def _content(
    uow: UnitOfWork,
    release: Release,
    place: Environment,
    runs: Release | None,
    resolved: config.Resolved,
    changed: ChangeSet,
    order: deploy.Order,
    override_freeze: bool,
) -> PlanContent:
    kind: Kind = order.kind
    done = _carried_out(uow, release.service, place.name)
    before = done.plan["content"]["configuration"] if done else ()
    lines, removed = config_lines(resolved.values, before)
    rule = place.approvals if kind == "rollout" else None
    unknown = unknown_authors(uow, changed.authors)
    return PlanContent(
        kind=kind,
        service=release.service,
        environment=place.name,
        version=release.version,
        commit=release.commit,
        release_digest=release.digest,
        bundle_digest=release.bundle_digest,
        artifacts=tuple(sorted({each.digest for each in release.artifacts})),
        replaces_version=runs.version if runs else None,
        replaces_digest=runs.digest if runs else None,
        steps=rollouts.steps(uow, order),
        strategy=canonical(rollouts.strategy_of(place, kind).model_dump(mode="json")).decode(),
        instances=place.instances,
        configuration=lines,
        configuration_removed=removed,
        environment_digest=environment_digest(place),
        policy_digest=policy_digest(place),
        migrations=tuple(each["name"] for each in release.definition.get("migrations", [])),
        rollback=_way_back(uow, release, runs, done) if kind == "rollout" else _back_is_back(release),
        affected=dependants(uow, release.service),
        authors=changed.authors,
        unknown_authors=unknown,
        commits=changed.commits,
        approvals_needed=rule.count + bool(unknown) if rule else 0,
        approver_groups=tuple(sorted(rule.groups)) if rule else (),
        override_freeze=override_freeze,
        port_base=order.port_base,
    )


def _about_unknown(content: PlanContent) -> tuple[str, ...]:
    if not content.unknown_authors:
        return ()
    names = ", ".join(map(str, content.unknown_authors[:5]))
    more = f" and {len(content.unknown_authors) - 5} more" if len(content.unknown_authors) > 5 else ""
    extra = ", so one approval more is needed" if content.approvals_needed else ""
    return (
        f"unknown author: {names}{more} is no user; anybody may stand behind that{extra} "
        "(declare them: a User needs no role, and `aliases` hold further addresses)",
    )


def _way_back(
    uow: UnitOfWork, release: Release, runs: Release | None, done: Promotion | None
) -> RollbackInfo:
    order = order_of(uow, done.deployment_id) if done else None
    return way_back(release, runs, obstacles(uow, runs, order) if runs and order else ())


def _back_is_back(release: Release) -> RollbackInfo:
    return RollbackInfo(True, release.version, "this is the way back itself")


def environment_digest(place: Environment) -> str:
    """The digest of an environment's definition, without its gates."""
    return digest_of(place.model_dump(mode="json", exclude={"gates", "description"}))


def policy_digest(place: Environment) -> str:
    """The digest of the rules that decide about an environment: gates, approvals, soak, freezes."""
    return digest_of(place.model_dump(mode="json", include={"gates", "approvals", "soak", "freezes_apply"}))


def running_release(uow: UnitOfWork, service: str, environment: str) -> Release | None:
    """The release that runs at a place; None when nothing was promoted there."""
    place = store.place(uow, service, environment)
    if place is None or place.release_digest is None:
        return None
    return store.release_by(uow, digest=place.release_digest)


def previous_run(uow: UnitOfWork, release: Release, environment: str) -> Ran:
    """How the release did at the stop before this one."""
    before = stop_before(uow, release.service, environment)
    if before is None:
        return Ran(False)
    history = store.at_place(uow, release.service, before, ["succeeded"], HISTORY)
    return ran_there(history, release.digest)


def stop_before(uow: UnitOfWork, service: str, environment: str) -> str | None:
    """The stop before an environment on the service's route. Raises Invalid when it is not on it."""
    route = catalog.route_of(uow, service)
    if environment not in route.environments:
        raise Invalid(
            f"{environment} is not on the route {route.name} of {service}",
            expected=", ".join(route.environments),
        )
    return route.before(environment)


def stop_after(uow: UnitOfWork, service: str, environment: str) -> str | None:
    """The stop after an environment on the service's route; None at its end, and beside it."""
    route = catalog.route_of(uow, service)
    return route.after(environment) if environment in route.environments else None


def dependants(uow: UnitOfWork, service: str) -> tuple[str, ...]:
    """The services that need this one, directly or through others."""
    found: set[str] = set()
    waiting = {service}
    needs = [(each.name, frozenset(each.depends_on)) for each in catalog.services(uow)]
    while waiting:
        waiting = {name for name, on in needs if on & waiting} - found
        found |= waiting
    return tuple(sorted(found - {service}))


def change_set(uow: UnitOfWork, service: str, runs: str | None, comes: str) -> ChangeSet:
    """The commits that a promotion brings, and who wrote them. Raises when the history cannot be read:
    without it nobody knows whose change this is, and so nobody could approve it."""
    try:
        repo = source.open_repo(uow, service)
    except NotFound as error:
        raise Conflict(
            f"the history of {service} has not been fetched, so its authors are unknown",
            todo="Build it once, or wait until its repository can be reached.",
        ) from error
    return _change_set(repo.path, runs, comes)


@lru_cache(maxsize=4096)
def _change_set(mirror: Path, runs: str | None, comes: str) -> ChangeSet:
    # Commits never change, so neither does the difference between two of them.
    commits = source.commits_between(source.Repo(mirror), [runs] if runs else [], comes)
    read = [changes.parse(f"{each.subject}\n\n{each.body}") for each in commits]
    return ChangeSet(
        len(commits),
        sum(1 for each in read if each and each.breaking),
        tuple(sorted({Author(*person) for each in commits for person in each.people})),
    )


def calendars(uow: UnitOfWork) -> tuple[Calendar, ...]:
    """Every calendar."""
    key = ("releases", "calendars")
    if key not in uow.memo:
        specs = store.calendar_specs(uow).values()
        uow.memo[key] = tuple(Calendar.model_validate(spec) for spec in specs)
    found: tuple[Calendar, ...] = uow.memo[key]
    return found


def calendar_answer(uow: UnitOfWork, service: str, place: Environment) -> Answer:
    """Whether the calendars let promotions of the service move there now."""
    return ask(
        calendars(uow),
        uow.now(),
        service=service,
        team=catalog.service(uow, service).team,
        environment=place.name,
        freezes_apply=place.freezes_apply,
    )


def change_facts(plan: Plan, reason: str, requested_by: str, production: bool) -> changes.ChangeFacts:
    """What the change request is written from."""
    content = plan.content
    changed = [line.key for line in content.configuration if line.change != "same"]
    return changes.ChangeFacts(
        service=content.service,
        environment=content.environment,
        version=content.version,
        replaces=content.replaces_version,
        kind=content.kind,
        production=production,
        emergency=content.override_freeze,
        reason=reason,
        requested_by=requested_by,
        commits=content.commits,
        breaking=plan.breaking,
        migrations=content.migrations,
        configuration_changes=tuple(changed if content.replaces_digest else ())
        + content.configuration_removed,
        strategy=_strategy_kind(content.strategy),
        rollback_possible=content.rollback.possible,
        rollback_to=content.rollback.to_version,
        rollback_why=content.rollback.why,
        affected=content.affected,
        warnings=tuple(
            each.gate for each in plan.gates.verdicts if each.effect == "warn" and each.answer != "yes"
        ),
    )


def _port_base(uow: UnitOfWork, service: str, environment: str) -> int | None:
    """The router's port that is wished for: the service's first, then one more a stop."""
    base = catalog.service(uow, service).port_base
    stops = catalog.route_of(uow, service).environments
    return base + stops.index(environment) if base is not None and environment in stops else None


def _strategy_kind(text: str) -> str:
    return str(json.loads(text)["kind"])


def _carried_out(uow: UnitOfWork, service: str, environment: str) -> Promotion | None:
    """The promotion behind what runs."""
    place = store.place(uow, service, environment)
    return store.promotion(uow, place.promotion_id) if place and place.promotion_id else None


def _expected(uow: UnitOfWork, service: str, environment: str) -> float | None:
    """The median time of the last ten deployments here."""
    done = store.at_place(uow, service, environment, ["succeeded"], 10)
    times = [_took(each) for each in done if each.started_at and each.finished_at]
    return median(times) if times else None


def _took(promotion: Head) -> float:
    if promotion.started_at is None or promotion.finished_at is None:
        return 0.0
    return (promotion.finished_at - promotion.started_at).total_seconds()
