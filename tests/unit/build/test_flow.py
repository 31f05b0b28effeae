"""The flow of a build with a sandbox that is not one: states, ways on, and what happens only once."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa
from building import Builder, Killed, Steps, script_service
from repositories import Made

from clearway import artifacts, build, ledger, workflow
from clearway.artifacts import REPRODUCED, Signer
from clearway.build import flows
from clearway.build.flows import run_build
from clearway.build.ports import FakePackages, FakeSandbox, Job, Limits
from clearway.catalog import recipe as catalog_recipe
from clearway.catalog.store import items
from clearway.kernel import SYSTEM, Actor, Conflict, Invalid, NotFound, Refused, Retry
from clearway.storage import Blobs, FileBlobs

Run = Generator[bytes, None, int]


def make_it(job: Job) -> Run:
    """Writes what the source says: the same bytes each time."""
    Path(job.cwd, "out.txt").write_text(Path(job.cwd, "in.txt").read_text().upper())
    yield b"working\n"
    return 0


def make_it_anew(job: Job) -> Run:
    """Other bytes each time."""
    Path(job.cwd, "out.txt").write_text(os.urandom(8).hex())
    yield b""
    return 0


def fail(job: Job) -> Run:
    yield b"cannot find the thing\n"
    return 2


def hang(job: Job) -> Run:
    while True:
        yield b""


def flood(job: Job) -> Run:
    while True:
        yield b"x" * 1000 + b"\n"


def nothing(job: Job) -> Run:
    yield b""
    return 0


def green(job: Job) -> Run:
    yield b"Ran 3 tests in 0.1s\n\nOK\n"
    return 0


def red(job: Job) -> Run:
    yield b"Ran 3 tests in 0.1s\n\nFAILED (failures=1)\n"
    return 1


def link_out(job: Job) -> Run:
    Path(job.cwd, "out.txt").symlink_to("/etc/passwd")
    yield b""
    return 0


def folder_link(job: Job) -> Run:
    Path(job.cwd, "deep").symlink_to("/etc")
    yield b""
    return 0


PROGRAMS = {
    "make-it": make_it,
    "make-it-anew": make_it_anew,
    "fail": fail,
    "hang": hang,
    "flood": flood,
    "nothing": nothing,
    "tests-pass": green,
    "tests-fail": red,
    "link-out": link_out,
    "folder-link": folder_link,
}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "repository")


@pytest.fixture
def sandbox() -> FakeSandbox:
    return FakeSandbox(dict(PROGRAMS))


@pytest.fixture
def builder(tmp_path: Path, made: Made, sandbox: FakeSandbox) -> Builder:
    return Builder(tmp_path, str(made.root), sandbox, FakePackages(tmp_path / "packages"))


def service(made: Made, program: str = "make-it", **more: Any) -> str:
    return script_service(
        made, f"  - {{name: compile, run: [{program}]}}\n", files={"in.txt": f"text {program}"}, **more
    )


def actions(builder: Builder) -> list[str]:
    with builder.database.read() as uow:
        found = ledger.entries(uow, limit=1000).items
    return [entry.action for entry in found if entry.subject.split(":")[0] in ("build", "artifact")]


def test_a_build_that_succeeds(builder: Builder, made: Made) -> None:
    """Row, artifact, evidence and ledger tell the same story; only the log stays of the bench."""
    sha = service(made)
    made.git("tag", "v1.4.0")
    done = builder.run()
    assert (done.status, done.version, done.commit, done.author) == ("succeeded", "1.4.0", sha, "dev")
    assert (done.reproduced, done.mode, done.error) == (True, "fake", None)
    assert [(each.name, each.type, each.version) for each in done.artifacts] == [("out.txt", "file", "1.4.0")]
    with builder.database.read() as uow:
        with artifacts.open(uow, done.artifacts[0].digest) as stream:
            assert stream.read() == b"TEXT MAKE-IT"
        assert len(artifacts.verify_stored(uow, done.artifacts[0].digest)) == 3
        assert artifacts.list(uow, build_id=done.id).items == list(done.artifacts)
        assert build.list(uow, service="shop", version="1.4.0", status="succeeded").items == [done]
        assert build.list(uow, version="1.4.1").items == []
    assert actions(builder) == ["build.requested", "artifact.stored", "build.succeeded"]
    assert os.listdir(builder.workshop.root / done.id) == ["log.txt"]
    assert "compile 2 | working" in builder.log(done.id)


def test_jobs_get_a_fixed_world(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """Clock, zone, locale, home, hash seed and user are the same for every run, wherever it happens."""
    service(made, extra="  environment: {FLAVOUR: dark}\n")
    builder.run()
    first, second = sandbox.jobs
    assert first == second
    world = dict(first.environment)
    assert (world["TZ"], world["LC_ALL"], world["PYTHONHASHSEED"]) == ("UTC", "C.UTF-8", "0")
    assert world["SOURCE_DATE_EPOCH"] == made.git("log", "-1", "--format=%ct")
    assert (world["FLAVOUR"], world["USER"]) == ("dark", "build")
    assert str(Path.home()) != world["HOME"]
    assert not {name for name in world if "TOKEN" in name or "CLEARWAY" in name}


def test_runs_that_differ_are_not_called_reproduced(builder: Builder, made: Made) -> None:
    """The build succeeds, says so, and its evidence says so: a gate decides what that means."""
    service(made, "make-it-anew")
    done = builder.run()
    assert (done.status, done.reproduced) == ("succeeded", False)
    assert "compare | out.txt: different bytes" in builder.log(done.id)
    with builder.database.read() as uow:
        found = artifacts.evidence(uow, done.artifacts[0].digest)
    assert [each.predicate["identical"] for each in found if each.predicate_type == REPRODUCED] == [False]


def test_built_once_claims_nothing_about_twice(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """One run, and no word about reproduction."""
    service(made)
    done = builder.run(twice=False)
    assert (done.status, done.reproduced, len(sandbox.jobs)) == ("succeeded", None, 1)
    with builder.database.read() as uow:
        kinds = {each.predicate_type for each in artifacts.evidence(uow, done.artifacts[0].digest)}
    assert REPRODUCED not in kinds


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("fail", "step compile failed with exit code 2"),
        ("hang", "was stopped after 30s: it had not ended"),
        ("flood", "more than 100000 bytes of log and was stopped"),
        ("nothing", "nothing that matches the output out.txt"),
        ("link-out", "not a plain file"),
    ],
)
def test_a_build_that_goes_wrong_ends_in_a_clear_state(
    builder: Builder, made: Made, program: str, says: str
) -> None:
    """Failed, with the reason in row and log; no artifact, no bench left behind."""
    workshop = replace(builder.workshop, log_bytes=100_000, limits=Limits(seconds=10_000))
    builder.database.tools[build.Workshop] = workshop
    script_service(
        made,
        f"  - {{name: compile, run: [{program}], timeout: 30s}}\n"
        if program == "hang"
        else f"  - {{name: compile, run: [{program}], timeout: 10h}}\n",
        extra="  timeout: 10h\n",
    )
    done = builder.run()
    assert done.status == "failed"
    assert says in (done.error or "")
    assert done.finished_at is not None
    assert done.artifacts == ()
    assert actions(builder) == ["build.requested", "build.failed"]
    log = builder.log(done.id)
    assert len(log) < 110_000
    assert "stopped" in log if program == "flood" else "failed:" in log
    assert os.listdir(workshop.root / done.id) == ["log.gz" if program == "flood" else "log.txt"]


def test_an_output_behind_a_link_is_refused(builder: Builder, made: Made) -> None:
    """A glob that walks through a link out of the bench finds nothing of ours."""
    script_service(made, "  - {name: compile, run: [folder-link]}\n", outputs="[deep/passwd]")
    done = builder.run()
    assert done.status == "failed"
    assert "lies behind a link" in (done.error or "")


def test_a_job_that_replaces_the_source_by_a_link_publishes_nothing_of_the_host(
    builder: Builder, made: Made, sandbox: FakeSandbox, tmp_path: Path
) -> None:
    """The folder in which outputs are looked for is the job's to replace: it is opened without following."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "out.txt").write_text("PRIVATE")

    def swap(job: Job) -> Run:
        folder = Path(job.cwd)
        folder.rename(folder.with_name("old"))
        folder.symlink_to(tmp_path / "host")
        yield b""
        return 0

    sandbox.programs["swap"] = swap
    script_service(made, "  - {name: compile, run: [swap]}\n")
    done = builder.run()
    assert (done.status, done.artifacts) == ("failed", ())
    assert "link" in (done.error or "")


def test_outputs_are_called_by_their_file_names_where_those_differ(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """Two files of one name keep their folders."""

    def many(job: Job) -> Run:
        for name in ("a/x.txt", "b/x.txt", "b/y.txt"):
            path = Path(job.cwd, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(name)
        yield b""
        return 0

    sandbox.programs = {"many": many}
    script_service(made, "  - {name: compile, run: [many]}\n", outputs="['**/*.txt']")
    assert [each.name for each in builder.run().artifacts] == ["a/x.txt", "b/x.txt", "y.txt"]


def test_tests_count_and_stop_the_build_when_they_fail(builder: Builder, made: Made) -> None:
    """Counts are kept either way; a red test means no artifact."""
    service(made, extra="  test: [tests-pass]\n")
    done = builder.run()
    assert (done.status, (done.tests or {})["passed"]) == ("succeeded", 3)
    service(made, extra="  test: [tests-fail]\n")
    done = builder.run()
    assert (done.status, done.error) == ("failed", "2 of 3 tests passed (exit code 1). The log shows which.")
    assert (done.tests or {})["failed"] == 1


def test_what_the_repository_lacks_is_said(builder: Builder, made: Made) -> None:
    """No definition, a wrong one, another service's, an unknown ref, a recipe that is not there yet."""
    made.commit({"a": "1"})
    assert "has no clearway.yaml" in (builder.run().error or "")
    made.commit({"clearway.yaml": "service: shop\nbuild: {recipe: script}\nx: 1\n"})
    assert "clearway.yaml:" in (builder.run().error or "")
    made.commit({"clearway.yaml": "service: other\nbuild: {recipe: make, outputs: [a]}\n"})
    assert "describes the service other" in (builder.run().error or "")
    assert "no branch, tag or commit" in (builder.run("nowhere").error or "")
    made.commit({"clearway.yaml": "service: shop\nbuild: {recipe: maven}\n"})
    assert "there is no clearway-maven.lock" in (builder.run().error or "")


def test_every_recipe_that_a_file_may_name_can_be_built() -> None:
    """The names that clearway.yaml allows are those that the flow knows, no more and no fewer."""
    assert set(flows.RECIPES) == set(get_args(catalog_recipe.Build.model_fields["recipe"].annotation))


def test_a_full_disk_fails_the_build_and_stores_nothing(
    builder: Builder, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words say what to do, and the same build works once there is room."""
    service(made)

    class Full(FileBlobs):
        def put(self, chunks: Any, expected: str | None = None) -> Any:
            raise Retry("the disk that holds the artifacts is full; nothing was stored")

    builder.database.tools[Blobs] = Full(tmp_path / "full")
    done = builder.run()
    assert done.status == "failed"
    assert "disk that holds the artifacts is full" in (done.error or "")
    assert done.artifacts == ()
    builder.database.tools[Blobs] = FileBlobs(tmp_path / "room")
    assert builder.run().status == "succeeded"


def test_a_build_stops_before_the_disk_is_full(builder: Builder, made: Made) -> None:
    """The database and the artifacts live there too."""
    service(made, "hang")
    builder.database.tools[build.Workshop] = replace(builder.workshop, reserve_bytes=1 << 62)
    done = builder.run()
    assert done.status == "failed"
    assert "disk that holds the builds is nearly full" in (done.error or "")


def test_a_build_that_cannot_be_recorded_ends_as_failed(builder: Builder, made: Made) -> None:
    """Its statements are gone between signing and recording: no artifact, and a clear end."""
    service(made)
    build_id, steps = builder.request(), Steps()
    steps.die_after = 3
    with pytest.raises(Killed):
        run_build(builder.database, steps, build_id)
    assert steps.ran[-1] == "store"
    builder.workshop.place(build_id, "evidence.jsonl").unlink()
    run_build(builder.database, steps.again(), build_id)
    done = builder.get(build_id)
    assert (done.status, done.artifacts) == ("failed", ())
    assert "not recorded" in (done.error or "")
    assert actions(builder) == ["build.requested", "build.failed"]


def test_a_log_that_cannot_be_written_fails_the_build(builder: Builder, made: Made) -> None:
    """The disk of the builds is full: said, not hung."""
    service(made)
    build_id = builder.request()
    path = builder.workshop.log_path(build_id)
    path.parent.mkdir(parents=True)
    path.symlink_to("/dev/full")
    run_build(builder.database, Steps(), build_id)
    done = builder.get(build_id)
    assert done.status == "failed"
    assert "disk that holds the builds is full" in (done.error or "")


def test_a_signer_that_is_away_fails_the_build(builder: Builder, made: Made) -> None:
    """No artifact without its evidence."""
    service(made)
    builder.database.tools[Signer].away = True
    done = builder.run()
    assert (done.status, done.error) == ("failed", "the signer does not answer")
    assert done.artifacts == ()


def test_a_fault_of_ours_does_not_leave_a_build_running(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """Whatever breaks inside a step, the build ends."""
    service(made, "unknown-to-the-fake")
    done = builder.run()
    assert done.status == "failed"
    assert "Clearway itself failed: KeyError" in (done.error or "")


@pytest.mark.parametrize("inside", [False, True], ids=["after", "inside"])
def test_killed_at_any_step_a_build_ends_the_same(
    tmp_path: Path, made: Made, sandbox: FakeSandbox, inside: bool
) -> None:
    """After a restart finished steps are not run again, an interrupted one is, and the end is the same."""
    service(made, extra="  test: [tests-pass]\n")
    whole = Steps()
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir()
        builder = Builder(folder, str(made.root), sandbox, FakePackages(tmp_path / "p"))
        build_id, steps = builder.request(), Steps()
        if inside:
            steps.die_inside = number
        else:
            steps.die_after = number
        try:
            run_build(builder.database, steps, build_id)
            break
        except Killed:
            pass
        before = list(steps.ran)
        run_build(builder.database, steps.again(), build_id)
        done = builder.get(build_id)
        assert (done.status, done.reproduced, len(done.artifacts)) == ("succeeded", True, 1)
        assert actions(builder) == ["build.requested", "artifact.stored", "build.succeeded"]
        with builder.database.read() as uow:
            assert len(artifacts.evidence(uow, done.artifacts[0].digest)) == 4
        again = steps.ran[len(before) :]
        assert (before[-1] in again) == inside
        assert not set(before[:-1]) & set(again)
        builder.database.dispose()
        whole = steps
    assert number == len(whole.ran) - inside
    assert list(dict.fromkeys(whole.ran)) == ["source", "build 1", "build 2", "store"]


@pytest.mark.parametrize("act", ["_begin", "_finish_once"])
def test_killed_around_the_acts_that_are_no_steps_a_build_ends_the_same(
    builder: Builder, made: Made, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """The first and the last act have no checkpoint: repeated after their commit, they change nothing."""
    service(made)
    build_id, steps = builder.request(), Steps()
    real = getattr(flows, act)

    def act_and_die(*args: Any) -> None:
        real(*args)
        raise Killed

    monkeypatch.setattr(flows, act, act_and_die)
    with pytest.raises(Killed):
        run_build(builder.database, steps, build_id)
    monkeypatch.setattr(flows, act, real)
    before, ran = builder.get(build_id), list(steps.ran)
    run_build(builder.database, steps.again(), build_id)
    done = builder.get(build_id)
    assert (done.status, done.started_at) == ("succeeded", before.started_at)
    if act == "_finish_once":
        assert (done, steps.ran) == (before, ran)
    assert actions(builder) == ["build.requested", "artifact.stored", "build.succeeded"]


def test_a_build_that_another_version_began_ends_as_failed(builder: Builder, made: Made) -> None:
    """Its finished steps have other names than ours: a clear end with a way on, no running for ever."""
    service(made)
    build_id = builder.request()

    class Other(Steps):
        def step(self, name: str, function: Any, *args: Any) -> Any:
            if name == "build 1":
                raise workflow.Changed("another version of Clearway began it")
            return super().step(name, function, *args)

    run_build(builder.database, Other(), build_id)
    done = builder.get(build_id)
    assert (done.status, done.error) == ("failed", "another version of Clearway began it. Build it again.")


def test_a_waiting_build_is_cancelled_at_once(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """It never runs, and its flow finds that out."""
    service(made)
    build_id = builder.request()
    with builder.database.begin() as uow:
        assert build.cancel(uow, SYSTEM, build_id, "wrong branch").status == "cancelled"
    run_build(builder.database, Steps(), build_id)
    assert builder.get(build_id).error == "cancelled by clearway: wrong branch"
    assert sandbox.jobs == []
    with pytest.raises(Conflict), builder.database.begin() as uow:
        build.cancel(uow, SYSTEM, build_id)


def test_a_running_build_is_cancelled_by_a_message(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """The sandbox's watch sees the wish; the build ends as cancelled, with who and why."""
    service(made, "until-cancelled")
    build_id = builder.request()

    def until_cancelled(job: Job) -> Run:
        yield b"begun\n"
        with builder.database.begin() as uow:
            assert build.cancel(uow, SYSTEM, build_id).status == "running"
        while True:
            yield b""

    sandbox.programs = {"until-cancelled": until_cancelled}
    run_build(builder.database, Steps(), build_id)
    done = builder.get(build_id)
    assert (done.status, done.error) == ("cancelled", "cancelled by clearway")
    assert actions(builder) == ["build.requested", "build.cancel-requested", "build.cancelled"]


def test_asking_for_a_build_needs_permission_and_a_real_name(builder: Builder) -> None:
    """Nobody starts programs by asking nicely; nothing is queued for what is refused."""
    with builder.database.begin() as uow:
        with pytest.raises(Refused):
            build.request(uow, Actor("nobody"), "shop", "main")
        with pytest.raises(NotFound):
            build.request(uow, SYSTEM, "unknown", "main")
        with pytest.raises(Invalid):
            build.request(uow, SYSTEM, "shop", "--upload-pack=x")
        assert build.list(uow).items == []
        with pytest.raises(NotFound):
            build.get(uow, "bld_nothing")
    assert builder.queued.started == []


def test_a_request_queues_the_flow_in_its_transaction(builder: Builder) -> None:
    """No name means the service's branch; rolled back means never asked."""
    with pytest.raises(ZeroDivisionError), builder.database.begin() as uow:
        build.request(uow, SYSTEM, "shop")
        1 / 0  # noqa: B018
    builder.queued.started.clear()
    build_id = builder.request("")
    assert builder.queued.started == [("build.run", build_id, {"build_id": build_id})]
    assert builder.get(build_id).ref == "main"
    with builder.database.read() as uow:
        assert [each.id for each in build.list(uow).items] == [build_id]


def test_the_log_is_read_in_whole_lines_while_it_grows(builder: Builder, made: Made) -> None:
    """A reader follows by offset; the last part says that it is the last."""
    service(made)
    build_id = builder.request()

    def part(offset: int, most: int = 1 << 20) -> build.LogPart:
        with builder.database.read() as uow:
            return build.log(uow, build_id, offset, most)

    assert part(0) == build.LogPart("", 0, False)
    path = builder.workshop.log_path(build_id)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a | one\na | tw")
    assert part(0) == build.LogPart("a | one\n", 8, False)
    path.write_bytes(b"a | one\na | two\n")
    assert part(8) == build.LogPart("a | two\n", 16, False)
    run_build(builder.database, Steps(), build_id)
    text, offset = "", 0
    while not (piece := part(offset, 40)).complete:
        assert piece.offset > offset
        text, offset = text + piece.text, piece.offset
    assert text + piece.text == path.read_text()


def test_a_location_with_a_password_shows_it_nowhere(builder: Builder, made: Made) -> None:
    """Not in the error, not in the log, not in the ledger."""
    with builder.database.begin() as uow:  # declared before such addresses were refused
        row = sa.select(items.c.spec).where(items.c.kind == "Service")
        address = {"repository": "https://bob:hunter2@127.0.0.1:9/x.git"}
        spec = uow.connection.execute(row).scalar_one() | address
        uow.connection.execute(sa.update(items).where(items.c.kind == "Service").values(spec=spec))
    done = builder.run()
    assert done.status == "failed"
    assert "holds a name or a password" in (done.error or "")
    with builder.database.read() as uow:
        told = [
            entry.reason + str(entry.data) for entry in ledger.entries(uow, subject=f"build:{done.id}").items
        ]
    assert "hunter2" not in (done.error or "") + builder.log(done.id) + "".join(told)
