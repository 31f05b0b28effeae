"""Where the parts of a log lie as static files (C2SP tlog-tiles), and how entries are packed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .tree import node_hash, root_of

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


class TileReader:
    """Hashes of any range of entries from a few tiles; each tile is fetched once.

    `fetch(level, number)` gives the hashes that tile holds now, in order: 256, or fewer on the right edge.
    """

    def __init__(self, fetch: Callable[[int, int], list[bytes]]) -> None:
        self._fetch = fetch
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def range_hash(self, start: int, end: int) -> bytes:
        """The root over entries [start, end), where start is a multiple of the next power of two below."""
        count = end - start
        if count == 0:
            return root_of([])
        if count & (count - 1) == 0:
            return self._perfect(start, count)
        middle = start + (1 << (count - 1).bit_length() - 1)
        return node_hash(self.range_hash(start, middle), self.range_hash(middle, end))

    def _perfect(self, start: int, count: int) -> bytes:
        """A subtree of a power of two leaves: some neighbours in one tile, the highest that has them."""
        level = (count.bit_length() - 1) // 8
        span = TILE_WIDTH**level
        first, width = start // span, count // span
        number, offset = divmod(first, TILE_WIDTH)
        key = (level, number)
        if key not in self._tiles:
            self._tiles[key] = self._fetch(level, number)
        hashes = self._tiles[key][offset : offset + width]
        if len(hashes) != width:
            raise LookupError(f"tile {level}/{number} does not reach entry {start + count - 1}")
        return root_of(hashes)
