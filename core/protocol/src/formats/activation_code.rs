//! The activation code that is typed by hand: four groups of five Base32 characters.
//!
//! 100 bits: 40 name the activation, 55 are secret, 5 are a checksum that catches a slip before it costs a try.

use super::base32;
use crate::bytes::{Fixed, Secret};
use crate::crypto;

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

    fn checksum(&self) -> u8 {
        crypto::labelled_hash("godkend/1/code-checksum", &[&self.name.0, &self.secret.0]).0[0] >> 3
    }
}
