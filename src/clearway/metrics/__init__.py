"""The DORA figures, with the ids behind each."""

from collections.abc import Callable, Sequence
from typing import Any

from clearway.deploy import DeploymentFinished

from .figures import default_window
from .flows import FLOWS
from .model import INTENTS, Bucket, Figure, Intent, Report, Settings, Window
from .ports import FakeHistory, History
from .service import counted_places, declare_intent, dora, dora_all, dora_spans, on_finished

SUBSCRIBERS: Sequence[tuple[type[Any], Callable[..., None]]] = ((DeploymentFinished, on_finished),)

__all__ = [
    "FLOWS",
    "INTENTS",
    "SUBSCRIBERS",
    "Bucket",
    "FakeHistory",
    "Figure",
    "History",
    "Intent",
    "Report",
    "Settings",
    "Window",
    "counted_places",
    "declare_intent",
    "default_window",
    "dora",
    "dora_all",
    "dora_spans",
]
