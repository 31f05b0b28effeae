"""The OIDC token of the CI job that this command runs in. It is never printed, logged or kept.

How each CI hands it out:

- GitHub Actions, with `permissions: id-token: write`: a request to ACTIONS_ID_TOKEN_REQUEST_URL with
  ACTIONS_ID_TOKEN_REQUEST_TOKEN, https://docs.github.com/en/actions/reference/security/oidc
- GitLab: a variable that the job's `id_tokens` names, here CLEARWAY_ID_TOKEN,
  https://docs.gitlab.com/ci/secrets/id_token_authentication
- Azure DevOps, with `SYSTEM_ACCESSTOKEN: $(System.AccessToken)` in the step's `env`: a request to
  SYSTEM_OIDCREQUESTURI, https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .exits import CliError

VARIABLE = "CLEARWAY_ID_TOKEN"
TIMEOUT_S = 30.0
MAX_TOKEN = 16 << 10


def find_token(variables: Mapping[str, str], audience: str, file: Path | None = None) -> str:
    """The job's token for an audience. Raises CliError that says how to give the job one."""
    if file is not None:
        return _read(file)
    if token := variables.get(VARIABLE, "").strip():
        return token
    if url := variables.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        bearer = variables.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
        joint = "&" if "?" in url else "?"
        found = _ask("GET", f"{url}{joint}audience={quote(audience, safe='')}", bearer)
        return _token_of(found.get("value"), "GitHub Actions")
    if url := variables.get("SYSTEM_OIDCREQUESTURI"):
        bearer = variables.get("SYSTEM_ACCESSTOKEN", "")
        if not bearer:
            raise CliError(
                "Azure DevOps gives this step no access token",
                todo="Add `env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)` to the step.",
            )
        joint = "&" if "?" in url else "?"
        found = _ask("POST", f"{url}{joint}api-version=7.1", bearer)
        return _token_of(found.get("oidcToken"), "Azure DevOps")
    raise CliError("this job has no OIDC token", todo=_how(variables))


def _how(variables: Mapping[str, str]) -> str:
    if variables.get("GITHUB_ACTIONS") == "true":
        return "Add `permissions: id-token: write` to the job."
    if variables.get("GITLAB_CI") == "true":
        return f"Add `id_tokens: {VARIABLE}: aud: ...` to the job."
    return f"Run it in a CI job, set {VARIABLE}, or give --token-file."


def _read(file: Path) -> str:
    try:
        with file.open() as stream:
            return stream.read(MAX_TOKEN).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {type(error).__name__}") from None


def _ask(method: str, url: str, bearer: str) -> dict[str, Any]:
    import httpx

    headers = {"Authorization": f"Bearer {bearer}", "Accept": "application/json"}
    try:
        answer = httpx.request(
            method,
            url,
            headers=headers,
            json={} if method == "POST" else None,
            timeout=TIMEOUT_S,
            follow_redirects=False,
        )
        answer.raise_for_status()
        found = answer.json()
    except httpx.HTTPStatusError as error:
        # Not its text: the address may carry what the job alone should know.
        raise CliError(f"the CI gives no token: it answers {error.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise CliError(f"the CI gives no token: {type(error).__name__}") from None
    return found if isinstance(found, dict) else {}


def _token_of(found: Any, who: str) -> str:
    if not isinstance(found, str) or not found:
        raise CliError(f"{who} answered without a token")
    return found
