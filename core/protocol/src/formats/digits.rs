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

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed list of words, each a `u32` of the generator.
    struct Words(Vec<u32>);

    impl rand_core::TryRng for Words {
        type Error = core::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(self.0.remove(0))
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(u64::from(self.0.remove(0)))
        }
        fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
            to.fill(0);
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Words {}

    #[test]
    fn a_random_number_has_eight_digits_and_no_bias() {
        let next = |words: &[u32]| random_number(&mut Words(words.to_vec()));
        assert_eq!(next(&[0]), "00000000");
        assert_eq!(next(&[100_000_001]), "00000001");
        assert_eq!(next(&[4_199_999_999]), "99999999");
        assert_eq!(next(&[4_200_000_000, u32::MAX, 42]), "00000042", "beyond the last whole round it draws again");
    }

    /// Chi-squared over each digit's place; 27.9 is passed once in a thousand, and the input is fixed.
    #[test]
    fn the_digits_of_transcripts_are_spread_evenly() {
        const COUNT: u32 = 20_000;
        let mut seen = [[0_u32; 10]; 8];
        for n in 0..COUNT {
            let digits = of_transcript(&crypto::sha256(&[&n.to_be_bytes()]));
            assert_eq!(digits.len(), 8);
            for (place, digit) in digits.bytes().enumerate() {
                seen[place][usize::from(digit - b'0')] += 1;
            }
        }
        let expected = f64::from(COUNT) / 10.0;
        for (place, counts) in seen.iter().enumerate() {
            let chi: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
            assert!(chi < 27.9, "place {place}: {chi:.1}, {counts:?}");
        }
    }

    #[test]
    fn typed_digits() {
        for (typed, read) in [
            ("12345678", Some("12345678")),
            ("1234 5678", Some("12345678")),
            (" 12-34-56-78 ", Some("12345678")),
            ("00000000", Some("00000000")),
            ("1234567", None),
            ("123456789", None),
            ("1234567a", None),
            ("1234567٣", None),
            ("١٢٣٤٥٦٧٨", None),
            ("12345678\n", None),
            ("", None),
        ] {
            assert_eq!(parse(typed).as_deref(), read, "{typed:?}");
        }
        assert_eq!(spaced("12345678"), "1234 5678");
        assert_eq!(parse(&spaced("01234567")).as_deref(), Some("01234567"));
        assert_eq!(spaced("12"), "12");
        assert_eq!(spaced("123é567"), "123é567");
    }

    #[test]
    fn pins() {
        let table: [(&str, Result<(), PinError>); 34] = [
            ("490317", Ok(())),
            ("000918", Ok(())),
            ("135792", Ok(())),
            ("123457", Ok(())),
            ("112234", Ok(())),
            ("246802", Ok(())),
            ("890123", Ok(())),
            ("123231", Ok(())),
            ("", Err(PinError::Shape)),
            ("12345", Err(PinError::Shape)),
            ("1234567", Err(PinError::Shape)),
            ("12345a", Err(PinError::Shape)),
            (" 12345", Err(PinError::Shape)),
            ("12345 ", Err(PinError::Shape)),
            ("+12345", Err(PinError::Shape)),
            ("١٢٣٤٥٦", Err(PinError::Shape)),
            ("١٢٣", Err(PinError::Shape)),
            ("000000", Err(PinError::Repeated)),
            ("999999", Err(PinError::Repeated)),
            ("123123", Err(PinError::Repeated)),
            ("909090", Err(PinError::Repeated)),
            ("012012", Err(PinError::Repeated)),
            ("121212", Err(PinError::Repeated)),
            ("012345", Err(PinError::Sequence)),
            ("123456", Err(PinError::Sequence)),
            ("456789", Err(PinError::Sequence)),
            ("987654", Err(PinError::Sequence)),
            ("543210", Err(PinError::Sequence)),
            ("123321", Err(PinError::Pattern)),
            ("908809", Err(PinError::Pattern)),
            ("112233", Err(PinError::Pattern)),
            ("003399", Err(PinError::Pattern)),
            ("110011", Err(PinError::Pattern)),
            ("221122", Err(PinError::Pattern)),
        ];
        for (pin, expected) in table {
            assert_eq!(check_pin(pin), expected, "{pin}");
        }
        let refused = (0..1_000_000).filter(|n| check_pin(&format!("{n:06}")).is_err()).count();
        println!("{refused} of a million PINs are refused");
        assert!((1_000..4_000).contains(&refused), "{refused}: enough for the obvious, few enough to guess no more");
        for error in [PinError::Shape, PinError::Repeated, PinError::Sequence, PinError::Pattern] {
            assert_ne!(error.danish(), error.english());
        }
    }
}
