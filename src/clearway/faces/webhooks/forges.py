"""The forges that are known, by the names that documents of kind Repository use."""

from __future__ import annotations

from . import azure_devops, generic, gitea, github, gitlab

FORGES = {
    each.name: each
    for each in (
        github.FORGE,
        gitlab.FORGE,
        azure_devops.FORGE,
        gitea.GITEA,
        gitea.FORGEJO,
        generic.FORGE,
    )
}
