"""A house whose shop another CI builds: a real issuer, real git, the real API."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from answers import Held
from house import House
from issuers import Issuer, azure_devops, github, gitlab, sign

from clearway import build

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


Forge = Callable[..., dict[str, Any]]
FORGES: Mapping[str, Forge] = {"hub": github, "lab": gitlab, "azure": azure_devops}
