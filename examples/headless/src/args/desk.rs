//! What the desk's commands take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The desk's key to the server.
#[derive(Debug, Args)]
pub(crate) struct AtDesk {
    /// File with the desk's token [default: the embedded server's].
    #[arg(long, value_name = "FILE")]
    pub(crate) token: Option<PathBuf>,
    /// Origin of the desk's interface, where it has a listener of its own [default: the root's].
    #[arg(long, env = "GODKEND_DESK", value_name = "URL")]
    pub(crate) desk: Option<String>,
}

/// `create-citizen`
#[derive(Debug, Args)]
pub(crate) struct CreateCitizen {
    /// The name, as proofed.
    #[arg(long)]
    pub(crate) name: String,
    /// The user id: 5 to 48 letters, digits, full stops, underscores and hyphens.
    #[arg(long)]
    pub(crate) user_id: String,
    /// Date of birth.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) born: String,
    /// The person has a CPR number; it is asked for.
    #[arg(long)]
    pub(crate) cpr: bool,
    /// How well the identity was proofed.
    #[arg(long, default_value = "substantial")]
    pub(crate) level: LevelName,
    /// Test environments: an identity whose outcome is fixed.
    #[arg(long)]
    pub(crate) magic: Option<Magic>,
    /// The person's phones are told of every use.
    #[arg(long)]
    pub(crate) tell_uses: bool,
    #[command(flatten)]
    pub(crate) desk: AtDesk,
}

/// `block-citizen` and its kin.
#[derive(Debug, Args)]
pub(crate) struct BlockCitizen {
    /// User id.
    pub(crate) user_id: String,
    /// One device only.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) device: Option<String>,
    #[command(flatten)]
    pub(crate) desk: AtDesk,
}

/// An assurance level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LevelName {
    /// Low.
    Low,
    /// Substantial.
    Substantial,
    /// High.
    High,
}

impl LevelName {
    /// As the server reads it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Substantial => "substantial",
            Self::High => "high",
        }
    }
}

/// A fixed outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Magic {
    /// Approves at once.
    Approves,
    /// Refuses at once.
    Refuses,
    /// Never answers.
    NeverAnswers,
    /// Reports fraud at once.
    ReportsFraud,
    /// Types wrong PINs until the PIN waits.
    WrongPin,
}

impl Magic {
    /// As the server reads it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Approves => "approves",
            Self::Refuses => "refuses",
            Self::NeverAnswers => "never_answers",
            Self::ReportsFraud => "reports_fraud",
            Self::WrongPin => "wrong_pin",
        }
    }
}
