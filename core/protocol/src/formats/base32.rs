//! Crockford's Base32: no I, L, O, U; what is mistyped for one of them is read as the digit.

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Writes the lowest `5 * digits` bits, most significant first.
pub(crate) fn write(value: u128, digits: u32) -> String {
    (0..digits)
        .rev()
        .map(|place| {
            let index = usize::try_from((value >> (5 * place)) & 31).unwrap_or(0);
            char::from(*ALPHABET.get(index).unwrap_or(&b'0'))
        })
        .collect()
}

/// Reads exactly `digits` characters; spaces and hyphens are skipped, case does not matter.
pub(crate) fn read(text: &str, digits: u32) -> Option<u128> {
    let mut value = 0_u128;
    let mut seen = 0;
    for c in text.chars().filter(|c| !matches!(c, ' ' | '-')) {
        let c = match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let index = ALPHABET.iter().position(|letter| char::from(*letter) == c)?;
        value = (value << 5) | u128::try_from(index).ok()?;
        seen += 1;
        if seen > digits {
            return None;
        }
    }
    (seen == digits).then_some(value)
}

/// `ABCDE-FGHJK-…`
pub(crate) fn grouped(text: &str, size: usize) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for (place, c) in text.chars().enumerate() {
        if place > 0 && place % size == 0 {
            out.push('-');
        }
        out.push(c);
    }
    out
}
