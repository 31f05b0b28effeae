"""Losses of service: timeline, restoring, review."""

from collections.abc import Callable, Sequence
from typing import Any

from clearway.deploy import DeploymentFinished, DeploymentGoingBack, DeploymentStarted, ServingAgain

from .events import IncidentOpened, IncidentResolved, IncidentRestored
from .facts import IncidentFacts
from .model import Action, Incident, Status, TimelineEntry
from .service import (
    acknowledge,
    add_action,
    declare,
    finish_action,
    incident,
    incidents,
    link,
    note,
    on_finished,
    on_going_back,
    on_serving_again,
    on_started,
    open_count,
    opened_since,
    resolve,
    restore,
    timeline,
)

SUBSCRIBERS: Sequence[tuple[type[Any], Callable[..., None]]] = (
    (DeploymentStarted, on_started),
    (DeploymentGoingBack, on_going_back),
    (DeploymentFinished, on_finished),
    (ServingAgain, on_serving_again),
)

__all__ = [
    "SUBSCRIBERS",
    "Action",
    "Incident",
    "IncidentFacts",
    "IncidentOpened",
    "IncidentResolved",
    "IncidentRestored",
    "Status",
    "TimelineEntry",
    "acknowledge",
    "add_action",
    "declare",
    "finish_action",
    "incident",
    "incidents",
    "link",
    "note",
    "open_count",
    "opened_since",
    "resolve",
    "restore",
    "timeline",
]
