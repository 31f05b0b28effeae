"""A recipe's own step, answered by an earlier build with the same inputs, as the steps of a graph are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearway.build import cache
from clearway.build.cache import Cache, Entry
from clearway.build.work import Work
from clearway.kernel import digest_of

from . import layers

FORM = 1  # raised when a recipe does something else with the same inputs


@dataclass(frozen=True)
class Recalled:
    """What an earlier build made of the same inputs."""

    files: Mapping[str, Path]
    build_id: str
    reproduced: bool  # two runs were compared, and gave the same


def key_of(work: Work, step: str, inputs: Mapping[str, Any]) -> str:
    """The digest of all that the step's result depends on; `inputs` is what the recipe adds."""
    bench = work.inside(".")
    fixed = {name: value.replace(bench, "/build") for name, value in work.environment().items()}
    return digest_of(
        {
            "form": FORM,
            "recipe": work.facts.recipe,
            "step": step,
            "files": f"git:{work.facts.tree}",
            "path": work.facts.path,
            "environment": {**fixed, **work.definition.build.environment},
            "builder": work.sandbox.builder_id,
            "materials": [dict(each) for each in work.sandbox.materials],
            **inputs,
        }
    )


def recall(work: Work, step: str, key: str, folder: str) -> Recalled | None:
    """The kept result in a fresh folder of the build; None when the step must run.

    A build that compares two runs takes only what was compared before.
    """
    if work.fresh or work.build.anew in ("*", step):
        return None
    with work.database.read() as uow:
        entry = cache.find(uow, key)
    tool = work.database.tool(Cache)
    if entry is None or entry.evicted_at is not None or (work.build.twice and entry.reproduced is not True):
        return None
    if not tool.holds(entry.layer):
        return None
    root = work.workshop.fresh(work.build.id, folder)
    with tool.path(entry.layer).open("rb") as stream:
        layers.apply(stream, root)
    with work.database.begin() as uow:
        cache.used(uow, [key])
    files = {str(each.relative_to(root)): each for each in sorted(root.rglob("*")) if each.is_file()}
    return Recalled(files, entry.build_id, entry.reproduced is True)


def keep(work: Work, step: str, key: str, folder: Path, seconds: float, *, reproduced: bool | None) -> None:
    """Keep the files of a folder, where no job can write, as the step's result."""
    if work.fresh:
        return
    made = work.workshop.place(work.build.id, f"{step}.layer")
    after = layers.snapshot(folder)
    layer, _ = layers.capture(folder, {}, after, made, work.facts.epoch, wanted=lambda _: True)
    work.database.tool(Cache).put(made, layer.digest)
    service, build_id = work.build.service, work.build.id
    with work.database.begin() as uow:
        entry = Entry(
            key, service, step, build_id, layer.digest, layer.size, {}, seconds, reproduced, uow.now()
        )
        cache.keep(uow, [entry])
