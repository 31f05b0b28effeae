"""Who gets in: every route needs something, and asks for it before anything else."""

from __future__ import annotations

import re

import pytest
from showcase import PASSWORD, Showcase
from starlette.routing import Route

from clearway import access
from clearway.kernel import Actor
from clearway.web.app import routes
from clearway.web.guard import COOKIE, PUBLIC, SIGNED_IN, action, page, permission_of
from clearway.web.security import local_path

ALL = routes()
GUARDED = [route for route in ALL if route.path not in PUBLIC]


def address(route: Route) -> str:
    return re.sub(r"\{index:int\}", "1", re.sub(r"\{[a-z]+\}", "x", route.path))


def method(route: Route) -> str:
    return "POST" if "POST" in (route.methods or ()) else "GET"


def test_every_route_declares_what_it_needs() -> None:
    """A page that forgot its permission is a page for everybody."""
    for route in GUARDED:
        needs = permission_of(route)
        assert needs in access.ACTIONS or needs == SIGNED_IN, route.path
    assert {route.path for route in ALL} - {route.path for route in GUARDED} == PUBLIC


def test_what_is_only_for_the_signed_in_is_about_oneself() -> None:
    """Without a permission one may leave, and look after one's own account; nothing else."""
    own = {route.path for route in GUARDED if permission_of(route) == SIGNED_IN}
    assert own == {"/sign-out", "/me", "/me/password", "/me/tokens", "/me/tokens/{id}/revoke"}


def test_a_route_without_a_known_permission_cannot_be_made() -> None:
    """A misspelt permission would let nobody in, or everybody."""
    for make in (page, action):
        with pytest.raises(ValueError, match="no permission"):
            make("/x", lambda visit: visit.go("/"), needs="promotion:aprove")


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{method(route)} {route.path}")
def test_nobody_is_led_to_the_sign_in(look, route: Route) -> None:
    """Who is not signed in sees no page and changes nothing."""
    answer = look(None).request(method(route), address(route), follow_redirects=False)
    if method(route) == "GET" and not address(route).endswith("/log"):
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next=")
    else:
        assert answer.status_code == 401
        assert "Sign in" in answer.text


@pytest.mark.parametrize(
    "route",
    [route for route in GUARDED if permission_of(route) != SIGNED_IN],
    ids=lambda route: f"{method(route)} {route.path}",
)
def test_without_a_role_every_page_says_no_in_words(look, route: Route) -> None:
    """A no is a page that names the permission and what to do."""
    answer = look("nobody").request(method(route), address(route), follow_redirects=False)
    assert answer.status_code == 403
    assert str(permission_of(route)) in answer.text
    assert "What to do:" in answer.text


@pytest.mark.parametrize(
    "route", [route for route in GUARDED if method(route) == "POST"], ids=lambda route: route.path
)
def test_a_form_without_its_token_changes_nothing(look, route: Route) -> None:
    """Another site can send a form, but cannot know what ours carry."""
    for sent in ({}, {"csrf": "sha256:guess"}):
        answer = look("root").post(address(route), data=sent, follow_redirects=False)
        assert answer.status_code == 403
        assert "not of this session" in answer.text


def test_a_form_from_another_site_is_refused_even_with_its_token(look) -> None:
    """The browser says where a form came from."""
    rita = look("rita")
    csrf = re.search(r'name="csrf" value="([^"]+)"', rita.get("/").text)
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        answer = rita.post("/sign-out", data={"csrf": csrf.group(1)}, headers=headers, follow_redirects=False)
        assert answer.status_code == 403
        assert "another site" in answer.text


def test_a_token_keeps_its_limits_in_the_browser(look) -> None:
    """Signed in with a token that only reads builds, one sees builds and nothing else."""
    narrow = look("root", "build:read")
    assert narrow.get("/builds").status_code == 200
    assert narrow.get("/audit").status_code == 403


def test_name_and_password_open_a_session_that_signing_out_ends(visit) -> None:
    """The cookie is out of scripts' reach, and worthless after signing out."""
    somebody = visit(None)
    answer = somebody.form("/sign-in?next=/builds", "/sign-in?next=/builds", name="rita", password=PASSWORD)
    assert answer.url.path == "/builds"
    set_cookie = answer.history[0].headers["set-cookie"]
    assert "HttpOnly" in set_cookie
    assert "SameSite=lax" in set_cookie
    kept = somebody.cookies[COOKIE]
    somebody.form("/", "/sign-out")
    somebody.cookies.set(COOKIE, kept)
    assert somebody.get("/", follow_redirects=False).status_code == 303


def test_a_password_that_somebody_else_set_leads_to_the_page_that_changes_it(visit, house: Showcase) -> None:
    """Until it is changed its session approves nothing, and says who set it."""
    first, own = "set by an administrator", "chosen by quin in person"
    with house.database.begin() as uow:
        access.set_password(uow, Actor("root"), "quin", first)
    quin = visit(None)
    answer = quin.form("/sign-in", "/sign-in", name="quin", password=first)
    assert answer.url.path == "/me"
    assert "root set your password" in answer.text
    quin.form("/me", "/me/password", current=first, new=own, again=own)
    assert quin.form("/sign-in", "/sign-in", name="quin", password=own).url.path == "/"


def test_a_wrong_password_is_said_and_the_name_kept(visit) -> None:
    """What was typed is not lost, what was wrong is not told."""
    answer = visit(None).form("/sign-in", "/sign-in", name="rita", password="wrong")
    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text
    assert 'value="rita"' in answer.text


def test_a_token_signs_in_and_anything_else_does_not(visit, house: Showcase) -> None:
    """The first administrator has a token and no password yet."""
    from house import ROOT

    with house.database.begin() as uow:
        token = access.create_token(uow, ROOT).secret
    assert visit(None).form("/sign-in", "/sign-in", token=token).url.path == "/"
    for wrong in (token[:-1] + ("0" if token[-1] != "0" else "1"), "hello"):
        assert visit(None).form("/sign-in", "/sign-in", token=wrong).status_code == 401


def test_signing_in_needs_the_form_of_this_browser(visit) -> None:
    """Nobody is signed in as somebody else by a link or a foreign form."""
    answer = visit(None).post("/sign-in", data={"name": "rita", "password": PASSWORD, "csrf": "x"})
    assert answer.status_code == 403
    assert "try again" in answer.text


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil", "", None, "/a\nb"])
def test_the_way_on_after_signing_in_stays_here(path: str | None) -> None:
    """A link to the sign-in page cannot send people elsewhere afterwards."""
    assert local_path(path) == "/"


def test_the_way_on_leads_to_our_own_pages() -> None:
    """Or else nobody would get where they wanted to go."""
    assert local_path("/promotions/prm_1?x=1") == "/promotions/prm_1?x=1"


def test_a_long_form_is_refused(look) -> None:
    """Nobody fills our memory by a form."""
    answer = look("rita").post("/sign-out", data={"csrf": "x" * 70_000})
    assert answer.status_code == 422
    assert "too long" in answer.text
