//! The last line before a log: masks what looks like a secret or a CPR number.
//!
//! It is a guard against slips and not the rule: the rule is that only listed fields are logged at all (see
//! [`super::logging`]). It masks too much rather than too little.

/// What stands where something was masked.
pub const MASK: &str = "[masked]";

/// Digits in a row, single spaces or hyphens between them, from which on they are masked. Covers a CPR number
/// (`010190-1234`), a PIN and other numbers of five digits and more.
const DIGITS: usize = 5;
/// Letters and digits in a row from which on they are masked: hex, base64, block codes.
const RUN: usize = 16;
/// The same for a run that also holds `+ / _ = -`, if it looks random.
const TOKEN: usize = 20;

/// `text` with everything suspicious masked.
#[must_use]
pub fn mask(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut hidden = vec![false; bytes.len()];
    runs(bytes, |b| b.is_ascii_alphanumeric(), |run| run.len() >= RUN, &mut hidden);
    runs(bytes, is_token_byte, |run| run.len() >= TOKEN && looks_random(run), &mut hidden);
    digits(bytes, &mut hidden);
    groups(bytes, &mut hidden);
    let mut masked = String::with_capacity(text.len());
    let mut inside = false;
    for (at, character) in text.char_indices() {
        // Only ASCII is ever hidden, so a character is hidden or shown as a whole.
        let hide = hidden.get(at).copied().unwrap_or(true);
        match (hide, inside) {
            (true, false) => masked.push_str(MASK),
            (true, true) => {}
            (false, _) => masked.push(character),
        }
        inside = hide;
    }
    masked
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"+/_=-".contains(&b)
}

/// Route templates and snake_case names have hardly any digits and no mixed case.
fn looks_random(run: &[u8]) -> bool {
    let digits = run.iter().filter(|b| b.is_ascii_digit()).count();
    let upper = run.iter().any(u8::is_ascii_uppercase);
    let lower = run.iter().any(u8::is_ascii_lowercase);
    digits >= 3 || (upper && lower && digits >= 1)
}

fn runs(bytes: &[u8], belongs: impl Fn(u8) -> bool, hide: impl Fn(&[u8]) -> bool, hidden: &mut [bool]) {
    let mut start = 0;
    while start < bytes.len() {
        let length = bytes.get(start..).unwrap_or_default().iter().take_while(|b| belongs(**b)).count();
        let end = start + length;
        if length > 0 && bytes.get(start..end).is_some_and(&hide) {
            cover(hidden, start, end);
        }
        start = end + 1;
    }
}

fn digits(bytes: &[u8], hidden: &mut [bool]) {
    let (mut start, mut count, mut last) = (0, 0, None::<usize>);
    for (at, byte) in bytes.iter().enumerate().filter(|(_, b)| b.is_ascii_digit()) {
        let _ = byte;
        let joined = last.is_some_and(|last| match at - last {
            1 => true,
            2 => matches!(bytes.get(last + 1), Some(b' ' | b'-')),
            _ => false,
        });
        if !joined {
            (start, count) = (at, 0);
        }
        count += 1;
        last = Some(at);
        if count >= DIGITS {
            cover(hidden, start, at + 1);
        }
    }
}

/// Codes in groups of equal length, such as 4x5 characters: at least three groups of three to six, twelve characters
/// in all, joined by one hyphen or space. Four groups of five are masked whatever they hold; others only with a digit
/// or in capitals, for plain words come in equal lengths too.
fn groups(bytes: &[u8], hidden: &mut [bool]) {
    let mut words: Vec<(usize, usize)> = Vec::new();
    let mut start = None;
    for at in 0..=bytes.len() {
        let inside = bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    let joined = |a: &(usize, usize), b: &(usize, usize)| {
        a.1 - a.0 == b.1 - b.0 && b.0 == a.1 + 1 && matches!(bytes.get(a.1), Some(b' ' | b'-'))
    };
    for row in words.chunk_by(joined) {
        let (Some(first), Some(last)) = (row.first(), row.last()) else {
            continue;
        };
        let length = first.1 - first.0;
        if row.len() < 3 || !(3..=6).contains(&length) || length * row.len() < 12 {
            continue;
        }
        let span = bytes.get(first.0..last.1).unwrap_or_default();
        let code = span.iter().any(u8::is_ascii_digit) || !span.iter().any(u8::is_ascii_lowercase);
        if code || (length == 5 && row.len() >= 4) {
            cover(hidden, first.0, last.1);
        }
    }
}

fn cover(hidden: &mut [bool], start: usize, end: usize) {
    if let Some(part) = hidden.get_mut(start..end) {
        part.fill(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for secret in [
            "010190-1234",
            "0101901234",
            "010190 1234",
            "12345",
            "123456",
            "123 456",
            "12-34-56",
            "123456789",
            "1 2 3 4 5 6",
            "12345678",
            "ABCDE-FGHJK-MNPQR-STVWX",
            "ABCDE FGHJK MNPQR STVWX",
            "abcde-fghjk-mnpqr-stvwx",
            "A1B2C-3D4E5-F6G7H-8J9K0",
            "ABCDEFGHJKMNPQRSTVWX",
            "ABCDEFGHJKLMNPQRST",
            "ABC-DEF-GHJ-KLM-NPQ-RST",
            "ABCDEF-GHJKLM-NPQRST",
            "ABCDEF GHJKLM NPQRST",
            "deadbeefdeadbeef",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "eyJhbGciOiJFUzI1NiJ9",
            "dGhpcyBpcyBhIHRlc3QgdG9rZW4=",
            "a1B-c2D_e3F-g4H_i5J-k6L_m7N",
            "550e8400-e29b-41d4-a716-446655440000",
        ] {
            for text in
                [secret.to_owned(), format!("før {secret}, efter"), format!("x={secret}&y"), format!("\"{secret}\"")]
            {
                let masked = mask(&text);
                assert!(masked.contains(MASK), "{text} -> {masked}");
                let rest: String = masked.replace(MASK, "");
                for piece in secret.split(['-', ' ', '/', '+', '_', '=']).filter(|p| p.len() > 2) {
                    assert!(!rest.contains(piece), "{text} -> {masked}");
                }
                assert!(rest.chars().filter(char::is_ascii_digit).count() < 5, "{text} -> {masked}");
            }
        }
    }

    #[test]
    fn what_operators_need_stays() {
        for text in [
            "/v1/activations/{id}/answers",
            "database is locked",
            "127.0.0.1",
            "192.168.10.10:8443",
            "404",
            "9999",
            "request_too_large",
            "stopping after a signal",
            "the log could not be read, starting a new epoch",
            "godkend_server::ops::serve",
            "ændret på en ø",
            "GET",
            "this text uses some four word rows",
            "",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_six_digits_ever_pass(before in "\\PC{0,20}", digits in "[0-9]{6}", after in "\\PC{0,20}") {
            let masked = mask(&format!("{before}{digits}{after}"));
            proptest::prop_assert!(!masked.contains(&digits));
        }

        #[test]
        fn no_random_token_passes(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 16..48)) {
            let token = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &bytes);
            // Sixteen equal bytes are no token; nor is what has neither digits nor mixed case.
            proptest::prop_assume!(looks_random(token.as_bytes()));
            let masked = mask(&format!("t={token}."));
            proptest::prop_assert!(!masked.contains(&token));
        }
    }
}
