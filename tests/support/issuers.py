"""An OpenID Connect issuer for tests: own keys, discovery, key set, tokens as each forge documents them."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from servers import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

AUDIENCE = "https://clearway.example"
SHA = "0123456789abcdef0123456789abcdef01234567"


@cache
def rsa_key(kid: str = "one", bits: int = 2048) -> RSAKey:
    """A key, made once a test run."""
    with warnings.catch_warnings():  # a key that is too short is asked for by name
        warnings.simplefilter("ignore")
        return RSAKey.generate_key(bits, {"kid": kid})


@cache
def ec_key(kid: str = "curve", curve: str = "P-256") -> ECKey:
    """A key on a curve."""
    return ECKey.generate_key(curve, {"kid": kid})  # type: ignore[arg-type]


def public(key: Any, **more: Any) -> dict[str, Any]:
    """The JWK that is published."""
    return {**key.as_dict(private=False), "use": "sig", **more}


def sign(claims: Mapping[str, Any], key: Any = None, algorithm: str = "RS256", **header: Any) -> str:
    """A signed token."""
    key = key or rsa_key()
    told = {"alg": algorithm, "typ": "JWT", "kid": key.kid, **header}
    return jwt.encode(told, dict(claims), key, algorithms=[algorithm])


_number = iter(range(10**9))


def standard(issuer: str, now: float | None = None, **more: Any) -> dict[str, Any]:
    """What every token has; an id of its own each time."""
    now = time.time() if now is None else now
    times = {"iat": int(now), "nbf": int(now) - 5, "exp": int(now) + 300}
    return {"iss": issuer, "aud": AUDIENCE, "jti": f"token-{next(_number)}", **times, **more}


def github(issuer: str, sha: str = SHA, **more: Any) -> dict[str, Any]:
    """As https://docs.github.com/en/actions/reference/security/oidc shows one."""
    claims = {
        "sub": "repo:acme/shop:ref:refs/heads/main",
        "repository": "acme/shop",
        "repository_id": "74",
        "repository_owner": "acme",
        "repository_owner_id": "65",
        "repository_visibility": "private",
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "ref_protected": "true",
        "sha": sha,
        "workflow": "release",
        "workflow_ref": "acme/shop/.github/workflows/release.yml@refs/heads/main",
        "workflow_sha": sha,
        "job_workflow_ref": "acme/shop/.github/workflows/release.yml@refs/heads/main",
        "job_workflow_sha": sha,
        "event_name": "push",
        "actor": "dev",
        "actor_id": "12",
        "run_id": "1234567",
        "run_number": "10",
        "run_attempt": "2",
        "runner_environment": "github-hosted",
        "head_ref": "",
        "base_ref": "",
        "check_run_id": "99",
    }
    return standard(issuer, **{**claims, **more})


def gitlab(issuer: str, sha: str = SHA, **more: Any) -> dict[str, Any]:
    """As https://docs.gitlab.com/ci/secrets/id_token_authentication shows one."""
    claims = {
        "sub": "project_path:acme/shop:ref_type:branch:ref:main",
        "namespace_id": "72",
        "namespace_path": "acme",
        "project_id": "20",
        "project_path": "acme/shop",
        "project_visibility": "private",
        "user_id": "1",
        "user_login": "dev",
        "user_email": "dev@example.com",
        "pipeline_id": "574",
        "pipeline_source": "push",
        "job_id": "302",
        "ref": "main",
        "ref_type": "branch",
        "ref_path": "refs/heads/main",
        "ref_protected": "true",
        "environment": "release",
        "environment_protected": "false",
        "deployment_tier": "production",
        "runner_id": 1,
        "runner_environment": "self-hosted",
        "sha": sha,
        "ci_config_ref_uri": "gitlab.example.com/acme/shop//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": sha,
    }
    return standard(issuer, **{**claims, **more})


def azure_devops(issuer: str, sha: str = SHA, **more: Any) -> dict[str, Any]:
    """As https://github.com/sigstore/fulcio/issues/1803 shows one."""
    claims = {
        "sub": "p://acme/store/shop-release",
        "aud": "api://AzureADTokenExchange",
        "org_id": "0ca3ddd9-f0b0-4635-a98c-5866526961b6",
        "prj_id": "271ef6f7-5998-4b0f-86fb-4b54d9129990",
        "def_id": "7",
        "rpo_id": "31b5a4c5-4cd8-4e4f-a5bd-b6c2d5e4b0a1",
        "rpo_uri": "https://dev.azure.com/acme/store/_git/shop",
        "rpo_ver": sha,
        "rpo_ref": "refs/heads/main",
        "run_id": "5",
    }
    return standard(issuer, **{**claims, **more})


@dataclass
class Issuer:
    """A server with a discovery document and a key set, both of which tests may change."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=lambda: [public(rsa_key())])
    discovery: dict[str, Any] = field(default_factory=dict)  # over what is right
    answer: Callable[[Request], Response] | None = None  # instead of anything else
    asked: list[str] = field(default_factory=list)

    def serve(self, request: Request) -> Response:
        """Both documents."""
        self.asked.append(request.url.path)
        if self.answer is not None:
            return self.answer(request)
        if request.url.path.endswith("/.well-known/openid-configuration"):
            return JSONResponse({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery})
        if request.url.path.endswith("/keys"):
            return JSONResponse({"keys": self.keys})
        return Response(status_code=404)


def elsewhere(_: Request) -> Response:
    """A redirect."""
    return RedirectResponse("http://127.0.0.1:1/keys")


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer on the loopback interface."""
    made = Issuer()
    app = Starlette(routes=[Route("/{path:path}", made.serve, methods=["GET", "POST"])])
    with serving(app) as url:
        made.url = url
        yield made


def forged(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"x") -> str:
    """A token whose every part is chosen."""
    from joserfc.util import urlsafe_b64encode

    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return b".".join(urlsafe_b64encode(each) for each in parts).decode()
