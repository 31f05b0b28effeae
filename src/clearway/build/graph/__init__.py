"""The graph of a build's steps: in which order, over which files, answered by what."""

from . import recalled
from .planning import PlannedStep, plan_steps
from .resolving import resolve, shared_material
from .runner import Result, Runner, kept

__all__ = [
    "PlannedStep",
    "Result",
    "Runner",
    "kept",
    "plan_steps",
    "recalled",
    "resolve",
    "shared_material",
]
