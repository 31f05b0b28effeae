"""Maven's repository layout: PUT, GET and HEAD, with metadata and checksums that the server makes."""

from .app import create_app

__all__ = ["create_app"]
