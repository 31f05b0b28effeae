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
from .overview import (
    Overseen,
    ask_for_sync,
    kept_credentials,
    ref_history,
    repositories,
    repository,
)
from .pull_commits import find_commits
from .reading import (
    make_tag,
    open_repo,
    pull_request,
    pull_requests_of,
    record_pull_request,
    repository_of,
    state,
    states,
)
from .receiving import deliveries, forget_deliveries, note_refused, receive

__all__ = [
    "FOLLOW",
    "Overseen",
    "all_repositories",
    "ask_for_sync",
    "credentials",
    "deliveries",
    "fetch",
    "find_commits",
    "follow",
    "forget_deliveries",
    "git_access",
    "kept_credentials",
    "make_tag",
    "note_refused",
    "on_catalog_changed",
    "open_repo",
    "poll",
    "pull_request",
    "pull_requests_of",
    "receive",
    "record",
    "record_pull_request",
    "ref_history",
    "remove_credential",
    "repositories",
    "repository",
    "repository_of",
    "set_credential",
    "state",
    "states",
    "sync",
    "want",
    "webhook_secrets",
]
