"""Real source packages, with several build backends, built and built again: `make test-packages`.

They are fetched from the index, so this is a tier of its own. What comes out is the table in
docs/reference/reproducibility.md; each row that is not bit-identical has its cause there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from real import NPM, PACKAGES, Npm, Package, Row, Tried, table

from clearway.integrations.bubblewrap import Bubblewrap

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("CLEARWAY_PACKAGES"), reason="fetches packages from the index: make test-packages"
    ),
]
ROWS: list[Row] = []


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if reason := Bubblewrap().usable():
        pytest.skip(f"bubblewrap cannot be used here: {reason}")
    yield tmp_path_factory.mktemp("wheelhouse")
    print("\n" + table(ROWS))
    if target := os.environ.get("CLEARWAY_PACKAGES_TABLE"):
        Path(target).write_text(table(ROWS), encoding="utf-8")


def name_of(package: Package | Npm) -> str:
    return package.name


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_a_wheel_is_made_again(package: Package, wheelhouse: Path, tmp_path: Path) -> None:
    """The same bytes twice; with everything otherwise too, or with a cause that has a name."""
    row = Tried(tmp_path, wheelhouse, package).wheel()
    ROWS.append(row)
    assert row.twice
    assert (row.verdict == "identical") != bool(row.causes)


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_an_sdist_is_made_again(package: Package, wheelhouse: Path, tmp_path: Path) -> None:
    """Or the cause has a name: setuptools writes the clock into it."""
    row = Tried(tmp_path, wheelhouse, package).sdist()
    ROWS.append(row)
    assert (row.verdict == "identical") != bool(row.causes)


@pytest.mark.skipif(not shutil.which("npm") or not shutil.which("node"), reason="no Node with npm")
@pytest.mark.parametrize("package", NPM, ids=name_of)
def test_an_npm_tarball_is_made_again(package: Npm, wheelhouse: Path, tmp_path: Path) -> None:
    """The same bytes, whatever is otherwise: we put the tarball together ourselves."""
    row = Tried(tmp_path, wheelhouse, package).npm()
    ROWS.append(row)
    assert row.twice
    assert row.verdict == "identical", row.causes
