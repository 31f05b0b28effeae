"""What would make packaging irreproducible, unpinned or unsigned: where, why, and how to fix it. Pure."""

from .engine import lint, reads
from .model import Facts, Finding, Rule, Severity
from .rules import RULES
from .sarif import sarif

__all__ = ["RULES", "Facts", "Finding", "Rule", "Severity", "lint", "reads", "sarif"]
