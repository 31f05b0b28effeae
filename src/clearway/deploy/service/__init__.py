"""Deploy's verbs."""

from .begin import begin, steps
from .line import abort, halt, on_removing, resume
from .read import (
    current,
    deployment,
    deployments,
    find_instance,
    listeners,
    running,
    series,
    stages_shown,
)

__all__ = [
    "abort",
    "begin",
    "current",
    "deployment",
    "deployments",
    "find_instance",
    "halt",
    "listeners",
    "on_removing",
    "resume",
    "running",
    "series",
    "stages_shown",
    "steps",
]
