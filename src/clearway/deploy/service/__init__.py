"""Deploy's verbs."""

from .begin import begin, steps
from .line import abort, halt, resume
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
    "resume",
    "running",
    "series",
    "stages_shown",
    "steps",
]
