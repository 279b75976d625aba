"""The Merkle tree of RFC 9162, section 2.1, as section 21 of the protocol uses it."""

from __future__ import annotations

from .derivations import sha256
from .errors import Untrusted

MAX_PROOF = 65


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data)


def salted_leaf(salt: bytes, entry: bytes) -> bytes:
    return leaf_hash(sha256(salt + entry))


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves: list[bytes]) -> bytes:
    """The hash of the tree over these leaf hashes."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(len(leaves))
    return node_hash(root(leaves[:middle]), root(leaves[middle:]))


def inclusion_proof(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return inclusion_proof(leaves[:middle], index) + [root(leaves[middle:])]
    return inclusion_proof(leaves[middle:], index - middle) + [root(leaves[:middle])]


def consistency_proof(leaves: list[bytes], old: int) -> list[bytes]:
    def part(subtree: list[bytes], size: int, whole: bool) -> list[bytes]:
        if size == len(subtree):
            return [] if whole else [root(subtree)]
        middle = _split(len(subtree))
        if size <= middle:
            return part(subtree[:middle], size, whole) + [root(subtree[middle:])]
        return part(subtree[middle:], size - middle, False) + [root(subtree[:middle])]

    return part(leaves, old, True) if 0 < old < len(leaves) else []


def verify_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], expected: bytes) -> None:
    """RFC 9162, section 2.1.3.2. Raises `Untrusted`."""
    if index >= size or len(proof) > MAX_PROOF:
        raise Untrusted("no such leaf")
    at, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Untrusted("the inclusion proof is too long")
        if at & 1 or at == last:
            computed = node_hash(sibling, computed)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        at, last = at >> 1, last >> 1
    if last != 0 or computed != expected:
        raise Untrusted("the leaf is not in the tree")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> None:
    """RFC 9162, section 2.1.4.2, with the empty proofs of section 21. Raises `Untrusted`."""
    if old > new or len(proof) > MAX_PROOF:
        raise Untrusted("the log became smaller")
    if old == new:
        if proof or old_root != new_root:
            raise Untrusted("two roots of one size")
        return
    if old == 0:
        if proof or old_root != sha256(b""):
            raise Untrusted("a proof from nothing")
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise Untrusted("the consistency proof is empty")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Untrusted("the consistency proof is too long")
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    if last != 0 or first != old_root or second != new_root:
        raise Untrusted("the log was rewritten")
