"""How a repository becomes artifacts, a recipe each."""

from . import python, script

__all__ = ["python", "script"]
