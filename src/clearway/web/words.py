"""Plain words for states, spans and figures. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

# state -> the word on the badge, and its tone: good, bad, busy, wait, quiet
STATES: Mapping[str, tuple[str, str]] = {
    "waiting-approval": ("waiting for approval", "wait"),
    "waiting-window": ("waiting for its window", "wait"),
    "waiting-soak": ("soaking", "wait"),
    "held": ("held", "wait"),
    "deploying": ("deploying", "busy"),
    "rolling-back": ("rolling back", "bad"),
    "succeeded": ("succeeded", "good"),
    "failed-in-prod": ("failed in production", "bad"),
    "aborted-before-traffic": ("stopped before traffic", "wait"),
    "rolled-back": ("rolled back", "bad"),
    "failed": ("failed", "bad"),
    "refused": ("refused by a gate", "bad"),
    "rejected": ("rejected", "bad"),
    "cancelled": ("cancelled", "quiet"),
    "superseded": ("superseded", "quiet"),
    "queued": ("queued", "wait"),
    "running": ("running", "busy"),
    "pending": ("starting", "busy"),
    "tagging": ("being tagged", "busy"),
    "building": ("being built", "busy"),
    "released": ("released", "good"),
    "healthy": ("healthy", "good"),
    "degraded": ("degraded", "bad"),
    "down": ("down", "bad"),
    "open": ("open", "bad"),
    "acknowledged": ("being looked after", "busy"),
    "restored": ("restored", "good"),
    "resolved": ("resolved", "quiet"),
    "yes": ("yes", "good"),
    "no": ("no", "bad"),
    "warned": ("no, a warning", "wait"),
    "error": ("error, counts as no", "bad"),
    "pass": ("pass", "good"),
    "marginal": ("marginal", "wait"),
    "fail": ("fail", "bad"),
    "high": ("worse: higher", "bad"),
    "low": ("worse: lower", "bad"),
    "nodata": ("no data", "wait"),
    "failing": ("failing", "bad"),
    "up to date": ("up to date", "good"),
    "not fetched yet": ("not fetched yet", "wait"),
    "not followed": ("not followed", "quiet"),
    "done": ("done", "good"),
    "identical": ("bit-identical", "good"),
    "equivalent": ("equivalent", "wait"),
    "different": ("different", "bad"),
    "created": ("new", "quiet"),
    "advanced": ("moved on", "good"),
    "rewritten": ("rewritten", "bad"),
    "deleted": ("deleted", "wait"),
    "fetch": ("had it fetched", "good"),
    "recorded": ("recorded", "good"),
    "outdated": ("older than known", "quiet"),
    "repeated": ("a repetition", "quiet"),
    "ignored": ("of no use here", "quiet"),
    "unreadable": ("cannot be read", "bad"),
    "elsewhere": ("of another repository", "bad"),
    "unsigned": ("not signed, refused", "bad"),
    "inconclusive": ("cannot tell yet", "wait"),
}

_HEADLINES: Mapping[str, str] = {
    "waiting-approval": "{what} waits for approval",
    "waiting-window": "{what} waits for an open window",
    "waiting-soak": "{what} waits until it has done well, and for long enough, one stop earlier",
    "held": "{what} is held",
    "deploying": "{what} is being rolled out",
    "succeeded": "{what} is done",
    "rolled-back": "{what} was taken back",
    "failed": "{what} failed",
    "refused": "{what} was refused by a gate",
    "rejected": "{what} was rejected",
    "cancelled": "{what} was cancelled",
    "superseded": "{what} was overtaken by a newer release",
}


def label(state: str | None) -> str:
    """The word on a badge."""
    return STATES.get(state or "", (str(state or "unknown").replace("-", " "), ""))[0]


def tone(state: str | None) -> str:
    """The colour of a badge, by meaning."""
    return STATES.get(state or "", ("", "quiet"))[1]


def headline(promotion: Any) -> str:
    """A promotion's state in one sentence."""
    verb = "Going back to" if promotion.kind == "rollback" else "Promoting"
    what = f"{verb} {promotion.service} {promotion.version} in {promotion.environment}"
    if promotion.kind != "rollback":
        what = f"{promotion.service} {promotion.version} to {promotion.environment}"
    return f"{_HEADLINES[promotion.state].format(what=what)}."


def instant(at: datetime | str | None) -> str:
    """`22 Nov 2026, 23:05 UTC`."""
    moment = _utc(at)
    return f"{moment:%-d %b %Y, %H:%M} UTC" if moment else "never"


def exact(at: datetime | str | None) -> str:
    """`22 Nov 2026, 23:05:12 UTC`: what a print and an audit want."""
    moment = _utc(at)
    return f"{moment:%-d %b %Y, %H:%M:%S} UTC" if moment else "never"


def _utc(at: datetime | str | None) -> datetime | None:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.astimezone(UTC) if moment else None


def iso(at: datetime | str | None) -> str:
    """For machines."""
    return at.isoformat() if isinstance(at, datetime) else str(at or "")


def span(seconds: float | timedelta | None) -> str:
    """`12 s`, `3 min 5 s`, `2 h 10 min`, `4 d`."""
    if seconds is None:
        return "unknown"
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if total < 1:
        return f"{total * 1000:.0f} ms"
    left = round(total)
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def size(count: int | float) -> str:
    """`12 kB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.0f} GB"


def short(digest: str | None) -> str:
    """The beginning of a digest or commit: enough to tell it from others by eye."""
    text = (digest or "").removeprefix("sha256:")
    return text[:12] if text else "none"


def plural(count: int, noun: str) -> str:
    """`1 commit`, `2 commits`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def number(value: Any, digits: int = 4) -> str:
    """A number for people; what cannot be said is a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace(",", " ")
    return f"{float(value):.{digits}g}"


def percent(value: float | None, digits: int = 1) -> str:
    """`8.1 %`."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def p_value(value: float | None) -> str:
    """`0.03`, or `under 0.0001`."""
    if value is None:
        return "–"
    return "under 0.0001" if value < 0.0001 else f"{value:.4f}".rstrip("0").rstrip(".") or "0"


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


def measure(value: float | None, unit: str = "number") -> str:
    """`17.5 ms`, `1.2 s`, `4.0 kB`: a measured value in the unit that it has."""
    if value is None or unit not in ("seconds", "bytes"):
        return number(value, 3)
    if unit == "bytes":
        return size(value)
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def side(data: Mapping[str, Any] | None, unit: str = "number") -> str:
    """One side of a comparison: `12 of 480 (2.5 %)`, or its summary numbers."""
    if not data:
        return "–"
    if "events" in data and "trials" in data:
        events, trials = data["events"] or 0, data["trials"] or 0
        share = f" ({events / trials * 100:.1f} %)" if trials else ""
        return f"{number(events)} of {number(trials)}{share}"
    if data.get("median") is not None:
        middle, high = measure(data["median"], unit), measure(data.get("p95"), unit)
        return f"median {middle}, p95 {high} ({data.get('n')} values)"
    return ", ".join(f"{key.replace('_', ' ')} {number(value, 3)}" for key, value in data.items())


FILTERS = {
    "label": label,
    "tone": tone,
    "instant": instant,
    "exact": exact,
    "iso": iso,
    "span": span,
    "size": size,
    "short": short,
    "number": number,
    "percent": percent,
    "p_value": p_value,
    "pretty": pretty,
    "side": side,
}
