"""Manifests, promotions, plans, the calendar: a release moves from commit to production, or says why not."""

from clearway.access import PeopleChanged
from clearway.build import BuildFinished
from clearway.catalog import CatalogChanged
from clearway.config import ConfigChanged
from clearway.deploy import DeploymentFinished

from .calendar import KINDS, Answer, Calendar, CalendarDocument
from .events import PromotionChanged, PromotionFinished, ReleaseCreated
from .flows import APPROVAL, CHORES, FLOWS
from .model import ENDED, OPEN, WAITING, ArtifactRef, Author, Permission, Promotion, Release
from .plan import Plan, PlanContent, RollbackInfo, plan_diff
from .ports import FactsProvider
from .service import (
    DeployPermit,
    Link,
    Overview,
    Trace,
    ahead_of_promotion,
    ahead_of_release,
    all_calendars,
    apply,
    approve,
    cancel,
    change_request,
    create,
    dry_run,
    make_plan,
    notes,
    on_build_finished,
    on_catalog_changed,
    on_config_changed,
    on_deployment_finished,
    on_people_changed,
    open_now,
    overview,
    permit,
    plan_apply,
    promote,
    promotion,
    promotion_of_deployment,
    promotions,
    reconsider,
    reject,
    release,
    releases,
    rollback,
    trace,
)

SUBSCRIBERS = (
    (DeploymentFinished, on_deployment_finished),
    (BuildFinished, on_build_finished),
    (CatalogChanged, on_catalog_changed),
    (ConfigChanged, on_config_changed),
    (PeopleChanged, on_people_changed),
)

__all__ = [
    "APPROVAL",
    "CHORES",
    "ENDED",
    "FLOWS",
    "KINDS",
    "OPEN",
    "SUBSCRIBERS",
    "WAITING",
    "Answer",
    "ArtifactRef",
    "Author",
    "Calendar",
    "CalendarDocument",
    "DeployPermit",
    "FactsProvider",
    "Link",
    "Overview",
    "Permission",
    "Plan",
    "PlanContent",
    "Promotion",
    "PromotionChanged",
    "PromotionFinished",
    "Release",
    "ReleaseCreated",
    "RollbackInfo",
    "Trace",
    "ahead_of_promotion",
    "ahead_of_release",
    "all_calendars",
    "apply",
    "approve",
    "cancel",
    "change_request",
    "create",
    "dry_run",
    "make_plan",
    "notes",
    "open_now",
    "overview",
    "permit",
    "plan_apply",
    "plan_diff",
    "promote",
    "promotion",
    "promotion_of_deployment",
    "promotions",
    "reconsider",
    "reject",
    "release",
    "releases",
    "rollback",
    "trace",
]
