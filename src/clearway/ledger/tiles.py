"""Where the parts of a log lie as static files (C2SP tlog-tiles), and how entries are packed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = [
    "ENTRY_LIMIT",
    "TILE_WIDTH",
    "bundle_path",
    "pack_entries",
    "tile_path",
    "tiles_of",
    "unpack_entries",
]

TILE_WIDTH = 256
ENTRY_LIMIT = 65_535  # a bundle gives each entry's length in two bytes


def _index_path(index: int) -> str:
    """1234067 becomes x001/x234/067, so that no folder holds more than a thousand names."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.append(f"x{index % 1000:03d}")
    return "/".join(reversed(parts))


def _suffix(width: int) -> str:
    if not 1 <= width <= TILE_WIDTH:
        raise ValueError(f"a tile is 1 to {TILE_WIDTH} wide, not {width}")
    return "" if width == TILE_WIDTH else f".p/{width}"


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """The path of a hash tile below the log's folder."""
    return f"tile/{level}/{_index_path(index)}{_suffix(width)}"


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """The path of an entry bundle below the log's folder."""
    return f"tile/entries/{_index_path(index)}{_suffix(width)}"


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """(level, index, width) of every hash tile of a tree of `size`, level by level."""
    level, count = 0, size
    while count:
        full, rest = divmod(count, TILE_WIDTH)
        for index in range(full):
            yield level, index, TILE_WIDTH
        if rest:
            yield level, full, rest
        level, count = level + 1, full


def pack_entries(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry with its length in front."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_LIMIT:
            raise ValueError(f"an entry of {len(entry)} bytes does not fit a bundle (at most {ENTRY_LIMIT})")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """What `pack_entries` packed."""
    entries, at = [], 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if start > len(bundle) or at > len(bundle):
            raise ValueError("the bundle ends inside an entry")
        entries.append(bundle[start:at])
    return entries
