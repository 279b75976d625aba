//! What a relying party asks for: a login at a level, or a payment.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A level under NSIS, lowest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Low.
    Low,
    /// Substantial.
    Substantial,
    /// High.
    High,
}

impl Level {
    /// As requests and tokens name it.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Low => "https://data.gov.dk/concept/core/nsis/Low",
            Self::Substantial => "https://data.gov.dk/concept/core/nsis/Substantial",
            Self::High => "https://data.gov.dk/concept/core/nsis/High",
        }
    }

    /// The level that a token names.
    #[must_use]
    pub fn of(uri: &str) -> Option<Self> {
        [Self::Low, Self::Substantial, Self::High].into_iter().find(|level| level.uri() == uri)
    }
}

/// What was asked for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// To sign somebody in.
    Login {
        /// At least.
        level: Level,
        /// What page and phone show.
        text: &'static str,
        /// A step up: who is signed in already, and must be the same.
        sub: Option<String>,
    },
    /// To have this payment approved, by the person who is signed in.
    Payment {
        /// The payment.
        payment: Payment,
        /// The person.
        sub: String,
    },
}

/// A payment, as the form and the request have it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Payment {
    /// `1250.00`
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
    /// The payee's name.
    pub payee: String,
    /// The payee's account.
    pub account: String,
}

impl Payment {
    /// The amount as the identity server reads it: `1.250,5` and `1250` become `1250.50` and `1250.00`.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        let amount = self.amount.trim();
        let amount = if amount.contains(',') { amount.replace('.', "").replace(',', ".") } else { amount.to_owned() };
        let (whole, cents) = amount.split_once('.').unwrap_or((&amount, ""));
        self.amount = format!("{whole}.{cents:0<2}");
        self
    }

    pub(crate) fn details(&self) -> Value {
        json!([{
            "type": "godkend_payment", "amount": self.amount, "currency": self.currency, "payee": self.payee,
            "account": self.account,
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(amount: &str) -> Payment {
        Payment {
            amount: amount.to_owned(),
            currency: "DKK".to_owned(),
            payee: "Bager".to_owned(),
            account: "1234".to_owned(),
        }
    }

    #[test]
    fn amounts_are_written_as_the_server_reads_them() {
        for (typed, read) in [
            ("1.250,50", "1250.50"),
            ("1250,5", "1250.50"),
            ("1250", "1250.00"),
            ("1250.05", "1250.05"),
            (" 7 ", "7.00"),
        ] {
            assert_eq!(payment(typed).normalised().amount, read);
        }
    }
}
