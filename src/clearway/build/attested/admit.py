"""Who is it that wants to vouch, and may they, and is the commit what they say: all before a byte is taken.

Rules:
1. Fail closed: no declared CI, no entry for the service, no rule that fits, no key: no.
2. The signature comes first. What a token says is repeated to its sender only once its issuer signed it.
3. The commit must be in the service's own repository, on the very ref that the token names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from clearway import catalog, source
from clearway.build.model import choose_version
from clearway.build.versions import version_at
from clearway.build.work import read_definition
from clearway.catalog import TrustedCI
from clearway.kernel import Conflict, Invalid, NotFound, Refused, Unauthenticated
from clearway.storage import Database, UnitOfWork

from .identity import Identity, read_identity, why_not
from .ports import Issuers
from .store import Used
from .tokens import Verified, check_audience, read_unverified, verify

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,99}")


@dataclass(frozen=True)
class Admitted:
    """A job that may vouch for a service."""

    service: str
    identity: Identity
    trusted: TrustedCI
    token: Used


@dataclass(frozen=True)
class Place:
    """The commit that it vouches for, as the service's repository has it."""

    version: str
    author: str
    subject: str
    repository: str  # where Clearway has it from, without a password


def admit(database: Database, token: str, service: str) -> Admitted:
    """The job that a token proves, if it may vouch for the service.

    Raises Unauthenticated for a token that proves nothing, Refused for a job that may not, Retry while the
    issuer's keys cannot be fetched.
    """
    said = read_unverified(token)
    with database.read() as uow:
        now = uow.now()
        trusted = [each for each in catalog.trusted_cis(uow) if each.issuer == said.issuer]
    if not trusted:
        raise Unauthenticated(
            "the token is not accepted: its issuer is not trusted here",
            todo="Declare it: a document of the kind TrustedCI.",
        )
    key = database.tool(Issuers).key(said.issuer, said.key_id)
    if key is None:
        raise Unauthenticated("the token is not accepted: its issuer publishes no such key")
    proven = verify(token, key, issuer=said.issuer, now=now.timestamp())
    ours = [each for each in trusted if check_audience(proven.claims, each.audience)]
    if not ours:
        raise Unauthenticated(
            "the token is not accepted: it is for another audience",
            expected=" or ".join(sorted({each.audience for each in trusted})),
        )
    with database.read() as uow:
        catalog.service(uow, service)
        return _permitted(uow, ours, proven, service)


def _permitted(uow: UnitOfWork, ours: Sequence[TrustedCI], proven: Verified, service: str) -> Admitted:
    """The first declared CI under which the job may."""
    reasons: list[str] = []
    for trusted in ours:
        identity = read_identity(trusted, proven.claims)
        rules = trusted.rules_for(service)
        if not rules:
            reasons.append(f"{trusted.name} may not vouch for {service}")
        for rule in rules:
            reason = why_not(identity, rule)
            if not reason:
                expires = datetime.fromtimestamp(proven.expires_at, UTC)
                return Admitted(service, identity, trusted, Used(trusted.issuer, proven.token_id, expires))
            reasons.append(reason)
    raise Refused(
        f"this job may not vouch for {service}: {'; '.join(dict.fromkeys(reasons))}",
        todo="Whoever declares the platform decides that, in the TrustedCI's `services`.",
    )


def locate(database: Database, admitted: Admitted, wanted: str = "") -> Place:
    """Fetch the service's repository, find the commit on its ref, and choose the version. Outside
    transactions.

    Raises Refused when the commit is not there, Conflict when the version is another commit's.
    """
    who = admitted.identity
    with database.read() as uow:
        known = catalog.service(uow, admitted.service)
        location = catalog.repository_of(uow, admitted.service).location
    repo = source.sync(database, admitted.service)
    _check_on_ref(repo, who)
    commit = source.commit(repo, who.commit)
    definition = read_definition(repo, who.commit, known.path, admitted.service)
    chosen = version_at(repo, known, definition, who.commit, who.ref)
    return Place(
        version=_version(repo, known, who.commit, chosen, wanted),
        author=commit.author,
        subject=commit.subject[:500],
        repository=source.public_location(location),
    )


def _check_on_ref(repo: source.Repo, who: Identity) -> None:
    try:
        tip = source.resolve(repo, who.ref)
        there = tip == who.commit or (
            who.ref.startswith("refs/heads/") and bool(source.reached(repo, tip, [who.commit]))
        )
    except NotFound:
        there = False
    if not there:
        raise Refused(
            f"commit {who.commit[:12]} is not on {who.ref} of the service's repository",
            todo="Push it to where Clearway fetches from, and check that both are the same repository.",
        )


def _version(repo: source.Repo, known: catalog.Service, sha: str, chosen: str, wanted: str) -> str:
    """The version that was asked for, where no tag says otherwise."""
    if wanted in ("", chosen):
        return chosen
    if not _VERSION.fullmatch(wanted):
        raise Invalid(f"{wanted[:60]!r} is no version", expected="such as 1.4.2")
    if not chosen.endswith(f"+g{sha[:8]}"):
        raise Conflict(
            f"commit {sha[:12]} is version {chosen} by its tag, not {wanted}",
            todo="Leave the version out, or tag the commit with it.",
        )
    for tag, target in source.tags(repo).items():
        if target != sha and choose_version([tag], None, target, rules=known.versioning) == wanted:
            raise Conflict(f"version {wanted} is the tag {tag} of commit {target[:12]}")
    return wanted
