//! Cosignatures of witnesses on checkpoints: C2SP `tlog-cosignature`, Ed25519 (`cosignature/v1`).
//!
//! A cosignature says: *at this time, this is the largest consistent tree of this log that I have seen*. It is one more
//! line of the note (see [`crate::checkpoint`]): key name, and Base64 of key hash (4 bytes), time (8 bytes, big-endian
//! Unix seconds) and signature (64 bytes) over `cosignature/v1\ntime <seconds>\n` and the note's body. A witness's public
//! key is written as a C2SP verifier key: `<name>+<key hash, hex>+<Base64 of 0x04 || key>`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::bytes::Secret;
use crate::checkpoint::{CheckpointError, NoteSignature, UnverifiedCheckpoint};

const TYPE: u8 = 0x04;
const MAX_NAME_LEN: usize = 128;

/// A witness, as those who rely on it know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WitnessKey {
    /// Its name: 1 to 128 bytes without white space, control characters and `+`; by custom an address without a scheme.
    pub name: String,
    /// Its Ed25519 key.
    pub public: [u8; 32],
}

impl WitnessKey {
    /// Reads a verifier key. `None` for another form, another type of key, or a hash that is not this key's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, hash, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = STANDARD.decode(key).ok()?;
        let (kind, public) = bytes.split_first()?;
        let own = Self { name: name.to_owned(), public: public.try_into().ok()? };
        (*kind == TYPE && is_name(name) && own.to_text() == format!("{name}+{hash}+{key}")).then_some(own)
    }

    /// The verifier key.
    #[must_use]
    pub fn to_text(&self) -> String {
        let hash: String = self.key_hash().iter().map(|byte| format!("{byte:02x}")).collect();
        let key = [&[TYPE][..], &self.public].concat();
        format!("{}+{hash}+{}", self.name, STANDARD.encode(key))
    }

    /// What a line names the key by.
    #[must_use]
    pub fn key_hash(&self) -> [u8; 4] {
        let text = [self.name.as_bytes(), b"\n", &[TYPE], &self.public].concat();
        let mut hash = [0; 4];
        hash.copy_from_slice(&digest(&SHA256, &text).as_ref()[..4]);
        hash
    }

    /// The time (Unix seconds) at which this witness cosigned. Says nothing of the log's own signature.
    ///
    /// # Errors
    /// [`CheckpointError::Signature`] without exactly one good line of this witness's.
    pub fn verify(&self, note: &UnverifiedCheckpoint) -> Result<u64, CheckpointError> {
        let hash = self.key_hash();
        let mut lines = note.signatures.iter().filter(|line| line.name == self.name && line.key_hash == hash);
        let (Some(line), None) = (lines.next(), lines.next()) else { return Err(CheckpointError::Signature) };
        let (time, signature) = line.signature.split_first_chunk::<8>().ok_or(CheckpointError::Signature)?;
        let time = u64::from_be_bytes(*time);
        let message = message(time, &note.body);
        let good = UnparsedPublicKey::new(&ED25519, &self.public).verify(&message, signature).is_ok();
        if good && i64::try_from(time).is_ok() { Ok(time) } else { Err(CheckpointError::Signature) }
    }
}

/// Whether a witness may be called so.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && name.len() <= MAX_NAME_LEN && !name.contains(odd)
}

/// A witness's own key. Prints no secret.
pub struct Cosigner {
    key: Ed25519KeyPair,
    witness: WitnessKey,
}

impl Cosigner {
    /// The key of this seed (RFC 8032's private key). `None` for a name that is none.
    #[must_use]
    pub fn from_seed(name: &str, seed: &Secret<32>) -> Option<Self> {
        let key = Ed25519KeyPair::from_seed_unchecked(&seed.0).ok()?;
        let public = key.public_key().as_ref().try_into().ok()?;
        is_name(name).then(|| Self { key, witness: WitnessKey { name: name.to_owned(), public } })
    }

    /// The public half.
    #[must_use]
    pub const fn witness(&self) -> &WitnessKey {
        &self.witness
    }

    /// Cosigns a note's body. The caller has verified the log's signature and its consistency, and stored it durably.
    #[must_use]
    pub fn sign(&self, body: &[u8], time: u64) -> NoteSignature {
        let signature = self.key.sign(&message(time, body));
        let signature = [&time.to_be_bytes()[..], signature.as_ref()].concat();
        NoteSignature { name: self.witness.name.clone(), key_hash: self.witness.key_hash(), signature }
    }
}

fn message(time: u64, body: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {time}\n").as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{parse, signed_note};

    const BODY: &str = "godkend/test/3\n8\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime 1790000000\n";

    fn cosigner() -> Cosigner {
        Cosigner::from_seed("witness.example/w1", &Secret([7; 32])).unwrap()
    }

    #[test]
    fn a_cosignature_is_over_time_and_body() {
        let (cosigner, time) = (cosigner(), 1_790_000_060);
        let line = cosigner.sign(BODY.as_bytes(), time);
        let note = signed_note(BODY, std::slice::from_ref(&line));
        assert_eq!(cosigner.witness().verify(&parse(note.as_bytes()).unwrap()), Ok(time));
        // The form of the specification, made by hand.
        let text = [b"cosignature/v1\ntime 1790000060\n", BODY.as_bytes()].concat();
        UnparsedPublicKey::new(&ED25519, cosigner.witness().public).verify(&text, &line.signature[8..]).unwrap();
        for place in 0..line.signature.len() {
            let mut changed = line.clone();
            changed.signature[place] ^= 1;
            let note = signed_note(BODY, &[changed]);
            assert!(cosigner.witness().verify(&parse(note.as_bytes()).unwrap()).is_err(), "byte {place}");
        }
        let other = note.replacen("\n8\n", "\n9\n", 1);
        assert!(cosigner.witness().verify(&parse(other.as_bytes()).unwrap()).is_err());
        let twice = signed_note(BODY, &[line.clone(), line]);
        assert!(cosigner.witness().verify(&parse(twice.as_bytes()).unwrap()).is_err());
    }

    #[test]
    fn a_verifier_key_reads_back_and_nothing_else_does() {
        let key = cosigner().witness().clone();
        let text = key.to_text();
        assert_eq!(WitnessKey::parse(&text), Some(key.clone()));
        // A key may hold the character that parts the fields.
        let odd = (0..255).find_map(|seed| {
            let key = Cosigner::from_seed("w", &Secret([seed; 32]))?.witness().clone();
            key.to_text()[11..].contains('+').then_some(key)
        });
        let odd = odd.unwrap();
        assert_eq!(WitnessKey::parse(&odd.to_text()), Some(odd));
        let wrong = [
            text.replace("w1", "w2"),
            text.replace("+B", "+C"),
            text.replace('+', " "),
            text.to_uppercase(),
            format!("{text}="),
            format!(" {text}"),
            String::new(),
        ];
        for wrong in wrong {
            assert_eq!(WitnessKey::parse(&wrong), None, "{wrong}");
        }
        assert!(Cosigner::from_seed("a name", &Secret([7; 32])).is_none());
    }
}
