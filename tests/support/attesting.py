"""A house whose shop another CI builds: a real issuer, real git, the real API."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from answers import Held
from house import PLATFORM, House
from issuers import AUDIENCE, Issuer, azure_devops, github, gitlab, sign
from servers import Settings

from clearway import build
from clearway.api import create_app
from clearway.integrations.oidc_issuers import FetchedIssuers

TRUST = """
{{kind: TrustedCI, name: {name}, forge: {forge}, issuer: "{issuer}", audience: "{audience}",
 services: [{{service: shop, repositories: ["{repository}"], refs: [refs/heads/main, "refs/tags/v*"]}}]}}
"""


@dataclass
class Ci:
    """A CI that is trusted for the shop, and the API that it speaks to."""

    house: House
    issuer: Issuer
    client: Held

    def token(self, sha: str = "", key: Any = None, algorithm: str = "RS256", **more: Any) -> str:
        """A token of a job for the newest commit of main."""
        commit = sha or self.house.made.git("rev-parse", "HEAD")
        return sign(github(self.issuer.url, commit, **more), key, algorithm)

    def send(
        self,
        token: str,
        artifacts: Mapping[str, bytes] | None = None,
        evidence: Mapping[str, bytes] | None = None,
        service: str = "shop",
        version: str = "",
        **headers: str,
    ) -> Any:
        """What `clearway attest` sends."""
        named = [("artifact", *each) for each in (artifacts or {"shop.tar": b"built"}).items()]
        named += [("evidence", *each) for each in (evidence or {}).items()]
        parts = [
            (field, (name, data, "application/octet-stream", {"Repr-Digest": digest(data), **headers}))
            for field, name, data in named
        ]
        return self.client.post(
            "/v1/attestations",
            params={"service": service, "version": version},
            files=parts,
            headers={"Authorization": f"Bearer {token}"},
        )

    def builds(self) -> list[build.Build]:
        """Every build, newest first."""
        with self.house.database.read() as uow:
            return list(build.list(uow).items)


def digest(data: bytes) -> str:
    """As a part names it."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


@contextmanager
def trusting(folder: Path, issuer: Issuer) -> Iterator[Ci]:
    """A house that trusts the issuer as each of the three forges, for its shop."""
    house = House(folder, platform=PLATFORM.replace("/nowhere", str(folder / "work")))
    house.database.clock = lambda: datetime.now(UTC)
    house.database.tools[build.Workshop] = build.Workshop(folder / "builds", reserve_bytes=0)
    house.database.tools[build.Issuers] = FetchedIssuers()
    for name, forge, repository, audience in (
        ("hub", "github", "acme/shop", AUDIENCE),
        ("lab", "gitlab", "acme/shop", AUDIENCE),
        (
            "azure",
            "azure-devops",
            "https://dev.azure.com/acme/store/_git/shop",
            "api://AzureADTokenExchange",
        ),
    ):
        path = "" if forge == "github" else f"/{name}"
        house.apply(
            TRUST.format(
                name=name, forge=forge, issuer=issuer.url + path, repository=repository, audience=audience
            )
        )
    client = Held(create_app(house.database, Settings(folder)), raise_server_exceptions=False)
    try:
        yield Ci(house, issuer, client)
    finally:
        client.close()
        house.database.dispose()


Forge = Callable[..., dict[str, Any]]
FORGES: Mapping[str, Forge] = {"hub": github, "lab": gitlab, "azure": azure_devops}
