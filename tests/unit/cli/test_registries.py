"""`clearway registry`: what is there, what belongs to a version, promoting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from house import ROOT, House

from clearway import artifacts, catalog
from clearway.cli import exits
from clearway.cli.commands.registries import size_of
from clearway.storage import Blobs

PLATFORM = """
{kind: Registry, name: tools, format: generic, team: store}
---
{kind: Registry, name: released, format: generic, maturity: release}
---
{kind: Registry, name: proven, format: generic, maturity: release, requires: [sbom]}
"""


def test_a_package_is_found_and_promoted(house: House, by: Callable[..., Any]) -> None:
    """Listed, shown with its closure, tried, promoted; what it lacks is told, with exit code 1."""
    house.apply(PLATFORM)
    with house.database.begin() as uow:
        tools = catalog.registry(uow, "tools")
        blob = uow.tool(Blobs).put([b"x" * 3000])
        names = {"package": "jq", "version": "1.7", "path": "jq/1.7/jq"}
        file = artifacts.add_file(uow, ROOT, tools, blob=blob, **names)  # type: ignore[arg-type]
        artifacts.set_tag(uow, ROOT, tools, "jq", "latest", "1.7")
    assert "2.9 KiB" in by("vera", "registry", "list").out
    assert by("vera", "registry", "packages", "tools", "--like", "q").out == "jq\n"
    assert "latest" in by("vera", "registry", "versions", "tools", "jq").out
    shown = by("vera", "registry", "show", "tools", "jq", "latest", "--json").json
    assert [each["digest"] for each in shown["files"]] == [file.digest]
    asked = ("registry", "promote", "tools", "jq", "latest")
    tried = by("rita", *asked, "--to", "proven", "--dry-run")
    assert (tried.code, "it lacks sbom, which proven asks for" in tried.out) == (exits.FAILED, True)
    tried = by("rita", *asked, "--to", "released", "--dry-run")
    assert (tried.code, "nothing was done" in tried.out) == (0, True)
    assert by("quin", *asked, "--to", "released", "-m", "tested").code != 0
    done = by("rita", *asked, "--to", "released", "-m", "tested")
    assert (done.code, "with the same digests" in done.out) == (0, True)
    assert by("vera", "registry", "packages", "released").out == "jq\n"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (10 << 20, "10 MiB"), (3 << 40, "3.0 TiB")],
)
def test_sizes_are_said_as_people_say_them(count: int, text: str) -> None:
    """Two digits are enough."""
    assert size_of(count) == text
