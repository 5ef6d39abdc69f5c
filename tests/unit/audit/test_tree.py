"""The tree equals the published vectors, and its proofs hold exactly what they say."""

from __future__ import annotations

from hashlib import sha256

import pytest

from audit.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
)

# The inputs of RFC 6962's reference tests, and the roots of their first n.
INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def plainly(leaves):
    """RFC 9162 §2.1.1 word by word: the oracle."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    cut = 1
    while cut * 2 < len(leaves):
        cut *= 2
    return node_hash(plainly(leaves[:cut]), plainly(leaves[cut:]))


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_published_leaves(size):
    assert root_of([leaf_hash(one) for one in INPUTS[:size]]).hex() == ROOTS[size]


@pytest.mark.parametrize("size", [*range(1, 40), 63, 64, 65, 100])
def test_a_frontier_grows_to_the_root_the_definition_gives(size):
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    assert root_of(leaves) == plainly(leaves)


def test_a_frontier_packed_and_unpacked_goes_on_alike():
    leaves = [leaf_hash(str(number).encode()) for number in range(30)]
    frontier = Frontier()
    for number, leaf in enumerate(leaves):
        frontier = Frontier.from_bytes(number, frontier.to_bytes())
        frontier.append(leaf)
    assert frontier.root() == root_of(leaves)


@pytest.mark.parametrize(("size", "packed"), [(1, b""), (0, bytes(32)), (2, bytes(64)), (1, bytes(31)), (3, bytes(65))])
def test_a_frontier_that_does_not_fit_its_size_is_refused(size, packed):
    with pytest.raises(ValueError):
        Frontier.from_bytes(size, packed)


def test_the_empty_tree_has_the_hash_of_nothing():
    assert Frontier().root() == EMPTY_ROOT == sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 20))
def test_inclusion_holds_for_the_leaf_at_its_index_and_for_nothing_else(size):
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    root = root_of(leaves)
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        assert includes(root, size, leaves[index], index, proof)
        assert not includes(root, size, leaf_hash(b"other"), index, proof)
        assert not includes(root, size, leaves[index], index, [*proof, bytes(32)])
        if proof:
            assert not includes(root, size, leaves[index], index, proof[:-1])
        for wrong in range(size):
            assert wrong == index or not includes(root, size, leaves[index], wrong, proof)


@pytest.mark.parametrize("size", range(1, 20))
def test_consistency_holds_for_every_beginning_and_not_for_another_tree(size):
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    root = root_of(leaves)
    for older in range(1, size + 1):
        proof = consistency_proof(leaves, older)
        older_root = root_of(leaves[:older])
        assert extends(root, size, older_root, older, proof)
        assert not extends(root, size, bytes(32), older, proof)
        assert not extends(bytes(32), size, older_root, older, proof)
        assert not extends(root, size, older_root, older, [*proof, bytes(32)])
        if proof:
            assert not extends(root, size, older_root, older, proof[:-1])


def test_proofs_of_what_is_not_there_are_refused():
    leaves = [leaf_hash(b"a")]
    with pytest.raises(IndexError):
        inclusion_proof(leaves, 1)
    with pytest.raises(IndexError):
        consistency_proof(leaves, 2)
    assert not includes(root_of(leaves), 1, leaves[0], 1, [])
    assert not extends(root_of(leaves), 1, leaves[0], 2, [])
