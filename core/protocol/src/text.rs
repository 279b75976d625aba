//! What may be shown to a person: short, in one normal form, without characters that hide or reorder others.

use unicode_normalization::is_nfc;

/// The longest reference text, in characters (as MitID's).
pub const MAX_REFERENCE_TEXT: usize = 130;
/// The longest name (relying party, payee, place, device model), in characters.
pub const MAX_NAME: usize = 64;

/// Why a text was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    /// Longer than the limit that goes with it.
    #[error("the text is longer than {0} characters")]
    TooLong(usize),
    /// Empty, or nothing but spaces.
    #[error("the text is empty")]
    Empty,
    /// A control, bidirectional, zero-width, private-use or unassigned-looking character.
    #[error("the text holds a character that hides or reorders others")]
    Unsafe,
    /// Not in Unicode normal form C.
    #[error("the text is not in normal form C")]
    NotNormal,
    /// A word that mixes alphabets whose letters look alike.
    #[error("a word of the text mixes alphabets")]
    MixedScripts,
}

/// Checks a text of at most `limit` characters.
///
/// # Errors
/// [`TextError`].
pub fn check(text: &str, limit: usize) -> Result<(), TextError> {
    if text.chars().count() > limit {
        return Err(TextError::TooLong(limit));
    }
    if text.trim().is_empty() {
        return Err(TextError::Empty);
    }
    if text.chars().any(is_unsafe) {
        return Err(TextError::Unsafe);
    }
    if !is_nfc(text) {
        return Err(TextError::NotNormal);
    }
    if text.split(|c: char| !c.is_alphanumeric()).any(mixes_scripts) {
        return Err(TextError::MixedScripts);
    }
    Ok(())
}

/// Characters that are not shown, or change how others are shown.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164
            | 0xE000..=0xF8FF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFF
            | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0x10_FFFF
            // Spaces that are not the space: they forge columns and line ends.
            | 0x00A0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000
            // Combining marks beyond what normal form C folds away can pile up over other lines.
            | 0x0300..=0x036F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F
            // Letters that imitate ASCII: full-width forms and mathematical alphabets.
            | 0xFF01..=0xFF5E | 0x1D400..=0x1D7FF)
}

/// Whether a word holds letters of more than one of Latin, Greek, Cyrillic, Armenian and Cherokee.
fn mixes_scripts(word: &str) -> bool {
    let mut seen = 0_u8;
    for c in word.chars().filter(|c| c.is_alphabetic()) {
        seen |= match u32::from(c) {
            0x41..=0x5A | 0x61..=0x7A | 0xAA | 0xBA | 0xC0..=0x24F | 0x1E00..=0x1EFF => 1,
            0x370..=0x3FF | 0x1F00..=0x1FFF => 2,
            0x400..=0x52F | 0x1C80..=0x1C8F | 0x2DE0..=0x2DFF | 0xA640..=0xA69F => 4,
            0x530..=0x58F => 8,
            0x13A0..=0x13FF | 0xAB70..=0xABBF => 16,
            _ => 32,
        };
    }
    seen.count_ones() > 1
}

/// A name or model made safe to show: what cannot be shown is left out, and it is cut to `limit` characters.
/// For what a phone or a browser says of itself, where refusing would help nobody.
#[must_use]
pub fn tame(text: &str, limit: usize) -> String {
    let kept: String = text.chars().filter(|c| !is_unsafe(*c)).take(limit).collect();
    let kept = kept.trim();
    if check(kept, limit).is_ok() {
        return kept.to_owned();
    }
    let ascii: String = kept.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    if ascii.trim().is_empty() { "?".to_owned() } else { ascii.trim().to_owned() }
}

/// A text as an auditor reads it: what [`check`] would refuse is named (`⟦U+202E⟧`) instead of being obeyed.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            shown.push_str(&format!("⟦U+{:04X}⟧", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{TextError, check, tame, visible};

    #[test]
    fn what_hides_or_reorders_is_named() {
        assert_eq!(visible("Betal 100 kr. til Søren"), "Betal 100 kr. til Søren");
        assert_eq!(visible("a\u{202e}b\u{1b}[2Jc\n"), "a⟦U+202E⟧b⟦U+001B⟧[2Jc⟦U+000A⟧");
    }

    #[test]
    fn danish_and_greenlandic_texts_pass() {
        for text in [
            "Log på Netbank",
            "Betal 1.250,00 kr. til Bager Sørensen & Søn",
            "Qaasuitsup — “æøå ÆØÅ”",
            "Ελλάδα",
            "Москва",
        ] {
            assert_eq!(check(text, 130), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_hides_or_imitates_is_refused() {
        for (text, why) in [
            ("Pay\u{202E}001", TextError::Unsafe),
            ("Net\u{200B}bank", TextError::Unsafe),
            ("a\nb", TextError::Unsafe),
            ("\u{FF2E}etbank", TextError::Unsafe),
            ("e\u{301}", TextError::Unsafe),
            ("\u{212B}", TextError::NotNormal),
            ("N\u{435}tbank", TextError::MixedScripts),
            ("\u{391}BC", TextError::MixedScripts),
            ("   ", TextError::Empty),
        ] {
            assert_eq!(check(text, 130), Err(why), "{text:?}");
        }
        assert_eq!(check(&"x".repeat(10_000), 130), Err(TextError::TooLong(130)));
    }

    #[test]
    fn a_tamed_text_always_passes() {
        for text in ["Pixel\u{202E} 9", "N\u{435}t", "", "\u{200B}", "Sørens telefon"] {
            assert_eq!(check(&tame(text, 64), 64), Ok(()), "{text:?}");
        }
        assert_eq!(tame("Sørens telefon", 64), "Sørens telefon");
    }
}
