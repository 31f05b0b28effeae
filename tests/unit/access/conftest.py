"""A database with a few people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import make_database

from clearway import access
from clearway.access import RoleDocument, UserDocument
from clearway.kernel import SYSTEM
from clearway.storage import Database

PEOPLE = [
    UserDocument(name="admin", roles=["admin"]),
    UserDocument(name="dana", full_name="Dana Devine", email="Dana@shop.example", roles=["developer"]),
    UserDocument(name="ana", groups=["board"], aliases=["ana@home.example"]),
    UserDocument(name="bot", account="robot", roles=["admin"]),
    UserDocument(name="audra", roles=["auditor"]),
    RoleDocument(
        name="production-approvers", role="approver", environments=["uat", "prod"], groups=["board"]
    ),
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = make_database(tmp_path)
    with database.begin() as uow:
        access.apply(uow, SYSTEM, PEOPLE)
    yield database
    database.dispose()
