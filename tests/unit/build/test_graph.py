"""The graph of a build's steps: what each sees, what answers it, what a failure leaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
import sqlalchemy as sa
from building import Builder, Steps, script_service
from repositories import Made

from clearway import artifacts, build, policy
from clearway.build import cache
from clearway.build.cache import cache_table
from clearway.build.flows import run_build
from clearway.build.ports import FakePackages, FakeSandbox, Job
from clearway.kernel import SYSTEM, Conflict, sha256

Run = Generator[bytes, None, int]


def write(job: Job) -> Run:
    """`write NAME TEXT`."""
    path = Path(job.cwd, job.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(job.argv[2])
    yield b""
    return 0


def join(job: Job) -> Run:
    """`join OUT NAMES…`: what these files hold; `-` for one that is not there."""
    texts = [each.read_text() if each.exists() else "-" for each in (Path(job.cwd, n) for n in job.argv[2:])]
    Path(job.cwd, job.argv[1]).write_text(" ".join(texts))
    yield b""
    return 0


def tell(job: Job) -> Run:
    """`tell NAME=VALUE`."""
    Path(job.environment["STEP_OUTPUT"]).write_text(job.argv[1] + "\n")
    yield b""
    return 0


def show(job: Job) -> Run:
    """`show OUT VARIABLE`."""
    Path(job.cwd, job.argv[1]).write_text(job.environment.get(job.argv[2], "unset"))
    yield b""
    return 0


def fail(job: Job) -> Run:
    yield b"no\n"
    return 1


def remove(job: Job) -> Run:
    Path(job.cwd, job.argv[1]).unlink()
    yield b""
    return 0


@pytest.fixture
def sandbox() -> FakeSandbox:
    programs = {"write": write, "join": join, "tell": tell, "show": show, "fail": fail, "remove": remove}
    return FakeSandbox(programs)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "repository")


@pytest.fixture
def builder(tmp_path: Path, made: Made, sandbox: FakeSandbox) -> Builder:
    return Builder(tmp_path, str(made.root), sandbox, FakePackages(tmp_path / "packages"))


def content(builder: Builder, done: build.Build) -> str:
    """Of the first artifact."""
    assert done.error is None, builder.log(done.id)
    from clearway.storage import Blobs

    with builder.database.tool(Blobs).open(done.artifacts[0].digest) as stream:
        return stream.read().decode()


def ran(sandbox: FakeSandbox) -> list[str]:
    found = [" ".join(job.argv[:2]) for job in sandbox.jobs]
    sandbox.jobs.clear()
    return found


DIAMOND = """\
  - {name: base, run: [write, base, B]}
  - {name: left, run: [write, left, L], needs: [base]}
  - {name: right, run: [join, right, base, left], needs: [base]}
  - {name: top, run: [join, out.txt, base, left, right], needs: [left, right]}
"""


def test_a_step_sees_what_it_needs_and_nothing_else(builder: Builder, made: Made) -> None:
    """`right` does not see what `left` wrote, whichever ran first; `top` sees both."""
    script_service(made, DIAMOND)
    assert content(builder, builder.run()) == "B L B -"


def test_the_same_inputs_are_answered_by_the_first_build(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """The second build runs nothing, says whose results it took, and gives the same bytes."""
    script_service(made, DIAMOND)
    first = builder.run()
    assert len(ran(sandbox)) == 8  # twice
    second = builder.run()
    assert ran(sandbox) == []
    assert second.artifacts[0].digest == first.artifacts[0].digest
    assert second.reproduced is True
    assert f"answered by build {first.id}" in builder.log(second.id)
    with builder.database.read() as uow:
        said = artifacts.evidence(uow, second.artifacts[0].digest)
    newest = [each.predicate for each in said if each.predicate_type == artifacts.PROVENANCE][-1]
    answered = newest["buildDefinition"]["internalParameters"]["answeredSteps"]
    assert {each["invocationId"] for each in answered} == {first.id}
    assert [each["step"] for each in answered] == ["base", "left", "right", "top"]


INPUTS = """\
  - {name: left, run: [join, left, one.txt], inputs: [one.txt], needs: []}
  - {name: right, run: [join, right, two.txt, one.txt], inputs: ['two.*'], needs: []}
  - {name: top, run: [join, out.txt, left, right], inputs: [nothing], needs: [left, right]}
"""


def test_a_change_runs_what_depends_on_it(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """A step with inputs sees those files alone, and is answered across commits as long as they stay."""
    script_service(made, INPUTS, files={"one.txt": "1", "two.txt": "2"})
    assert content(builder, builder.run()) == "1 2 -"
    ran(sandbox)
    made.commit({"README": "another file", "two.txt": "3"})
    assert content(builder, builder.run(twice=False)) == "1 3 -"
    assert ran(sandbox) == ["join right", "join out.txt"]
    made.commit({"README": "again"})
    assert content(builder, builder.run()) == "1 3 -"
    assert ran(sandbox) == ["join right", "join out.txt"]  # they were run once only, and are compared now


def test_a_result_that_ended_early_is_used_by_a_build_of_another_one(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """A failed build's good steps are kept; what failed is not."""
    script_service(made, "  - {name: a, run: [write, out.txt, A]}\n  - {name: b, run: [fail]}\n")
    assert builder.run().status == "failed"
    assert ran(sandbox) == ["write out.txt", "fail"]
    assert builder.run().status == "failed"
    assert ran(sandbox) == ["fail"]


def test_once_is_not_twice(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """A result that was never compared answers, but a build that compares runs it to compare."""
    script_service(made, "  - {name: a, run: [write, out.txt, A]}\n")
    assert builder.run(twice=False).reproduced is None
    assert len(ran(sandbox)) == 1
    assert builder.run().reproduced is True
    assert len(ran(sandbox)) == 1  # the second run alone
    assert builder.run().reproduced is True
    assert ran(sandbox) == []


def test_changed_bytes_in_the_cache_are_no_answer(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """Whoever changes a kept result on the disk makes the step run again."""
    script_service(made, "  - {name: a, run: [write, out.txt, A]}\n")
    builder.run(twice=False)
    for each in builder.database.tool(build.Cache).root.glob("*/*"):
        each.write_bytes(each.read_bytes().replace(b"A", b"X"))
    ran(sandbox)
    assert content(builder, builder.run(twice=False)) == "A"
    assert len(ran(sandbox)) == 1


def test_a_step_may_say_that_nothing_answers_for_it(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """`cache: false` runs each time."""
    script_service(made, "  - {name: a, run: [write, out.txt, A], cache: false}\n")
    builder.run(twice=False)
    builder.run(twice=False)
    assert len(ran(sandbox)) == 2


def test_a_matrix_is_one_step_a_combination(builder: Builder, made: Made) -> None:
    """Each has its values as variables; who needs the step sees them all."""
    steps = (
        "  - {name: make, run: [show, 'out-${A}', A], matrix: {A: ['1', '2']}, needs: []}\n"
        "  - {name: all, run: [join, out.txt, out-1, out-2], needs: [make]}\n"
    )
    # The program is told its file's name by the value, as a shell would do.
    steps = steps.replace("[show, 'out-${A}', A]", "[out, A]")

    def out(job: Job) -> Run:
        value = job.environment[job.argv[1]]
        Path(job.cwd, f"out-{value}").write_text(value)
        yield b""
        return 0

    builder.database.tool(build.Sandbox).programs["out"] = out  # type: ignore[attr-defined]
    script_service(made, steps)
    assert content(builder, builder.run(twice=False)) == "1 2"


def test_values_are_handed_on(builder: Builder, made: Made) -> None:
    """What a step writes to STEP_OUTPUT is a variable of the steps after it."""
    script_service(
        made,
        "  - {name: first-one, run: [tell, size=7]}\n"
        "  - {name: b, run: [show, out.txt, OUTPUT_FIRST_ONE_SIZE]}\n",
    )
    assert content(builder, builder.run(twice=False)) == "7"


def test_a_bad_value_is_an_error(builder: Builder, made: Made) -> None:
    """A line that is none names itself."""
    script_service(made, "  - {name: a, run: [tell, what]}\n")
    assert "`what` is no value; expected name=value" in (builder.run(twice=False).error or "")


def test_outputs_of_a_step_are_all_that_goes_on(builder: Builder, made: Made) -> None:
    """With `outputs`, what else the step changed is not seen by the next."""
    script_service(
        made,
        "  - {name: a, run: [write, keep/x, K], outputs: ['keep/**']}\n"
        "  - {name: b, run: [write, drop, D], outputs: [other]}\n"
        "  - {name: c, run: [join, out.txt, keep/x, drop]}\n",
    )
    assert content(builder, builder.run(twice=False)) == "K -"


def test_what_a_step_removes_is_gone(builder: Builder, made: Made) -> None:
    """A removal is part of the result, in the cache too."""
    steps = (
        "  - {name: a, run: [remove, in.txt]}\n"
        "  - {name: b, run: [join, out.txt, in.txt], needs: [a], cache: false}\n"
    )
    script_service(made, steps, files={"in.txt": "I"})
    assert content(builder, builder.run(twice=False)) == "-"
    assert content(builder, builder.run(twice=False)) == "-"


def test_a_step_that_fails_is_tried_again(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """From a clean start, as often as the file says, and the log tells."""
    tries: list[int] = []

    def flaky(job: Job) -> Run:
        tries.append(len(list(Path(job.cwd).glob("left-*"))))
        Path(job.cwd, f"left-{len(tries)}").touch()
        yield b""
        if len(tries) < 3:
            return 1
        Path(job.cwd, "out.txt").write_text("done")
        return 0

    sandbox.programs["flaky"] = flaky
    script_service(made, "  - {name: a, run: [flaky], retries: {times: 2, wait: 10ms}}\n")
    done = builder.run(twice=False)
    assert content(builder, done) == "done"
    assert tries == [0, 0, 0]
    assert "again in 0.02 s (try 3)" in builder.log(done.id)


def test_a_condition_decides(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """A step whose rule says no is skipped; one that asks for a failure runs after one."""
    builder.database.tools[policy.Evaluator] = policy.FakeEvaluator(
        {"failed": lambda facts: bool(facts["failed"]), "branch == 'x'": lambda facts: facts["branch"] == "x"}
    )
    script_service(
        made,
        "  - {name: a, run: [write, out.txt, A]}\n"
        "  - {name: never, run: [fail], when: \"branch == 'x'\"}\n"
        "  - {name: b, run: [fail]}\n"
        "  - {name: tell, run: [write, told, T], when: failed}\n"
        "  - {name: after, run: [write, more, M]}\n",
    )
    done = builder.run(twice=False)
    assert done.status == "failed"
    assert "step b failed with exit code 1" in (done.error or "")
    assert ran(sandbox) == ["write out.txt", "fail", "write told"]


def test_a_condition_without_an_answer_is_an_error(builder: Builder, made: Made) -> None:
    """What cannot be decided is not guessed."""
    script_service(made, "  - {name: a, run: [write, out.txt, A], when: nonsense}\n")
    assert "the condition of step a has no answer" in (builder.run(twice=False).error or "")


def test_steps_run_side_by_side(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """Two that do not wait for each other meet."""
    meeting = threading.Barrier(2, timeout=20)

    def meet(job: Job) -> Run:
        meeting.wait()
        Path(job.cwd, job.argv[1]).write_text("met")
        yield b""
        return 0

    sandbox.programs["meet"] = meet
    script_service(
        made, "  - {name: a, run: [meet, out.txt], needs: []}\n  - {name: b, run: [meet, other], needs: []}\n"
    )
    assert content(builder, builder.run(twice=False)) == "met"


def test_a_failure_stops_what_runs_beside_it(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """The other step is ended, not waited for."""
    begun = threading.Event()

    def hang(job: Job) -> Run:
        begun.set()
        while True:
            yield b""

    def fail_then(job: Job) -> Run:
        assert begun.wait(20)
        yield b""
        return 3

    sandbox.programs |= {"hang": hang, "fail-then": fail_then}  # type: ignore[operator]
    script_service(
        made,
        "  - {name: a, run: [hang], needs: [], timeout: 10h}\n  - {name: b, run: [fail-then], needs: []}\n",
        extra="  timeout: 10h\n",
    )
    done = builder.run(twice=False)
    assert (done.status, done.error) == ("failed", "step b failed with exit code 3. The log shows its words.")


def test_after_a_kill_only_what_had_not_ended_runs_again(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """Each step that ended is written down before the next begins."""
    from building import Killed

    died: list[int] = []

    def die_once(job: Job) -> Run:
        yield b""
        if not died:
            died.append(1)
            raise Killed
        Path(job.cwd, "out.txt").write_text("B")
        return 0

    sandbox.programs["die-once"] = die_once
    script_service(made, "  - {name: a, run: [write, x, A], cache: false}\n  - {name: b, run: [die-once]}\n")
    build_id = builder.request(twice=False)
    steps = Steps()
    with pytest.raises(Killed):
        run_build(builder.database, steps, build_id)
    assert ran(sandbox) == ["write x", "die-once"]
    run_build(builder.database, steps.again(), build_id)
    assert content(builder, builder.get(build_id)) == "B"
    assert ran(sandbox) == ["die-once"]


def test_other_bytes_for_the_same_inputs_are_remembered(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """A step that differs from run to run says so in its kept result, and the build says it too."""
    count: list[int] = []

    def differ(job: Job) -> Run:
        count.append(1)
        Path(job.cwd, "out.txt").write_text(str(len(count)))
        yield b""
        return 0

    sandbox.programs["differ"] = differ
    script_service(made, "  - {name: a, run: [differ]}\n")
    assert builder.run().reproduced is False
    with builder.database.read() as uow:
        assert uow.connection.execute(sa.select(cache_table.c.reproduced)).scalars().all() == [False]


def test_eviction_says_why(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """What goes for want of room leaves a row with the reason, and the step runs again."""
    script_service(made, "  - {name: a, run: [write, out.txt, A]}\n")
    builder.run(twice=False)
    tool = builder.database.tool(build.Cache)
    builder.database.tools[build.Cache] = build.Cache(tool.root, limit_bytes=1)
    cache.evict(builder.database)
    with builder.database.read() as uow:
        row = uow.connection.execute(sa.select(cache_table)).one()
    assert row.evicted_at is not None
    assert "the cache may hold 0 MiB" in row.why
    ran(sandbox)
    assert builder.run(twice=False).status == "succeeded"
    assert len(ran(sandbox)) == 1
    with builder.database.read() as uow:
        assert uow.connection.execute(sa.select(cache_table.c.evicted_at)).scalar() is None


def test_secrets_reach_the_step_that_names_them(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """The job has it as a value of its own, its log is masked, and nothing is kept of such a step."""

    def leak(job: Job) -> Run:
        value = job.secrets.get("TOKEN", b"none")
        Path(job.cwd, "out.txt").write_text("x")
        yield b"it is " + value[:5]
        yield value[5:] + b" and " + value.hex().encode() + b"\n"
        return 0

    sandbox.programs["leak"] = leak
    with builder.database.begin() as uow:
        build.set_secret(uow, SYSTEM, "shop", "TOKEN", "correct-horse-battery")
    script_service(made, "  - {name: a, run: [leak], secrets: [TOKEN]}\n  - {name: b, run: [leak]}\n")
    done = builder.run(twice=False)
    log = builder.log(done.id)
    assert done.status == "succeeded", done.error
    assert "a | it is [masked] and [masked]" in log
    assert "b | it is none" in log
    with builder.database.read() as uow:
        assert uow.connection.execute(sa.select(cache_table.c.step)).scalars().all() == ["b"]
    everything = json.dumps([dict(job.environment) for job in sandbox.jobs]) + log
    assert "correct-horse" not in everything


def test_a_branch_that_has_not_landed_gets_no_secret(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """Who can push a branch could read it otherwise; `anywhere` allows it."""
    with builder.database.begin() as uow:
        build.set_secret(uow, SYSTEM, "shop", "TOKEN", "correct-horse-battery")
    script_service(made, "  - {name: a, run: [write, out.txt, A]}\n")
    made.git("checkout", "--quiet", "-b", "try")
    script_service(made, "  - {name: a, run: [write, out.txt, A], secrets: [TOKEN]}\n")
    made.git("checkout", "--quiet", "main")
    done = builder.run("try", twice=False)
    assert "only for what landed" in (done.error or "")
    with builder.database.begin() as uow:
        build.set_secret(uow, SYSTEM, "shop", "TOKEN", "correct-horse-battery", anywhere=True)
    assert builder.run("try", twice=False).status == "succeeded"


def test_a_secret_that_was_never_set_is_named(builder: Builder, made: Made) -> None:
    """With the command that sets it."""
    script_service(made, "  - {name: a, run: [write, out.txt, A], secrets: [TOKEN]}\n")
    assert "clearway secret set shop TOKEN" in (builder.run(twice=False).error or "")


SHARED = """\
parameters: {TEXT: null, NAME: out.txt}
outputs: [out.txt]
steps:
  - {name: a, run: [show, out.txt, TEXT]}
"""


def test_a_shared_recipe_is_pinned_to_the_byte(builder: Builder, made: Made, tmp_path: Path) -> None:
    """Its steps run with what was given; another file than the pinned one is refused."""
    from building import declare_repository

    recipes = Made(tmp_path / "recipes")
    commit = recipes.commit({"build.yaml": SHARED})
    declare_repository(builder.database, "recipes", str(recipes.root))

    def uses(digest: str, given: str) -> str:
        return (
            "service: shop\nbuild:\n  recipe: script\n  uses: {repository: recipes, path: build.yaml, "
            f"commit: {commit}, digest: '{digest}', with: {given}}}\n"
        )

    made.commit({"clearway.yaml": uses(sha256(SHARED.encode()), "{TEXT: given}")})
    assert content(builder, builder.run(twice=False)) == "given"
    made.commit({"clearway.yaml": uses("sha256:" + "0" * 64, "{TEXT: given}")})
    assert "is not what was pinned" in (builder.run(twice=False).error or "")
    made.commit({"clearway.yaml": uses(sha256(SHARED.encode()), "{}")})
    assert "needs TEXT" in (builder.run(twice=False).error or "")
    made.commit({"clearway.yaml": uses(sha256(SHARED.encode()), "{TEXT: x, MORE: y}")})
    assert "has no parameter MORE" in (builder.run(twice=False).error or "")


def test_the_stages_are_told(builder: Builder, made: Made) -> None:
    """Each with its part, its needs, its end; those of an answered step name the build that ran it."""
    script_service(made, DIAMOND)
    first = builder.run()
    with builder.database.read() as uow:
        found = build.stages(uow, first.id)
    names = [each.name for each in found if each.within is None]
    assert names == ["source", "build 1", "build 2", "store"]
    parts = {each.name: each for each in found if each.within == "build 1"}
    assert set(parts) == {"base 1", "left 1", "right 1", "top 1"}
    assert parts["top 1"].needs == ("left 1", "right 1")
    assert {each.state for each in found} == {"succeeded"}
    second = builder.run()
    with builder.database.read() as uow:
        again = [each for each in build.stages(uow, second.id) if each.within]
    assert {each.cached_from for each in again} == {first.id}


def test_a_failed_build_says_which_stage_failed(builder: Builder, made: Made) -> None:
    """The step, and the stage that it is a part of."""
    script_service(made, "  - {name: a, run: [fail], retries: {times: 1, wait: 10ms}}\n")
    done = builder.run(twice=False)
    with builder.database.read() as uow:
        found = {each.name: each for each in build.stages(uow, done.id)}
    assert (found["a"].state, found["build 1"].state) == ("failed", "failed")


def test_a_retry_runs_what_had_not_ended_well(builder: Builder, made: Made, sandbox: FakeSandbox) -> None:
    """The same commit, though the branch moved on; what ended well is answered."""
    broken: list[int] = [1]

    def mend(job: Job) -> Run:
        yield b""
        if broken:
            return 1
        Path(job.cwd, "out.txt").write_text("mended")
        return 0

    sandbox.programs["mend"] = mend
    sha = script_service(made, "  - {name: a, run: [write, x, A]}\n  - {name: b, run: [mend]}\n")
    failed = builder.run(twice=False)
    made.commit({"other": "x"})
    broken.clear()
    ran(sandbox)
    with builder.database.begin() as uow:
        again = build.again(uow, SYSTEM, failed.id)
    run_build(builder.database, Steps(), again.id)
    done = builder.get(again.id)
    assert (done.status, done.commit, done.retry_of) == ("succeeded", sha, failed.id)
    assert ran(sandbox) == ["mend"]


def test_a_retry_from_a_step_runs_it_and_those_after_it(
    builder: Builder, made: Made, sandbox: FakeSandbox
) -> None:
    """Whatever was kept of them; `*` is all, and a step that is not there is named."""
    script_service(made, DIAMOND)
    first = builder.run(twice=False)
    ran(sandbox)

    def again(anew: str) -> build.Build:
        with builder.database.begin() as uow:
            asked = build.again(uow, SYSTEM, first.id, anew=anew)
        run_build(builder.database, Steps(), asked.id)
        return builder.get(asked.id)

    assert again("left").status == "succeeded"
    assert ran(sandbox) == ["write left", "join out.txt"]
    assert again("*").artifacts[0].digest == first.artifacts[0].digest
    assert len(ran(sandbox)) == 4
    assert "there is no step nonsense; expected base, left, right, top" in (again("nonsense").error or "")


def test_what_goes_on_is_not_done_again(builder: Builder, made: Made) -> None:
    """A build that waits or runs is waited for, or cancelled."""
    script_service(made, DIAMOND)
    waiting = builder.request()
    with builder.database.begin() as uow, pytest.raises(Conflict, match="is queued"):
        build.again(uow, SYSTEM, waiting)
