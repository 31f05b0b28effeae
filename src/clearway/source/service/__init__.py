"""What other rooms ask of the source: one verb a function."""

from .credentials import (
    credentials,
    git_access,
    on_catalog_changed,
    remove_credential,
    set_credential,
    webhook_secrets,
)
from .following import FOLLOW, all_repositories, fetch, follow, poll, record, sync, want
from .reading import (
    make_tag,
    open_repo,
    pull_request,
    pull_requests_of,
    record_pull_request,
    ref_history,
    repository_of,
    state,
    states,
)

__all__ = [
    "FOLLOW",
    "all_repositories",
    "credentials",
    "fetch",
    "follow",
    "git_access",
    "make_tag",
    "on_catalog_changed",
    "open_repo",
    "poll",
    "pull_request",
    "pull_requests_of",
    "record",
    "record_pull_request",
    "ref_history",
    "remove_credential",
    "repository_of",
    "set_credential",
    "state",
    "states",
    "sync",
    "want",
    "webhook_secrets",
]
