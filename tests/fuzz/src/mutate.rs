//! Changes to bytes that were right: of the bytes, and of the CBOR tree that they spell.

use coset::cbor::value::{Integer, Value};

use crate::input::Input;

/// Up to four changes of the bytes themselves.
pub(crate) fn bytes(input: &mut Input<'_>, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..=input.below(4) {
        if bytes.is_empty() {
            return input.chunk().to_vec();
        }
        let at = input.below(bytes.len());
        match input.below(8) {
            0 => bytes[at] ^= 1 << input.below(8),
            1 => bytes[at] = input.byte(),
            2 => bytes.insert(at, input.byte()),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            5 => bytes.extend_from_slice(input.chunk()),
            6 => {
                let length = input.below(64).min(bytes.len() - at);
                bytes.extend_from_within(at..at + length);
            }
            _ => {
                let other = input.below(bytes.len());
                bytes.swap(at, other);
            }
        }
    }
    bytes
}

/// Reads any CBOR, deterministic or not.
pub(crate) fn tree(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let value = coset::cbor::de::from_reader_with_recursion_limit(&mut rest, 64).ok()?;
    rest.is_empty().then_some(value)
}

/// Changes one node of a tree that was right, and spells it deterministically: what a decoder behind the validator
/// gets to see. `None` where the bytes are no tree.
pub(crate) fn cbor(input: &mut Input<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut value = tree(bytes)?;
    for _ in 0..=input.below(3) {
        let nodes = count(&value);
        let mut at = input.below(nodes);
        change(input, &mut value, &mut at);
    }
    let mut out = Vec::new();
    spell(&value, &mut out)?;
    Some(out)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Map(pairs) => pairs.iter().map(|(_, value)| count(value)).sum(),
        _ => 0,
    }
}

/// Changes the node number `at`, counted in the order of the bytes.
fn change(input: &mut Input<'_>, value: &mut Value, at: &mut usize) -> bool {
    if *at == 0 {
        replace(input, value);
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| change(input, item, at)),
        Value::Map(pairs) => pairs.iter_mut().any(|(_, value)| change(input, value, at)),
        _ => false,
    }
}

fn integer(input: &mut Input<'_>) -> Value {
    let number = input.number();
    if input.flag() { Value::from(number) } else { Value::Integer(Integer::from(number as i64)) }
}

fn replace(input: &mut Input<'_>, value: &mut Value) {
    let choice = input.below(12);
    match (choice, &mut *value) {
        (0, Value::Bytes(bytes)) => *bytes = self::bytes(input, std::mem::take(bytes)),
        (0, Value::Text(text)) => {
            *text = crate::input::text(&self::bytes(input, std::mem::take(text).into_bytes()));
        }
        (0 | 1, Value::Map(pairs)) if !pairs.is_empty() => {
            let at = input.below(pairs.len());
            pairs.remove(at);
        }
        (0 | 1, Value::Array(items)) if !items.is_empty() => {
            let at = input.below(items.len());
            let copy = items[at].clone();
            if input.flag() { items.push(copy) } else { drop(items.remove(at)) }
        }
        (1..=3, Value::Map(pairs)) => {
            let key = if input.flag() { Value::from(input.number()) } else { integer(input) };
            pairs.push((key, Value::Null));
            if let Some((_, value)) = pairs.last_mut() {
                replace(input, value);
            }
        }
        (0..=4, _) => *value = integer(input),
        (5, _) => *value = Value::Null,
        (6, _) => *value = Value::Bool(input.flag()),
        (7, _) => *value = Value::Bytes(input.chunk().to_vec()),
        (8, _) => *value = Value::Text(input.text()),
        (9, _) => *value = Value::Array(vec![std::mem::replace(value, Value::Null); input.below(3)]),
        (10, _) => *value = Value::Map(vec![(integer(input), std::mem::replace(value, Value::Null))]),
        _ => {
            for _ in 0..input.below(16) {
                *value = Value::Array(vec![std::mem::replace(value, Value::Null)]);
            }
        }
    }
}

/// The one deterministic spelling (RFC 8949, section 4.2.1), or `None` for what version 1 does not speak: floats, tags,
/// a key given twice. Written apart from the product's encoder, to judge it by.
pub(crate) fn spell(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Integer(number) => {
            let number = i128::from(*number);
            if number >= 0 {
                head(out, 0, u64::try_from(number).ok()?);
            } else {
                head(out, 1, u64::try_from(-1 - number).ok()?);
            }
        }
        Value::Bytes(bytes) => {
            head(out, 2, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Value::Text(text) => {
            head(out, 3, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            head(out, 4, items.len() as u64);
            for item in items {
                spell(item, out)?;
            }
        }
        Value::Map(pairs) => {
            let mut spelled = Vec::new();
            for (key, value) in pairs {
                let (mut k, mut v) = (Vec::new(), Vec::new());
                spell(key, &mut k)?;
                spell(value, &mut v)?;
                spelled.push((k, v));
            }
            spelled.sort();
            if spelled.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return None;
            }
            head(out, 5, spelled.len() as u64);
            for (key, value) in spelled {
                out.extend(key);
                out.extend(value);
            }
        }
        Value::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        Value::Null => out.push(0xf6),
        _ => return None,
    }
    Some(())
}

fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | bytes[7]),
        24..=0xff => out.extend([major | 24, bytes[7]]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend(bytes);
        }
    }
}

/// How deep a tree nests: 0 for what holds nothing.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(|item| depth(item) + 1).max().unwrap_or(0),
        Value::Map(pairs) => pairs.iter().map(|(key, value)| depth(key).max(depth(value)) + 1).max().unwrap_or(0),
        _ => 0,
    }
}
