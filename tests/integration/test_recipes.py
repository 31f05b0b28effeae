"""Recipes of one's own, in real sandboxes: the guide's examples, helpers, secrets, work trees."""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from building import Builder, script_service
from repositories import Made

from clearway import build, catalog, policy, source
from clearway.build import Sandbox
from clearway.build.ports import FakePackages
from clearway.cli import worktree
from clearway.integrations.bubblewrap import Bubblewrap, Plain
from clearway.integrations.cel import CelEvaluator
from clearway.kernel import SYSTEM
from clearway.storage import Blobs

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("sandbox")]
GUIDE = (Path(__file__).parents[2] / "docs/how-to/write-a-recipe.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
WORDS = {"words.txt": "a\nb\nc\n", "grammar.txt": "z\ny\n"}
BOTH: list[Sandbox] = [Plain()] if Bubblewrap().usable() else [Bubblewrap(), Plain()]
needs_namespaces = pytest.mark.skipif(
    Bubblewrap().usable() is not None, reason="this machine forbids namespaces: builds are not kept apart"
)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "repository")


Make = Callable[[Sandbox], Builder]


@pytest.fixture
def builder_of(tmp_path: Path, made: Made) -> Iterator[Make]:
    """A builder with this sandbox, and the real evaluator of conditions."""
    evaluator = CelEvaluator()

    def make(sandbox: Sandbox) -> Builder:
        found = Builder(tmp_path, str(made.root), sandbox, FakePackages(tmp_path / "packages"))
        found.database.tools[policy.Evaluator] = evaluator
        return found

    yield make
    evaluator.close()


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_guide_is_a_definition(text: str) -> None:
    """A reader who copies it gets no error."""
    assert catalog.load_definition(text).service == "tool"


@needs_namespaces
def test_the_guide_s_example_builds(made: Made, builder_of: Make) -> None:
    """Compiled, tested against a real database, packed; the same bytes twice; answered the next time."""
    made.commit({"clearway.yaml": EXAMPLES[0].replace("service: tool", "service: shop"), **WORDS})
    builder = builder_of(Bubblewrap())
    done = builder.run()
    log = builder.log(done.id)
    assert (done.status, done.reproduced) == ("succeeded", True), log
    assert "test MODE=fast 1 | fast is fine" in log
    assert "test MODE=thorough 2 | thorough is fine" in log
    assert "the tests failed" not in log
    with tarfile.open(builder.database.tool(Blobs).path(done.artifacts[0].digest)) as archive:
        lines = archive.extractfile("dist/lines")
        assert lines is not None
        assert lines.read() == b"3\n"
    again = builder.run()
    assert again.artifacts[0].digest == done.artifacts[0].digest
    assert builder.log(again.id).count(f"answered by build {done.id}") == 4


@needs_namespaces
def test_a_step_for_failures_runs_after_one(made: Made, builder_of: Make) -> None:
    """What the guide's `explain` is for."""
    text = EXAMPLES[0].replace("service: tool", "service: shop").replace("grep -q A", "grep -q NOTHING")
    made.commit({"clearway.yaml": text, **WORDS})
    builder = builder_of(Bubblewrap())
    done = builder.run(twice=False)
    log = builder.log(done.id)
    assert done.status == "failed"
    assert "explain | the tests failed" in log
    assert "again in 1 s (try 2)" in log


@needs_namespaces
def test_the_guide_s_inputs_answer_across_commits(made: Made, builder_of: Make) -> None:
    """Another commit with the same grammar: its step is answered, the other runs."""
    made.commit({"clearway.yaml": EXAMPLES[1].replace("service: tool", "service: shop"), **WORDS})
    builder = builder_of(Bubblewrap())
    first = builder.run()
    made.commit({"words.txt": "other\n"})
    second = builder.run()
    assert second.status == "succeeded", builder.log(second.id)
    assert f"grammar 1 | answered by build {first.id}" in builder.log(second.id)
    assert "program 1 | answered" not in builder.log(second.id)


@pytest.mark.parametrize("sandbox", BOTH, ids=lambda each: each.mode)
def test_a_secret_is_a_file_of_one_step_and_masked(
    tmp_path: Path, made: Made, sandbox: Sandbox, builder_of: Make
) -> None:
    """The step reads it; the next one has no such folder; the log shows it in no form that was tried."""
    script_service(
        made,
        "  - name: use\n    secrets: [TOKEN]\n"
        "    run: [sh, -c, 'cat $SECRETS/TOKEN; base64 < $SECRETS/TOKEN; od -An -tx1 $SECRETS/TOKEN; "
        "fold -w1 $SECRETS/TOKEN; test $(wc -c < $SECRETS/TOKEN) = 21 && echo same > out.txt']\n"
        "  - {name: next, run: [sh, -c, 'echo folder: ${SECRETS:-none}']}\n",
    )
    builder = builder_of(sandbox)
    with builder.database.begin() as uow:
        build.set_secret(uow, SYSTEM, "shop", "TOKEN", "correct-horse-battery")
    done = builder.run(twice=False)
    log = builder.log(done.id)
    assert done.status == "succeeded", log
    assert "next | folder: none" in log
    assert log.count("[masked]") >= 4
    packed = re.sub(r"^use \| ", "", log, flags=re.MULTILINE).replace("\n", "").replace(" ", "")
    for clear in ("correct-horse", "Y29ycmVjdC1ob3Jz", "636f72726563742d686f"):
        assert clear not in packed
    for each in tmp_path.rglob("*"):
        if each.is_file() and not each.is_symlink():
            assert b"correct-horse" not in each.read_bytes(), each


@needs_namespaces
def test_a_program_that_is_never_ready_fails_the_step(made: Made, builder_of: Make) -> None:
    """With its name, its last words, and nothing left running."""
    script_service(
        made,
        "  - {name: a, run: [sh, -c, 'touch out.txt'], services: [slow]}\n",
        extra="  services:\n"
        "    slow: {run: [sleep, '600'], ready: [sh, -c, 'echo not yet; exit 1'], within: 1s}\n",
    )
    builder = builder_of(Bubblewrap())
    done = builder.run(twice=False)
    assert "failed with exit code 69" in (done.error or "")
    assert "slow was not ready after 1 s: not yet" in builder.log(done.id)


@needs_namespaces
def test_a_work_tree_is_built_before_it_is_pushed(tmp_path: Path, made: Made, builder_of: Make) -> None:
    """Changed, new and removed files count, ignored ones do not; index and branches stay as they were."""
    script_service(
        made,
        "  - {name: a, run: [sh, -c, 'ls > out.txt']}\n",
        files={"gone.txt": "", ".gitignore": "secret.env\n"},
    )
    builder = builder_of(Bubblewrap())
    tree = tmp_path / "work tree"
    subprocess.run(["git", "clone", "--quiet", str(made.root), str(tree)], check=True)
    (tree / "new.txt").write_text("new")
    (tree / "secret.env").write_text("x")
    (tree / "gone.txt").unlink()
    before = (tree / ".git/index").read_bytes()
    known = source.heads(builder.database, SYSTEM, "shop")
    assert worktree.service_of(tree) == "shop"
    commit, data = worktree.bundle(worktree.find(tree), known)
    assert data is not None
    ref = source.take_trial(builder.database, SYSTEM, "shop", data)
    done = builder.run(ref, twice=False)
    assert (done.status, done.commit, done.trial) == ("succeeded", commit, True), builder.log(done.id)
    listed = builder.database.tool(Blobs).path(done.artifacts[0].digest).read_text().split()
    assert listed == ["clearway.yaml", "new.txt", "out.txt"]
    assert (tree / ".git/index").read_bytes() == before
    assert worktree.bundle(tree, known) == (commit, data)  # the same files are the same trial
