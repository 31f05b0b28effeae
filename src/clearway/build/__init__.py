"""From a commit to artifacts with evidence: built apart, twice, without a network."""

from clearway.source import HistoryMoved
from clearway.workflow import Chore

from . import flows, pushed
from .attested import Admitted, Identity, Issuers, Place, Received, admit, attest, claimed_for, locate
from .cache import Cache, Entry, evict
from .events import BuildFinished
from .graph import PlannedStep
from .model import Build, BuildFailed
from .planning import Planned, plan
from .ports import Images, Packages, Sandbox
from .reports import Report, reports_of
from .secrets import Secret, remove_secret, secrets, set_secret
from .service import LogPart, again, cancel, find, get, log, points, request
from .service import list_ as list
from .stages import Stage, stages
from .store import Point
from .surroundings import Surroundings
from .workshop import Workshop

FLOWS = {**flows.FLOWS, **pushed.FLOWS}
SUBSCRIBERS = ((HistoryMoved, pushed.on_history_moved),)
CHORES = (Chore("build.evict", 600.0, evict),)

__all__ = [
    "CHORES",
    "FLOWS",
    "SUBSCRIBERS",
    "Admitted",
    "Build",
    "BuildFailed",
    "BuildFinished",
    "Cache",
    "Entry",
    "Identity",
    "Images",
    "Issuers",
    "LogPart",
    "Packages",
    "Place",
    "Planned",
    "PlannedStep",
    "Point",
    "Received",
    "Report",
    "Sandbox",
    "Secret",
    "Stage",
    "Surroundings",
    "Workshop",
    "admit",
    "again",
    "attest",
    "cancel",
    "claimed_for",
    "find",
    "get",
    "list",
    "locate",
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
