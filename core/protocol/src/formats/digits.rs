//! Decimal digits that people read on one screen and type on another.

use crate::bytes::Hash32;
use crate::crypto;

/// How many digits an activation shows, and a login's number has.
pub const COUNT: usize = 8;

/// The eight digits of an activation's transcript: the first eight bytes of a labelled hash, modulo 10^8.
#[must_use]
pub fn of_transcript(transcript: &Hash32) -> String {
    let hash = crypto::labelled_hash("godkend/1/digits", &[&transcript.0]);
    let value = hash.0.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("{:08}", value % 100_000_000)
}

/// A random eight-digit number for a login, uniform.
pub fn random_number(rng: &mut dyn rand_core::CryptoRng) -> String {
    loop {
        let value = rng.next_u32();
        // The largest multiple of 10^8 below 2^32; above it, draw again.
        if value < 4_200_000_000 {
            return format!("{:08}", value % 100_000_000);
        }
    }
}

/// Reads typed digits: spaces and hyphens are skipped; `None` unless exactly eight are left.
#[must_use]
pub fn parse(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    (digits.len() == COUNT && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// `1234 5678`, as it is shown.
#[must_use]
pub fn spaced(digits: &str) -> String {
    match digits.split_at_checked(4) {
        Some((a, b)) => format!("{a} {b}"),
        None => digits.to_owned(),
    }
}

/// Whether six characters may be a PIN, and if not, why.
///
/// # Errors
/// [`PinError`].
pub fn check_pin(pin: &str) -> Result<(), PinError> {
    let digits: Vec<u8> = pin.bytes().collect();
    if digits.len() != 6 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(PinError::Shape);
    }
    let steps: Vec<i16> = digits.windows(2).map(|pair| i16::from(pair[1]) - i16::from(pair[0])).collect();
    if steps.iter().all(|step| *step == 0) || digits[..3] == digits[3..] || digits[..2].repeat(3) == digits {
        return Err(PinError::Repeated);
    }
    if steps.iter().all(|step| *step == 1) || steps.iter().all(|step| *step == -1) {
        return Err(PinError::Sequence);
    }
    // Mirrored (123321) and paired (112233) digits are among the first that people think of.
    let mirrored = digits[0] == digits[5] && digits[1] == digits[4] && digits[2] == digits[3];
    let paired = digits[0] == digits[1] && digits[2] == digits[3] && digits[4] == digits[5];
    if mirrored || paired { Err(PinError::Pattern) } else { Ok(()) }
}

/// Why a PIN is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinError {
    /// Not six digits.
    #[error("a PIN has six digits")]
    Shape,
    /// The same digit or group again and again.
    #[error("the PIN repeats itself")]
    Repeated,
    /// Digits in a row.
    #[error("the PIN counts up or down")]
    Sequence,
    /// A mirror or pairs.
    #[error("the PIN is a simple pattern")]
    Pattern,
}

impl PinError {
    /// The sentence for a Danish reader.
    #[must_use]
    pub const fn danish(self) -> &'static str {
        match self {
            Self::Shape => "En PIN-kode har seks cifre.",
            Self::Repeated => "PIN-koden gentager sig selv. Vælg en anden.",
            Self::Sequence => "PIN-koden tæller op eller ned. Vælg en anden.",
            Self::Pattern => "PIN-koden er et for let mønster. Vælg en anden.",
        }
    }

    /// The sentence for an English reader.
    #[must_use]
    pub const fn english(self) -> &'static str {
        match self {
            Self::Shape => "A PIN has six digits.",
            Self::Repeated => "The PIN repeats itself. Choose another.",
            Self::Sequence => "The PIN counts up or down. Choose another.",
            Self::Pattern => "The PIN is too simple a pattern. Choose another.",
        }
    }
}
