"""From a commit to artifacts with evidence: built apart, twice, without a network."""

from clearway.catalog import CatalogChanged
from clearway.source import HistoryMoved
from clearway.workflow import Chore

from . import flows, pushed
from .attested import Admitted, Identity, Issuers, Place, Received, admit, attest, claimed_for, locate
from .cache import Cache, Entry, evict
from .events import BuildFinished
from .failing import Line
from .graph import PlannedStep
from .lanes import Spot, on_catalog_changed, spot_of, spots, tend
from .maven_lock import MavenFile
from .model import Build, BuildFailed
from .planning import Planned, plan
from .ports import Fetcher, Images, Jars, Packages, Sandbox
from .reading import (
    Found,
    LogLines,
    failing_lines,
    log_line_at,
    log_lines,
    log_window,
    pack_logs,
    search_log,
    whole_log,
)
from .reports import Report, reports_of
from .reproduce import WORDS, Mark, NotRecorded, Reproduction, Score
from .reproduce import get as reproduction
from .reproduce import list_ as reproductions
from .reproduce import request as request_reproduction
from .reproduce import score_of as score
from .reproduce.schedule import start_due
from .secrets import Secret, remove_secret, secrets, set_secret
from .service import LogPart, again, cancel, find, get, log, points, request
from .service import list_ as list
from .stages import Stage, stages
from .store import Point
from .surroundings import Surroundings
from .workshop import Workshop

FLOWS = {**flows.FLOWS, **pushed.FLOWS}
SUBSCRIBERS = ((HistoryMoved, pushed.on_history_moved), (CatalogChanged, on_catalog_changed))
CHORES = (
    Chore("build.evict", 600.0, evict),
    Chore("build.reproduce-due", 300.0, start_due),
    Chore("build.slots", 5.0, tend, only_after_writes=True),
    Chore("build.pack-logs", 600.0, pack_logs),
)

__all__ = [
    "CHORES",
    "FLOWS",
    "SUBSCRIBERS",
    "WORDS",
    "Admitted",
    "Build",
    "BuildFailed",
    "BuildFinished",
    "Cache",
    "Entry",
    "Fetcher",
    "Found",
    "Identity",
    "Images",
    "Issuers",
    "Jars",
    "Line",
    "LogLines",
    "LogPart",
    "Mark",
    "MavenFile",
    "NotRecorded",
    "Packages",
    "Place",
    "Planned",
    "PlannedStep",
    "Point",
    "Received",
    "Report",
    "Reproduction",
    "Sandbox",
    "Score",
    "Secret",
    "Spot",
    "Stage",
    "Surroundings",
    "Workshop",
    "admit",
    "again",
    "attest",
    "cancel",
    "claimed_for",
    "failing_lines",
    "find",
    "get",
    "list",
    "locate",
    "log",
    "log_line_at",
    "log_lines",
    "log_window",
    "plan",
    "points",
    "remove_secret",
    "reports_of",
    "reproduction",
    "reproductions",
    "request",
    "request_reproduction",
    "score",
    "search_log",
    "secrets",
    "set_secret",
    "spot_of",
    "spots",
    "stages",
    "whole_log",
]
