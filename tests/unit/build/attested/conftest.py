"""The shop's CI is trusted, and speaks to the real API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from answers import Held
from attesting import TRUST, Ci
from house import PLATFORM, House
from issuers import AUDIENCE, Issuer, issuing
from servers import Settings

from clearway import build
from clearway.api import create_app
from clearway.integrations.oidc_issuers import FetchedIssuers


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.fixture
def ci(tmp_path: Path, issuer: Issuer) -> Iterator[Ci]:
    house = House(tmp_path, platform=PLATFORM.replace("/nowhere", str(tmp_path / "work")))
    house.database.clock = lambda: datetime.now(UTC)
    house.database.tools[build.Workshop] = build.Workshop(tmp_path / "builds", reserve_bytes=0)
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
    client = Held(create_app(house.database, Settings(tmp_path)), raise_server_exceptions=False)
    yield Ci(house, issuer, client)
    client.close()
    house.database.dispose()
