"""Change requests, approvals, versions, release notes."""

from .arrival import Arrival, arrivals
from .arrival import Known as KnownArrival
from .change import Change
from .changelog import changelog
from .conventional import Conventional, Footer, parse, squashed
from .model import Approval, ChangeFacts, ChangeRequest, Risk, Status, assess, write_request
from .next_version import Next
from .notes import Known, Notes, make_notes, reviewers_of
from .rendering import AUDIENCES, FORMATS, outline, render
from .service import (
    Changelog,
    Proposed,
    all_notes,
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
    "AUDIENCES",
    "FORMATS",
    "Approval",
    "Arrival",
    "Change",
    "ChangeFacts",
    "ChangeRequest",
    "Changelog",
    "Conventional",
    "Footer",
    "Known",
    "KnownArrival",
    "Next",
    "Notes",
    "Proposed",
    "Risk",
    "Status",
    "all_notes",
    "approvals",
    "approvals_of_many",
    "arrivals",
    "assess",
    "change_request",
    "changelog",
    "close_request",
    "draft_notes",
    "make_notes",
    "open_request",
    "outline",
    "parse",
    "propose_version",
    "read_notes",
    "record_approval",
    "release_notes",
    "render",
    "reviewers_of",
    "rewrite_request",
    "squashed",
    "void_approvals",
    "write_request",
]
