"""A platform with registries for npm packages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import make_database

from clearway import access, catalog
from clearway.access import UserDocument
from clearway.artifacts import Signer
from clearway.artifacts.ports import MemorySigner
from clearway.kernel import SYSTEM, by_kind, load_documents
from clearway.storage import Blobs, Database, FileBlobs

PLATFORM = """
{kind: Registry, name: js, format: npm}
---
{kind: Registry, name: released, format: npm, maturity: release, anonymous: read}
---
{kind: Registry, name: all, format: npm, mode: group, members: [released, js]}
---
{kind: Registry, name: tools, format: generic}
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    tools: dict[type[Any], Any] = {Blobs: FileBlobs(tmp_path / "blobs"), Signer: MemorySigner()}
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC), tools=tools)
    with database.begin() as uow:
        people = [UserDocument(name="dev", roles=["developer"]), UserDocument(name="admin", roles=["admin"])]
        access.apply(uow, SYSTEM, [*people, UserDocument(name="auditor", roles=["auditor"])])
        documents = load_documents(PLATFORM, "p.yaml", by_kind(catalog.KINDS))
        catalog.apply(uow, SYSTEM, [each for each, _ in documents])
    yield database
    database.dispose()
