//! What may be shown to a person: short, in one normal form, without characters that hide or reorder others.

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::is_nfc;

/// The longest reference text, in characters (as MitID's).
pub const MAX_REFERENCE_TEXT: usize = 130;
/// The longest name (relying party, payee, place, device model), in characters.
pub const MAX_NAME: usize = 64;

/// The most marks that may stand on one letter: beyond it they pile up over other lines.
const MAX_MARKS: usize = 2;
/// Letters from which on a word that only looks Latin is refused; shorter ones are words of their own too often.
const IMITATION: usize = 3;

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
    /// Letters that run from right to left beside digits or letters that run from left to right: a screen would reorder
    /// them, and with them an amount.
    #[error("the text mixes directions of writing")]
    MixedDirections,
    /// More marks on a letter than a line has room for, or a mark on none.
    #[error("the text piles marks on a letter")]
    Piled,
    /// A word of another alphabet, all of whose letters look like Latin ones.
    #[error("a word of another alphabet looks like one in Latin letters")]
    Imitation,
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
    if piles_marks(text) {
        return Err(TextError::Piled);
    }
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    if words.clone().any(mixes_scripts) {
        return Err(TextError::MixedScripts);
    }
    if words.any(imitates_latin) {
        return Err(TextError::Imitation);
    }
    if text.chars().any(runs_left) && text.chars().any(|c| c.is_numeric() || (c.is_alphabetic() && !runs_left(c))) {
        return Err(TextError::MixedDirections);
    }
    Ok(())
}

fn piles_marks(text: &str) -> bool {
    // Where a text begins and after a space there is no letter for a mark to stand on.
    let mut marks = MAX_MARKS;
    text.chars().any(|c| {
        marks = match c {
            mark if is_combining_mark(mark) => marks + 1,
            ' ' => MAX_MARKS,
            _ => 0,
        };
        marks > MAX_MARKS
    })
}

/// Letters and marks that run from right to left: Hebrew, Arabic and their kin.
fn runs_left(c: char) -> bool {
    matches!(u32::from(c), 0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFE | 0x10800..=0x10FFF | 0x1E800..=0x1EFFF)
        && !c.is_numeric()
}

/// Whether a word is Cyrillic or Greek and nothing in it shows that.
fn imitates_latin(word: &str) -> bool {
    let look_alike = |c: char| {
        "\u{430}\u{435}\u{43E}\u{440}\u{441}\u{443}\u{445}\u{455}\u{456}\u{458}\u{475}\u{4BB}\u{4CF}\u{501}\u{51B}\u{51D}\
         \u{410}\u{412}\u{415}\u{41A}\u{41C}\u{41D}\u{41E}\u{420}\u{421}\u{422}\u{423}\u{425}\u{405}\u{406}\u{408}\u{4C0}\u{51A}\u{51C}\
         \u{391}\u{392}\u{395}\u{396}\u{397}\u{399}\u{39A}\u{39C}\u{39D}\u{39F}\u{3A1}\u{3A4}\u{3A5}\u{3A7}\u{3BD}\u{3BF}"
            .contains(c)
    };
    let letters = || word.chars().filter(|c| c.is_alphabetic());
    letters().count() >= IMITATION && letters().all(look_alike)
}

/// Characters that are not shown, or change how others are shown.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164
            // Signs that enclose what follows or joins it invisibly, and code points that are no characters.
            | 0x0488..=0x0489 | 0x0600..=0x0605 | 0x06DD | 0x070F | 0x0890..=0x0891 | 0x08E2 | 0xA670..=0xA672
            | 0xFDD0..=0xFDEF | 0x1107F | 0x110BD | 0x110CD | 0x13430..=0x1345F | 0x16FE4 | 0x1D159
            | 0xE000..=0xF8FF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFF
            | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0x10_FFFF
            // Spaces that are not the space: they forge columns and line ends.
            | 0x00A0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000
            // Combining marks beyond what normal form C folds away can pile up over other lines.
            | 0x0300..=0x036F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F
            // Letters that imitate ASCII: full-width forms and mathematical alphabets.
            | 0xFF01..=0xFF5E | 0x1D400..=0x1D7FF)
        || u32::from(c) & 0xFFFE == 0xFFFE
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
            "Оплата с карты",
            "עברית",
            "العربية",
            "ภาษาไทยที่นี่",
            "हिन्दी",
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
            ("Net\u{1FFFE}", TextError::Unsafe),
            ("\u{E01}\u{E47}\u{E47}\u{E47}", TextError::Piled),
            ("\u{E47}", TextError::Piled),
            (" \u{6E0}", TextError::Piled),
            ("til \u{440}\u{430}\u{443}\u{440}\u{430}\u{4CF}", TextError::Imitation),
            ("\u{39D}\u{39F}\u{39A}\u{399}\u{391}", TextError::Imitation),
            ("\u{5D0}\u{5D1} 100", TextError::MixedDirections),
            ("\u{627}\u{628} \u{661}", TextError::MixedDirections),
            ("Kaf\u{E9} \u{5D0}\u{5D1}", TextError::MixedDirections),
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
