"""Every page in a real Chromium, at a desk and on a phone, light and dark: axe-core finds nothing to mend."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Settings, serving
from showcase import ROOT, Showcase

from clearway import access, incidents, releases, web
from clearway.web.guard import COOKIE

CHROMIUM = shutil.which("chromium")
LOOKS = [(1280, "light"), (390, "dark")]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PAGES = [
    "/", "/?q=nothing-like-it", "/?show=attention", "/services/shop", "/services/shop/next",
    "/services/shop/next?ref=none", "/cuts/cut_0_failed", "/services/shop/compare?since=none",
    "/services/shop/compare?environment=prod", "/services/shop/compare?since=1.0.0&audience=customers",
    "/services/shop/commits/main", "/services/shop/history", "/services/shop/history?path=shop",
    "/services/shop/history?path=shop/prices.py:5", "/services/shop/history?path=../x",
    "/releases", "/releases/shop/1.2.0",
    "/releases/shop/1.3.0/to/prod", "/promotions", "/approvals", "/builds", "/builds/bld_0_broken",
    "/reproductions/rep_1_different", "/reproductions/rep_0_failed", "/services/shop/reproducibility",
    "/services/till/reproducibility",
    "/builds/bld_0_broken?line=3", "/builds/bld_0_broken/search?text=fail", "/builds/bld_0_broken/search",
    "/incidents?show=all", "/figures", "/figures/shop/prod/change_fail_rate", "/audit", "/audit/3",
    "/audit/verify", "/trace?of=shop@1.1.0", "/environments", "/environments/prod",
    "/registries", "/registries/images", "/registries/images?like=none", "/registries/released",
    "/registries/all-images/package?of=shop", "/registries/images/package?of=shop&version=v1.0",
    "/repositories", "/repositories/tools", "/repositories/gone", "/repositories/till", "/where",
    "/trusted-ci",
    "/services/shop/violations", "/services/till/violations", "/configuration",
    "/configuration/shop", "/configuration/shop/prod/GREETING", "/calendar", "/people", "/people/rita",
    "/me", "/nowhere",
]  # fmt: skip

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install the package chromium"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    """Everything that pages can show."""
    house = Showcase(tmp_path_factory.mktemp("showcase")).fill()
    yield house
    house.database.dispose()


@pytest.fixture(scope="module")
def url(house: Showcase) -> Iterator[str]:
    """The pages over that house."""
    with serving(web.create_app(house.database, Settings(house.folder))) as found:
        yield found


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


def addresses(house: Showcase) -> list[str]:
    """Every kind of page, and every state of a promotion."""
    with house.database.read() as uow:
        by_state = {each.state: each.id for each in releases.promotions(uow, limit=100).items}
        lost = [f"/incidents/{each.id}" for each in incidents.incidents(uow).items]
    return PAGES + [f"/promotions/{each}" for each in by_state.values()] + lost


def signed_in(house: Showcase, chromium: Any, url: str, width: int, scheme: str) -> Any:
    """A page of somebody who may see everything."""
    with house.database.begin() as uow:
        token = access.create_token(uow, ROOT, scopes=("*",)).secret
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.add_cookies([{"name": COOKIE, "value": token, "url": url}])
    return context.new_page()


def problems(page: Any) -> list[str]:
    """What axe-core finds on the page as it is."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in found
    ]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing_to_mend(house: Showcase, chromium: Any, url: str, width: int, scheme: str) -> None:
    """Contrast, names, headings, landmarks, tables; and no page scrolls sideways."""
    page = signed_in(house, chromium, url, width, scheme)
    wrong: dict[str, Any] = {}
    for path in addresses(house):
        page.goto(url + path)
        if page.locator("[data-series]").count():
            page.locator(".charts canvas").first.wait_for()
        if page.locator("[data-log]").count():
            page.locator("[data-log] summary").first.wait_for()
        if found := problems(page):
            wrong[path] = found
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            wrong[f"{path} is wide"] = wide
    page.context.close()
    assert wrong == {}


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_way_in_can_be_used_by_everybody(chromium: Any, url: str, width: int, scheme: str) -> None:
    """Signing in comes before everything else."""
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(url + "/sign-in")
    assert problems(page) == []
    page.close()


def test_with_everything_open_there_is_still_nothing_to_mend(
    house: Showcase, chromium: Any, url: str
) -> None:
    """The menu of a phone, every folded part, the list of shortcuts, the charts as a table."""
    page = signed_in(house, chromium, url, 390, "light")
    back = house.one("rolled-back")
    for path in (f"/promotions/{back.id}", "/releases/shop/1.2.0", "/figures?service=shop"):
        page.goto(url + path)
        if page.locator("[data-series]").count():
            page.locator(".chart-table").wait_for(state="attached")
        page.get_by_role("button", name="Menu").click()
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        assert problems(page) == [], path
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{path} is {wide} wide"
    page.locator("body").press("?")
    page.get_by_role("heading", name="Keyboard").wait_for()
    assert problems(page) == []
    page.context.close()


def test_the_menu_opens_and_closes_by_keyboard(house: Showcase, chromium: Any, url: str) -> None:
    """Escape closes what is open, and the focus stays where it was."""
    page = signed_in(house, chromium, url, 1280, "light")
    page.goto(url + "/")
    summary = page.locator(".more-nav > summary")
    summary.focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Calendar").wait_for()
    page.keyboard.press("Escape")
    assert not page.get_by_role("link", name="Calendar").is_visible()
    assert page.evaluate("document.activeElement.matches('.more-nav > summary')")
    page.locator("body").press("g")
    page.locator("body").press("c")
    page.wait_for_url("**/calendar")
    page.context.close()


def test_an_audit_prints_what_happened_when_and_no_buttons(
    house: Showcase, chromium: Any, url: str, tmp_path: Path
) -> None:
    """On paper: dark letters on white whatever the theme, exact times with their zone, nothing to press."""
    page = signed_in(house, chromium, url, 1280, "dark")
    page.goto(url + "/audit")
    page.emulate_media(media="print")
    assert not page.locator(".top").is_visible()
    assert not page.locator(".filters").is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    told = page.evaluate("getComputedStyle(document.querySelector('td time'), '::after').content")
    assert told.endswith(' UTC"')
    page.context.close()
