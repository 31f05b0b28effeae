"""Pure evaluation of gates."""

from .model import Decision, Gate, Verdict
from .ports import Evaluator, Failure
from .service import check, decide

__all__ = ["Decision", "Evaluator", "Failure", "Gate", "Verdict", "check", "decide"]
