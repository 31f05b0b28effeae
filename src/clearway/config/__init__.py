"""Configuration in layers, secrets."""

from .documents import KINDS, ConfigDocument
from .events import ConfigChanged
from .model import ConfigSchema, Entry, Problem, Resolved, Value, mask
from .ports import Cipher, FakeCipher, Schemas
from .service import (
    apply,
    entries,
    history,
    masks,
    plan_apply,
    resolve,
    reveal,
    set_secret,
    set_value,
    unreadable,
    unset,
)

__all__ = [
    "KINDS",
    "Cipher",
    "ConfigChanged",
    "ConfigDocument",
    "ConfigSchema",
    "Entry",
    "FakeCipher",
    "Problem",
    "Resolved",
    "Schemas",
    "Value",
    "apply",
    "entries",
    "history",
    "mask",
    "masks",
    "plan_apply",
    "resolve",
    "reveal",
    "set_secret",
    "set_value",
    "unreadable",
    "unset",
]
