"""The verbs of releases, one file each."""

from .ahead import (
    ahead_of_following,
    ahead_of_look,
    ahead_of_promotion,
    ahead_of_release,
    judge_ahead,
)
from .approve import ATTEST, approve, cancel, reject
from .audit import MOST_AUDITED, about_commit, audit
from .calendars import all_calendars, apply, open_now, plan_apply
from .compare import brings, compare
from .create import create
from .cutting import CUT, FINISH, cut, cuts, fail, finish, make_tag, one_cut, propose_cut
from .moving import advance
from .overview import Overview, overview
from .permit import DeployPermit, permit
from .planning import make_plan
from .promote import dry_run, promote
from .react import (
    FOLLOW,
    follow,
    hold,
    on_build_finished,
    on_catalog_changed,
    on_config_changed,
    on_deployment_finished,
    on_people_changed,
    reconsider,
    sweep,
)
from .read import (
    change_request,
    newest_definitions,
    notes,
    promotion,
    promotion_of_deployment,
    promotions,
    release,
    releases,
)
from .rewritten import REWRITTEN, on_history_moved, void_lost
from .rollback import rollback
from .trace import Link, Trace, trace
from .waking import WAKE, waiting_batches, wake_batch
from .where import Where, where

__all__ = [
    "ATTEST",
    "CUT",
    "FINISH",
    "FOLLOW",
    "MOST_AUDITED",
    "REWRITTEN",
    "WAKE",
    "DeployPermit",
    "Link",
    "Overview",
    "Trace",
    "Where",
    "about_commit",
    "advance",
    "ahead_of_following",
    "ahead_of_look",
    "ahead_of_promotion",
    "ahead_of_release",
    "all_calendars",
    "apply",
    "approve",
    "audit",
    "brings",
    "cancel",
    "change_request",
    "compare",
    "create",
    "cut",
    "cuts",
    "dry_run",
    "fail",
    "finish",
    "follow",
    "hold",
    "judge_ahead",
    "make_plan",
    "make_tag",
    "newest_definitions",
    "notes",
    "on_build_finished",
    "on_catalog_changed",
    "on_config_changed",
    "on_deployment_finished",
    "on_history_moved",
    "on_people_changed",
    "one_cut",
    "open_now",
    "overview",
    "permit",
    "plan_apply",
    "promote",
    "promotion",
    "promotion_of_deployment",
    "promotions",
    "propose_cut",
    "reconsider",
    "reject",
    "release",
    "releases",
    "rollback",
    "sweep",
    "trace",
    "void_lost",
    "waiting_batches",
    "wake_batch",
    "where",
]
