"""A wheel is answered by the build that made it of the same inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import Builder, Steps
from repositories import Made

from clearway import artifacts, build
from clearway.build.flows import run_build
from clearway.integrations.bubblewrap import make_sandbox
from clearway.integrations.python_packages import PythonPackages
from clearway.kernel import SYSTEM

pytestmark = pytest.mark.xdist_group("sandbox")
FILES = {
    "clearway.yaml": "service: shop\nbuild: {recipe: python}\n",
    "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    '[project]\nname = "shop"\nversion = "1.2.3"\n[tool.hatch.build.targets.wheel]\npackages = ["shop"]\n',
    "shop/__init__.py": "NAME = 'shop'\n",
}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    found = Made(tmp_path / "repository")
    (found.root / "shop").mkdir()
    found.commit(FILES)
    return found


@pytest.fixture
def builder(tmp_path: Path, made: Made) -> Builder:
    return Builder(tmp_path, str(made.root), make_sandbox(), PythonPackages(tmp_path / "wheelhouse"))


def test_the_same_commit_again_is_answered(builder: Builder, made: Made) -> None:
    """Nothing is built, the bytes are the same, and the provenance names the build that made them."""
    first = builder.run()
    assert (first.status, first.reproduced) == ("succeeded", True), builder.log(first.id)
    second = builder.run()
    log = builder.log(second.id)
    assert f"build 1 | answered by build {first.id}" in log
    assert "build 2 |" not in log
    assert second.reproduced is True
    assert [each.digest for each in second.artifacts] == [each.digest for each in first.artifacts]
    with builder.database.read() as uow:
        said = artifacts.evidence(uow, second.artifacts[0].digest)
    newest = [each.predicate for each in said if each.predicate_type == artifacts.PROVENANCE][-1]
    (answered,) = newest["buildDefinition"]["internalParameters"]["answeredSteps"]
    assert answered["invocationId"] == first.id


def test_what_was_built_once_does_not_answer_a_comparison(builder: Builder, made: Made) -> None:
    """A build that compares runs both; the next one is answered."""
    builder.run(twice=False)
    assert "answered" not in builder.log(builder.run().id)
    assert "answered" in builder.log(builder.run().id)


def test_other_files_are_built(builder: Builder, made: Made) -> None:
    """A commit that changes the package is no answer to the former one."""
    first = builder.run(twice=False)
    made.commit({"shop/__init__.py": "NAME = 'other'\n"})
    second = builder.run(twice=False)
    assert "answered" not in builder.log(second.id)
    assert second.artifacts[1].digest != first.artifacts[1].digest


def test_everything_runs_again_when_asked_for(builder: Builder, made: Made) -> None:
    """`*` takes no answer."""
    first = builder.run(twice=False)
    with builder.database.begin() as uow:
        again = build.again(uow, SYSTEM, first.id, anew="*")
    run_build(builder.database, Steps(), again.id)
    assert "answered" not in builder.log(again.id)
    assert f"packages are those that build {first.id} recorded" in builder.log(again.id)
    assert builder.get(again.id).artifacts[0].digest == first.artifacts[0].digest
