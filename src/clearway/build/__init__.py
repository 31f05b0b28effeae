"""From a commit to artifacts with evidence: built apart, twice, without a network."""

from .events import BuildFinished
from .flows import FLOWS
from .model import Build, BuildFailed
from .ports import Packages, Sandbox
from .service import LogPart, cancel, get, log, points, request
from .service import list_ as list
from .store import Point
from .workshop import Workshop

__all__ = [
    "FLOWS",
    "Build",
    "BuildFailed",
    "BuildFinished",
    "LogPart",
    "Packages",
    "Point",
    "Sandbox",
    "Workshop",
    "cancel",
    "get",
    "list",
    "log",
    "points",
    "request",
]
