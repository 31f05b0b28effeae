"""Where tiles lie, how entries are packed, and hashes of ranges from tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.ledger.standalone_verify import place
from clearway.ledger.tiles import (
    TileReader,
    bundle_path,
    pack_entries,
    tile_path,
    tiles_of,
    unpack_entries,
)
from clearway.ledger.tree import leaf_hash, root_of


def test_paths_are_those_of_the_specification() -> None:
    """The example of C2SP tlog-tiles, and partial tiles."""
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(1, 0, 17) == "tile/1/000.p/17"
    assert bundle_path(273, 112) == "tile/entries/273.p/112"
    with pytest.raises(ValueError, match="wide"):
        tile_path(0, 0, 0)


@given(st.integers(0, 2**40), st.integers(1, 256))
def test_the_lonely_program_looks_in_the_same_places(index: int, width: int) -> None:
    """Paths written here and paths read there agree."""
    assert f"tile/7/{place(index, width)}" == tile_path(7, index, width)


def test_tiles_of_a_tree_are_those_of_the_specification() -> None:
    """The examples of C2SP tlog-tiles: trees of 70,000 and of 256 entries."""
    tiles = list(tiles_of(70_000))
    assert len([tile for tile in tiles if tile[0] == 0 and tile[2] == 256]) == 273
    assert [tile for tile in tiles if tile[0] > 0 or tile[2] < 256] == [
        (0, 273, 112),
        (1, 0, 256),
        (1, 1, 17),
        (2, 0, 1),
    ]
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles_of(0)) == []


@given(st.lists(st.binary(max_size=300), max_size=9))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    """Empty ones too."""
    assert unpack_entries(pack_entries(entries)) == entries


def test_a_cut_or_overfull_bundle_is_refused() -> None:
    """An entry that ends early is no entry; one over 64 KiB has no place."""
    whole = pack_entries([b"one", b"two"])
    for cut in (1, 3, 4, 6, 9):
        with pytest.raises(ValueError, match="ends inside"):
            unpack_entries(whole[:cut])
    with pytest.raises(ValueError, match="does not fit"):
        pack_entries([b"x" * 65_536])


def test_hashes_of_ranges_come_from_few_tiles() -> None:
    """Every prefix of a tree of 70,000 has its root, from at most a handful of tiles."""
    leaves = [leaf_hash(str(number).encode()) for number in range(70_000)]
    level1 = [root_of(leaves[at : at + 256]) for at in range(0, 69_888, 256)]
    level2 = [root_of(level1[:256])]
    fetched: list[tuple[int, int]] = []

    def fetch(level: int, number: int) -> list[bytes]:
        fetched.append((level, number))
        return [leaves, level1, level2][level][number * 256 : (number + 1) * 256]

    for size in (0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 69_999, 70_000):
        fetched.clear()
        assert TileReader(fetch).range_hash(0, size) == root_of(leaves[:size])
        assert len(fetched) <= 5
    with pytest.raises(LookupError):
        TileReader(fetch).range_hash(0, 70_001)
