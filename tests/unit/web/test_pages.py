"""What pages show, to whom, and that nothing on them runs which is not ours."""

from __future__ import annotations

import json
import re

import pytest
from showcase import RITA, Showcase
from sqlalchemy import event

from clearway import incidents, ledger, releases

PAGES = [
    "/", "/approvals", "/promotions", "/promotions?state=open", "/releases", "/releases/shop/1.1.0",
    "/releases/shop/1.3.0/to/prod", "/services/shop", "/services/till", "/services/shop/next",
    "/services/shop/next?ref=none", "/services/shop/next?channel=rc",
    "/cuts/cut_0_failed", "/services/shop/compare", "/services/shop/compare?environment=prod",
    "/services/shop/compare?since=1.0.0&to=1.3.0&audience=customers",
    "/services/shop/compare?since=none", "/services/shop/compare?since=1.0.0&audience=nobody",
    "/services/shop/commits/main", "/services/shop/history", "/services/shop/history?path=shop",
    "/services/shop/history?path=shop/prices.py&line=5", "/services/shop/history?path=../x",
    "/builds", "/builds/bld_0_broken", "/reproductions/rep_1_different", "/reproductions/rep_0_failed",
    "/reproductions/rep_2_identical", "/services/shop/reproducibility", "/services/till/reproducibility",
    "/builds", "/builds/bld_0_broken", "/builds/bld_0_broken/search", "/builds/bld_0_broken/search?text=a",
    "/incidents", "/incidents?show=all", "/figures", "/figures?service=till",
    "/figures/shop/prod/change_fail_rate",
    "/figures/shop/prod/change_lead_time", "/figures/shop/prod/failed_deployment_recovery_time",
    "/environments", "/environments/prod",
    "/registries", "/registries/images", "/registries/images?like=none", "/registries/released",
    "/registries/all-images/package?of=shop", "/registries/images/package?of=shop&version=v1.0",
    "/repositories", "/repositories/tools", "/trusted-ci",
    "/repositories/gone", "/repositories/till", "/where",
    "/services/shop/violations", "/services/till/violations",
    "/environments/dev", "/configuration", "/configuration/shop",
    "/configuration/till", "/configuration/shop/prod/GREETING", "/calendar", "/calendar?service=till",
    "/people", "/people/rita", "/people/dana",
    "/audit", "/audit?actor=rita", "/audit/3", "/audit/verify", "/trace", "/trace?of=shop@1.1.0", "/me",
]  # fmt: skip


def every_page(house: Showcase) -> list[str]:
    with house.database.read() as uow:
        moved = [f"/promotions/{each.id}" for each in releases.promotions(uow, limit=100).items]
        lost = [f"/incidents/{each.id}" for each in incidents.incidents(uow).items]
    return PAGES + moved + lost


def test_every_page_shows_and_runs_nothing_that_is_not_ours(look, filled: Showcase) -> None:
    """No inline script, style or handler; what people wrote is text, whatever they wrote."""
    root = look("root")
    for path in every_page(filled):
        answer = root.get(path)
        assert answer.status_code == 200, path
        text = answer.text
        assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", text), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), path
        assert "<b>bold" not in text, path
        assert "<h1>" in text, path
        assert text.count('id="main"') == 1, path
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"


def test_every_field_has_a_label(look, filled: Showcase) -> None:
    """Whoever does not see the page hears what to type."""
    root = look("root")
    for path in every_page(filled):
        text = root.get(path).text
        for field in re.findall(r"<(?:input|select|textarea)\b[^>]*>", text):
            if 'type="hidden"' in field or "aria-label" in field:
                continue
            named = re.search(r'\bid="([^"]+)"', field)
            inside = re.search(r"<label[^>]*>[^<]*" + re.escape(field), text)
            assert inside or (named and f'for="{named.group(1)}"' in text), f"{path}: {field}"


def test_a_rebuild_says_its_verdict_its_cause_and_the_fix(look, filled: Showcase) -> None:
    """And what strangers wrote into file names stays text."""
    rita = look("rita")
    text = rita.get("/reproductions/rep_1_different").text
    assert text.index("Different: something that matters") < text.index(
        "The folder of the build is in the result."
    )
    assert "Use paths relative to the project." in text
    assert "&lt;b&gt;bold&lt;/b&gt;.py" in text
    assert "faketime is not on this machine" in text
    assert "cannot be had" in rita.get("/reproductions/rep_0_failed").text
    part = rita.get("/reproductions/rep_1_different", headers={"HX-Request": "true"})
    assert "<html" not in part.text


def test_the_score_of_a_service_is_a_picture_and_a_table(look, filled: Showcase) -> None:
    """The same in both, newest build first; without any it says how to begin."""
    rita = look("rita")
    text = rita.get("/services/shop/reproducibility").text
    assert "33 % of its newest builds" in text or "33% of its newest builds" in text
    assert text.count("<circle") == 3
    assert "could not be rebuilt" in text
    assert "clearway reproduce till" in rita.get("/services/till/reproducibility").text
    found = rita.get("/reproductions/rep_1_different").text
    build_page = re.search(r'href="(/builds/[^"]+)"', found)
    assert build_page
    assert "/reproductions/rep_1_different" in rita.get(build_page.group(1)).text


def test_what_fails_comes_first_on_a_build(look) -> None:
    """Above the log stand the lines of the step that failed."""
    text = look("rita").get("/builds/bld_0_broken").text
    assert text.index("AssertionError: 3 != 4") < text.index('id="log-title"')
    assert "compile | all fine" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_log_comes_as_events_and_goes_on_where_it_was(look) -> None:
    """A browser that lost the connection gets what it has not seen."""
    rita = look("rita")
    answer = rita.get("/builds/bld_0_broken/log")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = re.findall(r"id: (\d+)\nevent: lines\ndata: (.*)\n", answer.text)
    lines = [line for _, data in events for line in json.loads(data)["lines"]]
    assert json.loads(events[0][1])["first"] == 1
    assert lines[-1] == "build | the tests failed"
    assert "event: end" in answer.text
    again = rita.get("/builds/bld_0_broken/log", headers={"last-event-id": events[-1][0]})
    assert "event: lines" not in again.text
    assert "event: end" in again.text


def test_an_open_page_gets_only_what_changed(look, filled: Showcase) -> None:
    """The same part again is no content, so that nothing flickers and nothing is read out twice."""
    rita = look("rita")
    for path in ("/", "/approvals", f"/promotions/{filled.one('waiting-approval').id}", "/builds"):
        part = rita.get(path, headers={"HX-Request": "true"})
        assert part.status_code == 200
        assert "<html" not in part.text
        same = rita.get(
            path, headers={"HX-Request": "true", "X-Clearway-Seen": part.headers["x-clearway-seen"]}
        )
        assert same.status_code == 204
        other = rita.get(path, headers={"HX-Request": "true", "X-Clearway-Seen": "0" * 24})
        assert other.status_code == 200


def test_a_promotion_says_its_state_first_and_shows_its_plan(look, filled: Showcase) -> None:
    """One look: what it waits for, what it will do, what the gates say, who may sign."""
    waiting = filled.one("waiting-approval")
    text = look("rita").get(f"/promotions/{waiting.id}").text
    assert text.index("shop 1.3.0 to uat waits for approval.") < text.index(">Plan <")
    assert waiting.plan_hash in text
    assert "Who may approve: quin, rita, root." in text
    assert "tests-passed" in text
    assert "1 breaking change" in text


def test_a_failed_canary_shows_its_judgement_and_incident(look, filled: Showcase) -> None:
    """Why it went back, with the numbers that decided."""
    back = filled.one("rolled-back")
    rita = look("rita")
    text = rita.get(f"/promotions/{back.id}").text
    assert "The new version is worse than the old one." in text
    assert "+7.8 points" in text
    assert "under 0.0001" in text
    assert "/incidents/inc_" in text
    series = rita.get(f"/deployments/{back.deployment_id}/series").json()
    assert series["active"] is False
    errors = next(each for each in series["metrics"] if each["name"] == "errors")
    assert errors["canary"][-1] == pytest.approx(0.08)
    assert errors["baseline"][-1] == pytest.approx(0.002)
    assert len(series["at"]) == len(series["weight"]) == len(errors["canary"])


def test_a_figure_opens_to_what_made_it(look, filled: Showcase) -> None:
    """To each deployment and each commit, and to the very ledger entries; what is unknown is not zero."""
    rita = look("rita")
    names = re.findall(r'href="(/figures/shop/prod/\w+)"', rita.get("/figures?service=shop").text)
    assert len(set(names)) == 5
    for path in set(names):
        text = rita.get(path).text
        deployed = set(re.findall(r'href="/deployments/(dep_[^"]+)"', text))
        assert deployed or "unknown</p>" in text, path
        told = {int(each) for each in re.findall(r'href="/audit/(\d+)"', text)}
        with filled.database.read() as uow:
            entries = [ledger.entries(uow, after=index - 1, limit=1).items[0] for index in told]
        finished = {each.subject for each in entries if each.action == "deployment.finished"}
        assert finished == {f"deployment:{each}" for each in deployed}, path
    text = rita.get("/figures/shop/prod/deployment_frequency").text
    opened = re.findall(r'href="(/deployments/[^"]+)"', text)
    assert len(opened) == 2
    for path in opened:
        assert rita.get(path).url.path.startswith("/promotions/prm_")
    assert "unknown, not zero" in rita.get("/figures?service=till").text


def test_a_week_and_the_time_before_open_too(look) -> None:
    """Every bar and every comparison is a figure of its own, with its own entries."""
    rita = look("rita")
    page = rita.get("/figures?service=shop").text
    opened = [
        each.replace("&amp;", "&")
        for each in re.findall(r'href="(/figures/shop/prod/\w+\?from=[^"]+)"', page)
    ]
    assert len(opened) >= 5 * 8
    for path in (opened[0], opened[-1]):
        assert rita.get(path).status_code == 200, path
    assert rita.get("/figures/shop/prod/change_fail_rate?from=soon").status_code == 422


def test_a_canary_tells_every_look_and_every_move_of_the_traffic(look, filled: Showcase) -> None:
    """From the ledger: the share of the new version over time, and back to nothing when it was bad."""
    rita = look("rita")
    back = filled.one("rolled-back")
    series = rita.get(f"/deployments/{back.deployment_id}/series").json()
    assert series["moves"]["weight"][0] == 0
    assert max(series["moves"]["weight"]) == 10
    assert series["moves"]["weight"][-1] == 0
    assert [each["verdict"] for each in series["looks"]] == ["fail"]
    text = rita.get(f"/promotions/{back.id}").text
    assert "1.1.0 serves again." in text
    assert "judged: " in text


def test_the_ledger_is_verified_on_the_page(look) -> None:
    """With the number of entries and the root, from the entries as they are."""
    answer = look("root").get("/audit/verify")
    assert "Verified." in answer.text
    assert re.search(r"All \d+ entries give the root", answer.text)


def test_an_address_that_is_none_is_a_readable_page(look) -> None:
    """For pages, things and methods."""
    rita = look("rita")
    for path in (
        "/nowhere",
        "/promotions/prm_none",
        "/releases/shop/9.9.9",
        "/incidents/inc_x",
        "/services/none",
    ):
        answer = rita.get(path)
        assert answer.status_code == 404, path
        assert "<h1>Not found</h1>" in answer.text
    assert rita.get("/sign-out").status_code == 405
    assert "Traceback" not in rita.get("/audit?after=%00garbage").text


def test_a_fault_is_a_page_with_a_mark_and_no_traceback(look, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads our code in an error page; the mark finds it in the log."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(releases, "promotions", broken)
    answer = look("rita").get("/promotions")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert re.search(r"err_\w+", answer.text)


def test_the_overview_asks_as_often_for_many_services_as_for_few(visit, house: Showcase) -> None:
    """And shows them page by page, found by name."""
    counted: list[str] = []
    event.listen(house.database.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    rita = visit("rita")
    rita.get("/")
    counted.clear()
    rita.app.state.snapshot.forget()
    rita.get("/")
    few = len(counted)
    house.many(120)
    counted.clear()
    rita.app.state.snapshot.forget()
    text = rita.get("/").text
    assert len(counted) == few
    assert "Page 1 of 3, 123 services" in text
    found = rita.get("/?q=service-0119").text
    assert "service-0119" in found
    assert "service-0001" not in found
    assert "has “zzz” in its name" in rita.get("/?q=zzz").text


def test_the_author_reads_why_not_and_others_sign_what_they_saw(visit, house: Showcase) -> None:
    """A signature is bound to the plan on the page, and the author has no button."""
    waiting = house.one("waiting-approval")
    path = f"/promotions/{waiting.id}"
    text = visit("dana").get(path).text
    assert "You cannot approve this:" in text
    assert 'action="' + path + '/approve"' not in text
    refused = visit("dana").form(path, path + "/approve", plan_hash=waiting.plan_hash)
    assert refused.status_code == 403
    rita = visit("rita")
    assert "Read the plan and decide" in rita.get("/approvals").text
    old = rita.form(path, path + "/approve", plan_hash="sha256:" + "0" * 64, meaning="reviewed")
    assert old.status_code == 409
    assert "Read the plan again" in old.text
    done = rita.form(
        path, path + "/approve", plan_hash=waiting.plan_hash, meaning="tested", comment="looks good"
    )
    assert done.status_code == 200
    assert "Your signature is bound to the plan you saw." in done.text
    assert "tested" in done.text
    house.wait(5, 5.0)
    assert "shop 1.0.0 to uat is done." in rita.get(path).text


def test_a_no_needs_a_reason_and_ends_it(visit, house: Showcase) -> None:
    """What was rejected is not approved any more."""
    waiting = house.one("waiting-approval")
    path = f"/promotions/{waiting.id}"
    text = visit("rita").form(path, path + "/reject", comment="not this week").text
    assert "was rejected." in text
    assert "Not this week" in text
    assert house.look(waiting.id).state == "rejected"


def test_a_person_opens_an_incident_where_they_may(visit, house: Showcase) -> None:
    """On-call people see the form and a viewer does not; a mistyped service opens nothing."""
    assert "Open an incident" not in visit("vera").get("/incidents").text
    otto = visit("otto")
    fields = {"environment": "prod", "text": "Checkout is dark"}
    assert otto.form("/incidents", "/incidents", service="shp", **fields).status_code == 404
    answer = otto.form("/incidents", "/incidents", service="shop", **fields)
    assert "/incidents/inc_" in str(answer.url)
    assert "Checkout is dark" in answer.text


def test_a_promotion_is_asked_for_with_its_plan_in_view(visit, house: Showcase) -> None:
    """The plan says what would happen before anything is written."""
    rita = visit("rita")
    path = "/releases/shop/1.0.0/to/prod"
    assert "Nothing was written yet" in rita.get(path).text
    made = rita.form(path, path, reason="the customers wait")
    assert re.match(r"/promotions/prm_", made.url.path)
    assert "the customers wait" in made.text
    assert house.at("prod")[0].requested_by == RITA.name


def test_a_password_and_tokens_are_looked_after_by_oneself(visit, house: Showcase) -> None:
    """A new token is shown once; a revoked one opens nothing."""
    rita = visit("rita")
    text = rita.form("/me", "/me/tokens", label="ci", scopes="build:run", expires="1d").text
    secret = re.search(r"cwy_\w+", text).group(0)
    assert secret not in rita.get("/me").text
    key = f"tok_{secret.split('_')[1]}"
    rita.form("/me", f"/me/tokens/{key}/revoke")
    assert visit(None).form("/sign-in", "/sign-in", token=secret).status_code == 401
    assert rita.form("/me", "/me/password", new="a", again="b", current="").status_code == 422


def test_what_one_may_do_is_told_truly(look) -> None:
    """Looking after one's own tokens is not looking after everybody's."""
    told = r"<dt><code>token:revoke</code></dt><dd>([a-z ]+)</dd>"
    assert re.search(told, look("rita").get("/me").text).group(1) == "only your own"
    assert re.search(told, look("root").get("/me").text).group(1) == "everywhere"


def test_an_empty_house_says_what_to_do_next(empty) -> None:
    """The first page that a newcomer sees names the command; so does every list."""
    for path, command in (
        ("/", "clearway apply examples/platform"),
        ("/releases", "clearway release SERVICE"),
        ("/promotions", "clearway promote SERVICE"),
        ("/builds", "clearway build SERVICE"),
        ("/incidents", "clearway incident"),
        ("/figures", "clearway apply examples/platform"),
        ("/trace", "clearway trace SUBJECT"),
    ):
        assert command in empty.get(path).text, path


def test_a_stop_that_lags_behind_says_what_is_ready_for_it(visit, house: Showcase) -> None:
    """Where another version runs one stop earlier, and nothing moves; until then, what moves is shown."""
    rita = visit("rita")
    assert "dev has" not in rita.get("/").text  # it is waiting for approval there: that is said instead
    house.approve(house.one("waiting-approval").id)
    house.wait(5, 5.0)
    rita.app.state.snapshot.forget()
    assert re.search(r"uat has <a [^>]*>1\.0\.0</a>", rita.get("/").text)


def test_the_overview_can_show_only_what_wants_attention(visit, house: Showcase) -> None:
    """And says so when nothing does."""
    rita = visit("rita")
    house.many(3)
    rita.app.state.snapshot.forget()
    text = rita.get("/?show=attention").text
    assert "/services/shop" in text
    assert "service-0001" not in text
    assert "Nothing wants attention" in rita.get("/?show=attention&q=service-0001").text
