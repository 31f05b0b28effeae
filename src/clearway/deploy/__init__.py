"""Rollouts: strategies, targets, traffic, judges, going back. Knows no release."""

from clearway.catalog import Removing

from .events import (
    DeploymentFinished,
    DeploymentGoingBack,
    DeploymentStarted,
    JudgementMade,
    ServingAgain,
    TrafficMoved,
)
from .flows import CHORES, FLOWS
from .model import Deployment, Instance, Order, Running, Serving, Stage, Step
from .ports import MetricSource, Permit, Router, Target
from .service import (
    abort,
    begin,
    current,
    deployment,
    deployments,
    find_instance,
    halt,
    listeners,
    on_removing,
    resume,
    running,
    series,
    stages_shown,
    steps,
)

SUBSCRIBERS = ((Removing, on_removing),)

__all__ = [
    "CHORES",
    "FLOWS",
    "SUBSCRIBERS",
    "Deployment",
    "DeploymentFinished",
    "DeploymentGoingBack",
    "DeploymentStarted",
    "Instance",
    "JudgementMade",
    "MetricSource",
    "Order",
    "Permit",
    "Router",
    "Running",
    "Serving",
    "ServingAgain",
    "Stage",
    "Step",
    "Target",
    "TrafficMoved",
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
