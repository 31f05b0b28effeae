"""Releases and promotions over HTTP, on real rooms and real git."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from answers import Held
from house import DEFINITION, House
from servers import Settings
from writers import Writers

from clearway import access, build, source
from clearway.api import create_app
from clearway.api.ask import Ask
from clearway.api.routes.logs import follow
from clearway.build import Workshop
from clearway.kernel import Actor


@pytest.fixture
def client(house: House, tmp_path: Path) -> Iterator[Callable[..., Held]]:
    app = create_app(house.database, Settings(tmp_path))
    made: list[Held] = []

    def make(name: str, *environments: str) -> Held:
        with house.database.begin() as uow:
            token = access.create_token(uow, Actor(name), environments=environments or None)
        headers = {"Authorization": f"Bearer {token.secret}"}
        made.append(Held(app, headers=headers, raise_server_exceptions=False))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_no_request_walks_a_history_while_others_wait_to_write(
    house: House, client: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making a release and asking for a promotion read the commits before they write."""
    waits: list[bool] = []
    writers = Writers(house.database)
    whole = source.commits_between

    def seen(*args: Any) -> Any:
        waits.append(writers.mine)
        return whole(*args)

    monkeypatch.setattr(source, "commits_between", seen)
    dana, build_id = client("dana"), house.build("1.0.0")
    body = {"service": "shop", "version": "1.0.0", "environment": "dev", "reason": "first"}
    assert dana.post("/v1/releases", json={"service": "shop", "build_id": build_id}).status_code == 201
    assert dana.post("/v1/promotions", json=body).status_code == 201
    assert waits
    assert not any(waits)


def test_from_a_build_to_production(house: House, client: Callable[..., Held]) -> None:
    """Release, dry run, promotion, somebody else's signature, overview, trace, notes: all over HTTP."""
    dana, rita = client("dana"), client("rita")
    build_id = house.build("1.0.0")
    made = dana.post("/v1/releases", json={"service": "shop", "build_id": build_id})
    assert (made.status_code, made.headers["location"]) == (201, "/v1/releases/shop/1.0.0")
    asked = {"service": "shop", "version": "1.0.0", "environment": "dev", "reason": "first"}
    plan = dana.post("/v1/promotions?dry_run=true", json=asked).json()
    assert plan["allowed"] is True
    assert dana.get("/v1/promotions").json()["items"] == []
    started = dana.post("/v1/promotions", json=asked)
    assert started.status_code == 201
    assert started.json()["plan_hash"] == plan["hash"]
    house.wait(60)
    address = started.headers["location"]
    assert dana.get(address).json()["state"] == "succeeded"
    (uat,) = dana.get("/v1/promotions", params={"environment": "uat"}).json()["items"]
    assert uat["state"] == "waiting-approval"
    sign = {"plan_hash": uat["plan_hash"]}
    own = dana.post(f"/v1/promotions/{uat['id']}/approve", json=sign)
    assert own.status_code == 403
    other = rita.post(f"/v1/promotions/{uat['id']}/approve", json={"plan_hash": "sha256:" + "0" * 64})
    assert other.status_code == 409
    signed = rita.post(f"/v1/promotions/{uat['id']}/approve", json=sign)
    assert signed.json()["approvals"][0]["actor"] == "rita"
    house.wait(60)
    row = next(each for each in dana.get("/v1/overview").json()["services"] if each["service"] == "shop")
    assert row["environments"]["uat"]["version"] == "1.0.0"
    assert row["environments"]["prod"]["version"] is None
    deployment = dana.get("/v1/deployments", params={"environment": "uat"}).json()["items"][0]
    one = dana.get(f"/v1/deployments/{deployment['id']}").json()
    assert one["state"] == "succeeded"
    assert one["stages"]
    assert dana.get(f"/v1/deployments/{deployment['id']}/series").status_code == 200
    assert dana.get("/v1/releases").json()["items"] == [dana.get("/v1/releases/shop/1.0.0").json()]
    held = dana.get("/v1/artifacts").json()["items"][0]
    assert dana.get(f"/v1/artifacts/{held['digest']}").json() == held
    assert dana.get(f"/v1/artifacts/{held['digest']}/evidence").status_code == 200
    chain = dana.get(f"/v1/trace/{deployment['id']}").json()["links"]
    assert {"deployment", "promotion", "approval", "release", "commit"} <= {each["kind"] for each in chain}
    assert "first" in dana.get("/v1/releases/shop/1.0.0/notes").json()["markdown"]
    assert dana.get(f"/v1/promotions/{uat['id']}/change-request").json()["environment"] == "uat"


def test_a_no_is_a_409_with_the_gates_that_refuse(house: House, client: Callable[..., Held]) -> None:
    """The refusal is saved, says what would change it, and an equal request gets the equal answer."""
    house.release("1.0.0", failed=2)
    dana = client("dana")
    asked = {"service": "shop", "version": "1.0.0", "environment": "dev", "reason": "try"}
    dry = dana.post("/v1/promotions?dry_run=true", json=asked)
    assert (dry.status_code, dry.json()["allowed"]) == (200, False)
    refused = dana.post("/v1/promotions", json=asked, headers={"Idempotency-Key": "k"})
    found = refused.json()
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert [each["gate"] for each in found["gates"]] == ["tests-passed"]
    assert found["gates"][0]["reason"] == "untested software is a guess"
    assert dana.get(refused.headers["location"]).json()["state"] == "refused"
    again = dana.post("/v1/promotions", json=asked, headers={"Idempotency-Key": "k"})
    assert again.json() == found
    assert again.headers["content-type"] == "application/problem+json"
    assert len(dana.get("/v1/promotions").json()["items"]) == 1


def test_if_match_guards_decisions(house: House, client: Callable[..., Held]) -> None:
    """Who looked before it changed decides nothing."""
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    promotion = house.at("uat")[0]
    rita = client("rita")
    address = f"/v1/promotions/{promotion.id}"
    tag = rita.get(address).headers["etag"]
    quin = client("quin")
    quin.post(f"{address}/approve", json={"plan_hash": promotion.plan_hash}).raise_for_status()
    late = rita.post(f"{address}/reject", json={"reason": "no"}, headers={"If-Match": tag})
    assert late.status_code == 412
    assert house.look(promotion.id).state != "rejected"


def test_a_rollback_is_a_promotion_back(house: House, client: Callable[..., Held]) -> None:
    """Asked for with a reason, by whoever may; without a reason or a right it is refused."""
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    house.commit("feat: second")
    house.release("1.1.0")
    house.to("uat", "1.1.0")
    body = {"service": "shop", "environment": "uat", "reason": "slow"}
    assert client("vera").post("/v1/rollbacks", json=body).status_code == 403
    assert client("otto").post("/v1/rollbacks", json={**body, "reason": ""}).status_code == 422
    done = client("otto").post("/v1/rollbacks", json=body)
    assert (done.status_code, done.json()["kind"], done.json()["version"]) == (201, "rollback", "1.0.0")


def test_a_token_for_one_environment_sees_that_one(house: House, client: Callable[..., Held]) -> None:
    """Lists, pages of one and the overview leave out what the reader may not read."""
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    uat = house.at("uat")[0]
    narrow = client("rita", "dev")
    assert {each["environment"] for each in narrow.get("/v1/promotions").json()["items"]} == {"dev"}
    assert {each["environment"] for each in narrow.get("/v1/deployments").json()["items"]} == {"dev"}
    assert narrow.get(f"/v1/promotions/{uat.id}").status_code == 403
    found = narrow.get("/v1/overview").json()
    assert found["environments"] == ["dev"]
    assert all(set(row["environments"]) <= {"dev"} for row in found["services"])
    assert narrow.get(f"/v1/promotions/{house.at('dev')[0].id}").status_code == 200


def test_builds_are_queued_listed_and_cancelled(house: House, client: Callable[..., Held]) -> None:
    """Asking answers at once with an address; the server's own paths stay its own."""
    dana = client("dana")
    asked = dana.post("/v1/builds", json={"service": "shop", "ref": "main"})
    assert asked.status_code == 202
    address = asked.headers["location"]
    assert asked.json()["status"] == "queued"
    assert "log_path" not in asked.text + dana.get(address).text + dana.get("/v1/builds").text
    assert dana.post("/v1/builds", json={"service": "shop", "ref": "--upload-pack=x"}).status_code == 422
    assert dana.post("/v1/builds", json={"service": "ghost"}).status_code == 404
    assert client("vera").post("/v1/builds", json={"service": "shop"}).status_code == 403
    stopped = dana.post(f"{address}/cancel", json={"reason": "wrong tag"})
    assert stopped.json()["status"] == "cancelled"
    assert dana.post(f"{address}/cancel", json={}).status_code == 409
    assert [each["status"] for each in dana.get("/v1/builds").json()["items"]] == ["cancelled"]


def test_a_log_is_text_or_a_stream_that_ends_with_the_build(
    house: House, client: Callable[..., Held]
) -> None:
    """Text can go on from an offset; the stream says how it ended."""
    dana = client("dana")
    asked = dana.post("/v1/builds", json={"service": "shop", "ref": "main"}).json()
    with house.database.read() as uow:
        path = uow.tool(Workshop).log_path(asked["id"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("source | one\nbuild | two\nhalf a li")
    address = f"/v1/builds/{asked['id']}/log"
    part = dana.get(address)
    assert part.text == "source | one\nbuild | two\n"
    assert part.headers["clearway-log-complete"] == "no"
    path.write_text("source | one\nbuild | two\nhalf a line\n")
    rest = dana.get(address, params={"offset": part.headers["clearway-log-offset"]})
    assert rest.text == "half a line\n"
    with house.database.begin() as uow:
        build.cancel(uow, access.TokenActor("root", actions=access.ACTIONS), asked["id"])
    stream = dana.get(address, headers={"Accept": "text/event-stream"}).text
    assert "data: source | one\ndata: build | two\ndata: half a line\n" in stream
    assert 'event: end\ndata: {"status": "cancelled"' in stream
    missing = dana.get("/v1/builds/bld_none/log", headers={"Accept": "text/event-stream"})
    assert missing.status_code == 404


def test_a_log_is_not_read_on_with_a_revoked_token(house: House) -> None:
    """A build can run for hours: each look asks again whether the token still counts."""
    with house.database.begin() as uow:
        root = access.TokenActor("root", actions=access.ACTIONS)
        token = access.create_token(uow, root, "dana")
        principal = access.authenticate(uow, token.secret)
        asked = build.request(uow, principal.actor, "shop", "main")
    path = house.database.tool(Workshop).log_path(asked.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("source | one\n")

    async def read() -> list[str]:
        request: Any = None
        lines = follow(Ask(house.database, principal, token.secret, request), asked.id, 0)
        seen = [await anext(lines)]
        with house.database.begin() as uow:
            access.revoke_token(uow, root, token.token.id)
        path.write_text("source | one\nsource | two\n")
        return seen + [line async for line in lines]

    text = "".join(asyncio.run(read()))
    assert "one" in text
    assert "two" not in text
    assert "event: end" not in text


def test_incidents_are_declared_worked_on_and_closed(house: House, client: Callable[..., Held]) -> None:
    """Every step is in the timeline; the order of steps is kept."""
    otto = client("otto")
    made = otto.post(
        "/v1/incidents", json={"service": "shop", "environment": "prod", "summary": "checkout is down"}
    )
    assert made.status_code == 201
    address = made.headers["location"]
    assert otto.post(f"{address}/resolve", json={"reason": "early"}).status_code == 409
    assert otto.post(f"{address}/acknowledge", json={}).json()["acknowledged_by"] == "otto"
    otto.post(f"{address}/note", json={"text": "the database was full"}).raise_for_status()
    otto.post(f"{address}/restore", json={"reason": "space was made"}).raise_for_status()
    action = otto.post(f"{address}/actions", json={"text": "watch the disk", "owner": "otto"}).json()
    otto.post(f"{address}/actions/{action['id']}/finish").raise_for_status()
    closed = otto.post(f"{address}/resolve", json={"reason": "nobody watched the disk"}).json()
    assert closed["status"] == "resolved"
    assert any("the database was full" in each["text"] for each in closed["timeline"])
    assert client("vera").post(f"{address}/note", json={"text": "x"}).status_code == 403
    assert otto.get("/v1/incidents?lasting=true").json()["items"] == []


def test_figures_and_the_line(house: House, client: Callable[..., Held]) -> None:
    """Figures come one report a service; stopping the line needs a reason and a right."""
    rita = client("rita")
    assert rita.get("/v1/metrics/dora").json() == {"reports": []}
    report = rita.get("/v1/metrics/dora", params={"service": "shop", "days": 7}).json()
    assert report["environment"] == "prod"
    assert report["figures"]
    for unknown in ({"service": "ghost"}, {"environment": "ghost"}):
        assert rita.get("/v1/metrics/dora", params=unknown).status_code == 404
    assert rita.get("/v1/metrics/dora", params={"service": "shop", "zone": "Mars"}).status_code == 422
    assert client("vera").post("/v1/deployments/halt", json={"reason": "fire"}).status_code == 403
    assert rita.post("/v1/deployments/halt", json={"reason": ""}).status_code == 422
    assert client("otto").post("/v1/deployments/halt", json={"reason": "fire"}).json() == {"items": []}


def test_the_next_version_is_asked_for_and_cut(house: House, client: Callable[..., Held]) -> None:
    """What comes next and why, fetched anew; then a cut, which is there until it is over."""
    house.apply(f"{{kind: Service, name: shop, team: store, repository: {house.made.root}, route: standard}}")
    house.made.git("tag", "v1.0.0")
    house.made.commit({"a": "1"}, "feat: gifts")
    dana, vera = client("dana"), client("vera")
    assert vera.get("/v1/services/shop/next-version").json()["version"] == "0.1.0"  # not fetched since
    found = dana.post("/v1/next-versions", json={"service": "shop"}).json()
    assert (found["version"], found["tag"], found["level"]) == ("1.1.0", "v1.1.0", "minor")
    assert [each["text"] for each in found["reasons"]] == ["gifts"]
    assert vera.post("/v1/next-versions", json={"service": "shop"}).status_code == 403
    assert vera.post("/v1/cuts", json={"service": "shop"}).status_code == 403
    made = dana.post("/v1/cuts", json={"service": "shop", "reason": "spring"})
    assert made.status_code == 202
    cut = dana.get(made.headers["location"]).json()
    assert (cut["version"], cut["state"], cut["requested_by"]) == ("1.1.0", "tagging", "dana")
    assert [each["id"] for each in vera.get("/v1/cuts?service=shop").json()["items"]] == [cut["id"]]
    assert dana.get("/v1/cuts/cut_none").status_code == 404
    asked = dana.get("/v1/services/shop/next-version", params={"ref": "v1.0.0"})
    assert asked.json()["why"] == "nothing changed since 1.0.0"
    none = dana.post("/v1/cuts", json={"service": "shop", "ref": "v1.0.0"})
    assert none.status_code == 409
    assert dana.get("/v1/services/shop/next-version?ref=no/such").status_code == 404
    assert dana.get("/v1/services/ghost/next-version").status_code == 404
    bad = dana.post("/v1/next-versions", json={"service": "shop", "channel": "1 2"})
    assert bad.status_code == 422


def test_notes_between_any_two_points(house: House, client: Callable[..., Held]) -> None:
    """Over a version, a commit, or what runs somewhere; for whoever reads them; names are checked."""
    dana = client("dana")
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    house.commit(
        "feat(cart)!: gifts", DEFINITION.replace("config:", "config:\n  MORE: {type: string, default: x}")
    )
    address = "/v1/services/shop/notes"
    found = dana.get(address, params={"environment": "dev"}).json()
    assert (found["since_version"], [each["text"] for each in found["changes"]]) == ("1.0.0", ["gifts"])
    assert found["configuration"] == ["MORE is new: a string, x unless set"]
    assert found["digest"].startswith("sha256:")
    same = dana.get(address, params={"since": "1.0.0", "to": "main"}).json()
    assert same["changes"] == found["changes"]
    customers = dana.get(address, params={"since": "1.0.0", "audience": "customers"}).json()
    assert "gifts" in customers["markdown"]
    assert "cart" not in customers["markdown"]
    assert customers["html"].startswith("<article>")
    back = dana.get(address, params={"to": "1.0.0", "since": "main"}).json()
    assert [each["text"] for each in back["removed"]] == ["gifts"]
    for wrong, status in (
        ({"since": "nothing"}, 404),
        ({"environment": "nowhere"}, 404),
        ({"since": "1.0.0", "environment": "dev"}, 409),
        ({"since": "1.0.0", "audience": "everybody"}, 422),
        ({"since": "--upload-pack=x"}, 422),
    ):
        assert dana.get(address, params=wrong).status_code == status, wrong
    assert dana.get("/v1/services/ghost/notes").status_code == 404


def test_a_changelog_of_all_tags(house: House, client: Callable[..., Held]) -> None:
    """Every tag's notes as one text, in a form and for an audience that there is."""
    house.release("1.0.0")
    house.commit("feat: gifts", DEFINITION + "\n")
    house.build("1.1.0")
    dana, address = client("dana"), "/v1/services/shop/changelog"
    found = dana.get(address).json()
    assert found["commits"] >= 2
    assert "gifts" in found["text"]
    assert dana.get(address, params={"format": "html"}).json()["text"].startswith("<article>")
    assert dana.get(address, params={"format": "pdf"}).status_code == 422
    assert dana.get(address, params={"audience": "cats"}).status_code == 422
    assert dana.get("/v1/services/ghost/changelog").status_code == 404


def test_where_a_commit_runs(house: House, client: Callable[..., Held]) -> None:
    """Each environment that runs it, since when, and the promotion; what means nothing is not found."""
    dana = client("dana")
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    commit = house.made.git("rev-parse", "HEAD")
    (found,) = dana.get(f"/v1/where/{commit}?service=shop").json()["found"]
    assert [(run["environment"], run["version"]) for run in found["runs"]] == [("dev", "1.0.0")]
    assert dana.get(f"/v1/promotions/{found['runs'][0]['promotion']}").status_code == 200
    assert dana.get("/v1/where/%237").status_code == 404
    assert dana.get(f"/v1/where/{commit}?service=ghost").status_code == 404


def test_who_changed_a_line_and_what_became_of_it(house: House, client: Callable[..., Held]) -> None:
    """By path and line, in the path or apart; page by page; a commit with its files."""
    dana = client("dana")
    commit = house.commit("feat: prices", prices="1\n2\n")
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    house.commit("fix: prices", prices="1\n3\n")
    place = "/v1/services/shop/history"
    found = dana.get(place, params={"path": "prices:2"}).json()
    assert [each["commit"]["subject"] for each in found["items"]] == ["fix: prices", "feat: prices"]
    assert found["items"][1]["commit"]["arrivals"][1]["approvals"][0]["by"] == "rita"
    assert dana.get(place, params={"path": "prices", "line": "2"}).json() == found
    (first,) = dana.get(place, params={"path": "prices", "limit": "1"}).json()["items"]
    page = dana.get(place, params={"path": "prices", "limit": "1"}).json()
    (second,) = dana.get(place, params={"path": "prices", "cursor": page["next_cursor"]}).json()["items"]
    assert [first["how"], second["how"]] == ["changed", "added"]
    one = dana.get(f"/v1/services/shop/commits/{commit[:12]}").json()
    assert (one["commit"]["sha"], one["patch"]["files"][0]["path"]) == (commit, "prices")
    dev = client("dana", "dev").get(f"/v1/services/shop/commits/{commit}").json()
    assert {each["environment"] for each in dev["commit"]["arrivals"]} <= {"dev"}


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"path": "../../etc/passwd"}, 422),
        ({"path": "/etc/passwd"}, 422),
        ({"path": "prices:9"}, 422),
        ({"path": "prices", "line": "1;ls"}, 422),
        ({"path": "never"}, 404),
        ({"path": "never:1"}, 404),
        ({"path": "prices", "ref": "--upload-pack=x"}, 422),
        ({"path": "prices", "ref": "nowhere"}, 404),
        ({"path": "prices", "cursor": "x"}, 422),
        ({"path": "prices", "limit": "0"}, 422),
        ({}, 422),
    ],
)
def test_a_history_that_there_is_not(
    house: House, client: Callable[..., Held], asked: dict[str, str], status: int
) -> None:
    """What leaves the repository, what git could misread, and what is not there."""
    house.commit("feat: prices", prices="1\n")
    assert client("dana").get("/v1/services/shop/history", params=asked).status_code == status
    assert client("dana").get("/v1/services/ghost/history", params={"path": "x"}).status_code == 404


def test_a_commit_that_there_is_not(house: House, client: Callable[..., Held]) -> None:
    """An unknown id, and what is none."""
    dana = client("dana")
    assert dana.get(f"/v1/services/shop/commits/{'f' * 40}").status_code == 404
    assert dana.get("/v1/services/shop/commits/--all").status_code == 422
