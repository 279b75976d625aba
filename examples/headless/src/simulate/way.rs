//! The ways in which simulated people sign in.

/// How a person signs in. Where nothing else is said, the app approves with the PIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Way {
    /// The QR code is scanned.
    Pin,
    /// The QR code is scanned, and approved with the finger.
    Biometric,
    /// The user id is typed in the browser, and its number in the app.
    Number,
    /// A browser that the person has had remembered: the request waits in the app.
    Remembered,
    /// No browser: the relying party asks by the back channel (CIBA), and its number is typed in the app.
    Ciba,
    /// A chip, and the app.
    AppChip,
    /// A password and a chip.
    PasswordChip,
    /// A password and a code display.
    PasswordDisplay,
    /// A password alone, which carries Low.
    Password,
}

impl Way {
    /// As the command line has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Biometric => "biometric",
            Self::Number => "number",
            Self::Remembered => "remembered",
            Self::Ciba => "ciba",
            Self::AppChip => "app-chip",
            Self::PasswordChip => "password-chip",
            Self::PasswordDisplay => "password-display",
            Self::Password => "password",
        }
    }

    /// A chip is a part of it.
    pub(crate) const fn has_chip(self) -> bool {
        matches!(self, Self::AppChip | Self::PasswordChip)
    }

    /// A password is a part of it.
    pub(crate) const fn has_password(self) -> bool {
        matches!(self, Self::PasswordChip | Self::PasswordDisplay | Self::Password)
    }
}
