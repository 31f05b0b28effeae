"""Whose job this is, in the words of each forge's token; and whether it may vouch for a service. Pure.

Every claim that is read here is one that the forge documents:

- GitHub Actions: https://docs.github.com/en/actions/reference/security/oidc
- GitLab: https://docs.gitlab.com/ci/secrets/id_token_authentication (`project_path` of a merge
  request is the project that it came from: https://gitlab.com/gitlab-org/gitlab/-/issues/563038)
- Azure DevOps: https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create says how a
  job gets its token; what is in it stands in https://github.com/sigstore/fulcio/issues/1803 and in
  https://github.com/gravitational/teleport/blob/master/rfd/0211-azure-devops-joining.md

Rules:
1. `sub` decides nothing where another claim exists: projects may change what GitHub and GitLab put there.
2. A claim that is missing, of another type, or not plain text is a no.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from clearway.catalog import USUAL_EVENTS, MayAttest, TrustedCI, ref_fits
from clearway.kernel import Refused

Claims = Mapping[str, Any]

_SHA = re.compile(r"[0-9a-f]{40}")
_PLAIN = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,1000}")
_GITHUB = "token.actions.githubusercontent.com"


@dataclass(frozen=True)
class Identity:
    """A job of a CI system, as its token proved it."""

    ci: str  # the TrustedCI
    forge: str
    issuer: str
    subject: str
    repository: str
    ref: str  # full: refs/heads/main
    commit: str
    event: str  # what started it; empty where the token does not say
    workflow: str  # which pipeline, as rules name it
    environment: str
    runner: str  # whose machine; empty where the token does not say
    run_url: str
    builder: str  # builder.id of the provenance

    def as_json(self) -> dict[str, str]:
        """For pages, the API and the provenance."""
        return asdict(self)


def read_identity(trusted: TrustedCI, claims: Claims) -> Identity:
    """The job that a verified token is about. Raises Refused when a claim is missing."""
    return _FORGES[trusted.forge](trusted, claims)


def _github(trusted: TrustedCI, claims: Claims) -> Identity:
    """`repository` is `owner/name`, `ref` is full, `job_workflow_ref` is the file that the job is in."""
    server = _github_server(trusted.issuer)
    repository = _text(claims, "repository")
    workflow = _text(claims, "job_workflow_ref")
    run = f"{_text(claims, 'run_id')}/attempts/{_text(claims, 'run_attempt', '1')}"
    return Identity(
        ci=trusted.name,
        forge=trusted.forge,
        issuer=trusted.issuer,
        subject=_text(claims, "sub"),
        repository=repository,
        ref=_ref(_text(claims, "ref")),
        commit=_commit(claims, "sha"),
        event=_text(claims, "event_name"),
        workflow=workflow,
        environment=_text(claims, "environment", ""),
        runner=_text(claims, "runner_environment", ""),
        run_url=f"{server}/{quote(repository)}/actions/runs/{quote(run)}",
        builder=f"{server}/{workflow}",
    )


def _github_server(issuer: str) -> str:
    """github.com, SUBDOMAIN.ghe.com, or a server of one's own, whose issuer is below its own name."""
    parts = urlsplit(issuer)
    host = parts.netloc
    if host == _GITHUB:
        return "https://github.com"
    return f"{parts.scheme}://{host.removeprefix('token.actions.')}"


def _gitlab(trusted: TrustedCI, claims: Claims) -> Identity:
    """`ref` is short and `ref_type` tells its kind; `ci_config_ref_uri` is the pipeline's file."""
    project = _text(claims, "project_path")
    folder = {"branch": "heads", "tag": "tags"}.get(_text(claims, "ref_type"))
    if folder is None:
        raise Refused("the job runs neither for a branch nor for a tag", expected="ref_type branch or tag")
    ref = _ref(f"refs/{folder}/{_text(claims, 'ref')}")
    if _text(claims, "ref_path", ref) != ref:
        raise Refused("the token's ref_path is not its ref: the job runs for a merge request")
    workflow = _text(claims, "ci_config_ref_uri", "")
    job = f"{trusted.issuer.rstrip('/')}/{quote(project)}/-/jobs/{quote(_text(claims, 'job_id'))}"
    return Identity(
        ci=trusted.name,
        forge=trusted.forge,
        issuer=trusted.issuer,
        subject=_text(claims, "sub"),
        repository=project,
        ref=ref,
        commit=_commit(claims, "sha"),
        event=_text(claims, "pipeline_source"),
        workflow=workflow.partition("/")[2] if workflow else "",  # without the server's name
        environment=_text(claims, "environment", ""),
        runner=_text(claims, "runner_environment", ""),
        run_url=job,
        builder=f"https://{workflow}" if workflow else f"{trusted.issuer.rstrip('/')}/{project}",
    )


def _azure_devops(trusted: TrustedCI, claims: Claims) -> Identity:
    """`rpo_uri`, `rpo_ref` and `rpo_ver` are the repository, `def_id` the pipeline; `sub` is p://O/P/NAME.

    A service connection's token begins with sc:// and says nothing of a repository: it is refused.
    """
    subject = _text(claims, "sub")
    organisation, _, rest = subject.removeprefix("p://").partition("/")
    project = rest.partition("/")[0]
    if not subject.startswith("p://") or not project:
        raise Refused("that is no pipeline's own token", expected="a subject p://ORGANISATION/PROJECT/NAME")
    run = f"{quote(organisation)}/{quote(project)}/_build/results?buildId={quote(_text(claims, 'run_id'))}"
    return Identity(
        ci=trusted.name,
        forge=trusted.forge,
        issuer=trusted.issuer,
        subject=subject,
        repository=_text(claims, "rpo_uri"),
        ref=_ref(_text(claims, "rpo_ref")),
        commit=_commit(claims, "rpo_ver"),
        event="",
        workflow=_text(claims, "def_id"),
        environment="",
        runner="",
        run_url=f"https://dev.azure.com/{run}",
        builder=f"{trusted.issuer}?subject={quote(subject, safe=':/')}",
    )


_FORGES: Mapping[str, Callable[[TrustedCI, Claims], Identity]] = {
    "github": _github,
    "gitlab": _gitlab,
    "azure-devops": _azure_devops,
}


def _text(claims: Claims, name: str, missing: str | None = None) -> str:
    found = claims.get(name)
    if found is None and missing is not None:
        return missing
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 1 << 63:
        return str(found)
    if not isinstance(found, str) or not (_PLAIN.fullmatch(found) or (found == missing)):
        raise Refused(f"the token has no usable {name}", expected=f"{name}, as this CI documents it")
    return found


def _ref(ref: str) -> str:
    if not ref.startswith(("refs/heads/", "refs/tags/")):
        raise Refused(f"the job runs for {ref[:100]}", expected="a job for a branch or a tag")
    return ref


def _commit(claims: Claims, name: str) -> str:
    found = _text(claims, name)
    if not _SHA.fullmatch(found):
        raise Refused(f"the token's {name} is no commit", expected="40 hexadecimal digits")
    return found


def why_not(identity: Identity, rule: MayAttest) -> str:
    """What keeps a job from vouching under a rule; empty: nothing does."""
    events = rule.events or USUAL_EVENTS[identity.forge]
    if identity.repository not in rule.repositories:
        return f"repository {identity.repository} is not one of {', '.join(rule.repositories)}"
    if not any(ref_fits(identity.ref, glob) for glob in rule.refs):
        return f"{identity.ref} fits none of {', '.join(rule.refs)}"
    if rule.workflows and not any(_is_workflow(identity, each) for each in rule.workflows):
        return f"pipeline {identity.workflow or 'unknown'} is not one of {', '.join(rule.workflows)}"
    if rule.environments and identity.environment not in rule.environments:
        return f"environment {identity.environment or 'none'} is not one of {', '.join(rule.environments)}"
    if events and identity.event not in events:
        return f"the job was started by {identity.event or 'nobody knows what'}, not by {', '.join(events)}"
    return ""


def _is_workflow(identity: Identity, wanted: str) -> bool:
    """A file of the job's own repository, one of another that is named in full, or an id."""
    said = identity.workflow
    names = {said, said.partition("@")[0]}
    if identity.forge == "github":
        return bool(names & {wanted, f"{identity.repository}/{wanted}"})
    if identity.forge == "gitlab":
        return bool(names & {wanted, f"{identity.repository}//{wanted}"})
    return wanted == said
