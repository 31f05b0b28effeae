"""Registries: packages by address, with tags; their bytes are blobs."""

from .model import File, PackageVersion, Tag, Usage, Verb
from .permit import ANONYMOUS, look_in, require
from .promote import Closure, closure, promote, prove
from .shelf import (
    add_file,
    change_facts,
    change_of,
    file_at,
    file_by_digest,
    files_of,
    files_with,
    may_push,
    packages_in,
    remove_file,
    remove_tag,
    set_tag,
    tags_of,
    usage,
    versions_of,
)

__all__ = [
    "ANONYMOUS",
    "Closure",
    "File",
    "PackageVersion",
    "Tag",
    "Usage",
    "Verb",
    "add_file",
    "change_facts",
    "change_of",
    "closure",
    "file_at",
    "file_by_digest",
    "files_of",
    "files_with",
    "look_in",
    "may_push",
    "packages_in",
    "promote",
    "prove",
    "remove_file",
    "remove_tag",
    "require",
    "set_tag",
    "tags_of",
    "usage",
    "versions_of",
]
