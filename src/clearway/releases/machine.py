"""What a waiting promotion does next. Pure: everything it looks at is in the view.

Rules, first match wins:
1. A newer release's promotion supersedes it.
2. What cannot run (a missing key, a refused gate that waiting cannot turn) refuses it when it is asked for,
   and holds it when it turns up later: nobody should have to ask again because of a Tuesday's hiccup.
3. It waits for its turn on the route, then for people, then for soak, then for the calendar, then for the
   place to be free, then for gates that waiting can turn. Nobody is asked to sign what skips a stop.
4. A rollback waits for a free place only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from clearway.policy import Decision, Verdict

from .calendar import Answer
from .model import Kind, State

__all__ = ["Next", "View", "decide"]

LOOK_AGAIN = timedelta(seconds=60)  # where no event tells us
LOOK_TOMORROW = timedelta(days=1)

# Facts that change while a promotion waits; a gate that reads one of them may still say yes.
TURNING = ("approvals", "calendar", "incidents", "previous")


@dataclass(frozen=True)
class View:
    """Everything that is known about one promotion at one moment."""

    now: datetime
    kind: Kind
    first: bool  # it was asked for just now
    superseded_by: str | None  # version of the newer release
    problems: tuple[str, ...]
    gates: Decision
    approvals: int
    approvals_needed: int
    route: tuple[str, ...]  # what must come first on the route, in words
    soak_in: str | None  # the environment where the release must have run first; None: nowhere
    soaked_at: datetime | None  # when it has run there for long enough; None: it does not run there
    window: Answer
    override_freeze: bool
    busy: str | None  # the promotion that is deploying to the same place


@dataclass(frozen=True)
class Next:
    """The state that follows, why, and when to look again if no event comes before."""

    state: State
    why: str
    wake_at: datetime | None = None


def decide(view: View) -> Next:
    """The next state of a waiting promotion."""
    if view.superseded_by is not None:
        return Next("superseded", f"{view.superseded_by} is newer")
    if stop := _stopped(view):
        return stop
    if view.kind == "rollout":
        for waiting in (_route, _approvals, _soak, _window):
            if wait := waiting(view):
                return wait
    if view.busy is not None:
        return Next("held", f"{view.busy} is deploying here", view.now + LOOK_AGAIN)
    if view.kind == "rollout" and view.gates.refusals:
        return Next("held", _told(view.gates.refusals), view.now + LOOK_AGAIN)
    return Next("deploying", "everything says yes")


def turns(verdict: Verdict) -> bool:
    """Whether waiting may turn this no into a yes."""
    return any(path.split(".")[0] in TURNING for path in verdict.facts)


def _stopped(view: View) -> Next | None:
    final = tuple(each for each in view.gates.refusals if not turns(each)) if view.kind == "rollout" else ()
    if not view.problems and not final:
        return None
    why = "; ".join(view.problems) if view.problems else _told(final)
    return Next("refused", why) if view.first else Next("held", why, view.now + LOOK_AGAIN)


def _route(view: View) -> Next | None:
    return Next("waiting-soak", "; ".join(view.route)) if view.route else None


def _approvals(view: View) -> Next | None:
    if view.approvals >= view.approvals_needed:
        return None
    return Next("waiting-approval", f"{view.approvals} of {view.approvals_needed} approvals")


def _soak(view: View) -> Next | None:
    if view.soak_in is None or (view.soaked_at is not None and view.soaked_at <= view.now):
        return None
    if view.soaked_at is None:
        return Next("waiting-soak", f"it must do well in {view.soak_in} first")
    return Next("waiting-soak", f"it must run in {view.soak_in} for a while", view.soaked_at)


def _window(view: View) -> Next | None:
    if view.window.open or view.override_freeze:
        return None
    again = view.window.next_open or view.now + LOOK_TOMORROW
    return Next("waiting-window", "; ".join(view.window.reasons), again)


def _told(verdicts: tuple[Verdict, ...]) -> str:
    return "; ".join(f"gate {each.gate}: {each.reason}" for each in verdicts)
