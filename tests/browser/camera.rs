//! Reads a QR code from a picture, as a phone's camera does from a screen.

use rxing::BarcodeFormat;

/// The text of the QR code in a PNG; `None` if no code can be seen.
pub(crate) fn read(png: &[u8]) -> Option<String> {
    let picture = image::load_from_memory(png).expect("a picture").into_luma8();
    let (width, height) = picture.dimensions();
    let found = rxing::helpers::detect_in_luma(picture.into_raw(), width, height, Some(BarcodeFormat::QR_CODE));
    found.ok().map(|code| code.getText().to_owned())
}
