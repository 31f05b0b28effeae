"""The pages about webhooks are true."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from forges import SECRET

from clearway.faces.webhooks.app import MOST_BYTES
from clearway.faces.webhooks.forges import FORGES
from clearway.faces.webhooks.reading import Fields
from clearway.faces.webhooks.signatures import TOLERANCE_S
from clearway.source import Outcome
from clearway.source.deliveries import KEPT

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def page() -> str:
    return (DOCS / "reference/webhooks.md").read_text(encoding="utf-8")


def test_the_example_of_the_generic_form_is_read(page: str) -> None:
    """What the page shows can be sent as it stands."""
    (text,) = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    facts = FORGES["generic"].read("shop", "pull_request", Fields(json.loads(text)))
    assert facts.pull_request is not None
    assert facts.pull_request.merge_commit
    assert [each.reviewer for each in facts.reviews] == ["rita"]


def test_every_forge_and_every_outcome_is_explained(page: str) -> None:
    """Nothing that the interface answers is left out."""
    told = set(re.findall(r"`([a-z-]+)`", page))
    assert {*FORGES, *get_args(Outcome)} <= told


def test_the_limits_are_those_of_the_code(page: str) -> None:
    """Sizes and spans are said as they are."""
    assert f"{MOST_BYTES // 2**20} MiB" in page
    assert TOLERANCE_S == 300
    assert f"{KEPT.days} days" in page


def test_the_shell_example_signs_what_is_believed(tmp_path: Path) -> None:
    """The lines for openssl and curl, as they stand in the guide, make a delivery that is taken."""
    guide = (DOCS / "how-to/follow-a-repository.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```sh\n(body=.*?)^```", guide, re.DOTALL | re.MULTILINE)
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\nfor each in "$@"; do printf "%s\\n" "$each"; done\n')
    curl.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SECRET": SECRET.decode()},
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    headers = dict(each.split(": ", 1) for each in words if ": " in each and each.startswith(("web", "con")))
    body = words[words.index("-d") + 1].encode()
    assert FORGES["generic"].is_signed(headers, body, [SECRET], datetime.now(UTC))
