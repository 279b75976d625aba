//! QR codes for the page to draw: their modules, a bit each.
//!
//! A login page shows one a second, so the mask is not chosen by trying all eight and counting what is hard to read,
//! which costs more than all cryptography of a login: each frame takes the next mask. What a QR reader needs to know of
//! it stands in the code. A frame that some camera reads badly is followed by seven that look different.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qrcode::bits::encode_auto;
use qrcode::canvas::{Canvas, MaskPattern};
use qrcode::ec::construct_codewords;
use qrcode::{Color, EcLevel};
use serde_json::{Value, json};

const MASKS: [MaskPattern; 8] = [
    MaskPattern::Checkerboard,
    MaskPattern::HorizontalLines,
    MaskPattern::VerticalLines,
    MaskPattern::DiagonalLines,
    MaskPattern::LargeCheckerboard,
    MaskPattern::Fields,
    MaskPattern::Diamonds,
    MaskPattern::Meadow,
];

/// `size`, the modules on a side, and `modules`: row by row without gaps, a set bit for a dark one, the highest bit of a
/// byte first, in Base64. `turn` picks the mask; a still picture takes any.
pub(super) fn modules(text: &str, level: EcLevel, turn: u64) -> Option<Value> {
    let bits = encode_auto(text.as_bytes(), level).ok()?;
    let version = bits.version();
    let (data, correction) = construct_codewords(&bits.into_bytes(), version, level).ok()?;
    let mut canvas = Canvas::new(version, level);
    canvas.draw_all_functional_patterns();
    canvas.draw_data(&data, &correction);
    canvas.apply_mask(MASKS.get(usize::try_from(turn % 8).ok()?).copied()?);
    let byte = |modules: &[Color]| {
        let bit = |(place, module): (usize, &Color)| u8::from(*module == Color::Dark) << (7 - place);
        modules.iter().enumerate().map(bit).fold(0, |byte, bit| byte | bit)
    };
    let packed: Vec<u8> = canvas.into_colors().chunks(8).map(byte).collect();
    Some(json!({ "size": version.width(), "modules": STANDARD.encode(packed) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "godkend://login/test/AAAAAAAAAAAAAAAAAAAAAA/1800000000/BBBBBBBBBBB";

    #[test]
    #[allow(clippy::as_conversions, reason = "small numbers of a test")]
    fn the_modules_are_the_librarys() {
        // The library's choice is one of the eight.
        let code = qrcode::QrCode::with_error_correction_level(TEXT, EcLevel::M).unwrap();
        let drawn: Vec<Vec<bool>> = (0..8)
            .map(|turn| {
                let value = modules(TEXT, EcLevel::M, turn).unwrap();
                let size = value["size"].as_u64().unwrap();
                assert_eq!(size, code.width() as u64);
                let bytes = STANDARD.decode(value["modules"].as_str().unwrap()).unwrap();
                (0..size * size).map(|nr| bytes[nr as usize / 8] >> (7 - nr % 8) & 1 == 1).collect()
            })
            .collect();
        let expected: Vec<bool> = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        assert_eq!(drawn.iter().filter(|one| **one == expected).count(), 1);
        assert_eq!(modules(TEXT, EcLevel::M, 8), modules(TEXT, EcLevel::M, 0));
        for (nr, one) in drawn.iter().enumerate() {
            assert_eq!(drawn.iter().filter(|other| *other == one).count(), 1, "mask {nr} is one of its own");
        }
    }
}
