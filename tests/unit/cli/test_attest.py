"""`clearway attest` inside a CI job: finds the job's token, sends what was built, and shows no token."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from attesting import Ci, trusting
from issuers import AUDIENCE, azure_devops, gitlab, issuing, sign
from servers import Settings, serving
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clearway.api import create_app
from clearway.cli import exits

SECRETS = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "SYSTEM_ACCESSTOKEN")
VARIABLES = (
    *("ACTIONS_ID_TOKEN_REQUEST_URL", "SYSTEM_OIDCREQUESTURI", "CLEARWAY_ID_TOKEN", "CLEARWAY_TOKEN"),
    *("GITHUB_ACTIONS", "GITLAB_CI", *SECRETS),
)


@dataclass
class Job:
    """A job, and what its CI was asked for."""

    ci: Ci
    run: Callable[..., Any]
    monkeypatch: pytest.MonkeyPatch
    folder: Path
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def give(self, token: str) -> str:
        """A token that must never be seen."""
        self.tokens.append(token)
        return token

    def in_(self, variables: Mapping[str, str]) -> None:
        """The job's variables."""
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    def attest(self, *more: str) -> Any:
        """The command; no token may be in what it prints."""
        built = self.folder / "shop.tar"
        built.write_bytes(b"built")
        done = self.run("attest", str(built), "--service", "shop", *more)
        for token in self.tokens:
            assert token not in done.out + done.err
        return done


@pytest.fixture
def job(tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with issuing() as issuer, trusting(tmp_path, issuer) as ci:
        app = create_app(ci.house.database, Settings(tmp_path))
        with serving(app) as address:
            monkeypatch.setenv("CLEARWAY_URL", address)
            yield Job(ci, run, monkeypatch, tmp_path)
    structlog.reset_defaults()


def test_in_github_actions(job: Job) -> None:
    """The token comes from the runner's own address, for the audience that is wanted."""
    token = job.give(job.ci.token())
    usual = job.ci.issuer.serve

    def answer(request: Request) -> Response:
        if request.url.path != "/gh":
            job.ci.issuer.answer = None
            found = usual(request)
            job.ci.issuer.answer = answer
            return found
        job.asked.append((request.method, request.url.query, request.headers["authorization"]))
        return JSONResponse({"count": 1, "value": token})

    job.ci.issuer.answer = answer
    job.in_(
        {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{job.ci.issuer.url}/gh?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": job.give("runner-secret"),
        }
    )
    (job.folder / "junit.xml").write_text("<testsuite><testcase name='one'/></testsuite>")
    done = job.attest("--audience", AUDIENCE, "--evidence", str(job.folder / "junit.xml"))
    assert done.code == 0, done.err
    query = "api-version=2.0&audience=https%3A%2F%2Fclearway.example"
    assert job.asked == [("GET", query, "Bearer runner-secret")]
    assert "recorded at SLSA Build L1" in done.out
    assert "junit.xml: junit, as the job claims" in done.out


def test_in_azure_devops(job: Job) -> None:
    """The token comes by POST, with the job's access token."""
    issuer = job.ci.issuer.url + "/azure"
    token = job.give(sign(azure_devops(issuer, job.ci.house.made.git("rev-parse", "HEAD"))))
    job.ci.issuer.discovery = {"issuer": issuer}
    usual = job.ci.issuer.serve

    def answer(request: Request) -> Response:
        if request.url.path != "/oidctoken":
            job.ci.issuer.answer = None
            found = usual(request)
            job.ci.issuer.answer = answer
            return found
        job.asked.append((request.method, request.url.query, request.headers["authorization"]))
        return JSONResponse({"oidcToken": token})

    job.ci.issuer.answer = answer
    job.in_({"SYSTEM_OIDCREQUESTURI": f"{job.ci.issuer.url}/oidctoken"})
    bare = job.attest()
    assert bare.code != 0
    assert "SYSTEM_ACCESSTOKEN" in bare.err
    job.in_({"SYSTEM_ACCESSTOKEN": job.give("access-secret")})
    done = job.attest("--json")
    assert done.code == 0, done.err
    assert done.json["external"]["ci"] == "azure"
    assert job.asked == [("POST", "api-version=7.1", "Bearer access-secret")]


def test_in_gitlab_and_from_a_file(job: Job) -> None:
    """A variable holds it, or a file does; the same content again is the same build."""
    issuer = job.ci.issuer.url + "/lab"
    job.ci.issuer.discovery = {"issuer": issuer}
    head = job.ci.house.made.git("rev-parse", "HEAD")
    job.in_({"CLEARWAY_ID_TOKEN": job.give(sign(gitlab(issuer, head)))})
    first = job.attest("--json")
    assert first.code == 0, first.err
    file = job.folder / "token"
    file.write_text(job.give(sign(gitlab(issuer, head))) + "\n")
    again = job.attest("--json", "--token-file", str(file))
    assert first.json["id"] == again.json["id"]
    other = job.attest("--json", "--version", "7.0.0", "--token-file", str(file))
    assert (other.code, other.json["version"]) == (0, "7.0.0")


def test_a_job_that_has_no_token_is_told_how_to_get_one(job: Job) -> None:
    """In the words of its CI; outside of any, too; and no token of ours is taken."""
    for variable, words in (("GITHUB_ACTIONS", "id-token: write"), ("GITLAB_CI", "id_tokens")):
        job.in_({variable: "true"})
        done = job.attest()
        assert done.code != 0
        assert words in done.err
        job.monkeypatch.delenv(variable)
    assert "--token-file" in job.attest().err
    assert "no API token" in job.attest("--token", job.give("cwy_mine")).err


def test_a_refusal_says_why(job: Job) -> None:
    """Which rule does not fit, and who decides; files that are not there are named."""
    job.in_({"CLEARWAY_ID_TOKEN": job.give(job.ci.token(repository="evil/shop"))})
    done = job.attest()
    assert done.code == exits.NOT_PERMITTED
    assert "repository evil/shop is not one of acme/shop" in done.err
    assert "cannot be read" in job.run("attest", "/nowhere/x", "--service", "shop").err


def test_ci_that_answers_otherwise_gives_no_token(job: Job) -> None:
    """An error, another form, or nobody: said without the address, which is the job's secret."""
    job.in_({"ACTIONS_ID_TOKEN_REQUEST_URL": f"{job.ci.issuer.url}/gh?secret=1"})
    for answer in (
        lambda _: Response("no", 403),
        lambda _: Response("<html>"),
        lambda _: JSONResponse({"value": 7}),
        lambda _: JSONResponse([]),
    ):
        job.ci.issuer.answer = answer
        done = job.attest()
        assert done.code != 0
        assert "secret=1" not in done.err
