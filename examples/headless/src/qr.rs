//! QR codes: drawn in a terminal, written as a picture, and read from a picture as a camera would.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use image::{
    DynamicImage, GrayImage, ImageFormat, ImageReader, Luma,
    imageops::{self, FilterType},
};
use qrcode::{Color, EcLevel, QrCode};
use rxing::{
    BinaryBitmap, DecodeHints, Luma8LuminanceSource, RXingResult,
    common::{GlobalHistogramBinarizer, HybridBinarizer},
    multi::{MultipleBarcodeReader, qrcode::QRCodeMultiReader},
};

/// A picture file larger than this is not opened: 64 MiB.
pub(crate) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// A picture with more pixels than this is not decoded: 40 megapixels.
pub(crate) const MAX_PIXELS: u64 = 40_000_000;

/// Light modules around a code, on every side (ISO/IEC 18004, section 6.3.8).
const QUIET_ZONE: usize = 4;
/// Pixels of a module's side in a written picture.
const MODULE_PIXELS: u32 = 8;
/// The sides, in pixels, that a larger picture is brought down to, one try after the other.
const TRIES: [u32; 3] = [1600, 800, 400];

/// Why a picture gave no QR code, or could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum QrError {
    /// The file could not be opened or read: check the path and its permissions.
    #[error("the picture cannot be opened: {0}")]
    Open(std::io::Error),
    /// The file is not a PNG or JPEG picture, or it is damaged: take the picture again.
    #[error("this is not an undamaged PNG or JPEG picture")]
    NotAPicture,
    /// The file or the picture is over [`MAX_FILE_BYTES`] or [`MAX_PIXELS`]: make it smaller.
    #[error("the picture is too large: at most {} MB and {} megapixels", MAX_FILE_BYTES / 1024 / 1024, MAX_PIXELS / 1_000_000)]
    TooLarge,
    /// No code was found: go nearer, hold still, or give it more light.
    #[error("there is no QR code in the picture, or it is not sharp enough")]
    NoCode,
    /// More than one code was found: cut the picture so that one is left.
    #[error("there are {0} QR codes in the picture: show one at a time")]
    SeveralCodes(usize),
    /// The text has more than about 2,300 bytes, and fits in no QR code.
    #[error("the text is too long for a QR code")]
    TooLong,
    /// The picture could not be written: check the path, its permissions and the disk.
    #[error("the picture cannot be written: {0}")]
    Write(image::ImageError),
}

/// Draws a QR code for a terminal, two modules a character, with its quiet zone, black on white by escape
/// sequences, so that it reads alike on dark and light terminals.
///
/// A text too long for any QR code is returned as it is, to be copied by hand.
#[must_use]
pub(crate) fn draw(data: &str) -> String {
    let Ok(modules) = Modules::of(data) else {
        return data.to_owned();
    };
    let mut out = String::new();
    for y in (0..modules.side).step_by(2) {
        // Black (16) on white (231) of the 256 colours: those that no colour scheme redefines.
        out.push_str("\u{1b}[38;5;16;48;5;231m");
        for x in 0..modules.side {
            out.push(match (modules.dark(x, y), modules.dark(x, y + 1)) {
                (true, true) => '\u{2588}',
                (true, false) => '\u{2580}',
                (false, true) => '\u{2584}',
                (false, false) => ' ',
            });
        }
        out.push_str("\u{1b}[0m\n");
    }
    out
}

/// Writes a QR code as a PNG picture, eight pixels a module.
///
/// # Errors
/// [`QrError::TooLong`], or [`QrError::Write`].
pub(crate) fn write_png(data: &str, path: &Path) -> Result<(), QrError> {
    picture(data)?.save_with_format(path, ImageFormat::Png).map_err(QrError::Write)
}

/// Reads the one QR code in a PNG or JPEG picture: turned, blurred, small, noisy or pale as a camera makes it.
///
/// # Errors
/// Every [`QrError`] but the last two; nothing is decoded before its size is known to be within the limits.
pub(crate) fn read_picture(path: &Path) -> Result<String, QrError> {
    // Asked first, because opening a pipe would wait for its writer.
    let about = fs::metadata(path).map_err(QrError::Open)?;
    if !about.is_file() {
        return Err(QrError::NotAPicture);
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(QrError::TooLarge);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(QrError::Open)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(QrError::Open)?;
    read(&decode(&bytes)?)
}

/// The code as modules with its quiet zone.
struct Modules {
    side: usize,
    code: Vec<Color>,
    code_side: usize,
}

impl Modules {
    fn of(data: &str) -> Result<Self, QrError> {
        let code = QrCode::with_error_correction_level(data, EcLevel::M).map_err(|_| QrError::TooLong)?;
        let code_side = code.width();
        Ok(Self { side: code_side + 2 * QUIET_ZONE, code: code.into_colors(), code_side })
    }

    fn dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET_ZONE).filter(|at| *at < self.code_side);
        let (Some(x), Some(y)) = (inside(x), inside(y)) else {
            return false;
        };
        self.code.get(y * self.code_side + x) == Some(&Color::Dark)
    }
}

fn picture(data: &str) -> Result<GrayImage, QrError> {
    let modules = Modules::of(data)?;
    let side = u32::try_from(modules.side).map_err(|_| QrError::TooLong)? * MODULE_PIXELS;
    let module = |pixel: u32| usize::try_from(pixel / MODULE_PIXELS).unwrap_or(usize::MAX);
    Ok(GrayImage::from_fn(side, side, |x, y| Luma([if modules.dark(module(x), module(y)) { 0 } else { 255 }])))
}

fn decode(bytes: &[u8]) -> Result<GrayImage, QrError> {
    let open = || {
        let reader = ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format();
        reader.map_err(|_| QrError::NotAPicture)
    };
    let reader = open()?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(QrError::NotAPicture);
    }
    let (width, height) = reader.into_dimensions().map_err(|_| QrError::NotAPicture)?;
    if width == 0 || height == 0 {
        return Err(QrError::NotAPicture);
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(QrError::TooLarge);
    }
    Ok(on_white(&open()?.decode().map_err(|_| QrError::NotAPicture)?))
}

/// Grey levels, with what is transparent shown on white paper.
fn on_white(picture: &DynamicImage) -> GrayImage {
    if !picture.color().has_alpha() {
        return picture.to_luma8();
    }
    let picture = picture.to_luma_alpha8();
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [level, alpha] = picture.get_pixel(x, y).0.map(u16::from);
        let mixed = (level * alpha + 255 * (255 - alpha)) / 255;
        Luma([u8::try_from(mixed).unwrap_or(u8::MAX)])
    })
}

fn read(picture: &GrayImage) -> Result<String, QrError> {
    let mut texts: Vec<String> = Vec::new();
    let mut most = 0;
    for variant in variants(picture) {
        let found = find(&variant);
        most = most.max(found.len());
        texts.extend(found);
    }
    texts.sort();
    texts.dedup();
    match (most.max(texts.len()), texts.pop()) {
        (1, Some(text)) => Ok(text),
        (0, _) | (_, None) => Err(QrError::NoCode),
        (several, _) => Err(QrError::SeveralCodes(several)),
    }
}

/// The picture at the sizes where codes near and far are sharp; a blurred copy evens out noise and moiré.
fn variants(picture: &GrayImage) -> Vec<GrayImage> {
    let longest = picture.width().max(picture.height());
    let mut variants = Vec::new();
    if longest <= TRIES[0] {
        variants.push(picture.clone());
    }
    for side in TRIES.into_iter().filter(|side| *side < longest) {
        let scaled = |length: u32| {
            let length = u64::from(length) * u64::from(side) / u64::from(longest);
            u32::try_from(length).unwrap_or(side).max(1)
        };
        variants.push(imageops::resize(
            picture,
            scaled(picture.width()),
            scaled(picture.height()),
            FilterType::Triangle,
        ));
    }
    if longest < TRIES[1] {
        variants.push(imageops::resize(picture, picture.width() * 2, picture.height() * 2, FilterType::CatmullRom));
    }
    if let Some(sharpest) = variants.first() {
        variants.push(imageops::blur(sharpest, 1.5));
    }
    variants
}

/// The codes of one variant: by local contrast for uneven light, and by the whole picture's for flat, pale ones.
fn find(picture: &GrayImage) -> Vec<String> {
    let hints = DecodeHints { TryHarder: Some(true), ..DecodeHints::default() };
    let source = || Luma8LuminanceSource::new(picture.as_raw().clone(), picture.width(), picture.height());
    let (Ok(local), Ok(global)) = (source(), source()) else {
        return Vec::new();
    };
    let mut reader = QRCodeMultiReader::default();
    let local = reader.decode_multiple_with_hints(&mut BinaryBitmap::new(HybridBinarizer::new(local)), &hints);
    let global =
        reader.decode_multiple_with_hints(&mut BinaryBitmap::new(GlobalHistogramBinarizer::new(global)), &hints);
    let local = apart(local.unwrap_or_default());
    let global = apart(global.unwrap_or_default());
    if global.len() > local.len() { global } else { local }
}

/// The same code found twice, through two triples of finder patterns, counts once.
fn apart(results: Vec<RXingResult>) -> Vec<String> {
    let mut kept: Vec<(String, f32, f32, f32)> = Vec::new();
    for result in results {
        let points = result.getPoints();
        let (Some(first), Some(last)) = (points.first(), points.get(2)) else {
            continue;
        };
        // The first and third finder patterns lie on a diagonal: their middle is the code's.
        let (x, y) = ((first.x + last.x) / 2.0, (first.y + last.y) / 2.0);
        let size = (first.x - last.x).hypot(first.y - last.y);
        let again = kept
            .iter()
            .any(|(text, x2, y2, size2)| text == result.getText() && (x - x2).hypot(y - y2) < size.min(*size2) / 2.0);
        if !again {
            kept.push((result.getText().to_owned(), x, y, size));
        }
    }
    kept.into_iter().map(|(text, ..)| text).collect()
}

#[cfg(test)]
#[allow(clippy::as_conversions)]
mod tests {
    use super::*;

    /// As long as an activation link: id, 32-byte secret, root fingerprint, expiry.
    const LINK: &str = "https://id.example/a#1.test.k3v9c2m4x7qp.mJ8s0vZrTq1yX4nB7cF2gH5jL9wE3uK6aD0pR8tVbN1.9f86d081884c7d659a2feaa0c55ad015.1790000000";

    fn code() -> GrayImage {
        picture(LINK).unwrap()
    }

    fn reads(picture: &GrayImage, what: &str) {
        assert_eq!(read(picture).unwrap_or_else(|e| panic!("{what}: {e}")), LINK, "{what}");
    }

    #[test]
    fn a_written_picture_is_read() {
        let folder = std::env::temp_dir().join(format!("qr-written-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let png = folder.join("code.png");
        write_png(LINK, &png).unwrap();
        assert_eq!(read_picture(&png).unwrap(), LINK);
        let jpeg = folder.join("code.jpg");
        code().save_with_format(&jpeg, ImageFormat::Jpeg).unwrap();
        assert_eq!(read_picture(&jpeg).unwrap(), LINK);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_terminal_drawing_is_a_code_with_its_quiet_zone() {
        let drawn = draw(LINK);
        let rows: Vec<Vec<char>> = drawn
            .lines()
            .map(|l| l.trim_start_matches("\u{1b}[38;5;16;48;5;231m").trim_end_matches("\u{1b}[0m").chars().collect())
            .collect();
        let side = rows[0].len();
        assert!(rows.iter().all(|r| r.len() == side));
        assert_eq!(rows.len(), side.div_ceil(2));
        assert!(rows[0].iter().chain(&rows[1]).all(|c| *c == ' '), "quiet zone above");
        assert!(rows.iter().all(|r| r[..4].iter().chain(&r[side - 4..]).all(|c| *c == ' ')), "quiet zone beside");
        let side = u32::try_from(side).unwrap();
        let seen = GrayImage::from_fn(side * 6, side * 6, |x, y| {
            let (x, y) = (usize::try_from(x / 6).unwrap(), usize::try_from(y / 6).unwrap());
            let dark = match rows[y / 2][x] {
                '\u{2588}' => true,
                '\u{2580}' => y % 2 == 0,
                '\u{2584}' => y % 2 == 1,
                _ => false,
            };
            Luma([if dark { 0 } else { 255 }])
        });
        reads(&seen, "drawing");
    }

    #[test]
    fn a_text_too_long_is_an_error_and_is_drawn_as_text() {
        let long = "x".repeat(3000);
        assert_eq!(draw(&long), long);
        assert!(matches!(write_png(&long, Path::new("never-written.png")), Err(QrError::TooLong)));
        assert!(!Path::new("never-written.png").exists());
    }

    #[test]
    fn scaled_codes_are_read() {
        let code = code();
        for percent in [35, 50, 73, 130, 240, 500] {
            let side = code.width() * percent / 100;
            reads(&imageops::resize(&code, side, side, FilterType::Triangle), &format!("{percent} %"));
        }
    }

    #[test]
    fn turned_codes_are_read() {
        let code = code();
        for (what, turned) in [
            ("90", imageops::rotate90(&code)),
            ("180", imageops::rotate180(&code)),
            ("270", imageops::rotate270(&code)),
        ] {
            reads(&turned, what);
        }
        for degrees in [-30.0, -12.0, -3.0, 2.0, 7.0, 20.0, 45.0] {
            reads(&turned(&code, degrees), &format!("{degrees} degrees"));
        }
    }

    #[test]
    fn blurred_noisy_and_pale_codes_are_read() {
        let code = code();
        for sigma in [1.0, 2.0, 3.0] {
            reads(&imageops::blur(&code, sigma), &format!("blur {sigma}"));
        }
        for strength in [20, 60, 100] {
            reads(&noisy(&code, strength), &format!("noise {strength}"));
        }
        for (dark, light) in [(100, 150), (30, 70), (190, 230)] {
            reads(&contrast(&code, dark, light), &format!("contrast {dark} to {light}"));
        }
        let camera = noisy(&contrast(&imageops::blur(&turned(&code, 6.0), 1.2), 60, 190), 25);
        reads(&camera, "all at once");
    }

    #[test]
    fn several_codes_are_counted() {
        let other = picture("https://id.example/another").unwrap();
        let one = code();
        let mut both = GrayImage::from_pixel(one.width() + other.width() + 40, one.height() + 20, Luma([255]));
        imageops::overlay(&mut both, &one, 0, 10);
        imageops::overlay(&mut both, &other, i64::from(one.width()) + 40, 10);
        assert!(matches!(read(&both), Err(QrError::SeveralCodes(2))), "{:?}", read(&both));

        let mut twins = GrayImage::from_pixel(one.width() * 2 + 40, one.height(), Luma([255]));
        imageops::overlay(&mut twins, &one, 0, 0);
        imageops::overlay(&mut twins, &one, i64::from(one.width()) + 40, 0);
        assert!(matches!(read(&twins), Err(QrError::SeveralCodes(2))), "{:?}", read(&twins));
    }

    #[test]
    fn a_picture_without_a_code_says_so() {
        for empty in [
            GrayImage::from_pixel(300, 200, Luma([255])),
            GrayImage::from_pixel(1, 1, Luma([0])),
            noisy(&GrayImage::from_pixel(300, 300, Luma([128])), 120),
            imageops::crop_imm(&code(), 0, 0, 150, 150).to_image(),
        ] {
            assert!(matches!(read(&empty), Err(QrError::NoCode)), "{:?}", read(&empty));
        }
    }

    #[test]
    fn transparent_paper_is_white() {
        let code = code();
        let clear = image::LumaA([0, 0]);
        let picture = image::GrayAlphaImage::from_fn(code.width(), code.height(), |x, y| {
            if code.get_pixel(x, y).0 == [0] { image::LumaA([0, 255]) } else { clear }
        });
        reads(&on_white(&DynamicImage::ImageLumaA8(picture)), "transparent");
    }

    #[test]
    fn huge_and_damaged_files_are_refused() {
        let mut png = Vec::new();
        code().write_to(&mut std::io::Cursor::new(&mut png), ImageFormat::Png).unwrap();
        assert!(decode(&png).is_ok());
        for length in (0..png.len()).step_by(7) {
            assert!(matches!(decode(&png[..length]), Err(QrError::NotAPicture)), "cut to {length}");
        }
        for bytes in [&b""[..], b"GIF89a", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"] {
            assert!(matches!(decode(bytes), Err(QrError::NotAPicture)), "{bytes:02x?}");
        }
        // 20,000 x 20,000 pixels, in a header that is otherwise right: refused before a pixel is decoded.
        let mut header = b"IHDR\0\0\x4e\x20\0\0\x4e\x20\x08\0\0\0\0".to_vec();
        let check = crc32(&header);
        header.extend(check.to_be_bytes());
        png.splice(12..33, header);
        assert!(matches!(decode(&png), Err(QrError::TooLarge)), "{:?}", decode(&png).map(|p| p.dimensions()));

        assert!(matches!(read_picture(Path::new("no/such/picture.png")), Err(QrError::Open(_))));
        assert!(matches!(read_picture(&std::env::temp_dir()), Err(QrError::NotAPicture)));
        let path = std::env::temp_dir().join(format!("qr-huge-{}", std::process::id()));
        File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(read_picture(&path), Err(QrError::TooLarge)));
        fs::remove_file(path).unwrap();
    }

    /// Turned about its middle on white paper that is large enough, between pixels by their weighted mean.
    fn turned(code: &GrayImage, degrees: f32) -> GrayImage {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let half = code.width() as f32 / 2.0;
        let side = code.width() * 3 / 2;
        let middle = side as f32 / 2.0;
        let at = |x: f32, y: f32| {
            let inside = x >= 0.0 && y >= 0.0 && x < code.width() as f32 && y < code.height() as f32;
            if inside { f32::from(code.get_pixel(x as u32, y as u32).0[0]) } else { 255.0 }
        };
        GrayImage::from_fn(side, side, |x, y| {
            let (x, y) = (x as f32 - middle, y as f32 - middle);
            let (x, y) = (x * cos + y * sin + half, y * cos - x * sin + half);
            let (fx, fy) = (x - x.floor(), y - y.floor());
            let (x, y) = (x.floor(), y.floor());
            let top = at(x, y) * (1.0 - fx) + at(x + 1.0, y) * fx;
            let bottom = at(x, y + 1.0) * (1.0 - fx) + at(x + 1.0, y + 1.0) * fx;
            Luma([(top * (1.0 - fy) + bottom * fy) as u8])
        })
    }

    /// Even noise of up to `strength` levels either way, the same in every run.
    fn noisy(code: &GrayImage, strength: i32) -> GrayImage {
        let mut state = 0x9e37_79b9_u32;
        GrayImage::from_fn(code.width(), code.height(), |x, y| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let noise = (state >> 8) as i32 % (2 * strength + 1) - strength;
            Luma([(i32::from(code.get_pixel(x, y).0[0]) + noise).clamp(0, 255) as u8])
        })
    }

    fn contrast(code: &GrayImage, dark: u32, light: u32) -> GrayImage {
        GrayImage::from_fn(code.width(), code.height(), |x, y| {
            Luma([(dark + u32::from(code.get_pixel(x, y).0[0]) * (light - dark) / 255) as u8])
        })
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }
}
