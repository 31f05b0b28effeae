"""The OpenAPI document: what FastAPI knows of the routes, and what they said of their answers.

Made when somebody asks for it. Each operation gets a summary, its permission in the description, the form of
its answers, and every error that it may answer with, as `application/problem+json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from threading import Lock
from typing import Any

from fastapi import FastAPI

from .guard import MARK, TOLD

_SENTENCE = re.compile(r"(.+?)(?:[.;:](?:\s|$)|$)", re.DOTALL)
_TEXT = {"type": "string"}
_REF = "#/components/{}/{}"
_PROBLEM_TYPE = "application/problem+json"

# What a status is called in the document, what it means, and an example of it.
ERRORS: Mapping[int, tuple[str, str, dict[str, Any]]] = {
    401: (
        "Unauthenticated",
        "Nobody knows who is asking: no token, an unknown one, an expired or a revoked one.",
        {"detail": "this needs a token", "expected": "Authorization: Bearer cwy_..."},
    ),
    403: (
        "Refused",
        "The token, or the roles of its owner, do not reach this; it says who would.",
        {"detail": "no role of vera allows promotion:create in prod", "action": "promotion:create"},
    ),
    404: ("NotFound", "There is no such thing.", {"detail": "there is no promotion prm_01jd"}),
    409: (
        "Conflict",
        "It is there, but in another state or with another content; a gate refused; or the Idempotency-Key "
        "was used for another request.",
        {"detail": "the plan changed since it was read", "todo": "Read it again, and decide again."},
    ),
    412: (
        "Changed",
        "It changed since it was looked at (If-Match); nothing was done.",
        {"detail": "what you looked at has changed since; nothing was done"},
    ),
    413: (
        "TooLarge",
        "The body of the request is too large; nothing was changed.",
        {"expected": "at most 8388608 bytes"},
    ),
    422: (
        "Invalid",
        "The request does not have the form that the route asks for; every problem is listed.",
        {
            "detail": "`enviroment` is not known here; did you mean `environment`?",
            "where": "body.enviroment",
            "problems": [
                {
                    "where": "body.enviroment",
                    "message": "`enviroment` is not known here; did you mean `environment`?",
                    "expected": "one of service, version, environment, reason, override_freeze",
                    "given": '"prod"',
                }
            ],
        },
    ),
}
_TITLES = {
    401: "Not signed in",
    403: "Refused",
    404: "Not found",
    409: "Conflict",
    412: "It changed meanwhile",
}
_TITLES |= {413: "Too large", 422: "The input is not valid"}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457: what is wrong, where, what was expected, what to do.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            **_TEXT,
            "description": "Which sort of problem, as a URN.",
            "examples": ["urn:clearway:problem:notfound"],
        },
        "title": {**_TEXT, "description": "The sort in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {**_TEXT, "description": "What is wrong, in a sentence."},
        "where": {**_TEXT, "description": "In which file and line, or which field."},
        "expected": {**_TEXT, "description": "What would have been right."},
        "given": {**_TEXT, "description": "What was there instead; never of a secret."},
        "todo": {**_TEXT, "description": "What to do about it."},
        "problems": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Each of several problems: where, message, expected, given.",
        },
        "gates": {
            "type": "array",
            "items": {"$ref": _REF.format("schemas", "Verdict")},
            "description": "The gates that refused, and what would change their mind.",
        },
        "error_id": {**_TEXT, "description": "Of a fault of ours: what to look for in the server's log."},
    },
}  # fmt: skip
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "The same key with the same request within a day is done once, and answered the same.",
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": _TEXT,
    "description": "The ETag of what was looked at; 412 when it changed since.",
}
# What people send, for those requests whose fields do not say it all.
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "BuildBody": {"service": "shop", "ref": "v1.4.2", "twice": True},
    "ReleaseBody": {"service": "shop", "version": "1.4.2"},
    "PromotionBody": {"service": "shop", "version": "1.4.2", "environment": "prod", "reason": "prices"},
    "DecisionBody": {"plan_hash": "sha256:" + "3f" * 32, "comment": "read the plan"},
    "RollbackBody": {"service": "shop", "environment": "prod", "reason": "checkout is slow"},
    "TokenBody": {"name": "ci", "scopes": ["build:*", "release:create"], "expires_in": "30d"},
    "ValueBody": {"key": "GREETING", "value": "Good day", "reason": "more polite"},
    "IncidentBody": {"service": "shop", "environment": "prod", "summary": "checkout is down"},
}


def describe(app: FastAPI) -> None:
    """Have the application make its document like this."""
    plain, alone = app.openapi, Lock()
    whole: list[dict[str, Any]] = []

    def described() -> dict[str, Any]:
        with alone:  # FastAPI keeps its document before ours is complete: a second asker must wait for it
            if not whole:
                whole.append(_complete(plain()))
            return whole[0]

    app.openapi = described  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    from .answers import schemas  # a hundred forms, which no request needs

    forms = {"Verdict"}
    for path in document["paths"].values():
        for method, operation in path.items():
            forms |= _tell(method, operation)
    parts = document.setdefault("components", {})
    job = {
        "description": "The OIDC token of a CI job that a TrustedCI document names.",
        "bearerFormat": "JWT",
    }
    bearer = {"type": "http", "scheme": "bearer"}
    parts["securitySchemes"] = {"token": bearer, "job": {**bearer, **job}}
    known = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of errors is not ours
        known.pop(name, None)
    for name, example in EXAMPLES.items():
        known[name]["examples"] = [example]
    known |= {"Problem": PROBLEM, **schemas(forms)}
    parts["responses"] = {ERRORS[status][0]: _error(status) for status in ERRORS}
    return document


def _tell(method: str, operation: dict[str, Any]) -> set[str]:
    """Complete one operation; returns the names of the forms that it speaks of."""
    told = operation.pop(TOLD)
    permission = operation.get(MARK)
    about = operation.get("description", "")
    found = _SENTENCE.match(about)
    operation["summary"] = " ".join(found.group(1).split()) if found else ""
    needed = f"Needs the permission `{permission}`." if permission else "Public: needs no token."
    operation["description"] = f"{about}\n\n{needed}"
    reading = method in ("get", "head")
    written = not reading and "409" in map(str, told["errors"])
    added = [_KEY] * written + [_IF_MATCH] * (412 in told["errors"])
    if added:
        operation.setdefault("parameters", []).extend(added)
    return _answers(operation, told, permission is not None)


def _answers(operation: dict[str, Any], told: Mapping[str, Any], guarded: bool) -> set[str]:
    responses = operation["responses"]
    responses.pop("422", None)
    success = next(status for status in responses if status.startswith("2"))
    responses[success]["description"] = "Done." if success == "204" else "The answer."
    responses[success].pop("content", None)
    if told["gives"]:
        responses[success]["content"] = dict(map(_content, told["gives"]))
    for status, name in told.get("also", {}).items():
        responses[str(status)] = {"description": "The answer.", "content": dict([_content(name)])}
    errors = {*told["errors"], *((401, 403) if guarded else ())}
    if operation.get("requestBody"):
        errors |= {413, 422}
    if operation.get("parameters"):
        errors.add(422)
    for status in sorted(errors):
        responses[str(status)] = {"$ref": _REF.format("responses", ERRORS[status][0])}
    responses["default"] = {
        "description": "What else went wrong: 503 when the same request may work later, 500 when not.",
        "content": {_PROBLEM_TYPE: {"schema": {"$ref": _REF.format("schemas", "Problem")}}},
    }
    return {name for name in [*told["gives"], *told.get("also", {}).values()] if "/" not in name}


def _content(name: str) -> tuple[str, dict[str, Any]]:
    """A media type and what it carries: a form by its name, or text, or bytes."""
    if "/" not in name:
        media = "application/schema+json" if name == "JsonSchema" else "application/json"
        return media, {"schema": {"$ref": _REF.format("schemas", name)}}
    return name, {"schema": {"type": "string", "format": "binary"} if name.endswith("gzip") else _TEXT}


def _error(status: int) -> dict[str, Any]:
    name, about, example = ERRORS[status]
    whole = {"type": f"urn:clearway:problem:{name.lower()}", "title": _TITLES[status], "status": status}
    content = {
        "schema": {"$ref": _REF.format("schemas", "Problem")},
        "example": {**whole, "detail": about} | example,
    }
    return {"description": about, "content": {_PROBLEM_TYPE: content}}
