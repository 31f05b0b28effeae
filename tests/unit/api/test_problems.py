"""What goes wrong is said in one form, and nothing leaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clearway import catalog
from clearway.kernel import Conflict, Invalid, NotFound, Permanent, Refused, Retry


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("bad", where="a.yaml:3", expected="good", todo="Mend it.", detail={"extra": [1]}), 422),
        (NotFound("gone"), 404),
        (Conflict("other"), 409),
        (Refused("no", detail={"policy": "p", "status": "lies"}), 403),
        (Retry("busy"), 503),
        (Permanent("dead"), 500),
    ],
)
def test_every_error_has_its_status_and_its_parts(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Any, status: int
) -> None:
    """Every part arrives; details cannot overwrite the form's own members."""

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(catalog, "teams", fail)
    answer = client(held=False).get("/v1/teams")  # not all of these are errors that this route can have
    found = answer.json()
    assert (answer.status_code, found["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert found["detail"] == error.message
    assert found.get("where") == error.where
    assert found.get("todo") == error.todo
    assert found.get("expected") == error.expected
    assert found.get("extra") == error.detail.get("extra")
    assert (answer.headers.get("retry-after") == "1") is isinstance(error, Retry)


def test_a_surprise_is_an_id_that_the_log_has_too(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown exception is a 500 with an id; its text and traceback stay in the log."""

    def fail(*_: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(catalog, "teams", fail)
    answer = client().get("/v1/teams")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.json()["error_id"] in capsys.readouterr().out


def test_a_request_of_the_wrong_form_lists_every_problem(client: Callable[..., Any]) -> None:
    """Unknown and mistyped members are named with their place, what was expected, and what was given."""
    answer = client().post("/v1/tokens", json={"user": 3, "sccopes": []})
    assert answer.status_code == 422
    problems = {each["where"]: each for each in answer.json()["problems"]}
    assert set(problems) == {"body.user", "body.sccopes"}
    assert problems["body.sccopes"]["message"] == "`sccopes` is not known here; did you mean `scopes`?"
    assert problems["body.sccopes"]["expected"] == "one of user, name, scopes, environments, expires_in"
    assert problems["body.user"]["message"] == "`user` is 3, not text"
    found = answer.json()
    assert (found["where"], found["expected"], found["given"]) == ("body.user", "text", "3")
    assert found["detail"] == "`user` is 3, not text (and 1 more)"
    assert "TokenBody in /openapi.json" in found["todo"]
    assert client().get("/v1/teams?limit=0").json()["problems"][0]["where"] == "query.limit"


@pytest.mark.parametrize(
    ("content", "message", "expected"),
    [
        (b"{", "the body is not JSON: ", "a JSON object"),
        (b"", "the body is missing", "an object with service, environment, reason and perhaps to"),
        (b"[1]", "the body is not a JSON object", "an object with service, environment, reason"),
        (b'{"environment": "e", "reason": "r"}', "`service` is missing", "text"),
        (
            b'{"service": "s", "environment": "e", "reason": ""}',
            '`reason` is "", not text of',
            "of at least 1",
        ),
        (
            b'{"service": ["s"], "environment": "e", "reason": "r"}',
            "`service` is a list of 1, not text",
            "text",
        ),
    ],
)
def test_what_was_expected_is_said(
    client: Callable[..., Any], content: bytes, message: str, expected: str
) -> None:
    """Whatever is wrong with a body: not only where to read about it."""
    answer = client().post("/v1/rollbacks", content=content, headers={"Content-Type": "application/json"})
    found = answer.json()
    assert answer.status_code == 422
    assert found["detail"].startswith(message), found
    assert expected in found["expected"], found


def test_a_wrong_form_repeats_no_secret(client: Callable[..., Any]) -> None:
    """Neither a secret of the wrong type nor one under a misspelt name is in the answer."""
    admin = client()
    wrong = {"password": ["hunter2"], "pasword": "hunter2", "current": {"x": "hunter2"}}
    answer = admin.post("/v1/users/admin/password", json=wrong)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert {each["where"] for each in answer.json()["problems"]} == {f"body.{name}" for name in wrong}
    answer = admin.put("/v1/config/s/e/secret", json={"key": "K", "value": 12345678, "vallue": 12345678})
    assert answer.status_code == 422
    assert "12345678" not in answer.text


def test_what_is_not_there_says_so(client: Callable[..., Any]) -> None:
    """Unknown addresses, methods and things are problems too."""
    admin = client()
    assert admin.get("/v1/nothing").json()["title"] == "Not Found"
    assert admin.delete("/v1/teams").status_code == 405
    answer = admin.get("/v1/services/shop")
    assert answer.status_code == 404
    assert "shop" in answer.json()["detail"]


def test_a_body_that_is_too_large_is_refused_unread(client: Callable[..., Any]) -> None:
    """By its Content-Length, and by counting when it has none."""
    admin = client(max_body=1000)
    big = b'{"files": {"a": "' + b"x" * 2000 + b'"}}'
    assert admin.post("/v1/apply", content=big).status_code == 413
    answer = admin.post("/v1/apply", content=iter([big[:900], big[900:]]))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_carries_its_id_and_safe_headers(client: Callable[..., Any]) -> None:
    """The request id is the client's own when it is a plain word, else a new one."""
    nobody = client(None)
    answer = nobody.get("/healthz", headers={"X-Request-Id": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert nobody.get("/healthz", headers={"X-Request-Id": "a b"}).headers["x-request-id"].startswith("req_")
    for name in ("x-content-type-options", "x-frame-options", "content-security-policy", "referrer-policy"):
        assert name in answer.headers
    assert "x-request-id" in nobody.get("/v1/teams").headers


def test_every_request_is_one_line_in_the_log(
    client: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who asked for what, how it ended, under which id; also of a refusal, and never the token."""
    answer = client("vic").post("/v1/apply", json={"files": {}})
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "/v1/apply" in each]
    assert answer.status_code == 403
    for part in ("vic", "403", answer.headers["x-request-id"]):
        assert part in line
    assert "cwy_" not in line
