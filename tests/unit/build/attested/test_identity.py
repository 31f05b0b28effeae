"""Each forge's token is read as it documents it, and only what a rule names may vouch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuers import AUDIENCE, SHA, azure_devops, github, gitlab
from pydantic import ValidationError

from clearway import catalog
from clearway.build.attested.identity import Identity, read_identity, why_not
from clearway.kernel import Refused

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.example.com"
AZURE = "https://vstoken.dev.azure.com/0ca3ddd9-f0b0-4635-a98c-5866526961b6"
MAKE = {"github": github, "gitlab": gitlab, "azure-devops": azure_devops}


def trusted(forge: Any, issuer: str, **rule: Any) -> catalog.TrustedCI:
    repository = "https://dev.azure.com/acme/store/_git/shop" if forge == "azure-devops" else "acme/shop"
    told = {"service": "shop", "repositories": [repository], "refs": ["refs/heads/main"], **rule}
    return catalog.TrustedCI.model_validate(
        {"name": "ci", "forge": forge, "issuer": issuer, "audience": AUDIENCE, "services": [told]}
    )


def identity(forge: str, issuer: str, **more: Any) -> Identity:
    return read_identity(trusted(forge, issuer), MAKE[forge](issuer, **more))


def refusal(forge: str, issuer: str, rule: dict[str, Any] | None = None, **more: Any) -> str:
    known = trusted(forge, issuer, **(rule or {}))
    return why_not(read_identity(known, MAKE[forge](issuer, **more)), known.services[0])


def test_github_is_read_as_documented() -> None:
    """Repository, ref, commit, file, run and runner."""
    found = identity("github", GITHUB)
    assert (found.repository, found.ref, found.commit) == ("acme/shop", "refs/heads/main", SHA)
    assert found.run_url == "https://github.com/acme/shop/actions/runs/1234567/attempts/2"
    workflow = "acme/shop/.github/workflows/release.yml@refs/heads/main"
    assert found.builder == f"https://github.com/{workflow}"
    assert found.runner == "github-hosted"
    own = identity("github", "https://github.acme.example/_services/token")
    assert own.run_url.startswith("https://github.acme.example/acme/shop/")
    cloud = identity("github", "https://token.actions.acme.ghe.com")
    assert cloud.run_url.startswith("https://acme.ghe.com/acme/shop/")


def test_gitlab_is_read_as_documented() -> None:
    """The short ref and its type become a full ref; a tag too."""
    found = identity("gitlab", GITLAB)
    assert (found.repository, found.ref, found.environment) == ("acme/shop", "refs/heads/main", "release")
    assert found.run_url == "https://gitlab.example.com/acme/shop/-/jobs/302"
    assert found.builder == "https://gitlab.example.com/acme/shop//.gitlab-ci.yml@refs/heads/main"
    tag = identity("gitlab", GITLAB, ref="v1.0.0", ref_type="tag", ref_path="refs/tags/v1.0.0")
    assert tag.ref == "refs/tags/v1.0.0"
    assert identity("gitlab", GITLAB, ref_path=None, ci_config_ref_uri=None).builder == f"{GITLAB}/acme/shop"


def test_azure_devops_is_read_as_documented() -> None:
    """The repository's address, commit and ref; the run's page from the pipeline's own subject."""
    found = identity("azure-devops", AZURE)
    assert found.repository == "https://dev.azure.com/acme/store/_git/shop"
    assert (found.ref, found.commit, found.workflow) == ("refs/heads/main", SHA, "7")
    assert found.run_url == "https://dev.azure.com/acme/store/_build/results?buildId=5"
    assert found.builder == f"{AZURE}?subject=p://acme/store/shop-release"


@pytest.mark.parametrize(
    ("forge", "issuer", "more"),
    [
        ("github", GITHUB, {"repository": None}),
        ("github", GITHUB, {"repository": ["acme/shop"]}),
        ("github", GITHUB, {"repository": "acme/shop\nx"}),
        ("github", GITHUB, {"ref": "refs/pull/7/merge"}),
        ("github", GITHUB, {"sha": "main"}),
        ("github", GITHUB, {"sha": SHA.upper()}),
        ("github", GITHUB, {"job_workflow_ref": None}),
        ("gitlab", GITLAB, {"ref_path": "refs/merge-requests/1/head"}),
        ("gitlab", GITLAB, {"ref_type": "other"}),
        ("gitlab", GITLAB, {"sha": None}),
        ("gitlab", GITLAB, {"project_path": ""}),
        ("azure-devops", AZURE, {"sub": "sc://acme/store/connection"}),
        ("azure-devops", AZURE, {"rpo_ref": "main"}),
        ("azure-devops", AZURE, {"rpo_uri": None}),
        ("azure-devops", AZURE, {"run_id": True}),
    ],
)
def test_a_claim_that_is_not_as_documented_is_a_no(forge: str, issuer: str, more: dict[str, Any]) -> None:
    """Missing, of another type, or something other than a branch or tag."""
    with pytest.raises(Refused):
        identity(forge, issuer, **more)


def test_what_a_rule_names_may_vouch() -> None:
    """Each forge's own job, by repository and ref; by file, environment and id too."""
    assert refusal("github", GITHUB) == ""
    assert refusal("gitlab", GITLAB, {"environments": ["release"]}) == ""
    assert refusal("azure-devops", AZURE, {"workflows": ["7"]}) == ""
    for workflow in (
        ".github/workflows/release.yml",
        "acme/shop/.github/workflows/release.yml",
        "acme/shop/.github/workflows/release.yml@refs/heads/main",
    ):
        assert refusal("github", GITHUB, {"workflows": [workflow]}) == ""
    assert refusal("gitlab", GITLAB, {"workflows": [".gitlab-ci.yml"]}) == ""


@pytest.mark.parametrize(
    ("rule", "more", "why"),
    [
        ({}, {"repository": "evil/shop"}, "repository"),
        ({}, {"repository": "acme/Shop"}, "repository"),
        ({}, {"ref": "refs/heads/other"}, "fits none"),
        ({}, {"ref": "refs/tags/main"}, "fits none"),
        ({"workflows": [".github/workflows/other.yml"]}, {}, "pipeline"),
        (
            {"workflows": [".github/workflows/release.yml"]},
            {"job_workflow_ref": "evil/x/.github/workflows/release.yml@refs/heads/main"},
            "pipeline",
        ),
        ({"environments": ["prod"]}, {}, "environment"),
        ({}, {"event_name": "pull_request_target"}, "started by"),
        ({}, {"event_name": "issue_comment"}, "started by"),
        ({"events": ["schedule"]}, {}, "started by"),
    ],
)
def test_what_no_rule_names_may_not(rule: dict[str, Any], more: dict[str, Any], why: str) -> None:
    """Another repository, ref, file, environment, or a stranger's pull request."""
    assert why in refusal("github", GITHUB, rule, **more)


@pytest.mark.parametrize(
    ("ref", "glob", "fits"),
    [
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/main2", "refs/heads/main", False),
        ("refs/heads/release/1", "refs/heads/release/*", True),
        ("refs/heads/release/1/x", "refs/heads/release/*", False),
        ("refs/heads/release/1/x", "refs/heads/release/**", True),
        ("refs/tags/v1.2.0", "refs/tags/v*", True),
        ("refs/heads/v1", "refs/tags/v*", False),
        ("refs/heads/a/b", "refs/heads/*", False),
    ],
)
def test_a_star_stays_within_a_part(ref: str, glob: str, fits: bool) -> None:
    """`*` is letters of one part, `**` any number of parts."""
    assert catalog.ref_fits(ref, glob) is fits


@given(st.text(min_size=1, max_size=40))
def test_a_pattern_never_reaches_into_other_kinds_of_refs(name: str) -> None:
    """Whatever a branch is called, it is no tag."""
    assert not catalog.ref_fits(f"refs/heads/{name}", "refs/tags/**")


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://ci.example"},
        {"issuer": "https://user:pass@ci.example"},
        {"issuer": "https://ci.example?x=1"},
        {"issuer": "file:///etc/passwd"},
        {"services": []},
        {"services": [{"service": "shop", "repositories": [], "refs": ["refs/heads/main"]}]},
        {"services": [{"service": "shop", "repositories": ["a/b"], "refs": []}]},
        {"services": [{"service": "shop", "repositories": ["a/b"], "refs": ["main"]}]},
        {"services": [{"service": "shop", "repositories": ["a/b"], "refs": ["refs/pull/*"]}]},
        {"audience": ""},
        {"provenance_keys": [{"key": "no key", "builder": "x"}]},
    ],
)
def test_a_declaration_that_would_let_anybody_in_is_refused(change: dict[str, Any]) -> None:
    """Neither an issuer that anybody could play, nor a service without repository and ref."""
    whole = trusted("github", GITHUB).model_dump(mode="json")
    with pytest.raises(ValidationError):
        catalog.TrustedCI.model_validate({**whole, **change})
