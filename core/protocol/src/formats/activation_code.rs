//! The activation code that is typed by hand: four groups of five Base32 characters.
//!
//! 100 bits: 40 name the activation, 55 are secret, 5 are a checksum that catches a slip before it costs a try.

use super::base32;
use crate::bytes::{Fixed, Secret};

/// Names an activation: 40 bits.
pub type ActivationName = Fixed<5>;

/// A typed activation code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActivationCode {
    /// Names the activation.
    pub name: ActivationName,
    /// 55 secret bits, right-aligned in seven bytes (the top bit is zero).
    pub secret: Secret<7>,
}

/// Why a typed code is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodeError {
    /// Not twenty Base32 characters.
    #[error("an activation code has 20 letters and digits")]
    Shape,
    /// The checksum does not match: a slip of the finger.
    #[error("the code has a typing error")]
    Checksum,
}

impl ActivationCode {
    /// Draws a new code.
    pub fn generate(rng: &mut dyn rand_core::CryptoRng) -> Self {
        let name = crate::bytes::random(rng);
        let mut secret = Secret::<7>::random(rng);
        secret.0[0] &= 0x7f;
        Self { name, secret }
    }

    /// `ABCDE-FGHJK-MNPQR-STVWX`. As secret as what it is made of.
    #[must_use]
    pub fn to_text(&self) -> String {
        let bits = (self.bits() << 5) | u128::from(self.checksum());
        base32::grouped(&base32::write(bits, 20), 5)
    }

    /// Reads a typed code; case, spaces and hyphens do not matter.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let value = base32::read(text, 20).ok_or(CodeError::Shape)?;
        let bytes = (value >> 5).to_be_bytes();
        // 95 bits: one spare bit, then the name, then the secret.
        let all = u128::from_be_bytes(bytes);
        let name = u64::try_from(all >> 55).map_err(|_| CodeError::Shape)?.to_be_bytes();
        let secret = u64::try_from(all & ((1 << 55) - 1)).map_err(|_| CodeError::Shape)?.to_be_bytes();
        let code = Self {
            name: Fixed::from_slice(&name[3..]).ok_or(CodeError::Shape)?,
            secret: Secret::from_slice(&secret[1..]).ok_or(CodeError::Shape)?,
        };
        if u128::from(code.checksum()) == value & 31 { Ok(code) } else { Err(CodeError::Checksum) }
    }

    fn bits(&self) -> u128 {
        let fold = |bytes: &[u8]| bytes.iter().fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
        (fold(&self.name.0) << 55) | fold(&self.secret.0)
    }

    /// A weighted sum over GF(32), by Horner's rule: each of the 19 characters weighs another power of a primitive
    /// element, so that every single slip and every exchange of neighbours is caught, not 31 of 32.
    fn checksum(&self) -> u8 {
        let bits = self.bits();
        (0..19_u32).rev().fold(0, |sum, place| {
            let character = u8::try_from((bits >> (5 * place)) & 31).unwrap_or(0);
            times_alpha(sum ^ character)
        })
    }
}

/// Multiplies by the root of x^5 + x^2 + 1.
const fn times_alpha(element: u8) -> u8 {
    let doubled = element << 1;
    if doubled & 0x20 == 0 { doubled } else { doubled ^ 0x25 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto;

    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    fn code(seed: u64) -> ActivationCode {
        let bytes = crypto::sha256(&[b"code", &seed.to_be_bytes()]).0;
        let mut secret = Secret::<7>::from_slice(&bytes[5..12]).unwrap();
        secret.0[0] &= 0x7f;
        ActivationCode { name: Fixed::from_slice(&bytes[..5]).unwrap(), secret }
    }

    #[test]
    fn a_code_has_four_groups_of_five_and_reads_back() {
        for seed in 0..500 {
            let (code, text) = (code(seed), code(seed).to_text());
            assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [5; 4]);
            assert!(text.bytes().all(|b| b == b'-' || ALPHABET.contains(&b)));
            let careless = [
                text.to_lowercase(),
                text.replace('-', ""),
                text.replace('-', " "),
                format!("  {text} "),
                text.replace('0', "O"),
                text.replace('0', "o"),
                text.replace('1', "I"),
                text.replace('1', "l"),
                text.replace('1', "L").replace('0', "o"),
            ];
            for typed in careless.iter().chain([&text]) {
                assert_eq!(ActivationCode::parse(typed), Ok(code.clone()), "{typed}");
            }
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        let text = code(1).to_text();
        let letters = text.replace('-', "");
        for typed in [
            "".to_owned(),
            "-".repeat(20),
            letters[..19].to_owned(),
            format!("{letters}0"),
            letters.replacen(&letters[3..4], "U", 1),
            letters.replacen(&letters[3..4], "?", 1),
            letters.replacen(&letters[3..4], "ø", 1),
            text.replace('-', "_"),
            text.replace('-', "\n"),
        ] {
            assert_eq!(ActivationCode::parse(&typed), Err(CodeError::Shape), "{typed:?}");
        }
    }

    #[test]
    fn the_checksum_catches_every_single_slip_and_every_exchange_of_neighbours() {
        let mut slips = 0_u32;
        for seed in 0..150 {
            let right = code(seed).to_text().replace('-', "").into_bytes();
            let mut refused = |typed: &[u8]| {
                let typed = core::str::from_utf8(typed).unwrap();
                assert_eq!(ActivationCode::parse(typed), Err(CodeError::Checksum), "{typed}");
                slips += 1;
            };
            for place in 0..20 {
                for letter in ALPHABET.iter().filter(|letter| **letter != right[place]) {
                    let mut typed = right.clone();
                    typed[place] = *letter;
                    refused(&typed);
                }
                if place < 19 && right[place] != right[place + 1] {
                    let mut typed = right.clone();
                    typed.swap(place, place + 1);
                    refused(&typed);
                }
            }
        }
        assert!(slips > 90_000, "{slips}");
    }
}
