"""Environments, configuration, the calendar, people: what is declared, and who may see and change it."""

from __future__ import annotations

import re

import pytest
from showcase import ROOT, Showcase

from clearway import access, config, releases
from clearway.releases.calendar import CalendarDocument


def words(html: str) -> str:
    """What a reader sees, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_an_environment_shows_what_it_asks_and_who_may(look) -> None:
    """Its gates with their rules and reasons, its strategy, and the people by name."""
    text = words(look("rita").get("/environments/prod").text)
    assert "10 % of the traffic, for 10 s" in text
    assert "evidence.tests" in text
    assert re.search(r"approve one [a-z, ]*rita", text)
    assert "1.1.0" in text


def test_configuration_names_the_layer_of_every_value(look) -> None:
    """Who set it and why is one link away; what nobody set is the release's default."""
    rita = look("rita")
    text = rita.get("/configuration/shop").text
    assert "Good day" in text
    assert "this service, here" in text
    assert "default of the release" in text
    link = re.search(r'href="(/configuration/shop/prod/GREETING)"', text)
    assert link
    told = words(rita.get(link.group(1)).text)
    assert "more polite" in told
    assert "root" in told


def test_a_secret_is_shown_as_a_version_and_nothing_else(visit, house: Showcase) -> None:
    """Not even to an administrator, on none of the pages."""
    with house.database.begin() as uow:
        config.set_secret(uow, ROOT, "shop", "prod", "API_KEY", "sesame-open-1", "first")
        config.set_secret(uow, ROOT, "shop", "prod", "API_KEY", "sesame-open-2", "rotated")
    root = visit("root")
    pages = [root.get(path).text for path in ("/configuration/shop", "/configuration/shop/prod/API_KEY")]
    assert "version 2" in words(pages[0])
    assert "rotated" in pages[1]
    assert not any("sesame" in text for text in pages)


def test_configuration_is_for_those_who_may_read_it(look, filled: Showcase) -> None:
    """A token without the scope has no entry in the menu, and a no at the address; a narrow role sees its
    environments."""
    with filled.database.begin() as uow:
        viewer = access.UserDocument(name="vera", roles=["viewer"])
        narrow = access.UserDocument(name="nils", roles=[{"role": "developer", "environments": ["dev"]}])
        access.apply(uow, ROOT, [viewer, narrow])
    vera = look("vera", "platform:read", "deployment:read")
    assert 'href="/configuration"' not in vera.get("/").text
    assert 'href="/environments"' in vera.get("/").text
    assert vera.get("/configuration/shop").status_code == 403
    nils = look("nils")
    assert "Good day" not in nils.get("/configuration/shop").text
    assert nils.get("/configuration/shop").status_code == 200
    assert nils.get("/configuration/shop/prod/GREETING").status_code == 403


def test_a_wrong_value_stops_a_promotion_and_says_so_here(visit, house: Showcase) -> None:
    """Found before somebody promotes, not by the first request."""
    with house.database.begin() as uow:
        config.set_value(uow, ROOT, "shop", "prod", "API_KEY", "in plain", "a slip")
        config.set_value(uow, ROOT, "shop", "dev", "OLD", 1, "long ago")
    text = words(visit("rita").get("/configuration/shop").text)
    assert "Stops a promotion:" in text
    assert "set it as a secret" in text
    assert "not read by the newest release" in text
    assert "in plain" not in text.replace("stored in plain", "")
    assert "in plain" not in visit("rita").get("/configuration/shop/prod/API_KEY").text


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        ({"from": "2000-01-01", "until": "2999-01-01"}, "frozen"),
        ({"from": "2000-01-01", "until": "2000-02-01"}, "over"),
    ],
)
def test_the_calendar_says_whether_it_is_open_and_why_not(visit, house: Showcase, freeze, said) -> None:
    """The freeze that holds is named with its reason; one that is over stands in nobody's way."""
    with house.database.begin() as uow:
        document = CalendarDocument.model_validate(
            {
                "kind": "Calendar",
                "name": "books",
                "applies_to": {"environments": ["prod"]},
                "freezes": [{"name": "year-end", "reason": "The books are closed.", **freeze}],
            }
        )
        releases.apply(uow, ROOT, [document])
    text = words(visit("rita").get("/calendar?service=shop").text)
    row = re.search(r"prod (open|frozen|closed)(.*?)books times", text)
    assert row
    assert (row.group(1) == "frozen") == (said == "frozen")
    assert ("year-end: The books are closed." in row.group(2)) == (said == "frozen")
    assert said in text


def test_people_shows_roles_and_where_they_come_from(look) -> None:
    """The access review: who may do what where, by name."""
    rita = look("rita")
    text = words(rita.get("/people").text)
    for name in ("dana", "rita", "root"):
        assert name in text
    assert "approve one" in text
    person = words(rita.get("/people/rita").text)
    assert "So they may" in person
    assert rita.get("/people/nobody-at-all").status_code == 404


def test_tokens_are_shown_to_reviewers_only(look) -> None:
    """Somebody else's tokens are none of a developer's business; never a secret, to anybody."""
    dana = look("dana").get("/people")
    assert "are shown to auditors and administrators" in words(dana.text)
    root = look("root").get("/people")
    assert "Last used" in root.text
    for answer in (dana, root):
        assert not re.search(r"cwy_\w+", answer.text)
    assert "Shown to auditors and administrators." in words(look("dana").get("/people/rita").text)


def test_an_unknown_address_keeps_the_menu_of_who_is_signed_in(look) -> None:
    """A typing error does not look like being thrown out."""
    rita = look("rita")
    text = rita.get("/nowhere").text
    assert 'href="/promotions"' in text
    assert "Sign out" in text
    assert "Sign out" not in look(None).get("/nowhere").text


def test_the_menu_has_what_one_may_open_and_nothing_else(look) -> None:
    """Every entry opens; a token that reads builds has builds."""
    rita = look("rita")
    nav = re.search(r'<nav id="nav".*?</nav>', rita.get("/").text, re.S)
    assert nav
    found = re.findall(r'href="([^"]+)"', nav.group(0))
    assert {"/", "/audit", "/environments", "/configuration", "/calendar", "/people", "/trace"} <= set(found)
    for path in found:
        assert rita.get(path).status_code == 200, path
    narrow = look("root", "build:read").get("/builds").text
    nav = re.search(r'<nav id="nav".*?</nav>', narrow, re.S)
    assert nav
    assert re.findall(r'href="([^"]+)"', nav.group(0)) == ["/builds"]


def test_an_empty_house_says_how_to_fill_these_pages(empty) -> None:
    """Each names the command."""
    for path in ("/environments", "/configuration", "/calendar", "/people"):
        answer = empty.get(path)
        assert answer.status_code == 200
        assert "clearway apply examples/platform" in answer.text, path


def test_the_next_version_is_shown_with_what_decided_and_cut_from_the_page(visit, house: Showcase) -> None:
    """Version, sentence, changes; the button names the tag; who may not release sees no button."""
    house.apply(f"{{kind: Service, name: shop, team: store, repository: {house.made.root}, route: standard}}")
    house.made.git("tag", "v1.0.0")
    house.commit("feat: gifts")
    text = visit("vera").get("/services/shop/next").text
    assert "A feature since 1.0.0 raises the minor number." in text
    assert "gifts" in text
    assert "build and release it" not in text
    rita = visit("rita")
    seen = {"version": "1.1.0", "commit": house.made.git("rev-parse", "HEAD"), "reason": "spring"}
    answer = rita.form("/services/shop/next", "/services/shop/next", **seen)
    assert answer.url.path.startswith("/cuts/")
    assert "The tag is being made." in answer.text
    assert visit("vera").get(answer.url.path).status_code == 200


def test_what_was_pushed_meanwhile_is_shown_before_it_is_cut(visit, house: Showcase) -> None:
    """The form says which version and commit were seen; another one is not released by surprise."""
    house.apply(f"{{kind: Service, name: shop, team: store, repository: {house.made.root}, route: standard}}")
    rita = visit("rita")
    rita.get("/services/shop/next")
    seen = house.made.git("rev-parse", "HEAD")
    house.made.commit({"a": "1"}, "feat!: everything new")
    answer = rita.form("/services/shop/next", "/services/shop/next", version="0.1.0", commit=seen)
    assert answer.status_code == 409
    assert "The repository moved on" in answer.text
    with house.database.read() as uow:
        assert releases.cuts(uow, service="shop").items == []


def test_a_version_that_cannot_be_told_says_why(visit, house: Showcase) -> None:
    """An unknown branch is no error page: the form to look again stays."""
    answer = visit("vera").get("/services/shop/next?ref=nowhere")
    assert answer.status_code == 200
    assert "It cannot be told." in answer.text
    assert 'value="nowhere"' in answer.text
