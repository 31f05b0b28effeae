"""From a commit to artifacts with evidence: built apart, twice, without a network."""

from clearway.workflow import Chore

from .cache import Cache, Entry, evict
from .events import BuildFinished
from .flows import FLOWS
from .graph import PlannedStep
from .model import Build, BuildFailed
from .planning import Planned, plan
from .ports import Packages, Sandbox
from .reports import Report, reports_of
from .secrets import Secret, remove_secret, secrets, set_secret
from .service import LogPart, again, cancel, get, log, points, request
from .service import list_ as list
from .stages import Stage, stages
from .store import Point
from .surroundings import Surroundings
from .workshop import Workshop

CHORES = (Chore("build.evict", 600.0, evict),)

__all__ = [
    "CHORES",
    "FLOWS",
    "Build",
    "BuildFailed",
    "BuildFinished",
    "Cache",
    "Entry",
    "LogPart",
    "Packages",
    "Planned",
    "PlannedStep",
    "Point",
    "Report",
    "Sandbox",
    "Secret",
    "Stage",
    "Surroundings",
    "Workshop",
    "again",
    "cancel",
    "get",
    "list",
    "log",
    "plan",
    "points",
    "remove_secret",
    "reports_of",
    "request",
    "secrets",
    "set_secret",
    "stages",
]
