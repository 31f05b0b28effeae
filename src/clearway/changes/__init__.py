"""Change requests, approvals, versions, release notes."""

from .conventional import Conventional, Footer, parse, squashed
from .model import Approval, ChangeFacts, ChangeRequest, Risk, Status, assess, write_request
from .notes import Change, Notes, make_notes
from .service import (
    approvals,
    approvals_of_many,
    change_request,
    close_request,
    draft_notes,
    open_request,
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
    "Notes",
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
    "read_notes",
    "record_approval",
    "release_notes",
    "rewrite_request",
    "squashed",
    "void_approvals",
    "write_request",
]
