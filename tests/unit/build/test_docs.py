"""What the how-to shows is what Clearway reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clearway import build, catalog
from clearway.build.log import LOG_BYTES
from clearway.build.ports import Sandbox
from clearway.integrations.bubblewrap import Bubblewrap, Plain

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/how-to/build.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_a_definition(text: str) -> None:
    """A reader who copies it gets no error."""
    assert catalog.load_definition(text).build.recipe in ("python", "script")


def test_there_are_examples() -> None:
    """The page shows the python and the script recipe."""
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("sandbox", [Bubblewrap("bwrap"), Plain()], ids=lambda each: each.mode)
def test_the_page_names_the_builders(sandbox: Sandbox) -> None:
    """Who writes a gate finds the id to ask for."""
    assert f"`{sandbox.builder_id}`" in PAGE


def test_the_page_names_the_limit_of_the_log() -> None:
    """As it is."""
    assert f"({LOG_BYTES >> 20} MiB)" in PAGE


def test_the_shop_s_definition_is_one() -> None:
    """With the schema and the metrics that the demo judges by."""
    found = catalog.load_definition((ROOT / "examples/shop/clearway.yaml").read_text())
    assert found.canary is not None
    assert [each.name for each in found.canary.metrics] == ["errors", "latency"]
    assert set(found.config) == {"GREETING", "MAX_ITEMS", "API_KEY"}


def test_the_door_offers_what_it_says() -> None:
    """Every public name is there."""
    assert all(hasattr(build, name) for name in build.__all__)
