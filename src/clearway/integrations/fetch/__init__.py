"""Fetches what lock files name into a store addressed by digest."""

from .fetcher import HttpFetcher
from .registries import Registries
from .store import Store

__all__ = ["HttpFetcher", "Registries", "Store"]
