"""Where builds run: bubblewrap's namespaces, a container, or a plain process where both are forbidden."""

from .choice import MODES, Either, make_sandbox
from .container import Container
from .sandbox import Bubblewrap, Plain

__all__ = ["MODES", "Bubblewrap", "Container", "Either", "Plain", "make_sandbox"]
