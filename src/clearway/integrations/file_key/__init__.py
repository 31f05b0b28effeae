"""An Ed25519 key in a file that only its owner may read."""

from .signer import FileSigner

__all__ = ["FileSigner"]
