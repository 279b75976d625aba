//! Amounts of money as people read them. Bank, page, phone and auditor must show one and the same number.

/// How many decimals a currency has (ISO 4217): two, but for these.
#[must_use]
pub fn decimals(currency: &str) -> usize {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// The number of `minor` units of a currency, in groups of three: `1,250.00`, or `1.250,00` where a comma stands before
/// decimals, as in Danish.
#[must_use]
pub fn number(minor: u64, currency: &str, comma: bool) -> String {
    let decimals = decimals(currency);
    let digits = format!("{minor:0width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let (group, point) = if comma { ('.', ',') } else { (',', '.') };
    let mut number = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            number.push(group);
        }
        number.push(digit);
    }
    if !fraction.is_empty() {
        number.push(point);
        number.push_str(fraction);
    }
    number
}

/// The number with its currency: `1.250,00 DKK` with a comma, else `DKK 1,250.00`.
#[must_use]
pub fn text(minor: u64, currency: &str, comma: bool) -> String {
    let number = number(minor, currency, comma);
    if comma { format!("{number} {currency}") } else { format!("{currency} {number}") }
}

#[cfg(test)]
mod tests {
    use super::{number, text};

    #[test]
    fn amounts_are_written_as_people_write_them() {
        assert_eq!(text(125_000, "DKK", true), "1.250,00 DKK");
        assert_eq!(text(125_000, "DKK", false), "DKK 1,250.00");
        assert_eq!(text(5, "DKK", true), "0,05 DKK");
        assert_eq!(text(12_345_678_905, "EUR", false), "EUR 123,456,789.05");
        assert_eq!(text(1250, "JPY", false), "JPY 1,250");
        assert_eq!(text(0, "ISK", true), "0 ISK");
        assert_eq!(text(1_234_567, "KWD", true), "1.234,567 KWD");
        assert_eq!(number(u64::MAX, "EUR", true), "184.467.440.737.095.516,15");
    }
}
