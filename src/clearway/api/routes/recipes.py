"""What builds of a service are given: secrets, and work trees that were not pushed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import build, source
from clearway.api.ask import Asked
from clearway.api.bodies import BuildSecretBody, ReasonBody
from clearway.api.guard import Guarded, needs
from clearway.api.shown import shown

router = APIRouter(prefix="/v1/services/{service}", route_class=Guarded, tags=["builds"])


@router.get("/build-secrets", **needs("build:read", "BuildSecretList", errors=(404,)))
def secrets(ask: Asked, service: str) -> Response:
    """The names of the secrets that steps of the service's builds may ask for."""
    return ask.read(lambda uow: {"items": [shown(each) for each in build.secrets(uow, service)]})


@router.put("/build-secrets/{name}", **needs("secret:write", "BuildSecret", errors=(404, 409)))
def set_secret(ask: Asked, service: str, name: str, body: BuildSecretBody) -> Response:
    """Seal a secret for steps of the service's builds."""
    return ask.write(
        lambda uow: shown(
            build.set_secret(
                uow, ask.actor, service, name, body.value, anywhere=body.anywhere, reason=body.reason
            )
        )
    )


@router.post("/build-secrets/{name}/remove", status_code=204, **needs("secret:write", errors=(404, 409)))
def remove_secret(ask: Asked, service: str, name: str, body: ReasonBody) -> Response:
    """Forget a secret."""
    return ask.write(lambda uow: build.remove_secret(uow, ask.actor, service, name, body.reason), status=204)


@router.get("/build-plan", **needs("build:run", "BuildPlan", errors=(404, 409)))
def plan(
    ask: Asked,
    service: str,
    ref: Annotated[str, Query(max_length=300, description="Branch, tag or commit.")] = "",
) -> Response:
    """What building a branch, tag or commit would do, and which steps an earlier build answers."""
    return ask.show(shown(build.plan(ask.database, ask.actor, service, ref)))


@router.get("/heads", **needs("build:run", "Heads", errors=(404, 409)))
def heads(ask: Asked, service: str) -> Response:
    """The tips of the branches that the server has: a bundle need not bring what they reach."""
    return ask.show({"commits": source.heads(ask.database, ask.actor, service)})


@router.post("/trials", **needs("build:run", "Trial", errors=(404, 409)))
def trial(ask: Asked, service: str) -> Response:
    """Send a commit that was not pushed, as a git bundle: the reference under which it can be built."""
    ref = source.take_trial(ask.database, ask.actor, service, ask.body)
    return ask.show({"ref": ref})
