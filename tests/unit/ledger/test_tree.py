"""The Merkle tree against published vectors, and its proofs against every small tree."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.ledger.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The entries, roots and proofs that certificate-transparency's own tests use for sizes 0 to 8.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION_0_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
CONSISTENCY_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
MANY = [leaf_hash(bytes([number])) for number in range(70)]


def path_to(leaves: list[bytes], index: int, size: int) -> list[bytes]:
    return inclusion_path(index, size, lambda start, end: root_of(leaves[start:end]))


def path_between(leaves: list[bytes], old: int, new: int) -> list[bytes]:
    return consistency_path(old, new, lambda start, end: root_of(leaves[start:end]))


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    """All at once, or leaf by leaf: the root of the first n entries is the published one."""
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf)
    assert root_of(LEAVES[:size]).hex() == frontier.root().hex() == ROOTS[size]


def test_proofs_are_the_published_ones() -> None:
    """The audit path of entry 0 of 8, and the consistency path of 6 to 8."""
    assert [step.hex() for step in path_to(LEAVES, 0, 8)] == INCLUSION_0_OF_8
    assert [step.hex() for step in path_between(LEAVES, 6, 8)] == CONSISTENCY_6_TO_8


def test_every_entry_of_every_small_tree_has_a_proof_that_fits_only_there() -> None:
    """A proof verifies for its own entry, index, size and root, and for no other."""
    for size in range(1, 34):
        root = root_of(MANY[:size])
        for index in range(size):
            path = path_to(MANY, index, size)
            assert verify_inclusion(MANY[index], index, size, path, root)
            assert not verify_inclusion(MANY[index + 1], index, size, path, root)
            assert not verify_inclusion(MANY[index], index, size, [*path, root], root)
            assert not verify_inclusion(MANY[index], index, size, path, MANY[0] if size > 1 else MANY[1])
            if path:
                assert not verify_inclusion(MANY[index], index, size, path[:-1], root)
                assert not verify_inclusion(MANY[index], index ^ 1, size, path, root)
    assert not verify_inclusion(MANY[0], 1, 1, [], MANY[0])
    assert not verify_inclusion(MANY[0], -1, 1, [], MANY[0])


def test_every_prefix_of_every_small_tree_is_proven_and_nothing_else() -> None:
    """A consistency proof verifies for its two trees only; a tree that was changed has none."""
    for new in range(1, 34):
        new_root = root_of(MANY[:new])
        for old in range(new + 1):
            old_root = root_of(MANY[:old])
            path = path_between(MANY, old, new)
            assert verify_consistency(old, new, path, old_root, new_root)
            assert not verify_consistency(old, new, path, MANY[69], new_root)
            assert not verify_consistency(old, new, [*path, new_root], old_root, new_root)
            if old:
                assert not verify_consistency(old, new, path, old_root, MANY[69])
            if path:
                assert not verify_consistency(old, new, path[:-1], old_root, new_root)
    assert not verify_consistency(3, 2, [], MANY[0], MANY[0])


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_packed_edge_goes_on_where_it_was(first: int, second: int) -> None:
    """Storing and reading the frontier between appends changes no root."""
    small, large = sorted((first, second))
    frontier = Frontier()
    for leaf in MANY[:small]:
        frontier.append(leaf)
    frontier = Frontier.from_bytes(small, frontier.to_bytes())
    for leaf in MANY[small:large]:
        frontier.append(leaf)
    assert frontier.root() == root_of(MANY[:large])


def test_a_damaged_edge_is_refused() -> None:
    """An edge that does not have one hash for each bit of its size is no edge."""
    with pytest.raises(ValueError, match="2 edge hashes"):
        Frontier.from_bytes(3, MANY[0])


def test_proofs_of_what_is_not_there_are_refused() -> None:
    """No entry beyond the size, no shrinking."""
    with pytest.raises(ValueError, match="not in a tree of 3"):
        path_to(MANY, 3, 3)
    with pytest.raises(ValueError, match="does not extend"):
        path_between(MANY, 4, 3)


def test_roots_differ_for_every_size() -> None:
    """No tree has the root of another size, the empty one's included."""
    roots = [EMPTY_ROOT, *(root_of(MANY[:size]) for size in range(1, 70))]
    assert len(set(roots)) == len(roots)
    assert all(one != other for one, other in pairwise(roots))
