"""Rebuilding what was built, under other surroundings, and saying where the bytes differ and why."""

from .causes import CAUSES, Cause
from .difference import Difference, Verdict, compare, verdict
from .model import WORDS, Mark, Reproduction, Score
from .recorded import NotRecorded
from .service import get, list_, request, score_of

__all__ = [
    "CAUSES",
    "WORDS",
    "Cause",
    "Difference",
    "Mark",
    "NotRecorded",
    "Reproduction",
    "Score",
    "Verdict",
    "compare",
    "get",
    "list_",
    "request",
    "score_of",
    "verdict",
]
