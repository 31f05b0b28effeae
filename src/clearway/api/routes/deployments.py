"""Deployments: how far they are, what was measured, stopping the line."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import access, deploy
from clearway.api.ask import Ask, Asked
from clearway.api.bodies import LineBody, ReasonBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page
from clearway.api.places import only_readable
from clearway.api.shown import shown
from clearway.storage import Page, UnitOfWork, decode_cursor, encode_cursor

router = APIRouter(prefix="/v1/deployments", route_class=Guarded, tags=["deployments"])


@router.get("", **needs("deployment:read", "DeploymentPage"))
def every(
    ask: Asked,
    service: Annotated[str | None, Query(max_length=100)] = None,
    environment: Annotated[str | None, Query(max_length=100)] = None,
    state: Annotated[list[str] | None, Query(max_length=20)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Deployments, newest first."""

    def look(uow: UnitOfWork) -> Page[deploy.Deployment]:
        before = str(decode_cursor(cursor)) if cursor else None
        found = deploy.deployments(
            uow,
            service=service,
            environment=environment,
            states=tuple(state or ()),
            before=before,
            limit=limit + 1,
        )
        more = encode_cursor(found[limit - 1].id) if len(found) > limit else None
        page = Page(found[:limit], more)
        return only_readable(uow, ask.actor, "deployment:read", page, lambda each: each.order.environment)

    return read_page(ask, look)


@router.get("/{deployment_id}", **needs("deployment:read", "StagedDeployment", errors=(404,)))
def one(ask: Asked, deployment_id: str) -> Response:
    """One deployment, with the stages that it walks."""

    def look(uow: UnitOfWork) -> dict[str, Any]:
        found = _one(uow, ask, deployment_id)
        return {**shown(found), "stages": deploy.stages_shown(uow, found)}

    return ask.read(look)


@router.get("/{deployment_id}/series", **needs("deployment:read", "Series", errors=(404,)))
def series(ask: Asked, deployment_id: str) -> Response:
    """What was measured while it rolled out, oldest first."""

    def look(uow: UnitOfWork) -> dict[str, Any]:
        _one(uow, ask, deployment_id)
        return {"items": deploy.series(uow, deployment_id)}

    return ask.read(look)


def _one(uow: UnitOfWork, ask: Ask, deployment_id: str) -> deploy.Deployment:
    found = deploy.deployment(uow, deployment_id)
    order = found.order
    access.require(uow, ask.actor, "deployment:read", service=order.service, environment=order.environment)
    return found


@router.post("/halt", **needs("deployment:rollback", "Deployments", errors=(404, 409)))
def halt(ask: Asked, body: LineBody) -> Response:
    """Stop the line: rollouts stay where they are, in one environment or in all."""
    return ask.write(lambda uow: {"items": shown(deploy.halt(uow, ask.actor, body.reason, body.environment))})


@router.post("/resume", **needs("deployment:rollback", "Deployments", errors=(404, 409)))
def resume(ask: Asked, body: LineBody) -> Response:
    """Let held rollouts go on."""
    return ask.write(
        lambda uow: {"items": shown(deploy.resume(uow, ask.actor, body.reason, body.environment))}
    )


@router.post("/{deployment_id}/abort", **needs("deployment:rollback", "Deployment", errors=(404, 409)))
def abort(ask: Asked, deployment_id: str, body: ReasonBody) -> Response:
    """Turn a moving rollout back."""
    return ask.write(lambda uow: deploy.abort(uow, ask.actor, deployment_id, body.reason))
