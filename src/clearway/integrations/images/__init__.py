"""Fetches the images that builds start from."""

from .skopeo import Skopeo

__all__ = ["Skopeo"]
