"""Pure evaluation of gates."""

from .model import Decision, Gate, Verdict
from .ports import Evaluator, Failure, FakeEvaluator
from .service import check, decide

__all__ = ["Decision", "Evaluator", "Failure", "FakeEvaluator", "Gate", "Verdict", "check", "decide"]
