"""Where builds run: bubblewrap's namespaces, or a plain process where namespaces are forbidden."""

from .sandbox import Bubblewrap, Either, Plain, make_sandbox

__all__ = ["Bubblewrap", "Either", "Plain", "make_sandbox"]
