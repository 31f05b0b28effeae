"""A repository, its mirror, and a catalog with services in it: for histories that are made by script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from databases import make_database
from repositories import Made

from clearway import access, catalog, changes
from clearway.kernel import Actor, by_kind, load_documents
from clearway.source import Mirrors

PLATFORM = """
{kind: Team, name: web}
---
{kind: Environment, name: prod, type: production, order: 1}
---
{kind: Route, name: straight, environments: [prod]}
"""


class World:
    """A repository, its mirror, and a catalog with services in it."""

    def __init__(self, folder: Path) -> None:
        self.made = Made(folder / "work")
        self.mirrors = Mirrors(folder / "mirrors")
        self.database = make_database(folder, tools={Mirrors: self.mirrors})
        self.apply(PLATFORM)

    def apply(self, text: str) -> None:
        documents = [model for model, _ in load_documents(text, "p.yaml", by_kind(catalog.KINDS))]
        with self.database.begin() as uow:
            if not access.users(uow):
                access.bootstrap(uow)
            catalog.apply(uow, Actor("admin"), documents)

    def service(self, name: str = "shop", more: str = "") -> None:
        where = self.made.root
        self.apply(f"{{kind: Service, name: {name}, team: web, repository: {where}, route: straight{more}}}")

    def ask(self, name: str = "shop", **options: Any) -> changes.Proposed:
        self.mirrors.sync(name, str(self.made.root))
        with self.database.read() as uow:
            return changes.propose_version(uow, name, **options)

    def next(self, name: str = "shop", **options: Any) -> str | None:
        found = self.ask(name, **options).next.version
        return found.text if found else None

    def commit(self, message: str, path: str = "a") -> str:
        return self.made.commit({path: message}, message)
