//! Checkpoints of the audit log: C2SP `tlog-checkpoint` in a C2SP `signed-note`.
//!
//! ```text
//! godkend/<environment>/<epoch>
//! <number of entries>
//! <root hash, base64>
//! time <unix seconds>
//!
//! — <key name> <base64 of key hash (4 bytes) || signature>
//! ```
//!
//! The signed bytes are the body: all up to and including the line feed before the empty line. The key name is the
//! body's first line. Godkend reads only what it would write, to the byte; another log's extension lines are refused.
//!
//! Signatures. ES256 is signature type 0x02 (ECDSA); unlike the historic use of that type, the key is hashed as its
//! 65-byte SEC1 point and the signature is raw `r || s` (64 bytes, low s), as everywhere in this protocol:
//! key hash = SHA-256(name || 0x0A || 0x02 || point), the first 4 bytes. ML-DSA-65 (suite 2) is type 0xff with the
//! identifier `godkend-ml-dsa-65`: key hash = SHA-256(name || 0x0A || 0xff || identifier || key), the first 4 bytes.
//! A line of any other key, a witness's for one, is kept and not judged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};

use crate::merkle::Hash;

/// The largest note that is looked at, in bytes: room for a dozen ML-DSA-65 signatures.
pub const MAX_NOTE_LEN: usize = 65_536;
/// The most signature lines that a note may have.
pub const MAX_SIGNATURES: usize = 16;
/// The longest environment name, in characters.
pub const MAX_ENVIRONMENT_LEN: usize = 63;
/// The longest signature, in bytes; ML-DSA-65 has 3,309.
pub const MAX_SIGNATURE_LEN: usize = 4_096;

const ML_DSA_65_IDENTIFIER: &[u8] = b"godkend-ml-dsa-65";
const MAX_NAME_LEN: usize = 128;

/// Why a checkpoint was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Larger than [`MAX_NOTE_LEN`], or more signatures than [`MAX_SIGNATURES`].
    #[error("the checkpoint is too large")]
    TooLarge,
    /// Not the form that this module's documentation gives.
    #[error("the checkpoint is malformed")]
    Malformed,
    /// The environment has another form than 1 to 63 of `a-z 0-9 . -`.
    #[error("the environment name is not 1 to 63 lower-case letters, digits, dots and hyphens")]
    Environment,
    /// A required key has signed nothing here, or its signature is wrong. Do not use the checkpoint.
    #[error("a required signature on the checkpoint is missing or wrong")]
    Signature,
}

/// The state of the log at one size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The environment that the log belongs to: 1 to 63 of `a-z 0-9 . -`.
    pub environment: String,
    /// The log's epoch: rises when log and database were both lost.
    pub epoch: u64,
    /// The number of entries.
    pub size: u64,
    /// The root hash over those entries.
    pub root: Hash,
    /// When it was signed, in unix seconds.
    pub time: u64,
}

/// The algorithm of a key that signs checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CheckpointAlgorithm {
    /// ECDSA P-256 with SHA-256; the public key is the 65-byte SEC1 point.
    Es256,
    /// ML-DSA-65; the public key is FIPS 204's 1,952 bytes.
    MlDsa65,
}

/// One signature line of a note.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's hash, see [`key_hash`].
    pub key_hash: [u8; 4],
    /// The signature, as its algorithm has it.
    pub signature: Vec<u8>,
}

/// A checkpoint that has been read and not yet believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnverifiedCheckpoint {
    /// What the note says.
    pub checkpoint: Checkpoint,
    /// The bytes that are signed.
    pub body: Vec<u8>,
    /// Every signature line, in order.
    pub signatures: Vec<NoteSignature>,
}

impl Checkpoint {
    /// The first line of the body, and the name of the keys that sign it.
    ///
    /// # Errors
    /// [`CheckpointError::Environment`].
    pub fn origin(&self) -> Result<String, CheckpointError> {
        origin(&self.environment, self.epoch)
    }

    /// The bytes to sign.
    ///
    /// # Errors
    /// [`CheckpointError::Environment`].
    pub fn to_note_body(&self) -> Result<String, CheckpointError> {
        Ok(format!("{}\n{}\n{}\ntime {}\n", self.origin()?, self.size, STANDARD.encode(self.root), self.time))
    }
}

/// The origin line of a log: `godkend/<environment>/<epoch>`.
///
/// # Errors
/// [`CheckpointError::Environment`].
pub fn origin(environment: &str, epoch: u64) -> Result<String, CheckpointError> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    if environment.is_empty() || environment.len() > MAX_ENVIRONMENT_LEN || !environment.bytes().all(fits) {
        return Err(CheckpointError::Environment);
    }
    Ok(format!("godkend/{environment}/{epoch}"))
}

/// The hash that a signature line names its key by; `name` is the log's origin line.
pub fn key_hash(name: &str, algorithm: CheckpointAlgorithm, public_key: &[u8]) -> [u8; 4] {
    let mut context = Context::new(&SHA256);
    context.update(name.as_bytes());
    context.update(b"\n");
    match algorithm {
        CheckpointAlgorithm::Es256 => context.update(&[0x02]),
        CheckpointAlgorithm::MlDsa65 => {
            context.update(&[0xff]);
            context.update(ML_DSA_65_IDENTIFIER);
        }
    }
    context.update(public_key);
    let mut hash = [0; 4];
    for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    hash
}

/// The whole note: the body, an empty line, the signature lines.
pub fn signed_note(body: &str, signatures: &[NoteSignature]) -> String {
    let mut note = format!("{body}\n");
    for line in signatures {
        let mut bytes = line.key_hash.to_vec();
        bytes.extend_from_slice(&line.signature);
        note.push_str(&format!("— {} {}\n", line.name, STANDARD.encode(bytes)));
    }
    note
}

/// Reads a note from an untrusted source.
///
/// # Errors
/// [`CheckpointError::TooLarge`] or [`CheckpointError::Malformed`].
pub fn parse(note: &[u8]) -> Result<UnverifiedCheckpoint, CheckpointError> {
    if note.len() > MAX_NOTE_LEN {
        return Err(CheckpointError::TooLarge);
    }
    let text = std::str::from_utf8(note).map_err(|_| CheckpointError::Malformed)?;
    let (body, lines) = text.split_once("\n\n").ok_or(CheckpointError::Malformed)?;
    let body = format!("{body}\n");
    let checkpoint = parse_body(&body).ok_or(CheckpointError::Malformed)?;
    let lines = lines.strip_suffix('\n').ok_or(CheckpointError::Malformed)?;
    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        if signatures.len() == MAX_SIGNATURES {
            return Err(CheckpointError::TooLarge);
        }
        signatures.push(parse_signature(line).ok_or(CheckpointError::Malformed)?);
    }
    Ok(UnverifiedCheckpoint { checkpoint, body: body.into_bytes(), signatures })
}

impl UnverifiedCheckpoint {
    /// Believes the checkpoint if each key in `required` (see [`key_hash`]) has one line here, under the log's own
    /// name, that `verify(body, key_hash, signature)` accepts. The caller must compare the environment and epoch with
    /// the ones it expects; a key hash binds both, since the name is part of it.
    ///
    /// # Errors
    /// [`CheckpointError::Signature`], also when `required` is empty.
    pub fn verify(
        self,
        required: &[[u8; 4]],
        verify: impl Fn(&[u8], [u8; 4], &[u8]) -> bool,
    ) -> Result<Checkpoint, CheckpointError> {
        let name = self.checkpoint.origin()?;
        let signed = |key: &[u8; 4]| {
            let mut lines = self.signatures.iter().filter(|line| line.name == name && line.key_hash == *key);
            match (lines.next(), lines.next()) {
                (Some(line), None) => verify(&self.body, *key, &line.signature),
                _ => false,
            }
        };
        if required.is_empty() || !required.iter().all(signed) {
            return Err(CheckpointError::Signature);
        }
        Ok(self.checkpoint)
    }
}

fn parse_body(body: &str) -> Option<Checkpoint> {
    let mut lines = body.strip_suffix('\n')?.split('\n');
    let mut origin = lines.next()?.split('/');
    if origin.next()? != "godkend" {
        return None;
    }
    let environment = origin.next()?.to_owned();
    let epoch = origin.next()?.parse().ok()?;
    let size = lines.next()?.parse().ok()?;
    let root = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
    let time = lines.next()?.strip_prefix("time ")?.parse().ok()?;
    let checkpoint = Checkpoint { environment, epoch, size, root, time };
    // Signs, leading zeros, further lines, odd base64: whatever this would not write again.
    (checkpoint.to_note_body().ok()? == body).then_some(checkpoint)
}

fn parse_signature(line: &str) -> Option<NoteSignature> {
    let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > MAX_NAME_LEN || name.contains(odd) {
        return None;
    }
    let bytes = STANDARD.decode(encoded).ok()?;
    let (hash, signature) = bytes.split_first_chunk::<4>()?;
    if signature.is_empty() || signature.len() > MAX_SIGNATURE_LEN {
        return None;
    }
    Some(NoteSignature { name: name.to_owned(), key_hash: *hash, signature: signature.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{self, EcdsaKeyPair, KeyPair, UnparsedPublicKey};

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            environment: "test".to_owned(),
            epoch: 3,
            size: 8,
            root: crate::merkle::empty_root(),
            time: 1_790_000_000,
        }
    }

    fn line(name: &str, signature: &[u8]) -> NoteSignature {
        NoteSignature { name: name.to_owned(), key_hash: [1, 2, 3, 4], signature: signature.to_vec() }
    }

    #[test]
    fn the_text_is_as_documented() {
        let note = signed_note(&checkpoint().to_note_body().unwrap(), &[line("godkend/test/3", &[9, 9])]);
        assert_eq!(
            note,
            "godkend/test/3\n8\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime 1790000000\n\n\
             — godkend/test/3 AQIDBAkJ\n"
        );
        let read = parse(note.as_bytes()).unwrap();
        assert_eq!(read.checkpoint, checkpoint());
        assert_eq!(read.body, checkpoint().to_note_body().unwrap().into_bytes());
        assert_eq!(read.signatures, [line("godkend/test/3", &[9, 9])]);
    }

    #[test]
    fn signs_and_verifies_and_ignores_strangers() {
        let random = SystemRandom::new();
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let body = checkpoint().to_note_body().unwrap();
        let hash = key_hash("godkend/test/3", CheckpointAlgorithm::Es256, key.public_key().as_ref());
        let own = NoteSignature {
            name: "godkend/test/3".to_owned(),
            key_hash: hash,
            signature: key.sign(&random, body.as_bytes()).unwrap().as_ref().to_vec(),
        };
        let witness = line("witness.example", &[7; 72]);
        let check = |body: &[u8], key_hash: [u8; 4], bytes: &[u8]| {
            assert_eq!(key_hash, hash);
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, key.public_key().as_ref())
                .verify(body, bytes)
                .is_ok()
        };
        let read = |note: &str| parse(note.as_bytes()).unwrap();
        let note = signed_note(&body, &[witness.clone(), own.clone()]);
        assert_eq!(read(&note).verify(&[hash], check), Ok(checkpoint()));
        // Both suites' signatures are needed where both are required.
        let second = key_hash("godkend/test/3", CheckpointAlgorithm::MlDsa65, &[5; 1952]);
        assert_eq!(read(&note).verify(&[hash, second], |_, _, _| true), Err(CheckpointError::Signature));
        assert_eq!(read(&note).verify(&[], |_, _, _| true), Err(CheckpointError::Signature));
        let unsigned = signed_note(&body, &[witness]);
        assert_eq!(read(&unsigned).verify(&[hash], check), Err(CheckpointError::Signature));
        let changed = note.replacen("\n8\n", "\n9\n", 1);
        assert_eq!(read(&changed).verify(&[hash], check), Err(CheckpointError::Signature));
        let twice = signed_note(&body, &[own.clone(), own.clone()]);
        assert_eq!(read(&twice).verify(&[hash], check), Err(CheckpointError::Signature));
        let renamed = signed_note(&body, &[NoteSignature { name: "other".to_owned(), ..own }]);
        assert_eq!(read(&renamed).verify(&[hash], check), Err(CheckpointError::Signature));
    }

    #[test]
    fn key_hashes_differ_by_name_algorithm_and_key() {
        let es256 = key_hash("a", CheckpointAlgorithm::Es256, &[4; 65]);
        assert_ne!(es256, key_hash("b", CheckpointAlgorithm::Es256, &[4; 65]));
        assert_ne!(es256, key_hash("a", CheckpointAlgorithm::MlDsa65, &[4; 65]));
        assert_ne!(es256, key_hash("a", CheckpointAlgorithm::Es256, &[5; 65]));
        let expected = ring::digest::digest(&SHA256, &[b"a\n\x02".as_slice(), &[4; 65]].concat());
        assert_eq!(es256, expected.as_ref()[..4]);
    }

    #[test]
    fn garbage_is_refused() {
        let good = "godkend/test/3\n8\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime 5\n\n— a AQIDBAkJ\n";
        parse(good.as_bytes()).unwrap();
        let bad = [
            good.replacen("godkend", "Godkend", 1),
            good.replacen("test", "", 1),
            good.replacen("test", "te st", 1),
            good.replacen("/3", "/03", 1),
            good.replacen("/3", "/3/4", 1),
            good.replacen("/3", "", 1),
            good.replacen("\n8\n", "\n+8\n", 1),
            good.replacen("\n8\n", "\n-8\n", 1),
            good.replacen("\n8\n", "\n08\n", 1),
            good.replacen("\n8\n", "\n18446744073709551616\n", 1),
            good.replacen("\n8\n", "\n8\r\n", 1),
            good.replacen("47DE", "", 1),
            good.replacen("FU=", "FV=", 1),
            good.replacen("time 5", "time 5\nmore", 1),
            good.replacen("time 5\n", "", 1),
            good.replacen("— ", "- ", 1),
            good.replacen("— a ", "—  ", 1),
            good.replacen("— a ", "— a+b ", 1),
            good.replacen("AQIDBAkJ", "AQIDBA==", 1),
            good.replacen("AQIDBAkJ", "AQIDBAkJ ", 1),
            good.replacen("AQIDBAkJ", "?", 1),
            format!("{good}\n"),
            good.trim_end().to_owned(),
            good.split_once("\n\n").unwrap().0.to_owned() + "\n\n",
            String::new(),
        ];
        for text in bad {
            assert_eq!(parse(text.as_bytes()), Err(CheckpointError::Malformed), "{text:?}");
        }
        assert_eq!(parse(&[0xff; 20]), Err(CheckpointError::Malformed));
        let many = good.to_owned() + &"— a AQIDBAkJ\n".repeat(MAX_SIGNATURES);
        assert_eq!(parse(many.as_bytes()), Err(CheckpointError::TooLarge));
        assert_eq!(parse(&vec![b'a'; MAX_NOTE_LEN + 1]), Err(CheckpointError::TooLarge));
        let odd = Checkpoint { environment: "a/b".to_owned(), ..checkpoint() };
        assert_eq!(odd.to_note_body(), Err(CheckpointError::Environment));
    }

    proptest! {
        #[test]
        fn whatever_parses_writes_itself(
            environment in "[a-z0-9.-]{1,63}", epoch in any::<u64>(), size in any::<u64>(), root in any::<[u8; 32]>(),
            time in any::<u64>(), signatures in proptest::collection::vec(any::<[u8; 9]>(), 1..5),
        ) {
            let checkpoint = Checkpoint { environment, epoch, size, root, time };
            let lines: Vec<_> = signatures.iter().map(|bytes| line("k", bytes)).collect();
            let note = signed_note(&checkpoint.to_note_body().unwrap(), &lines);
            let read = parse(note.as_bytes()).unwrap();
            prop_assert_eq!(&read.checkpoint, &checkpoint);
            prop_assert_eq!(&read.signatures, &lines);
        }

        #[test]
        fn any_text_is_safe(text in "[godken/test0-9 \n—A=a+]{0,200}") {
            if let Ok(read) = parse(text.as_bytes()) {
                prop_assert_eq!(read.checkpoint.to_note_body().unwrap().into_bytes(), read.body);
            }
        }
    }
}
