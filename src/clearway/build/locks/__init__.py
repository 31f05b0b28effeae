"""Lock files, read as what they are: texts that anybody may have written. Pure."""

from .model import LockError, Machine, NodeLock, NodePackage, asked_by
from .npm import read_npm
from .pnpm import read_pnpm

__all__ = ["LockError", "Machine", "NodeLock", "NodePackage", "asked_by", "read_npm", "read_pnpm"]
