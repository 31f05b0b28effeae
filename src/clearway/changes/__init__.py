"""Change requests, approvals, versions, release notes."""

from .change import Change
from .conventional import Conventional, Footer, parse, squashed
from .model import Approval, ChangeFacts, ChangeRequest, Risk, Status, assess, write_request
from .next_version import Next
from .notes import Notes, make_notes
from .service import (
    Proposed,
    approvals,
    approvals_of_many,
    change_request,
    close_request,
    draft_notes,
    open_request,
    propose_version,
    read_notes,
    record_approval,
    release_notes,
    rewrite_request,
    void_approvals,
)

__all__ = [
    "Approval",
    "Change",
    "ChangeFacts",
    "ChangeRequest",
    "Conventional",
    "Footer",
    "Next",
    "Notes",
    "Proposed",
    "Risk",
    "Status",
    "approvals",
    "approvals_of_many",
    "assess",
    "change_request",
    "close_request",
    "draft_notes",
    "make_notes",
    "open_request",
    "parse",
    "propose_version",
    "read_notes",
    "record_approval",
    "release_notes",
    "rewrite_request",
    "squashed",
    "void_approvals",
    "write_request",
]
