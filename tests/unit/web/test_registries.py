"""Registries on pages: found, shown, promoted by a form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from showcase import Showcase

from clearway import artifacts
from clearway.catalog import Registry
from clearway.web.clients import setup

Open = Callable[..., Any]


def test_a_version_is_promoted_from_its_page(arrive: Open, tmp_path: Path) -> None:
    """By whoever may; afterwards the other registry's page says so."""
    house = Showcase(tmp_path)
    house.packages()
    address = "/registries/images/package?of=shop&version=1.0"
    assert "Promote 1.0" not in arrive(house, "vera").get(address).text
    asked = {"package": "shop", "version": "1.0", "to": "released", "reason": "tested"}
    answer = arrive(house, "rita").form(address, "/registries/images/promote", **asked)
    assert "is in released, with the same digests" in answer.text
    with house.database.read() as uow:
        assert [each.version for each in artifacts.files_of(uow, "released", "shop")] == ["1.0"]
    house.database.dispose()


def test_a_group_shows_whose_a_name_is(filled: Showcase, arrive: Open) -> None:
    """The member that the name belongs to, with its versions."""
    vera = arrive(filled, "vera")
    assert "the name belongs to" in vera.get("/registries/all-images/package?of=shop").text
    assert vera.get("/registries/images/package?of=none").status_code == 404


@pytest.mark.parametrize("form", ["pypi", "maven", "npm", "generic"])
def test_each_format_has_lines_to_copy(form: str) -> None:
    """With the address that people use, and TOKEN where theirs goes."""
    lines = setup(Registry.model_validate({"name": "ours", "format": form}), "https://clearway.example")
    assert all("clearway.example" in each.text or "TOKEN" in each.text for each in lines)
    assert any("/ours" in each.text for each in lines)
