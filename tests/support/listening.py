"""A house whose repository a forge tells of, for tests of webhooks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from forges import AT, SECRET, Sent
from house import ROOT, House
from repositories import Made

from clearway import catalog, config, source
from clearway.faces import webhooks
from clearway.kernel import SYSTEM, FixedClock, by_kind, load_documents

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


class Listening:
    """A repository `shop-code` of a forge, with a secret, and the face that takes its deliveries."""

    def __init__(
        self, folder: Path, forge: str, secret: bytes = SECRET, *, postgres: bool = False, location: str = ""
    ) -> None:
        self.house = House(folder / "house", clock=FixedClock(AT), more_flows=source.FLOWS, postgres=postgres)
        self.database = self.house.database
        self.database.tools[source.Cipher] = self.database.tools[config.Cipher]
        self.made = Made(folder / "code")
        self.made.commit({"a.txt": "1"})
        self.forge = forge
        self.declare(location or str(self.made.root))
        if secret:
            self.set_secret(secret)
        self.app = webhooks.create_app(self.database)
        self.http = TestClient(self.app)

    def declare(self, location: str) -> None:
        """Say where it is, and whose webhooks it takes."""
        text = f"""
{{kind: Repository, name: shop-code, location: '{location}', forge: {self.forge}, poll: 0s}}
---
{{kind: Service, name: shop, team: store, repository: shop-code, route: standard}}
"""
        with self.database.begin() as uow:
            kinds = by_kind(catalog.KINDS)
            catalog.apply(uow, SYSTEM, [doc for doc, _ in load_documents(text, "platform.yaml", kinds)])

    def set_secret(self, secret: bytes) -> None:
        """What deliveries are signed with from now on."""
        with self.database.begin() as uow:
            source.set_credential(uow, ROOT, "shop-code", "webhook", secret.decode())

    def post(self, delivery: Sent, name: str = "shop-code", **more: str) -> Any:
        """Deliver."""
        headers = {**delivery.headers, **more}
        return self.http.post(f"/hooks/{name}", content=delivery.body, headers=headers)

    def deliveries(self) -> list[source.Delivery]:
        """What came, newest first."""
        with self.database.read() as uow:
            return list(source.deliveries(uow, "shop-code").items)

    def pull(self, number: int = 12) -> source.PullRequest | None:
        """What is known of a pull request."""
        with self.database.read() as uow:
            return source.pull_request(uow, "shop-code", number)

    def queued(self) -> int:
        """How many looks at the repository wait."""
        return sum(flow == "source.follow" for flow, _, _ in self.house.queue.waiting)

    def commit_of(self, ref: str = "main") -> str:
        """What the mirror has."""
        with self.database.read() as uow:
            return source.resolve(source.open_repo(uow, "shop"), ref)
