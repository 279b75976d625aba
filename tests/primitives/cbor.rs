//! RFC 8949, appendix A, through `minicbor`: decoded as its diagnostic notation says, and what re-encodes to itself.

use minicbor::{
    Decoder, Encoder,
    data::{Tag, Type},
};

use crate::{Tally, bytes, cases, text, vectors};

/// Deterministic examples decode to the printed value and re-encode to the same bytes.
#[test]
fn rfc_8949_appendix_a_deterministic() {
    let file = vectors("cbor.json");
    let tally = Tally::new("CBOR, deterministic");
    for case in cases(&file).iter().filter(|c| c["deterministic"] == true) {
        let encoded = bytes(case, "encoded");
        let (diagnostic, again) = read(&encoded);
        assert_eq!(diagnostic, text(case, "diagnostic"));
        assert_eq!(hex::encode(again), text(case, "encoded"), "{diagnostic}");
        tally.accepted();
    }
    tally.at_least(64, 0);
}

/// The others are well-formed, and minicbor takes them: so a decode-and-re-encode check has to refuse them.
#[test]
fn rfc_8949_appendix_a_not_deterministic() {
    let file = vectors("cbor.json");
    let tally = Tally::new("CBOR, not deterministic");
    for case in cases(&file).iter().filter(|c| c["deterministic"] == false) {
        let (diagnostic, again) = read(&bytes(case, "encoded"));
        assert_eq!(diagnostic, joined(text(case, "diagnostic")));
        assert_ne!(hex::encode(again), text(case, "encoded"), "{}", text(case, "diagnostic"));
        tally.refused();
    }
    tally.at_least(0, 17);
}

/// Adversarial case 1 at the decoder: no cut of an example is taken for a whole item, and none panics.
#[test]
fn cut_items_are_refused() {
    let file = vectors("cbor.json");
    let tally = Tally::new("CBOR, cut");
    for case in cases(&file) {
        let encoded = bytes(case, "encoded");
        for length in 0..encoded.len() {
            assert!(Decoder::new(&encoded[..length]).skip().is_err(), "{} cut to {length}", text(case, "diagnostic"));
            tally.refused();
        }
    }
    tally.at_least(0, 300);
}

/// The notation of the same value in definite lengths.
fn joined(diagnostic: &str) -> String {
    let definite = diagnostic.replace("[_ ", "[").replace("{_ ", "{");
    match definite.strip_prefix("(_ ").and_then(|d| d.strip_suffix(')')) {
        Some(chunks) => chunks.replace("', h'", "").replace("\", \"", ""),
        None => definite,
    }
}

/// The diagnostic notation of one item, and its deterministic encoding (definite lengths, shortest forms).
fn read(encoded: &[u8]) -> (String, Vec<u8>) {
    let mut decoder = Decoder::new(encoded);
    let mut encoder = Encoder::new(Vec::new());
    let diagnostic = item(&mut decoder, &mut encoder);
    assert_eq!(decoder.position(), encoded.len());
    (diagnostic, encoder.into_writer())
}

fn item(d: &mut Decoder<'_>, e: &mut Encoder<Vec<u8>>) -> String {
    match d.datatype().unwrap() {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            let value = d.u64().unwrap();
            e.u64(value).unwrap();
            value.to_string()
        }
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            let value = d.int().unwrap();
            e.int(value).unwrap();
            value.to_string()
        }
        Type::F16 => float(half(d), e),
        Type::F32 => float(d.f32().unwrap().into(), e),
        Type::F64 => float(d.f64().unwrap(), e),
        Type::Bool => {
            let value = d.bool().unwrap();
            e.bool(value).unwrap();
            value.to_string()
        }
        Type::Null => {
            d.null().unwrap();
            e.null().unwrap();
            "null".into()
        }
        Type::Undefined => {
            d.undefined().unwrap();
            e.undefined().unwrap();
            "undefined".into()
        }
        Type::Simple => {
            let value = d.simple().unwrap();
            e.simple(value).unwrap();
            format!("simple({value})")
        }
        Type::Bytes | Type::BytesIndef => {
            let value = d.bytes_iter().unwrap().map(Result::unwrap).collect::<Vec<_>>().concat();
            e.bytes(&value).unwrap();
            format!("h'{}'", hex::encode(value))
        }
        Type::String | Type::StringIndef => {
            let value = d.str_iter().unwrap().map(Result::unwrap).collect::<String>();
            e.str(&value).unwrap();
            quoted(&value)
        }
        Type::Array | Type::ArrayIndef => {
            let (items, inner) = list(d.array().unwrap(), d, item);
            e.array(items.len().try_into().unwrap()).unwrap();
            e.writer_mut().extend(inner);
            format!("[{}]", items.join(", "))
        }
        Type::Map | Type::MapIndef => {
            let (items, inner) = list(d.map().unwrap(), d, |d, e| [item(d, e), item(d, e)].join(": "));
            e.map(items.len().try_into().unwrap()).unwrap();
            e.writer_mut().extend(inner);
            format!("{{{}}}", items.join(", "))
        }
        Type::Tag => {
            let tag: Tag = d.tag().unwrap();
            e.tag(tag).unwrap();
            let number = tag.as_u64();
            match (number, d.datatype().unwrap()) {
                (2 | 3, Type::Bytes) => big_number(number == 3, d, e),
                _ => format!("{number}({})", item(d, e)),
            }
        }
        other => panic!("no such item in the appendix: {other}"),
    }
}

fn list(
    length: Option<u64>,
    d: &mut Decoder<'_>,
    read: impl Fn(&mut Decoder<'_>, &mut Encoder<Vec<u8>>) -> String,
) -> (Vec<String>, Vec<u8>) {
    let mut inner = Encoder::new(Vec::new());
    let mut items = Vec::new();
    loop {
        match length {
            Some(length) if u64::try_from(items.len()).unwrap() == length => break,
            None if d.datatype().unwrap() == Type::Break => {
                d.skip().unwrap();
                break;
            }
            _ => items.push(read(d, &mut inner)),
        }
    }
    (items, inner.into_writer())
}

/// RFC 8949, section 4.2.2: the shortest of the three widths that keeps the value.
fn float(value: f64, e: &mut Encoder<Vec<u8>>) -> String {
    let short = (0..=u16::MAX).find(|bits| half_value(*bits).to_bits() == value.to_bits());
    let narrow = value as f32;
    match short {
        _ if value.is_nan() => e.writer_mut().extend([0xf9, 0x7e, 0]),
        Some(bits) => {
            e.writer_mut().push(0xf9);
            e.writer_mut().extend(bits.to_be_bytes());
        }
        None if f64::from(narrow).to_bits() == value.to_bits() => drop(e.f32(narrow).unwrap()),
        None => drop(e.f64(value).unwrap()),
    }
    notation(value)
}

/// minicbor reads half precision only with a feature that the project has no use for.
fn half(d: &mut Decoder<'_>) -> f64 {
    let at = d.position();
    let bits = u16::from_be_bytes(d.input()[at + 1..at + 3].try_into().unwrap());
    d.skip().unwrap();
    half_value(bits)
}

/// RFC 8949, appendix D.
fn half_value(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let mantissa = f64::from(bits & 0x3ff);
    let size = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// The appendix writes Infinity, and numbers from 1e16 or below 1e-5 with an exponent.
fn notation(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let size = value.abs();
    if size != 0.0 && !(1e-5..1e16).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap();
        let point = if digits.contains('.') { "" } else { ".0" };
        let plus = if exponent.starts_with('-') { "" } else { "+" };
        return format!("{digits}{point}e{plus}{exponent}");
    }
    let text = value.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn big_number(negative: bool, d: &mut Decoder<'_>, e: &mut Encoder<Vec<u8>>) -> String {
    let digits = d.bytes().unwrap();
    e.bytes(digits).unwrap();
    let value = digits.iter().fold(0_i128, |n, b| n << 8 | i128::from(*b));
    if negative { (-1 - value).to_string() } else { value.to_string() }
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for unit in text.encode_utf16() {
        match char::from_u32(unit.into()) {
            Some(c @ ('"' | '\\')) => out.extend(['\\', c]),
            Some(c) if c.is_ascii() => out.push(c),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out.push('"');
    out
}
