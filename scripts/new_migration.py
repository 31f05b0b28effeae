"""Writes a migration for what the rooms' tables have beyond the latest: `new_migration.py pre|post WORDS`.

`pre` runs before the new code starts and must suit the old code too; `post` runs when no old code is left.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import tempfile
from datetime import UTC, datetime
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory

import clearway
from clearway.storage import Database, Instant, Json
from clearway.wiring import schema


def main() -> int:
    """Compare a database at the latest migration with the tables, and write the difference."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("pre", "post"):
        print("usage: python scripts/new_migration.py pre|post WORDS", file=sys.stderr)
        return 2
    import_tables()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/c.db", lambda: datetime.now(UTC))
        with database.engine.begin() as connection:
            config = schema.alembic_config(connection)
            command.upgrade(config, "head")
            number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
            config.attributes["render_item"] = render
            words = re.sub(r"\W+", "_", " ".join(sys.argv[2:]).lower())
            command.revision(
                config,
                message=" ".join(sys.argv[2:]),
                autogenerate=True,
                rev_id=f"{number:04}_{sys.argv[1]}_{words}",
            )
    return 0


def import_tables() -> None:
    """Every room's and edge's store."""
    for room in pkgutil.iter_modules(clearway.__path__, "clearway."):
        found = importlib.import_module(room.name) if room.ispkg else None
        for module in pkgutil.iter_modules(found.__path__, room.name + ".") if found else ():
            if module.name.endswith(".store"):
                importlib.import_module(module.name)


def render(kind: str, value: Any, context: Any) -> str | bool:
    """Our column types as what they are in the database, so that a migration needs no code of ours."""
    if kind == "type" and isinstance(value, Instant):
        return "sa.BigInteger()"
    if kind == "type" and value is Json:
        context.imports.add("from sqlalchemy.dialects.postgresql import JSONB")
        return 'sa.JSON().with_variant(JSONB(), "postgresql")'
    return False


if __name__ == "__main__":
    sys.exit(main())
