//! The code of a seed and a counter.

use std::fmt;

use ring::hmac;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The longest seed that is read, bytes.
const LONGEST_SEED: usize = 128;
/// RFC 4226, section 4, R6: a shared secret must have 128 bits at least.
const STRONG_SEED: usize = 16;

/// What display and server share. Wiped when dropped; prints `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(Zeroizing<Vec<u8>>);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed([redacted])")
    }
}

impl Seed {
    /// A seed of 1 to 128 bytes; `None` for any other length.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=LONGEST_SEED).contains(&bytes.len()).then(|| Self(Zeroizing::new(bytes.to_vec())))
    }

    /// Whether it has the 128 bits that RFC 4226, section 4 (R6), demands. Shorter ones occur in examples.
    #[must_use]
    pub fn is_strong(&self) -> bool {
        self.0.len() >= STRONG_SEED
    }

    /// The bytes themselves, to be sealed.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// The hash under the HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hash {
    /// HOTP's own (RFC 4226), and TOTP's default.
    Sha1,
    /// TOTP only (RFC 6238, section 1.2).
    Sha256,
    /// TOTP only.
    Sha512,
}

impl Hash {
    /// `SHA1`, `SHA256`, `SHA512`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// Reads [`Self::name`]; also with `HMAC-` before it, and with a hyphen.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.trim().to_ascii_uppercase().replace("HMAC-", "").replace('-', "");
        [Self::Sha1, Self::Sha256, Self::Sha512].into_iter().find(|hash| hash.name() == plain)
    }

    const fn algorithm(self) -> hmac::Algorithm {
        match self {
            // HMAC does not need a hash without collisions; RFC 4226 knows no other.
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// How many digits a code has: 6 to 8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digits(u8);

impl Digits {
    /// Six, as on a code display.
    pub const SIX: Self = Self(6);

    /// `None` outside 6 to 8 (RFC 4226, section 5.3).
    #[must_use]
    pub const fn new(digits: u8) -> Option<Self> {
        if digits >= 6 && digits <= 8 { Some(Self(digits)) } else { None }
    }

    /// The number of digits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A code. Compares in constant time, wiped when dropped, prints `[redacted]`.
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code([redacted])")
    }
}

impl Code {
    /// The digits, to be shown or spoken.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether these digits are it, in a time that tells nothing about how many are right.
    #[must_use]
    pub fn is(&self, typed: &str) -> bool {
        bool::from(self.0.as_bytes().ct_eq(typed.as_bytes()))
    }
}

/// The code of a counter (RFC 4226, section 5.3; for TOTP the counter is the time step, RFC 6238, section 4.2).
#[must_use]
pub fn hotp(seed: &Seed, hash: Hash, digits: Digits, counter: u64) -> Code {
    let tag = hmac::sign(&hmac::Key::new(hash.algorithm(), seed.expose()), &counter.to_be_bytes());
    let tag = tag.as_ref();
    // The last nibble says where four bytes are taken, from 0 to 15: an HMAC has 20 at least.
    let at = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
    let mut four = [0; 4];
    for (to, from) in four.iter_mut().zip(tag.iter().skip(at)) {
        *to = *from;
    }
    let number = u32::from_be_bytes(four) & 0x7fff_ffff;
    let digits = digits.get();
    let width = usize::from(digits);
    Code(Zeroizing::new(format!("{:0width$}", number % 10_u32.pow(u32::from(digits)))))
}
