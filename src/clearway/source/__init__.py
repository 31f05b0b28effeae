"""Git history of the services: fetched into bare mirrors, read without running anything."""

from clearway.catalog import CatalogChanged

from .containing import containing
from .credentials import KINDS as CREDENTIAL_KINDS
from .credentials import Credential
from .deliveries import Delivery, Outcome, Received
from .events import HistoryMoved
from .flows import CHORES, FLOWS
from .line_history import History, Touch, line_history
from .lines import Spot, parse_spot
from .mirrors import Mirrors
from .model import Commit, check_location, check_path, check_ref, is_sha, public_location
from .patches import FileChange, Patch, patch_of
from .ports import Cipher
from .pulls import PullRequest, Review, State, Verdict
from .reach import Reach
from .refs import RefEntry, RefMove
from .repo import (
    Repo,
    commit,
    commits_between,
    export_tree,
    history,
    known_as,
    list_files,
    mailmap,
    patch_ids,
    reached,
    read_file,
    resolve,
    tags,
    touched,
    unreached,
)
from .service import (
    Overseen,
    all_repositories,
    ask_for_sync,
    credentials,
    deliveries,
    kept_credentials,
    make_tag,
    note_refused,
    on_catalog_changed,
    open_repo,
    pull_request,
    pull_requests_of,
    receive,
    record_pull_request,
    ref_history,
    remove_credential,
    repositories,
    repository,
    repository_of,
    set_credential,
    state,
    states,
    sync,
    want,
    webhook_secrets,
)
from .tagging import Tag, TagKey

SUBSCRIBERS = ((CatalogChanged, on_catalog_changed),)

__all__ = [
    "CHORES",
    "CREDENTIAL_KINDS",
    "FLOWS",
    "SUBSCRIBERS",
    "Cipher",
    "Commit",
    "Credential",
    "Delivery",
    "FileChange",
    "History",
    "HistoryMoved",
    "Mirrors",
    "Outcome",
    "Overseen",
    "Patch",
    "PullRequest",
    "Reach",
    "Received",
    "RefEntry",
    "RefMove",
    "Repo",
    "Review",
    "Spot",
    "State",
    "Tag",
    "TagKey",
    "Touch",
    "Verdict",
    "all_repositories",
    "ask_for_sync",
    "check_location",
    "check_path",
    "check_ref",
    "commit",
    "commits_between",
    "containing",
    "credentials",
    "deliveries",
    "export_tree",
    "history",
    "is_sha",
    "kept_credentials",
    "known_as",
    "line_history",
    "list_files",
    "mailmap",
    "make_tag",
    "note_refused",
    "on_catalog_changed",
    "open_repo",
    "parse_spot",
    "patch_ids",
    "patch_of",
    "public_location",
    "pull_request",
    "pull_requests_of",
    "reached",
    "read_file",
    "receive",
    "record_pull_request",
    "ref_history",
    "remove_credential",
    "repositories",
    "repository",
    "repository_of",
    "resolve",
    "set_credential",
    "state",
    "states",
    "sync",
    "tags",
    "touched",
    "unreached",
    "want",
    "webhook_secrets",
]
