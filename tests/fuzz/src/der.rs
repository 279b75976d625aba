//! DER, as much as attestations need, and changes to its tree that keep lengths right.

use crate::input::Input;
use crate::mutate;

/// One value: tag bytes, length, content.
pub(crate) fn tlv(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let mut out = tag.to_vec();
    let length = content.len();
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        _ => {
            out.push(0x82);
            out.extend((length as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(&[0x30], &parts.concat())
}

pub(crate) fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(&[0x31], &parts.concat())
}

pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(&[0x04], content)
}

fn magnitude(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    let mut out = bytes[start..].to_vec();
    if out[0] & 0x80 != 0 {
        out.insert(0, 0);
    }
    out
}

pub(crate) fn integer(value: u64) -> Vec<u8> {
    tlv(&[0x02], &magnitude(value))
}

pub(crate) fn enumerated(value: u64) -> Vec<u8> {
    tlv(&[0x0a], &magnitude(value))
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    tlv(&[0x01], if value { &[0xff] } else { &[0] })
}

pub(crate) fn null() -> Vec<u8> {
    tlv(&[0x05], &[])
}

/// `[number] EXPLICIT value`.
pub(crate) fn explicit(number: u32, value: &[u8]) -> Vec<u8> {
    let tag = match number {
        0..=30 => vec![0xa0 | number as u8],
        31..=127 => vec![0xbf, number as u8],
        _ => vec![0xbf, 0x80 | (number >> 7) as u8, (number & 0x7f) as u8],
    };
    tlv(&tag, value)
}

/// A value and where its content begins and ends; `None` where the bytes are no DER.
fn split(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 1;
    if bytes.first()? & 0x1f == 0x1f {
        while bytes.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
    }
    let (length, start) = match *bytes.get(at)? {
        short @ 0..=0x7f => (usize::from(short), at + 1),
        0x81 => (usize::from(*bytes.get(at + 1)?), at + 2),
        0x82 => (usize::from(*bytes.get(at + 1)?) << 8 | usize::from(*bytes.get(at + 2)?), at + 3),
        _ => return None,
    };
    (start + length <= bytes.len()).then_some((start, start + length))
}

/// Changes one value somewhere in the tree; the lengths around it are made to fit again.
pub(crate) fn change(input: &mut Input<'_>, bytes: &[u8]) -> Vec<u8> {
    let Some((start, end)) = split(bytes) else { return mutate::bytes(input, bytes.to_vec()) };
    let mut tag_end = 1;
    if bytes[0] & 0x1f == 0x1f {
        while bytes[tag_end] & 0x80 != 0 {
            tag_end += 1;
        }
        tag_end += 1;
    }
    let (tag, content) = (&bytes[..tag_end], &bytes[start..end]);
    let mut parts = Vec::new();
    let mut rest = content;
    if bytes[0] & 0x20 != 0 {
        while let Some((_, end)) = split(rest) {
            parts.push(rest[..end].to_vec());
            rest = &rest[end..];
        }
    }
    if parts.is_empty() || !rest.is_empty() || input.rarely(8) {
        return match input.below(6) {
            0 => Vec::new(),
            1 => [bytes, bytes].concat(),
            2 => tlv(&[input.byte()], content),
            3 => integer(input.number()),
            4 => tlv(tag, input.chunk()),
            _ => tlv(tag, &mutate::bytes(input, content.to_vec())),
        };
    }
    let at = input.below(parts.len());
    match input.below(16) {
        0 => drop(parts.remove(at)),
        1 => parts.insert(at, parts[at].clone()),
        2 => {
            let other = input.below(parts.len());
            parts.swap(at, other);
        }
        _ => parts[at] = change(input, &parts[at]),
    }
    tlv(tag, &parts.concat())
}
