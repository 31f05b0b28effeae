"""The steps of a build as they will run: every combination of every matrix, in an order. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clearway import catalog

_UNFIT = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True)
class Node:
    """One step with the values of its matrix."""

    name: str  # "test", or "test DB=pg PY=3.11"
    step: catalog.Step
    values: Mapping[str, str]  # of the matrix
    needs: tuple[str, ...]  # nodes that come right before
    above: tuple[str, ...]  # every node that comes before, in order

    @property
    def variables(self) -> dict[str, str]:
        """What the matrix and the file give the command."""
        return {**self.step.environment, **self.values}


def nodes_of(steps: Sequence[catalog.Step]) -> list[Node]:
    """The nodes, each after what it needs. The file was checked: there is no circle."""
    needs = catalog.needs_of(tuple(steps))
    made: dict[str, list[Node]] = {}
    found: dict[str, Node] = {}
    for step in catalog.in_order(tuple(steps)):
        before = tuple(node.name for name in needs[step.name] for node in made[name])
        seen = {name for each in before for name in (*found[each].above, each)}
        above = tuple(name for name in found if name in seen)
        made[step.name] = [
            Node(_name(step.name, values), step, values, before, above) for values in step.combinations()
        ]
        found |= {node.name: node for node in made[step.name]}
    return list(found.values())


def _name(step: str, values: Mapping[str, str]) -> str:
    return " ".join([step, *(f"{name}={value}" for name, value in values.items())])


def leaves(nodes: Sequence[Node]) -> list[Node]:
    """The nodes that no other one needs."""
    needed = {name for node in nodes for name in node.needs}
    return [node for node in nodes if node.name not in needed]


def handed_on(values: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The variables that tell what earlier steps wrote to their STEP_OUTPUT: `compile` wrote `size`, and
    `OUTPUT_COMPILE_SIZE` is told."""
    return {
        f"OUTPUT_{_UNFIT.sub('_', node).upper()}_{name.upper()}": value
        for node, told in values.items()
        for name, value in told.items()
    }


_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,99})=(.*)\Z")
MOST_VALUES = 50
MOST_VALUE = 4000


def read_values(text: str) -> dict[str, str]:
    """The `name=value` lines that a step wrote. Raises ValueError with the line that is none."""
    found: dict[str, str] = {}
    for line in filter(None, text.splitlines()):
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"`{line[:80]}` is no value; expected name=value")
        if len(match[2]) > MOST_VALUE:
            raise ValueError(f"the value of {match[1]} is longer than {MOST_VALUE} characters")
        found[match[1]] = match[2]
    if len(found) > MOST_VALUES:
        raise ValueError(f"{len(found)} values; expected {MOST_VALUES} at most")
    return found
