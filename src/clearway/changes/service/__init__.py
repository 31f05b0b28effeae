"""The verbs of changes."""

from .approvals import approvals, approvals_of_many, record_approval, void_approvals
from .changelog import Changelog, all_notes
from .notes import draft_notes, read_notes, release_notes
from .requests import change_request, close_request, open_request, rewrite_request
from .versions import Proposed, propose_version

__all__ = [
    "Changelog",
    "Proposed",
    "all_notes",
    "approvals",
    "approvals_of_many",
    "change_request",
    "close_request",
    "draft_notes",
    "open_request",
    "propose_version",
    "read_notes",
    "record_approval",
    "release_notes",
    "rewrite_request",
    "void_approvals",
]
