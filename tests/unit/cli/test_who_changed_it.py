"""The guide to who changed what shows what the command says, word for word."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from house import DEFINITION, House
from servers import Settings, serving

from clearway import access, source
from clearway.api import create_app
from clearway.kernel import SYSTEM, Actor
from clearway.source import PullRequest

GUIDE = (Path(__file__).parents[3] / "docs" / "how-to" / "who-changed-it.md").read_text(encoding="utf-8")
SERVICE = (
    "{kind: Service, name: shop, team: store, repository: /nowhere, route: standard, "
    "tickets: [{prefix: SHOP-, url: 'https://jira.example.com/browse/{ticket}'}]}"
)
ANA, BEN = "Ana Diaz <ana@example.com>", "Ben Okoro <ben@example.com>"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def story(house: House) -> House:
    """Four commits and two releases: written, put into a class, moved and mended, mended again."""
    house.apply(SERVICE)
    made, plain = house.made, "def total(prices):\n    return sum(prices)\n"
    with house.database.begin() as uow:
        people = [access.UserDocument(name=name, email=f"{name}@example.com") for name in ("ana", "ben")]
        access.apply(uow, SYSTEM, people)
    first = {"clearway.yaml": DEFINITION, ".mailmap": "Dana Ruiz <dev@example.com>\n"}
    made.commit({**first, "prices.py": f"RATE = 20\n\n{plain}"}, "feat: totals (SHOP-4)", ANA)
    made.git("branch", "1.0.0-line")
    house.mirrors.sync("shop", str(made.root))
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    block = "".join(f"    {line}\n" for line in plain.splitlines())
    made.commit({"prices.py": f"RATE = 20\n\nclass Cart:\n{block}"}, "refactor: a cart has the total", BEN)
    (made.root / "shop").mkdir()
    made.git("mv", "prices.py", "shop/prices.py")
    fixed = block.replace("sum(prices)", "round(sum(prices), 2)")
    message = "fix: round the total (SHOP-7)\n\nReviewed-by: Cleo Marsh <cleo@example.com>"
    sha = made.commit({"shop/prices.py": f"RATE = 20\n\nclass Cart:\n{fixed}"}, message, BEN)
    house.mirrors.sync("shop", str(made.root))
    with house.database.begin() as uow:
        told = PullRequest(
            "shop", 31, "Round the total", "", "ben-o", "merged", "main", sha, "", (), ("ana-d",), (),
            uow.now(), sha, "ana-d", uow.now(),
        )  # fmt: skip
        source.record_pull_request(uow, told)
    house.release("1.1.0")
    house.to("dev", "1.1.0")
    made.commit({"shop/prices.py": f"RATE = 21\n\nclass Cart:\n{fixed}"}, "feat: the new rate", ANA)
    house.mirrors.sync("shop", str(made.root))
    return house


@pytest.fixture
def url(story: House, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with story.database.begin() as uow:
        monkeypatch.setenv("CLEARWAY_TOKEN", access.create_token(uow, Actor("dana")).secret)
    with serving(create_app(story.database, Settings(story.folder))) as address:
        monkeypatch.setenv("CLEARWAY_URL", address)
        yield address
    structlog.reset_defaults()


def test_the_guide_shows_what_the_command_says(url: str, run: Callable[..., Any]) -> None:
    """Each command of the guide runs, and the first one's answer is the one that is shown."""
    commands = [line.partition("  #")[0] for text in blocks("sh") for line in text.splitlines() if line]
    assert len(commands) >= 5
    answers = [run(*shlex.split(command)[1:]) for command in commands]
    assert [(each.code, each.err) for each in answers if each.code] == []
    shown = [line.rstrip() for line in blocks("text")[0].splitlines()]
    assert [line.rstrip() for line in answers[0].out.splitlines()] == shown
