//! Key sets, checkpoints and Merkle proofs: only what was signed is believed, only what is in the tree is proved.

use std::sync::OnceLock;

use godkend_protocol::bytes::{Fixed, PublicKey, Secret, Signature};
use godkend_protocol::cbor;
use godkend_protocol::checkpoint::{self, Checkpoint, CheckpointAlgorithm, NoteSignature};
use godkend_protocol::cosignature::{Cosigner, WitnessKey};
use godkend_protocol::crypto;
use godkend_protocol::keyset::{HpkePublic, KeySet, Root, SignedKeySet};
use godkend_protocol::merkle::{self, Hash, LeafNodes};
use godkend_protocol::suite::{HpkeKey, PqSigner};
use godkend_protocol::types::Suite;

use crate::input::Input;
use crate::mutate;

const NOW: i64 = 1_790_000_000;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(5) {
        0 => key_set(&mut input),
        1 => note(&mut input),
        2 => inclusion(&mut input),
        3 => consistency(&mut input),
        _ => {
            let bytes = input.rest();
            let _ = checkpoint::parse(bytes);
            let right = witness().witness().to_text();
            let text = crate::input::text(&mutate::bytes(&mut Input::new(bytes), right.into_bytes()));
            if let Some(key) = WitnessKey::parse(&text) {
                assert_eq!(key.to_text(), text, "a witness's key has one text");
            }
            let (root, ..) = root();
            assert!(SignedKeySet::verify(bytes, root, 0, NOW).is_err());
        }
    }
}

/// A root, a signed set and the set; hybrid, so that both signatures are there.
fn root() -> &'static (Root, Vec<u8>, KeySet) {
    static ROOT: OnceLock<(Root, Vec<u8>, KeySet)> = OnceLock::new();
    ROOT.get_or_init(|| {
        let secret = crypto::p256_from_seed(b"root", "fuzz");
        let public = crypto::p256_public(&secret).unwrap();
        let pq = PqSigner::from_seed(&Secret([7; 32]));
        let root = Root {
            environment: "test".to_owned(),
            url: "https://id.example".to_owned(),
            key: public,
            pq_key: Some(pq.public()),
        };
        let hpke = |suite| HpkePublic { suite, public: HpkeKey::from_seed(suite, &Secret([4; 32])).public().clone() };
        let set = KeySet {
            number: 3,
            issued: NOW - 1000,
            expires: NOW + 1000,
            tls_pins: vec![Fixed([9; 32])],
            challenge_keys: vec![public],
            log_keys: vec![public],
            hpke_keys: vec![hpke(Suite::P256), hpke(Suite::Hybrid)],
            suites: vec![Suite::P256, Suite::Hybrid],
            log_pq_key: Some(pq.public()),
        };
        let signed =
            SignedKeySet::sign(&set, "test", &public, |tbs| crypto::p256_sign(&secret, tbs), Some(&pq)).unwrap();
        (root, cbor::encode(&signed), set)
    })
}

fn key_set(input: &mut Input<'_>) {
    let (root, right, set) = root();
    assert_eq!(SignedKeySet::verify(right, root, 3, NOW).as_ref(), Ok(set));
    let changed = if input.flag() {
        mutate::bytes(input, right.clone())
    } else {
        let Some(changed) = mutate::cbor(input, right) else { return };
        changed
    };
    let (least, now) = (input.number(), input.number() as i64);
    if let Ok(taken) = SignedKeySet::verify(&changed, root, least, now) {
        // Extension keys of the unsigned map may come and go; nothing that was signed may.
        assert_eq!(taken, *set);
        assert!(least <= set.number && now < set.expires);
    }
}

fn note(input: &mut Input<'_>) {
    let secret = crypto::p256_from_seed(b"log", "fuzz");
    static PUBLIC: OnceLock<PublicKey> = OnceLock::new();
    let public = PUBLIC.get_or_init(|| crypto::p256_public(&secret).unwrap());
    let right = Checkpoint {
        environment: "test".to_owned(),
        epoch: input.number(),
        size: input.number(),
        root: input.array(),
        time: input.number(),
    };
    let (name, body) = (right.origin().unwrap(), right.to_note_body().unwrap());
    let key_hash = checkpoint::key_hash(&name, CheckpointAlgorithm::Es256, &public.0);
    let signature = crypto::p256_sign(&secret, body.as_bytes()).unwrap().0.to_vec();
    let mut lines = vec![NoteSignature { name: name.clone(), key_hash, signature }];
    let witness = witness();
    let cosigned = input.number();
    lines.push(witness.sign(body.as_bytes(), cosigned));
    for _ in 0..input.below(3) {
        lines.push(NoteSignature { name: "witness".to_owned(), key_hash: input.array(), signature: vec![1; 64] });
    }
    let note = checkpoint::signed_note(&body, &lines);
    let verify = |bytes: &[u8]| {
        checkpoint::parse(bytes).and_then(|unverified| {
            assert_eq!(unverified.checkpoint.to_note_body().unwrap().as_bytes(), unverified.body);
            unverified.verify(&[key_hash], |body, _, signature| {
                Signature::from_slice(signature).is_some_and(|signature| crypto::verify_es256(public, body, &signature))
            })
        })
    };
    assert_eq!(verify(note.as_bytes()).as_ref(), Ok(&right));
    let changed = mutate::bytes(input, note.into_bytes());
    if let Ok(taken) = verify(&changed) {
        assert_eq!(taken, right);
    }
    if let Ok(note) = checkpoint::parse(&changed)
        && let Ok(time) = witness.witness().verify(&note)
    {
        assert!(time == cosigned && note.checkpoint == right, "what the witness never saw");
    }
}

fn witness() -> &'static Cosigner {
    static WITNESS: OnceLock<Cosigner> = OnceLock::new();
    WITNESS.get_or_init(|| Cosigner::from_seed("witness.example", &Secret([8; 32])).unwrap())
}

fn leaves(input: &mut Input<'_>, count: usize) -> Vec<Hash> {
    let seed = input.byte();
    (0..count).map(|index| merkle::leaf_hash(&[&[seed][..], &index.to_be_bytes()].concat())).collect()
}

fn spoiled(input: &mut Input<'_>, mut proof: Vec<Hash>) -> Vec<Hash> {
    for _ in 0..input.below(3) {
        match input.below(4) {
            0 => proof.push(input.array()),
            1 => drop(proof.pop()),
            2 if !proof.is_empty() => {
                let at = input.below(proof.len());
                proof[at][input.below(32)] ^= input.byte();
            }
            _ if proof.len() > 1 => {
                let (one, other) = (input.below(proof.len()), input.below(proof.len()));
                proof.swap(one, other);
            }
            _ => {}
        }
    }
    proof
}

fn inclusion(input: &mut Input<'_>) {
    let size = input.below(70) + 1;
    let leaves = leaves(input, size);
    let nodes = LeafNodes::new(&leaves);
    let (index, size) = (input.below(size) as u64, size as u64);
    let root = merkle::root(&leaves);
    let right = merkle::inclusion_proof(index, size, |level, at| nodes.node(level, at)).unwrap().unwrap();
    let leaf = leaves[index as usize];
    assert_eq!(merkle::verify_inclusion(&leaf, index, size, &right, &root), Ok(()));
    let proof = spoiled(input, right);
    let other = if input.rarely(3) { input.number() } else { index };
    let claimed = leaves.get(input.below(leaves.len())).copied().unwrap_or(leaf);
    if merkle::verify_inclusion(&claimed, other, size, &proof, &root).is_ok() {
        assert_eq!(leaves.get(other as usize), Some(&claimed), "another leaf is proved");
    }
    // Sizes and indices from elsewhere do not make it run away.
    let _ = merkle::verify_inclusion(&leaf, input.number(), input.number(), &proof, &root);
}

fn consistency(input: &mut Input<'_>) {
    let new = input.below(70) + 1;
    let old = input.below(new + 1);
    let leaves = leaves(input, new);
    let nodes = LeafNodes::new(&leaves);
    let (old_root, new_root) = (merkle::root(&leaves[..old]), merkle::root(&leaves));
    let (old, new) = (old as u64, new as u64);
    let right = merkle::consistency_proof(old, new, |level, at| nodes.node(level, at)).unwrap().unwrap_or_default();
    assert_eq!(merkle::verify_consistency(old, new, &old_root, &new_root, &right), Ok(()));
    let proof = spoiled(input, right);
    let mut forged = old_root;
    forged[input.below(32)] ^= input.byte();
    if merkle::verify_consistency(old, new, &forged, &new_root, &proof).is_ok() {
        assert!(forged == old_root, "another past is proved");
    }
    let _ = merkle::verify_consistency(input.number(), input.number(), &old_root, &new_root, &proof);
}
