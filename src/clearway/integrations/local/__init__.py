"""Instances as supervised processes of this machine; they outlive Clearway and are adopted again."""

from .programs import Program
from .target import LocalTarget

__all__ = ["LocalTarget", "Program"]
