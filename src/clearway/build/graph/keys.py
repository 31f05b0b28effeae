"""The digest of everything that a step's result depends on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clearway import catalog
from clearway.build.work import Facts, Work
from clearway.kernel import digest_of

from .nodes import Node

FORM = 1  # raised when a step sees something else than before


@dataclass(frozen=True)
class Place:
    """What all steps of a build have in common."""

    facts: Facts
    builder_id: str  # each kind of sandbox has its own results
    materials: Sequence[Any]  # what jobs find beside their files: interpreter, system, tools
    environment: Mapping[str, str]  # of every command
    services: Mapping[str, Any]  # the helpers of the recipe, as JSON


def place_of(work: Work, recipe: catalog.Build) -> Place:
    """The place of a build. Where the bench lies differs only where nothing is kept apart."""
    bench = work.inside(".")
    fixed = {name: value.replace(bench, "/build") for name, value in work.environment().items()}
    return Place(
        work.facts,
        work.sandbox.builder_id,
        [dict(each) for each in work.sandbox.materials],
        {**fixed, **recipe.environment},
        {name: helper.model_dump(mode="json") for name, helper in recipe.services.items()},
    )


def key_of(
    place: Place, node: Node, files: str, epoch: int, layers: Sequence[str], variables: Mapping[str, str]
) -> str:
    """The key of a step that runs over these files and layers, in order, with these variables.

    The commit itself is no part of it, only its files and its time: a commit that changes neither, changes
    nothing for the step. Limits are none: a result that was reached within some is the same within others.
    """
    step = node.step
    return digest_of(
        {
            "form": FORM,
            "argv": list(step.run),
            "environment": {**place.environment, **variables, "SOURCE_DATE_EPOCH": str(epoch)},
            "files": files,
            "path": place.facts.path,
            "layers": list(layers),
            "outputs": list(step.outputs),
            "services": {name: place.services[name] for name in step.services},
            "builder": place.builder_id,
            "materials": list(place.materials),
        }
    )


def reusable(node: Node) -> bool:
    """Whether a result may answer for the step: not when it was given secrets, or when the file says no."""
    return node.step.cache and not node.step.secrets
