"""A person with a browser: signs in, approves a promotion, and watches it finish on the open page."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.conftest import System

CHROMIUM = shutil.which("chromium")
SHOP = Path(__file__).parents[2] / "examples" / "shop" / "make_repository.py"
FIRST, PASSWORD = "set by the administrator", "correct horse battery staple"

pytestmark = [
    pytest.mark.journey,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install the package chromium"),
]

PLATFORM = """\
{{kind: Team, name: store, members: [dev]}}
---
{{kind: User, name: dev, email: dev@example.com, roles: [developer]}}
---
{{kind: User, name: backend, email: backend@example.com}}
---
{{kind: User, name: boss, roles: [release-manager]}}
---
{{kind: Environment, name: prod, order: 1, type: production, approvals: {{count: 1}},
 strategy: {{kind: canary, steps: [{{weight: 50, hold: 2s}}, {{weight: 100}}],
 judge: {{inconclusive: continue}}}}}}
---
{{kind: Route, name: straight, environments: [prod]}}
---
{{kind: Service, name: shop, team: store, repository: {repository}, route: straight}}
"""


@pytest.fixture
def shop(system: System, tmp_path_factory: pytest.TempPathFactory) -> System:
    """A running Clearway where two releases of the shop are built, and boss has a password."""
    folder = tmp_path_factory.mktemp("shop")
    subprocess.run([sys.executable, str(SHOP), str(folder / "repository")], check=True, capture_output=True)
    (folder / "platform.yaml").write_text(PLATFORM.format(repository=folder / "repository"))
    system.up()
    system.cli("apply", "--yes", str(folder / "platform.yaml"))
    with system.client() as client:
        answer = client.post("/v1/users/boss/password", json={"password": FIRST})
        assert answer.status_code == 204, answer.text
        body = {"name": "boss", "password": FIRST, "new_password": PASSWORD}
        assert client.post("/v1/sign-in", json=body).status_code == 201
    for version in ("1.0.0", "1.1.0"):
        system.cli("build", "shop", "--ref", f"v{version}", "--once", "--wait")
        system.cli("release", "shop", version)
    return system


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One Chromium for all."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


class Person:
    """Somebody before a screen; what the console complains about is kept."""

    def __init__(self, browser: Any, url: str, width: int, scheme: str) -> None:
        self.url = url
        self.width = width
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def sign_in(self, name: str) -> None:
        """By name and password, from wherever one wanted to go."""
        self.page.goto(self.url + "/approvals")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.get_by_role("heading", name="Approvals").wait_for()

    def fits(self) -> None:
        """The page itself never scrolls sideways."""
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.width, f"{self.page.url} is {wide} wide"


def ask(system: System, version: str) -> str:
    """The administrator asks for prod; the promotion's id."""
    with system.client() as client:
        body = {"service": "shop", "version": version, "environment": "prod", "reason": "spring"}
        answer = client.post("/v1/promotions", json=body)
        assert answer.status_code in (200, 201, 202), answer.text
        return str(answer.json()["id"])


@contextlib.contextmanager
def customers(system: System) -> Iterator[None]:
    """People who use the shop in prod, so that a canary has something to be judged by."""
    with system.client() as client:
        rows = client.get("/v1/overview").json()["services"]
    address = rows[0]["environments"]["prod"]["address"]
    stop = threading.Event()

    def come_again() -> None:
        with httpx.Client(base_url=address, timeout=5) as client:
            while not stop.is_set():
                with contextlib.suppress(httpx.HTTPError):
                    client.get("/")

    threads = [threading.Thread(target=come_again) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in threads:
            each.join()


def test_somebody_approves_and_watches_it_finish(shop: System, chromium: Any) -> None:
    """At a desk and on a phone, light and dark: the page that was open shows the end by itself."""
    for version, width, scheme in (("1.0.0", 1280, "light"), ("1.1.0", 390, "dark")):
        promotion = ask(shop, version)
        person = Person(chromium, shop.url, width, scheme)
        page = person.page
        person.sign_in("boss")
        page.get_by_role("link", name="Read the plan and decide").click()
        page.wait_for_url(f"**/promotions/{promotion}")
        assert f"shop {version} to prod waits for approval." in page.inner_text("#live")
        shown = page.locator("#plan .hash").first.inner_text()
        person.fits()
        page.get_by_label("Comment").fill("read the plan")
        page.get_by_role("button", name=f"Approve {version} for prod").click()
        page.get_by_text("Your signature is bound to the plan you saw.").wait_for()
        done = page.get_by_text(f"shop {version} to prod is done.").first
        if version == "1.0.0":  # nothing ran before, so there is nothing to compare it with
            done.wait_for(timeout=90_000)
        else:
            with customers(shop):
                page.locator(".charts canvas").nth(2).wait_for(timeout=60_000)
                page.get_by_text("The new version is no worse than the old one.").wait_for(timeout=60_000)
                done.wait_for(timeout=60_000)
            person.fits()
        assert "boss" in page.inner_text("#facts")
        person.fits()
        with shop.client() as client:
            made = client.get(f"/v1/promotions/{promotion}").json()
        assert made["state"] == "succeeded"
        assert [each["plan_hash"] for each in made["approvals"]] == [shown]
        page.goto(shop.url + "/")
        assert re.search(rf"shop[\s\S]*{re.escape(version)}", page.inner_text("#live"))
        person.fits()
        assert person.complaints == []
        person.context.close()


def test_the_keyboard_is_enough(shop: System, chromium: Any) -> None:
    """Skip link, shortcuts and their list; every stop of the Tab key can be seen."""
    person = Person(chromium, shop.url, 1280, "light")
    person.sign_in("boss")
    page = person.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    for _ in range(3):
        outlined = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outlined != "none"
        page.keyboard.press("Tab")
    page.locator("body").press("?")
    page.get_by_role("heading", name="Keyboard").wait_for()
    page.keyboard.press("Escape")
    page.locator("body").press("g")
    page.locator("body").press("b")
    page.wait_for_url("**/builds")
    page.get_by_role("link", name="shop 1.1.0").click()
    page.locator("[data-log] summary").first.wait_for()
    page.get_by_text(re.compile(r"^\d+ lines\.$")).wait_for()
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("body").press("t")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert person.complaints == []
    person.context.close()
