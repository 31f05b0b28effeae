"""Git history of the services: fetched into bare mirrors, read without running anything."""

from .mirrors import Mirrors
from .model import Commit, check_location, check_path, check_ref, is_sha, public_location
from .pulls import PullRequest
from .repo import (
    Repo,
    commit,
    commits_between,
    export_tree,
    history,
    list_files,
    mailmap,
    patch_ids,
    reached,
    read_file,
    resolve,
    tags,
    touched,
)
from .service import (
    make_tag,
    open_repo,
    pull_request,
    pull_requests_of,
    record_pull_request,
    repository_of,
    sync,
)
from .tagging import Tag, TagKey

__all__ = [
    "Commit",
    "Mirrors",
    "PullRequest",
    "Repo",
    "Tag",
    "TagKey",
    "check_location",
    "check_path",
    "check_ref",
    "commit",
    "commits_between",
    "export_tree",
    "history",
    "is_sha",
    "list_files",
    "mailmap",
    "make_tag",
    "open_repo",
    "patch_ids",
    "public_location",
    "pull_request",
    "pull_requests_of",
    "reached",
    "read_file",
    "record_pull_request",
    "repository_of",
    "resolve",
    "sync",
    "tags",
    "touched",
]
