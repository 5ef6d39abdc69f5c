"""The Merkle tree over the log's entries (RFC 9162 §2.1; the same hashes as RFC 6962).

Leaf ``SHA-256(0x00 ‖ entry)``, node ``SHA-256(0x01 ‖ left ‖ right)``, split at the largest power of two below the size.
``Frontier`` is a compact range: the roots of the perfect subtrees that cover the leaves so far, so a checkpoint costs
only the entries since the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The perfect subtrees that cover ``size`` leaves, largest first. Grows by ``append``; not thread-safe."""

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Raises ValueError where the number or the length of the hashes does not fit the size."""
        if size < 0 or size.bit_count() != len(hashes) or any(len(one) != HASH_SIZE for one in hashes):
            raise ValueError("the hashes do not cover that size")
        self.size = size
        self._hashes = list(hashes)

    @classmethod
    def from_bytes(cls, size: int, packed: bytes) -> Frontier:
        """The frontier that ``to_bytes`` packed. Raises ValueError."""
        if len(packed) % HASH_SIZE:
            raise ValueError("the hashes do not cover that size")
        return cls(size, [packed[at : at + HASH_SIZE] for at in range(0, len(packed), HASH_SIZE)])

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The subtrees' roots, largest subtree first."""
        return tuple(self._hashes)

    def to_bytes(self) -> bytes:
        """The hashes one after the other, largest subtree first."""
        return b"".join(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        carry, size = leaf, self.size
        while size & 1:
            carry = node_hash(self._hashes.pop(), carry)
            size >>= 1
        self._hashes.append(carry)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add the hashes of further leaves."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The root of the tree of ``size`` leaves."""
        if not self._hashes:
            return EMPTY_ROOT
        above = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            above = node_hash(left, above)
        return above


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over the hashes of leaves."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def _split(size: int) -> int:
    """The largest power of two below a size of two or more."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The path from a leaf to the root, from below (RFC 9162 §2.1.3.1). Raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    cut = _split(len(leaves))
    if index < cut:
        return [*inclusion_proof(leaves[:cut], index), root_of(leaves[cut:])]
    return [*inclusion_proof(leaves[cut:], index - cut), root_of(leaves[:cut])]


def includes(root: bytes, size: int, leaf: bytes, index: int, proof: Sequence[bytes]) -> bool:
    """Whether the leaf is at that index of the tree with that root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, above = index, size - 1, leaf
    for other in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            above = node_hash(other, above)
            while at and not at & 1:
                at >>= 1
                last >>= 1
        else:
            above = node_hash(above, other)
        at >>= 1
        last >>= 1
    return last == 0 and above == root


def consistency_proof(leaves: Sequence[bytes], older: int) -> list[bytes]:
    """The nodes that show that the tree begins with that of ``older`` leaves (RFC 9162 §2.1.4.1). Raises IndexError."""
    if not 0 < older <= len(leaves):
        raise IndexError(older)
    return _subproof(leaves, older, whole=True)


def _subproof(leaves: Sequence[bytes], older: int, *, whole: bool) -> list[bytes]:
    if older == len(leaves):
        return [] if whole else [root_of(leaves)]
    cut = _split(len(leaves))
    if older <= cut:
        return [*_subproof(leaves[:cut], older, whole=whole), root_of(leaves[cut:])]
    return [*_subproof(leaves[cut:], older - cut, whole=False), root_of(leaves[:cut])]


def extends(root: bytes, size: int, older_root: bytes, older: int, proof: Sequence[bytes]) -> bool:
    """Whether the tree of ``size`` begins with the one of ``older`` leaves (RFC 9162 §2.1.4.2)."""
    if not 0 < older <= size:
        return False
    if older == size:
        return not proof and older_root == root
    nodes = list(proof)
    if older & (older - 1) == 0:
        nodes.insert(0, older_root)
    if not nodes:
        return False
    at, last = older - 1, size - 1
    while at & 1:
        at >>= 1
        last >>= 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first = node_hash(node, first)
            second = node_hash(node, second)
            while at and not at & 1:
                at >>= 1
                last >>= 1
        else:
            second = node_hash(second, node)
        at >>= 1
        last >>= 1
    return last == 0 and first == older_root and second == root
