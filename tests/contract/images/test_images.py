"""The Images port: one suite for skopeo and the fake."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from registry import registry

from clearway.build import Images
from clearway.build.ports import FakeImages, Image
from clearway.integrations.images import Skopeo
from clearway.kernel import Permanent, is_digest

pytestmark = [pytest.mark.integration]


@dataclass
class Stock:
    """A way to images, and one that is there."""

    images: Images
    there: str

    def fetch(self, reference: str) -> Image:
        return self.images.fetch(reference, lambda data: None, lambda: None)


@pytest.fixture(params=["skopeo", "fake"])
def stock(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stock]:
    if request.param == "fake":
        there = "127.0.0.1:1/base@sha256:" + "1" * 64
        yield Stock(FakeImages({there: Image(there, there.rpartition("@")[2], tmp_path)}), there)
        return
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not on this machine")
    with registry() as kept:
        yield Stock(Skopeo(tmp_path / "images"), kept.image({"x": (0o644, b"x")}))


def test_an_image_is_brought_by_its_digest(stock: Stock) -> None:
    """Its files are there afterwards, and a second time too."""
    found = stock.fetch(stock.there)
    assert found.reference == stock.there
    assert is_digest(found.digest)
    assert found.path.is_dir()
    assert stock.fetch(stock.there) == found


def test_an_image_that_is_not_there_is_permanent(stock: Stock) -> None:
    """Trying again would not help; the image is named."""
    with pytest.raises(Permanent, match="0000"):
        stock.fetch(stock.there[:-8] + "00000000")


def test_an_exception_of_the_watch_ends_the_fetch(stock: Stock) -> None:
    """Cancelling goes through here, and nothing half is kept."""

    def watch() -> None:
        raise InterruptedError("stop")

    with pytest.raises(InterruptedError):
        stock.images.fetch(stock.there, lambda data: None, watch)
    assert stock.fetch(stock.there).path.is_dir()
