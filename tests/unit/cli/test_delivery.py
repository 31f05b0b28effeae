"""The commands that deliver, against real rooms and real git; flows run when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from house import House

from clearway import access, build, source
from clearway.build import Workshop
from clearway.cli import exits, watch


def test_from_a_build_to_an_approval(house: House, by: Callable[..., Any]) -> None:
    """Release, plan, promotion, someone else's signature, status, trace and notes."""
    house.build("1.0.0")
    made = by("dana", "release", "shop", "1.0.0")
    assert (made.code, "sha256:" in made.out) == (0, True)
    assert "1.0.0" in by("dana", "release", "shop", "--list").out
    plan = by("dana", "promote", "shop", "1.0.0", "--to", "dev", "--dry-run")
    assert plan.code == 0
    assert "gate tests-passed: yes" in plan.out
    assert by("dana", "status", "--json").json["services"]
    assert by("dana", "promote", "shop", "1.0.0", "--to", "dev", "-m", "first").code == 0
    house.wait(60)
    assert "1.0.0" in by("dana", "status").out
    uat = house.at("uat")[0]
    assert "clearway approve" in by("dana", "status", uat.id).out
    own = by("dana", "approve", uat.id, "--yes")
    assert own.code == exits.NOT_PERMITTED
    assert by("rita", "approve", uat.id).code == exits.USAGE, "nobody was there to read the plan"
    stale = by("rita", "approve", uat.id, "--plan-hash", "sha256:" + "0" * 64)
    assert stale.code == exits.REFUSED
    assert by("rita", "approve", uat.id, "--yes", "-m", "fine").code == 0
    house.wait(60)
    done = by("dana", "status", house.at("uat")[0].deployment_id)
    assert "succeeded" in done.out
    trace = by("dana", "trace", "shop@1.0.0")
    assert "commit" in trace.out
    assert "# shop 1.0.0" in by("dana", "notes", "shop", "1.0.0").out
    assert by("dana", "trace", "nothing").code == exits.USAGE
    assert by("dana", "metrics").code == 0


def test_a_gate_that_says_no_is_4(house: House, by: Callable[..., Any]) -> None:
    """The gate, its reason and what would change it are on standard error."""
    house.release("1.0.0", failed=1)
    dry = by("dana", "promote", "shop", "1.0.0", "--to", "dev", "--dry-run", "--json")
    assert (dry.code, dry.json["allowed"]) == (exits.REFUSED, False)
    done = by("dana", "promote", "shop", "1.0.0", "--to", "dev")
    assert done.code == exits.REFUSED
    assert "gate tests-passed: no: untested software is a guess" in done.err


def test_waiting_tells_what_happens_and_how_it_ended(house: House, by: Callable[..., Any]) -> None:
    """`--wait` follows until the end: 0 when it runs, 4 when somebody rejected it."""
    house.release("1.0.0")
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            house.wait(10)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        done = by("dana", "promote", "shop", "1.0.0", "--to", "dev", "--wait")
    finally:
        stop.set()
        worker.join(60)
    assert done.code == 0, done.err
    assert "succeeded" in done.err + done.out
    house.wait(60)
    uat = house.at("uat")[0].id
    assert by("rita", "reject", uat, "--reason", "not on a Friday").code == 0
    assert by("rita", "reject", uat, "--reason", "twice").code == exits.REFUSED


def test_a_rollback_needs_a_reason_and_a_right(house: House, by: Callable[..., Any]) -> None:
    """Without a reason it is usage, without a right 3, with nothing to go back to 4."""
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    assert by("otto", "rollback", "shop", "--in", "uat").code == exits.USAGE
    assert by("vera", "rollback", "shop", "--in", "uat", "-m", "slow").code == exits.NOT_PERMITTED
    assert by("otto", "rollback", "shop", "--in", "uat", "-m", "slow").code == exits.REFUSED
    house.commit("feat: second")
    house.release("1.1.0")
    house.to("uat", "1.1.0")
    back = by("otto", "rollback", "shop", "--in", "uat", "-m", "slow", "--json")
    assert (back.code, back.json["version"], back.json["kind"]) == (0, "1.0.0", "rollback")


def test_a_build_is_watched_with_its_log(
    house: House, by: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log runs by on standard error; a build that ends badly is 1."""
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.05)
    queued = by("dana", "build", "shop", "--ref", "main", "--no-wait", "--json").json
    assert queued["status"] == "queued"
    stop = threading.Event()

    def end() -> None:
        while not stop.wait(0.02):
            with house.database.begin() as uow:
                for each in build.list(uow, service="shop", status="queued").items:
                    path = uow.tool(Workshop).log_path(each.id)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text("source | hello\n")
                    build.cancel(uow, access.TokenActor("root", actions=access.ACTIONS), each.id, "enough")

    worker = threading.Thread(target=end)
    worker.start()
    try:
        done = by("dana", "build", "shop", "--ref", "main")
    finally:
        stop.set()
        worker.join(60)
    assert done.code == exits.FAILED
    assert "source | hello" in done.err
    assert "enough" in done.out
    assert by("dana", "build", "--log", queued["id"]).out == "source | hello\n"
    assert "cancelled" in by("dana", "build", "--list").out
    assert by("dana", "build").code == exits.USAGE
    assert by("dana", "build", "ghost").code == exits.USAGE


def test_incidents_are_worked_on(house: House, by: Callable[..., Any]) -> None:
    """Open, list, show, acknowledge, note, restore, resolve; each a line of the ledger."""
    made = by("otto", "incident", "open", "shop", "--to", "prod", "--reason", "checkout is down", "--json")
    assert made.code == 0
    name = made.json["id"]
    assert made.json["opened_by"] == "otto"
    listed = by("otto", "incident", "list", "--open").out
    assert name in listed
    assert " open " in listed
    assert by("otto", "incident", "acknowledge", name).code == 0
    assert by("otto", "incident", "note", name, "the database was full").code == 0
    assert "the database was full" in by("otto", "incident", "show", name).out
    assert by("otto", "incident", "resolve", name, "-m", "early").code == exits.REFUSED
    assert by("otto", "incident", "restore", name, "-m", "space was made").code == 0
    assert by("otto", "incident", "resolve", name, "-m", "nobody watched the disk").code == 0
    assert name not in by("otto", "incident", "list", "--open").out
    log = by("otto", "audit", "log", "--subject", f"incident:{name}", "--json").json
    verbs = [each["action"].partition(".")[2] for each in log]
    assert verbs == ["opened", "acknowledged", "noted", "restored", "resolved"]


@pytest.mark.parametrize(
    ("who", "service", "environment", "code"),
    [
        ("vera", "shop", "prod", exits.NOT_PERMITTED),
        ("otto", "shp", "prod", exits.USAGE),
        ("otto", "shop", "prd", exits.USAGE),
    ],
)
def test_an_incident_is_of_a_place_that_there_is(
    by: Callable[..., Any], who: str, service: str, environment: str, code: int
) -> None:
    """Nobody without the permission opens one, and nobody opens one of a mistyped place."""
    assert by(who, "incident", "open", service, "--to", environment, "--reason", "dark").code == code
    assert by("otto", "incident", "list", "--json").json == []


def test_a_mistyped_place_is_no_empty_answer(by: Callable[..., Any]) -> None:
    """Nothing and not there are told apart."""
    for arguments in (
        ("release", "shp"),
        ("build", "shp", "--list"),
        ("config", "get", "shp", "prod"),
        ("config", "get", "shop", "prd"),
        ("token", "create", "ci", "--environment", "prd"),
    ):
        done = by("root", *arguments)
        assert done.code == exits.USAGE, arguments
        assert "there is no" in done.err, arguments
    assert by("root", "release", "shop").code == 0
    assert by("root", "config", "get", "*", "prod").code == 0


def test_a_promotion_that_waits_says_which_gate_will_stop_it(house: House, by: Callable[..., Any]) -> None:
    """Approvals are asked for, and who asks sees at once what else says no."""
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    house.facts.open_incidents = 1
    done = by("dana", "promote", "shop", "1.0.0", "--to", "prod")
    assert "waiting-approval" in done.out
    assert "gate calm: no: one fire at a time" in done.out


def test_the_next_version_is_said_and_cut(house: House, by: Callable[..., Any]) -> None:
    """What comes and why; then the tag, without waiting for the build; and what does not go together."""
    house.apply(f"{{kind: Service, name: shop, team: store, repository: {house.made.root}, route: standard}}")
    house.made.git("tag", "v1.0.0")
    house.made.commit({"a": "1"}, "feat: gifts")
    said = by("dana", "release", "shop", "--next", "--dry-run")
    assert said.code == 0
    assert "1.1.0 as v1.1.0" in said.out
    assert "a feature since 1.0.0 raises the minor number" in said.out
    assert "gifts" in said.out
    assert (
        by("dana", "release", "shop", "--next", "--dry-run", "--channel", "rc", "--json").json["tag"]
        == "v1.1.0-rc.1"
    )
    cut = by("dana", "release", "shop", "--next", "--no-wait", "-m", "spring")
    assert (cut.code, "shop 1.1.0 (v1.1.0): tagging" in cut.out) == (0, True)
    none = by("dana", "release", "shop", "--next", "--ref", "v1.0.0", "--dry-run")
    assert "no new version: nothing changed since 1.0.0" in none.out
    assert by("dana", "release", "shop", "--next", "--ref", "v1.0.0").code != 0
    assert by("vera", "release", "shop", "--next").code == exits.NOT_PERMITTED
    for wrong in (("1.0.0", "--next"), ("--next", "--list"), ("--ref", "main"), ("--dry-run",)):
        assert by("dana", "release", "shop", *wrong).code == exits.USAGE


def test_waiting_for_a_cut_ends_with_it(
    house: House, by: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut whose tag is taken ends badly, with its reason and an exit code that scripts see."""
    house.apply(f"{{kind: Service, name: shop, team: store, repository: {house.made.root}, route: standard}}")
    first = house.made.git("rev-parse", "HEAD")
    house.made.commit({"a": "1"}, "feat: gifts")
    watching = watch.until

    def until(look: Callable[[], Any], *more: Any) -> Any:
        house.made.git("tag", "v0.1.0", first)  # somebody is faster
        house.run()
        return watching(look, *more)

    monkeypatch.setattr(watch, "until", until)
    done = by("dana", "release", "shop", "--next")
    assert done.code == exits.FAILED
    assert "shop 0.1.0 (v0.1.0): failed" in done.out
    assert "names commit" in done.out


def test_notes_over_what_runs_and_for_whom(house: House, by: Callable[..., Any]) -> None:
    """Over an environment or a version, for an audience, in a format; and what does not go."""
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    house.commit("feat(cart): gifts")
    assert "**cart:** gifts" in by("dana", "notes", "shop", "--to", "dev").out
    assert "gifts" in by("dana", "notes", "shop", "main", "--since", "1.0.0").out
    page = by("dana", "notes", "shop", "--to", "dev", "--audience", "customers", "--format", "html").out
    assert page.startswith("<article>")
    assert "cart" not in page
    assert "first" in by("dana", "notes", "shop", "1.0.0").out
    assert "gifts" in by("dana", "notes", "shop", "--all").out
    assert by("dana", "notes", "shop", "1.0.0", "--all").code == exits.USAGE
    form = house.folder / "form.j2"
    form.write_text("told: {{ notes.version }}")
    assert by("dana", "notes", "shop", "1.0.0", "--template", str(form)).out.strip() == "told: 1.0.0"
    for wrong in ((), ("1.0.0", "--format", "pdf"), ("--to", "nowhere"), ("1.0.0", "--audience", "all")):
        assert by("dana", "notes", "shop", *wrong).code == exits.USAGE, wrong


def test_where_something_runs(house: House, by: Callable[..., Any]) -> None:
    """The environment, the version, the promotion; and where it is not yet."""
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    commit = house.commit("feat: gifts", a="1")
    first = by("dana", "where", house.made.git("rev-parse", "HEAD~1"), "--service", "shop")
    assert first.code == 0
    assert "dev: in 1.0.0 since" in first.out
    assert "dev: not yet" in by("dana", "where", commit[:8]).out
    assert by("dana", "where", "#9").code == exits.USAGE


def test_who_changed_a_line(house: House, by: Callable[..., Any]) -> None:
    """Each change on a line; as JSON everything; words for what cannot be asked."""
    for number in range(3):
        house.commit(f"fix: {number}", **{"prices.py": f"a\n{number}\n"})
    done = by("dana", "source", "audit", "prices.py:2", "--service", "shop")
    assert done.code == 0
    assert "prices.py:2 of shop at main" in done.out
    assert [done.out.index(f"fix: {number}") for number in range(3)] == sorted(
        (done.out.index(f"fix: {number}") for number in range(3)), reverse=True
    )
    assert "added: fix: 0" in done.out
    two = by("dana", "source", "audit", "prices.py", "--service", "shop", "--limit", "2")
    assert "and 1 older; --limit shows more" in two.out
    found = by("dana", "source", "audit", "prices.py:1-2", "--service", "shop", "--json").json
    assert [each["lines"] for each in found["items"]] == [[[1, 2]]] * 3
    for wrong in (("../x",), ("prices.py:9",), ("none",), ("prices.py", "--ref", "none")):
        assert by("dana", "source", "audit", *wrong, "--service", "shop").code == exits.USAGE
    assert by("dana", "source", "audit", "prices.py", "--service", "ghost").code == exits.USAGE


def test_what_forges_told(house: House, by: Callable[..., Any]) -> None:
    """Of one repository, or of all that take webhooks; what is wrong stands beside it."""
    assert "nothing was delivered yet" in by("vera", "source", "deliveries", "shop").out
    house.apply("{kind: Repository, name: tools, location: /srv/tools.git, forge: gitea}")
    with house.database.begin() as uow:
        told = source.Received(
            repository="tools",
            forge="gitea",
            delivery_id="one",
            event="push",
            digest="sha256:" + "0" * 64,
            about="push to main",
            fetch=True,
        )
        source.receive(uow, told)
        source.receive(uow, told)
        source.note_refused(uow, "tools", "gitea", "not signed with a secret that is set here")
    one = by("vera", "source", "deliveries", "tools").out
    assert "push to main" in one
    assert "fetch (2 times)" in one
    assert "not signed" in one
    everything = by("vera", "source", "deliveries", "--json").json
    assert [each["outcome"] for each in everything] == ["unsigned", "fetch"]
    assert by("vera", "source", "deliveries", "none").code == exits.USAGE
