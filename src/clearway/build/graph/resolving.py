"""The recipe that a build runs: of its own file, or of one that another repository keeps."""

from __future__ import annotations

from typing import Any

from clearway import catalog, source
from clearway.build.work import Work
from clearway.kernel import Invalid, NotFound, load_document, sha256


def resolve(work: Work) -> catalog.Build:
    """The build with its steps. Raises NotFound or Invalid when a shared recipe is not what was pinned."""
    build = work.definition.build
    if build.recipe == "make":
        step = catalog.Step(name="make", run=("make", build.target), timeout=build.timeout)
        return build.model_copy(update={"steps": (step,)})
    if build.uses is None:
        return build
    shared = read_shared(work, build.uses)
    given = _given(shared, build.uses)
    return build.model_copy(
        update={
            "steps": shared.steps,
            "services": shared.services,
            "outputs": shared.outputs,
            "environment": {**given, **build.environment},
        }
    )


def read_shared(work: Work, uses: catalog.Uses) -> catalog.SharedRecipe:
    """The file that is pinned. Raises NotFound, or Invalid when its bytes are others than those."""
    where = f"{uses.repository}: {uses.path} at {uses.commit[:12]}"
    with work.database.read() as uow:
        declared = {each.name: each for each in catalog.repositories(uow)}
    if uses.repository not in declared:
        raise NotFound(
            f"no Repository {uses.repository} is declared",
            expected=", ".join(sorted(declared)) or "one that was applied",
            todo="Apply a document of kind Repository with this name first.",
        )
    try:
        repo = work.database.tool(source.Mirrors).open(uses.repository)
    except NotFound:
        repo = source.fetch(work.database, declared[uses.repository])
    if not repo.holds(uses.commit):
        repo = source.fetch(work.database, declared[uses.repository])
    text = source.read_file(repo, uses.commit, uses.path)
    if (digest := sha256(text)) != uses.digest:
        raise Invalid(
            f"the recipe {where} is not what was pinned: it has {digest}",
            expected=uses.digest,
            todo="Look at what changed, then write the new digest.",
        )
    return load_document(text, where, catalog.SharedRecipe)


def _given(shared: catalog.SharedRecipe, uses: catalog.Uses) -> dict[str, str]:
    if unknown := sorted(set(uses.given) - set(shared.parameters)):
        raise Invalid(
            f"the recipe {uses.path} has no parameter {unknown[0]}",
            expected=", ".join(sorted(shared.parameters)) or "none",
        )
    found = {**shared.parameters, **uses.given}
    if missing := sorted(name for name, value in found.items() if value is None):
        raise Invalid(
            f"the recipe {uses.path} needs {missing[0]}", todo=f"Give it: with: {{{missing[0]}: …}}"
        )
    return {name: value for name, value in found.items() if value is not None}


def shared_material(work: Work) -> list[dict[str, Any]]:
    """The shared recipe as a resolved dependency of the provenance; empty when there is none."""
    uses = work.definition.build.uses
    if uses is None:
        return []
    with work.database.read() as uow:
        location = next(each.location for each in catalog.repositories(uow) if each.name == uses.repository)
    return [
        {
            "name": "recipe",
            "uri": f"git+{source.public_location(location)}@{uses.commit}#{uses.path}",
            "digest": {"gitCommit": uses.commit, "sha256": uses.digest.removeprefix("sha256:")},
        }
    ]
