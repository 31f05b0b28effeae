"""The shop's CI is trusted, and speaks to the real API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attesting import Ci, trusting
from issuers import Issuer, issuing


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.fixture
def ci(tmp_path: Path, issuer: Issuer) -> Iterator[Ci]:
    with trusting(tmp_path, issuer) as made:
        yield made
