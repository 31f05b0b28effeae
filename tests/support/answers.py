"""A client whose every answer must be what the OpenAPI document says of it, and nothing more."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every operation: method, path, and what is said of it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


class Document:
    """An application's OpenAPI document, as a judge of answers."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.components: dict[str, Any] = copy.deepcopy(dict(document["components"]))
        _close(self.components["schemas"])
        self.operations = {(method, path): each for method, path, each in operations(document)}

    def of(self, method: str, path: str) -> Mapping[str, Any] | None:
        """What is said of a request; None: nothing is there."""
        fitting = [key for key in self.operations if key[0] == method and _fits(key[1], path)]
        best = min(fitting, key=lambda key: (key[1].count("{"), key[1]), default=None)
        return None if best is None else self.operations[best]

    def problems(self, operation: Mapping[str, Any], status: int, media: str, body: Any) -> list[str]:
        """What the document does not say of an answer, or says otherwise."""
        responses = operation["responses"]
        told = responses.get(str(status)) or (responses["default"] if status >= 500 else None)
        if told is None:
            return [f"status {status} is not documented"]
        if "$ref" in told:
            told = self.components["responses"][told["$ref"].rpartition("/")[2]]
        content = told.get("content", {})
        if not content:
            return [] if body in (None, "", b"") else ["a body that is not documented"]
        if media not in content:
            return [f"the media type {media!r} is not documented"]
        if not media.endswith("json"):
            return []
        schema = {**content[media]["schema"], "components": self.components}
        found = Draft202012Validator(schema).iter_errors(body)
        return [f"{'.'.join(map(str, each.absolute_path))}: {each.message[:300]}" for each in found]


def _fits(template: str, path: str) -> bool:
    tail = r"[^/]+" if not template.startswith("/v1/trace/") else ".+"
    return re.fullmatch(re.sub(r"\{[^}]+\}", tail, template), path) is not None


def _close(schemas: dict[str, Any]) -> None:
    """Clients must bear fields that they do not know; here each field must be described."""
    for name, each in schemas.items():
        open_by_design = name in ("Problem", "Judgement", "Figure", "JsonSchema")
        if each.get("type") == "object" and "properties" in each and not open_by_design:
            each["additionalProperties"] = False


@cache
def judge(app: Any) -> Document:
    """The document of an application."""
    return Document(app.openapi())


class Held(TestClient):
    """A client that holds every answer against the document."""

    def request(self, method: str, url: Any, *args: Any, **options: Any) -> Any:
        """Ask, and compare."""
        answer = super().request(method, url, *args, **options)
        document = judge(self.app)
        operation = document.of(method.lower(), answer.request.url.path)
        if operation is None or answer.status_code == 304:
            return answer
        media = answer.headers.get("content-type", "").partition(";")[0]
        body = answer.json() if media.endswith("json") and answer.content else answer.text
        found = document.problems(operation, answer.status_code, media, body)
        assert not found, (method, answer.request.url.path, answer.status_code, found)
        return answer


class Free(Held):
    """A client that holds nothing against the document: for faults that a route cannot have by itself."""

    def request(self, method: str, url: Any, *args: Any, **options: Any) -> Any:
        """Ask."""
        return TestClient.request(self, method, url, *args, **options)
