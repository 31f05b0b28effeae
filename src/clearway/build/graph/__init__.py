"""The graph of a build's steps: in which order, over which files, answered by what."""

from .resolving import resolve, shared_material
from .runner import Result, Runner, kept

__all__ = ["Result", "Runner", "kept", "resolve", "shared_material"]
