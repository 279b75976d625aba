//! The block code: 18 characters, shown once on the phone, that block it from any browser when no means is left.

use super::base32;
use crate::bytes::{Hash32, Secret};
use crate::crypto;

/// 90 random bits, right-aligned in 12 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockCode(Secret<12>);

impl BlockCode {
    /// Draws a new code.
    pub fn generate(rng: &mut dyn rand_core::CryptoRng) -> Self {
        let mut bytes = Secret::<12>::random(rng);
        bytes.0[0] &= 0x03;
        Self(bytes)
    }

    /// `ABCDEF-GHJKMN-PQRSTV`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let value = self.0.0.iter().fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
        base32::grouped(&base32::write(value, 18), 6)
    }

    /// Reads a typed code; `None` if it is not 18 Base32 characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let value = base32::read(text, 18)?.to_be_bytes();
        Secret::from_slice(value.get(4..)?).map(Self)
    }

    /// What the server stores: the hash of 90 random bits can neither be searched nor reversed.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        crypto::labelled_hash("godkend/1/block-code", &[&self.0.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        for seed in 0..200_u8 {
            let mut secret = Secret::from_slice(&crypto::sha256(&[&[seed]]).0[..12]).unwrap();
            secret.0[0] &= 3;
            let code = BlockCode(secret);
            let text = code.to_text();
            assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [6; 3]);
            for typed in
                [text.clone(), text.to_lowercase(), text.replace('-', " "), text.replace('0', "O").replace('1', "i")]
            {
                assert_eq!(BlockCode::parse(&typed).map(|read| read.hash()), Some(code.hash()));
            }
            assert_eq!(BlockCode::parse(&text[1..]), None);
            assert_eq!(BlockCode::parse(&format!("{text}0")), None);
            let other = if text.starts_with('7') { text.replacen('7', "8", 1) } else { format!("7{}", &text[1..]) };
            assert_ne!(BlockCode::parse(&other).unwrap().hash(), code.hash());
        }
        assert_eq!(BlockCode::parse("UUUUUU-UUUUUU-UUUUUU"), None);
        assert_eq!(format!("{:?}", BlockCode::parse("000000-000000-000000").unwrap()), "BlockCode([redacted])");
    }
}
