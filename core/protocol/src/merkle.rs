//! The Merkle tree of the audit log: RFC 9162 section 2.1 with SHA-256, without I/O.
//!
//! Proofs are made from *perfect subtrees*, which the caller looks up by `(level, index)`: the hash over the leaves
//! `index << level` to `(index + 1) << level`. Level 0 are the leaf hashes. A log that stores them makes a proof over
//! millions of leaves in a few hundred look-ups at most; [`LeafNodes`] serves small trees from their leaves alone.
//!
//! The verifiers take hostile input: they allocate nothing, and their work is bounded by the proof's length.

use ring::digest::{Context, SHA256};

/// A SHA-256 value: 32 bytes.
pub type Hash = [u8; 32];

/// The longest proof that a tree of less than 2^64 leaves can have, in hashes.
pub const MAX_PROOF_LEN: usize = 65;

/// Why a proof was refused. There is nothing to retry: the log, or whoever speaks for it, is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProofError {
    /// The index is not below the tree's size, or the older tree is larger than the newer one.
    #[error("the proof is for a position outside the tree")]
    OutOfRange,
    /// The proof has more or fewer hashes than the sizes call for.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The hashes do not lead to the stated root.
    #[error("the proof does not lead to the stated root hash")]
    Mismatch,
}

/// The root hash of the empty tree: SHA-256 of nothing (RFC 9162 section 2.1.1).
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The hash of a leaf: SHA-256(0x00 || data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256(&[&[0], data])
}

/// The hash of an inner node: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// What a log entry is committed to by: SHA-256(salt || entry). Salt and entry can be erased, and this stays.
pub fn salted_commitment(salt: &[u8; 32], entry: &[u8]) -> Hash {
    sha256(&[salt, entry])
}

/// The leaf hash of a salted log entry: `leaf_hash(salted_commitment(salt, entry))`.
pub fn salted_leaf(salt: &[u8; 32], entry: &[u8]) -> Hash {
    leaf_hash(&salted_commitment(salt, entry))
}

/// The root hash over these leaf hashes.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// A tree that grows by one leaf at a time and keeps only its right edge: at most 64 hashes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of the perfect subtrees, the largest first: one for each one-bit of `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of `size` leaves, from its stored perfect subtrees.
    ///
    /// # Errors
    /// Whatever `node` answers.
    pub fn from_nodes<E>(size: u64, mut node: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Self, E> {
        let mut peaks = Vec::new();
        let mut start = 0;
        for level in levels(size) {
            peaks.push(node(level, start >> level)?);
            start += 1 << level;
        }
        Ok(Self { size, peaks })
    }

    /// Appends a leaf hash; returns the perfect subtrees that this completes, as `(level, hash)`, the leaf first.
    /// They are exactly what a store for [`inclusion_proof`] has to keep.
    pub fn push(&mut self, leaf: Hash) -> Vec<(u32, Hash)> {
        let mut completed = vec![(0, leaf)];
        let mut hash = leaf;
        for level in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
                completed.push((level + 1, hash));
            }
        }
        self.peaks.push(hash);
        self.size += 1;
        completed
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root hash.
    pub fn root(&self) -> Hash {
        fold_peaks(self.peaks.iter().copied())
    }
}

/// The root hash of the first `size` leaves.
///
/// # Errors
/// Whatever `node` answers.
pub fn root_at<E>(size: u64, node: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    Ok(Frontier::from_nodes(size, node)?.root())
}

/// The inclusion proof of leaf `index` in the tree of the first `size` leaves (RFC 9162 section 2.1.3.1), the lowest
/// hash first. `None` when `index` is not below `size`.
///
/// # Errors
/// Whatever `node` answers.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if index >= size {
        return Ok(None);
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range_root(middle, end, &mut node)?);
            end = middle;
        } else {
            proof.push(range_root(start, middle, &mut node)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(Some(proof))
}

/// The proof that the tree of the first `old` leaves is a prefix of that of the first `new` ones (RFC 9162 section
/// 2.1.4.1). Empty when `old` is 0 or equals `new`; `None` when `old` is larger.
///
/// # Errors
/// Whatever `node` answers.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if old > new {
        return Ok(None);
    }
    if old == 0 || old == new {
        return Ok(Some(Vec::new()));
    }
    let (mut start, mut end) = (0, new);
    let mut proof = Vec::new();
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range_root(middle, end, &mut node)?);
            end = middle;
        } else {
            proof.push(range_root(start, middle, &mut node)?);
            start = middle;
        }
    }
    // The verifier knows the old root already when this subtree is the whole of the old tree.
    if start != 0 {
        proof.push(range_root(start, end, &mut node)?);
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Checks that the leaf is at `index` in the tree of `size` leaves with this root (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// A [`ProofError`] that says what does not fit.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    let (mut fn_, mut sn) = (index, size - 1);
    let mut r = *leaf;
    for p in proof {
        if sn == 0 {
            return Err(ProofError::Length);
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = node_hash(p, &r);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            r = node_hash(&r, p);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    if sn != 0 {
        return Err(ProofError::Length);
    }
    if r == *root { Ok(()) } else { Err(ProofError::Mismatch) }
}

/// Checks that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 9162 section 2.1.4.2). Every tree
/// extends the empty one, and itself; both with an empty proof.
///
/// # Errors
/// A [`ProofError`] that says what does not fit.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::OutOfRange);
    }
    if old == 0 || old == new {
        let expected = if old == new { *new_root } else { empty_root() };
        if !proof.is_empty() {
            return Err(ProofError::Length);
        }
        let fits = *old_root == expected && (new != 0 || *new_root == empty_root());
        return if fits { Ok(()) } else { Err(ProofError::Mismatch) };
    }
    // A power of two is a perfect subtree of the newer tree: its root is the proof's first hash and left out of it.
    let (first, rest) = match proof.split_first() {
        None => return Err(ProofError::Length),
        Some(_) if old.is_power_of_two() => (old_root, proof),
        Some(split) => split,
    };
    let (mut fn_, mut sn) = (old - 1, new - 1);
    let shift = fn_.trailing_ones();
    fn_ >>= shift;
    sn >>= shift;
    let (mut fr, mut sr) = (*first, *first);
    for c in rest {
        if sn == 0 {
            return Err(ProofError::Length);
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            sr = node_hash(&sr, c);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    if sn != 0 {
        return Err(ProofError::Length);
    }
    if fr == *old_root && sr == *new_root { Ok(()) } else { Err(ProofError::Mismatch) }
}

/// Every perfect subtree of a small tree, kept in memory.
#[derive(Clone, Debug, Default)]
pub struct LeafNodes {
    levels: Vec<Vec<Hash>>,
}

impl LeafNodes {
    /// Hashes the tree over these leaf hashes.
    pub fn new(leaves: &[Hash]) -> Self {
        let mut levels: Vec<Vec<Hash>> = Vec::new();
        let mut frontier = Frontier::new();
        for leaf in leaves {
            for (depth, (_, hash)) in frontier.push(*leaf).into_iter().enumerate() {
                match levels.get_mut(depth) {
                    Some(level) => level.push(hash),
                    None => levels.push(vec![hash]),
                }
            }
        }
        Self { levels }
    }

    /// The perfect subtree at `(level, index)`.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`] for one that the leaves do not fill.
    pub fn node(&self, level: u32, index: u64) -> Result<Hash, ProofError> {
        let level = usize::try_from(level).map_err(|_| ProofError::OutOfRange)?;
        let index = usize::try_from(index).map_err(|_| ProofError::OutOfRange)?;
        self.levels.get(level).and_then(|hashes| hashes.get(index)).copied().ok_or(ProofError::OutOfRange)
    }
}

/// The root over the leaves `start..end`; `start` is a multiple of the first power of two not below `end - start`.
fn range_root<E>(start: u64, end: u64, node: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let mut peaks = Vec::new();
    let mut at = start;
    for level in levels(end - start) {
        peaks.push(node(level, at >> level)?);
        at += 1 << level;
    }
    Ok(fold_peaks(peaks.into_iter()))
}

/// Joins perfect subtrees, given the largest first, from the right.
fn fold_peaks(peaks: impl DoubleEndedIterator<Item = Hash>) -> Hash {
    let mut hashes = peaks.rev();
    match hashes.next() {
        None => empty_root(),
        Some(last) => hashes.fold(last, |right, left| node_hash(&left, &right)),
    }
}

/// The one-bits of `size`, the highest first.
fn levels(size: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).rev().filter(move |level| size >> level & 1 == 1)
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (u64::BITS - 1 - (n - 1).leading_zeros())
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The eight inputs and the roots that Certificate Transparency logs have been tested with since RFC 6962.
    const INPUTS: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn hash(text: &str) -> Hash {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    fn ct_leaves() -> Vec<Hash> {
        INPUTS.iter().map(|input| leaf_hash(&hex::decode(input).unwrap())).collect()
    }

    fn numbered(n: u64) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    /// The definition of RFC 9162 section 2.1.1, as written there.
    fn definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let k = usize::try_from(split(u64::try_from(leaves.len()).unwrap())).unwrap();
                node_hash(&definition(&leaves[..k]), &definition(&leaves[k..]))
            }
        }
    }

    #[test]
    fn known_roots() {
        let leaves = ct_leaves();
        for (size, expected) in ROOTS.iter().enumerate() {
            assert_eq!(hex::encode(root(&leaves[..size])), *expected, "size {size}");
        }
    }

    #[test]
    fn known_inclusion_proof() {
        let leaves = ct_leaves();
        let nodes = LeafNodes::new(&leaves);
        let proof = inclusion_proof(5, 8, |l, i| nodes.node(l, i)).unwrap().unwrap();
        let expected = [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ];
        assert_eq!(proof, expected.map(hash));
        verify_inclusion(&leaves[5], 5, 8, &proof, &hash(ROOTS[8])).unwrap();
    }

    #[test]
    fn known_consistency_proof() {
        let nodes = LeafNodes::new(&ct_leaves());
        let proof = consistency_proof(6, 8, |l, i| nodes.node(l, i)).unwrap().unwrap();
        let expected = [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ];
        assert_eq!(proof, expected.map(hash));
        verify_consistency(6, 8, &hash(ROOTS[6]), &hash(ROOTS[8]), &proof).unwrap();
    }

    #[test]
    fn every_size_to_70_every_pair() {
        let leaves = numbered(70);
        let nodes = LeafNodes::new(&leaves);
        let roots: Vec<Hash> = (0..=70).map(|n| definition(&leaves[..n])).collect();
        let mut frontier = Frontier::new();
        for size in 0..=70_u64 {
            let n = usize::try_from(size).unwrap();
            assert_eq!(frontier.root(), roots[n]);
            assert_eq!(root_at(size, |l, i| nodes.node(l, i)).unwrap(), roots[n]);
            assert_eq!(Frontier::from_nodes(size, |l, i| nodes.node(l, i)).unwrap(), frontier);
            for index in 0..size {
                let leaf = &leaves[usize::try_from(index).unwrap()];
                let proof = inclusion_proof(index, size, |l, i| nodes.node(l, i)).unwrap().unwrap();
                verify_inclusion(leaf, index, size, &proof, &roots[n]).unwrap();
                for other in 0..size {
                    let result = verify_inclusion(leaf, other, size, &proof, &roots[n]);
                    assert_eq!(result.is_ok(), other == index, "leaf {index} claimed at {other} of {size}");
                }
            }
            assert_eq!(inclusion_proof(size, size, |l, i| nodes.node(l, i)).unwrap(), None);
            for old in 0..=size {
                let m = usize::try_from(old).unwrap();
                let proof = consistency_proof(old, size, |l, i| nodes.node(l, i)).unwrap().unwrap();
                verify_consistency(old, size, &roots[m], &roots[n], &proof).unwrap();
                let mut wrong = roots[m];
                wrong[0] ^= 1;
                assert!(verify_consistency(old, size, &wrong, &roots[n], &proof).is_err());
                let mut wrong = roots[n];
                wrong[31] ^= 1;
                // The empty tree is a prefix of anything: only there the newer root proves nothing.
                assert_eq!(verify_consistency(old, size, &roots[m], &wrong, &proof).is_ok(), old == 0 && size > 0);
            }
            assert_eq!(consistency_proof(size + 1, size, |l, i| nodes.node(l, i)).unwrap(), None);
            if size < 70 {
                frontier.push(leaves[n]);
            }
        }
    }

    #[test]
    fn every_changed_proof_is_refused() {
        let leaves = numbered(33);
        let nodes = LeafNodes::new(&leaves);
        for size in 2..=33_u64 {
            let new_root = root(&leaves[..usize::try_from(size).unwrap()]);
            for at in 0..size {
                let leaf = leaves[usize::try_from(at).unwrap()];
                let old_root = root(&leaves[..usize::try_from(at).unwrap()]);
                let inclusion = inclusion_proof(at, size, |l, i| nodes.node(l, i)).unwrap().unwrap();
                let consistency = consistency_proof(at, size, |l, i| nodes.node(l, i)).unwrap().unwrap();
                for changed in mutations(&inclusion) {
                    assert!(verify_inclusion(&leaf, at, size, &changed, &new_root).is_err());
                }
                for changed in mutations(&consistency) {
                    assert!(verify_consistency(at, size, &old_root, &new_root, &changed).is_err());
                }
            }
        }
    }

    /// A bit flipped in each hash, each hash left out, one too many.
    fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let mut all = Vec::new();
        for i in 0..proof.len() {
            let mut flipped = proof.to_vec();
            flipped[i][i % 32] ^= 0x40;
            all.push(flipped);
            let mut shorter = proof.to_vec();
            shorter.remove(i);
            all.push(shorter);
        }
        let mut longer = proof.to_vec();
        longer.push([7; 32]);
        all.push(longer);
        all
    }

    #[test]
    fn splits_at_the_largest_power_of_two_below() {
        for (n, k) in [(2, 1), (3, 2), (4, 2), (5, 4), (8, 4), (9, 8), (u64::MAX, 1 << 63)] {
            assert_eq!(split(n), k);
        }
    }

    proptest! {
        #[test]
        fn hostile_input_neither_panics_nor_passes(
            index in any::<u64>(), old in 1..u64::MAX, new in any::<u64>(), salt in any::<u8>(), len in 0..80_usize,
        ) {
            let proof: Vec<Hash> = (0..len).map(|i| leaf_hash(&[salt, u8::try_from(i).unwrap()])).collect();
            let (a, b) = (leaf_hash(&[salt, 100]), leaf_hash(&[salt, 101]));
            prop_assert!(verify_inclusion(&a, index, new, &proof, &b).is_err());
            prop_assert!(verify_consistency(old, new, &a, &b, &proof).is_err());
        }

        #[test]
        fn larger_trees(size in 71..600_u64, at in any::<u64>()) {
            let leaves = numbered(size);
            let nodes = LeafNodes::new(&leaves);
            let at = at % size;
            let n = usize::try_from(at).unwrap();
            let root_hash = definition(&leaves);
            let proof = inclusion_proof(at, size, |l, i| nodes.node(l, i)).unwrap().unwrap();
            prop_assert!(proof.len() <= MAX_PROOF_LEN);
            verify_inclusion(&leaves[n], at, size, &proof, &root_hash).unwrap();
            let proof = consistency_proof(at, size, |l, i| nodes.node(l, i)).unwrap().unwrap();
            prop_assert!(proof.len() <= MAX_PROOF_LEN);
            verify_consistency(at, size, &definition(&leaves[..n]), &root_hash, &proof).unwrap();
        }
    }
}
