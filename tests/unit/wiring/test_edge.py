"""One application, told apart by path."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from clearway.wiring import edge, schema, settings, system

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/hooks/shop", 404, "there is no webhook at this address"),
        ("GET", "/hooks/shop", 405, "Method Not Allowed"),
        ("GET", "/artifacts/sha256:0", 401, "this needs a token"),
        ("GET", "/v1/repositories", 401, "this needs a token"),
        ("GET", "/healthz", 200, ""),
    ],
)
def test_each_path_has_its_edge(tmp_path: Path, method: str, path: str, status: int, said: str) -> None:
    """Webhooks and artifacts are faces, the API is the API."""
    built = system.build_system(settings.load(tmp_path))
    schema.upgrade(built.database, tmp_path)
    answer = TestClient(edge.application(built)).request(method, path)
    built.database.dispose()
    assert (answer.status_code, said in answer.text) == (status, True)
