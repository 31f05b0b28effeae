"""A process that alone holds the signing key, and its client; or, for one process alone, the key itself."""

from .client import ProcessSigner
from .file import FileSigner

__all__ = ["FileSigner", "ProcessSigner"]
