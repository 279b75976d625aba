//! Deterministic CBOR (RFC 8949, section 4.2.1), and nothing else.
//!
//! [`decode`] accepts exactly the bytes that [`encode`] would have produced: one validating pass over the raw
//! bytes, then the typed decoding, then a comparison with what the value encodes to. A map's unknown keys from
//! [`FIRST_EXTENSION_KEY`] up are left to later versions: they are signed and ignored. Negative keys are for
//! extensions that must not be ignored: [`CborError::UpdateNeeded`].

use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Unknown keys of a message's outermost map from here up are ignored.
pub const FIRST_EXTENSION_KEY: u64 = 64;
/// How deep arrays and maps may nest.
const MAX_DEPTH: usize = 12;
/// The largest message, in bytes.
pub const MAX_MESSAGE: usize = 65_536;

/// Why bytes were refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CborError {
    /// Not deterministic CBOR, or not of the expected shape.
    #[error("not deterministic CBOR of the expected shape")]
    Malformed,
    /// Larger than [`MAX_MESSAGE`].
    #[error("larger than {MAX_MESSAGE} bytes")]
    TooLarge,
    /// Carries an extension that this version must not ignore.
    #[error("carries an extension that this version does not know")]
    UpdateNeeded,
}

/// Encodes a message. Derived encoders write maps in ascending key order, which is the deterministic one for
/// non-negative integer keys.
#[must_use]
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    // Writing to a vector has no error of its own, and no derived encoder here adds one.
    let done = minicbor::encode(value, &mut out);
    debug_assert!(done.is_ok());
    out
}

/// Decodes a message; refuses everything that is not its one encoding.
///
/// # Errors
/// [`CborError`], by what the sender can do about it.
pub fn decode<T>(bytes: &[u8]) -> Result<T, CborError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    if bytes.len() > MAX_MESSAGE {
        return Err(CborError::TooLarge);
    }
    validate(bytes)?;
    let known = without_extensions(bytes)?;
    let known = known.as_deref().unwrap_or(bytes);
    let value: T = minicbor::decode(known).map_err(|_| CborError::Malformed)?;
    if encode(&value) == known { Ok(value) } else { Err(CborError::Malformed) }
}

/// Checks that `bytes` hold exactly one deterministic item without floats, tags or indefinite lengths.
///
/// # Errors
/// [`CborError::Malformed`].
pub fn validate(bytes: &[u8]) -> Result<(), CborError> {
    let end = item(bytes, 0, 0)?;
    if end == bytes.len() { Ok(()) } else { Err(CborError::Malformed) }
}

/// Where the item that starts at `at` ends.
fn item(bytes: &[u8], at: usize, depth: usize) -> Result<usize, CborError> {
    const BAD: CborError = CborError::Malformed;
    if depth > MAX_DEPTH {
        return Err(BAD);
    }
    let initial = *bytes.get(at).ok_or(BAD)?;
    let (major, info) = (initial >> 5, initial & 0x1f);
    if major == 7 {
        // false, true, null; no floats, no undefined, no other simple values.
        return if matches!(info, 20..=22) { Ok(at + 1) } else { Err(BAD) };
    }
    let (argument, mut next) = argument(bytes, at, info)?;
    match major {
        0 | 1 => Ok(next),
        2 | 3 => {
            let length = usize::try_from(argument).map_err(|_| BAD)?;
            let end = next.checked_add(length).ok_or(BAD)?;
            let content = bytes.get(next..end).ok_or(BAD)?;
            if major == 3 && core::str::from_utf8(content).is_err() {
                return Err(BAD);
            }
            Ok(end)
        }
        4 => {
            for _ in 0..argument {
                next = item(bytes, next, depth + 1)?;
            }
            Ok(next)
        }
        5 => {
            let mut previous: Option<&[u8]> = None;
            for _ in 0..argument {
                let key_end = item(bytes, next, depth + 1)?;
                let key = bytes.get(next..key_end).ok_or(BAD)?;
                // Bytewise lexicographic order of the encoded keys, each once.
                if previous.is_some_and(|before| before >= key) {
                    return Err(BAD);
                }
                previous = Some(key);
                next = item(bytes, key_end, depth + 1)?;
            }
            Ok(next)
        }
        _ => Err(BAD),
    }
}

/// The argument of an item's head in its shortest form, and where the head ends.
fn argument(bytes: &[u8], at: usize, info: u8) -> Result<(u64, usize), CborError> {
    const BAD: CborError = CborError::Malformed;
    let (width, least) = match info {
        0..=23 => return Ok((u64::from(info), at + 1)),
        24 => (1, 24),
        25 => (2, 1 << 8),
        26 => (4, 1 << 16),
        27 => (8, 1 << 32),
        _ => return Err(BAD),
    };
    let digits = bytes.get(at + 1..at + 1 + width).ok_or(BAD)?;
    let value = digits.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    if value < least { Err(BAD) } else { Ok((value, at + 1 + width)) }
}

/// The message without its extension keys, or `None` if it has none.
fn without_extensions(bytes: &[u8]) -> Result<Option<Vec<u8>>, CborError> {
    const BAD: CborError = CborError::Malformed;
    let mut d = Decoder::new(bytes);
    if d.datatype().map_err(|_| BAD)? != Type::Map {
        return Ok(None);
    }
    let count = d.map().map_err(|_| BAD)?.ok_or(BAD)?;
    let mut kept: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut kept_count = 0_u64;
    for _ in 0..count {
        let start = d.position();
        let key = d.int().map_err(|_| BAD)?;
        d.skip().map_err(|_| BAD)?;
        let key = i128::from(key);
        if key < 0 {
            return Err(CborError::UpdateNeeded);
        }
        if key < i128::from(FIRST_EXTENSION_KEY) {
            kept.extend_from_slice(bytes.get(start..d.position()).ok_or(BAD)?);
            kept_count += 1;
        }
    }
    if kept_count == count {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(kept.len() + 9);
    Encoder::new(&mut out).map(kept_count).map_err(|_| BAD)?;
    out.extend_from_slice(&kept);
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use minicbor::{Decode, Encode};

    use super::{CborError, MAX_MESSAGE, decode, encode, validate};

    #[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
    #[cbor(map)]
    struct Small {
        #[n(1)]
        number: u64,
        #[n(2)]
        text: Option<String>,
        #[n(3)]
        inner: Option<Inner>,
    }

    #[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
    #[cbor(map)]
    struct Inner {
        #[n(1)]
        number: i64,
    }

    fn hex(text: &str) -> Vec<u8> {
        hex::decode(text).unwrap()
    }

    #[test]
    fn only_the_one_encoding_is_taken() {
        let good = Small { number: 24, text: Some("a".to_owned()), inner: Some(Inner { number: -1 }) };
        assert_eq!(hex::encode(encode(&good)), "a3011818026161 03a10120".replace(' ', ""));
        assert_eq!(decode::<Small>(&encode(&good)), Ok(good));
        for (bytes, why) in [
            ("", "nothing"),
            ("a0", "a field is missing"),
            ("a101", "a value is missing"),
            ("a1010000", "trailing bytes"),
            ("a1011817", "23 in two bytes"),
            ("a101190018", "24 in three bytes"),
            ("a1011a00000018", "24 in five bytes"),
            ("a1011b0000000000000018", "24 in nine bytes"),
            ("a101 1b00000000ffffffff", "32 bits in nine bytes"),
            ("a1180101", "a key in two bytes"),
            ("b8010101", "a map's length in two bytes"),
            ("a1013b7fffffffffffffff", "a negative number"),
            ("a20101010 1", "the same key twice"),
            ("a202616101 01", "keys out of order"),
            ("bf0101ff", "a map of indefinite length"),
            ("a20101027f6161ff", "a text of indefinite length"),
            ("a20101025f4161ff", "bytes of indefinite length"),
            ("a201010241 61", "bytes for a text"),
            ("a2010102 61ff", "a text that is not UTF-8"),
            ("a2010102 7801 61", "a text's length in two bytes"),
            ("a2010102f6", "null for an absent field"),
            ("a2010102f7", "undefined"),
            ("a101f90000", "a half float"),
            ("a101fa00000000", "a float"),
            ("a101fb0000000000000000", "a double"),
            ("a101c101", "a tag"),
            ("c1a10101", "a tag around it"),
            ("a101c24101", "a bignum"),
            ("a101e0", "a simple value"),
            ("a101f818", "a simple value in two bytes"),
            ("a1011c", "a reserved length"),
            ("a1011f", "an indefinite number"),
            ("a101ff", "a break"),
            ("a2010104 01", "an unknown key"),
            ("a20101183f01", "the last unknown key below the extensions"),
            ("a301010202184001", "a field of another type before an extension"),
            ("a2010103a2010105 01", "an unknown key in a map within"),
            ("a2010103a201011840 01", "an extension in a map within"),
            ("a1616101", "a text as key"),
            ("a2010141 6101", "bytes as key"),
            ("820101", "an array for a map"),
            ("a2010103 5affffffff", "a length beyond the end"),
            ("a2010103 9bffffffffffffffff", "a list longer than memory"),
            ("bbffffffffffffffff", "a map longer than memory"),
            ("5bffffffffffffffff", "bytes longer than memory"),
        ] {
            assert_eq!(decode::<Small>(&hex(&bytes.replace(' ', ""))), Err(CborError::Malformed), "{why}: {bytes}");
        }
    }

    #[test]
    fn extensions_are_ignored_and_negative_keys_are_not() {
        let small = Small { number: 1, text: None, inner: None };
        for bytes in ["a2010118 4001", "a3010118 40a1010218ff80", "a20101 1bffffffffffffffff f4"] {
            assert_eq!(decode::<Small>(&hex(&bytes.replace(' ', ""))), Ok(small.clone()), "{bytes}");
        }
        for bytes in ["a2010120 01", "a30101184001 2001", "a20101 3bffffffffffffffff f4", "a12001"] {
            assert_eq!(decode::<Small>(&hex(&bytes.replace(' ', ""))), Err(CborError::UpdateNeeded), "{bytes}");
        }
        // What an extension holds is still deterministic CBOR, in order and once.
        for bytes in ["a2010118401817", "a30101184001184002", "a30101184101184002", "a201011840f90000"] {
            assert_eq!(decode::<Small>(&hex(bytes)), Err(CborError::Malformed), "{bytes}");
        }
    }

    #[test]
    fn depth_and_size_are_limited() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0]].concat();
        assert_eq!(validate(&nested(12)), Ok(()));
        assert_eq!(validate(&nested(13)), Err(CborError::Malformed));
        assert_eq!(validate(&[0x81; 60_000]), Err(CborError::Malformed));
        assert_eq!(validate(&[0xa1; 60_000]), Err(CborError::Malformed));
        assert_eq!(decode::<Small>(&vec![0; MAX_MESSAGE + 1]), Err(CborError::TooLarge));
        let mut fits = Small { number: 1, text: Some(String::new()), inner: None };
        fits.text = Some("x".repeat(MAX_MESSAGE - encode(&fits).len() - 2));
        assert_eq!(encode(&fits).len(), MAX_MESSAGE);
        assert_eq!(decode::<Small>(&encode(&fits)), Ok(fits));
    }

    /// RFC 8949, appendix A: the deterministic examples but for floats, tags (bignums with them) and simple values
    /// other than false, true and null.
    #[test]
    fn rfc_8949_appendix_a() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/rfc/cbor.json");
        let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let (mut taken, mut left_out, mut not_deterministic) = (0, 0, 0);
        for case in file["cases"].as_array().unwrap() {
            let (diagnostic, bytes) = (case["diagnostic"].as_str().unwrap(), hex(case["encoded"].as_str().unwrap()));
            let bare = !diagnostic.contains('"');
            // Dots and brackets outside of texts: floats, tags, simple values.
            let foreign = (bare && diagnostic.contains(['.', '(']))
                || ["Infinity", "NaN", "undefined"].iter().any(|word| diagnostic.contains(word))
                || ["32(", "0(", "1("].iter().any(|tag| diagnostic.starts_with(tag))
                || ["18446744073709551616", "-18446744073709551617"].contains(&diagnostic);
            let ours = !foreign;
            let expected = case["deterministic"] == true && ours;
            assert_eq!(validate(&bytes).is_ok(), expected, "{diagnostic}");
            match (case["deterministic"] == true, ours) {
                (true, true) => taken += 1,
                (true, false) => left_out += 1,
                (false, _) => not_deterministic += 1,
            }
        }
        assert_eq!((taken, left_out, not_deterministic), (37, 27, 17), "taken, left out, not deterministic");
    }
}
