"""Rebuilding: one attempt with what differs and why, and how much of a service comes out again."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from clearway import build, catalog
from clearway.web.visit import Visit

_WIDTH, _HEIGHT = 600, 100


def show(visit: Visit) -> Response:
    """One attempt."""
    with visit.database.read() as uow:
        found = build.reproduction(uow, visit.part("id"))
    template = "parts/reproduction-live.html" if visit.partial else "reproduction.html"
    return visit.page(template, found=found, report=found.report, words=build.WORDS)


def request(visit: Visit) -> Response:
    """Rebuild what a build made."""
    with visit.database.begin() as uow:
        found = build.request_reproduction(uow, visit.actor, build_id=visit.part("id"))
    return visit.go(f"/reproductions/{found.id}", "The rebuild is queued.")


def score(visit: Visit) -> Response:
    """The share that came out bit-identical, build after build."""
    service = visit.part("service")
    with visit.database.read() as uow:
        catalog.service(uow, service)
        found = build.score(uow, service)
        newest = build.reproductions(uow, service=service, limit=20).items
        every = catalog.service(uow, service).reproduce
    return visit.page(
        "reproducibility.html",
        service=service,
        score=found,
        newest=newest,
        schedule=every,
        picture=_picture(found),
        words=build.WORDS,
    )


@dataclass(frozen=True)
class Picture:
    """The score as a line over its builds."""

    line: str  # of an SVG polyline
    dots: tuple[tuple[float, float, build.Mark, float], ...]  # x, y, the build, the share after it
    width: int = _WIDTH
    height: int = _HEIGHT


def _picture(score: build.Score) -> Picture | None:
    if not score.marks:
        return None
    step = _WIDTH / max(1, len(score.marks))
    dots = tuple(
        (round(step * (at + 0.5), 1), round(_HEIGHT * (1 - share), 1), mark, share)
        for at, (mark, (_, share)) in enumerate(zip(score.marks, score.over_time, strict=True))
    )
    return Picture(" ".join(f"{x},{y}" for x, y, _, _ in dots), dots)
