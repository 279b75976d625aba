//! What the phone's commands take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::phone::decide::With;

/// `activate`
#[derive(Debug, Args)]
pub(crate) struct Activate {
    /// A PNG or JPEG picture of the QR code.
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
    /// The environment of a typed code, where several roots are trusted.
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Ends once the digits are shown; `resume` goes on.
    #[arg(long)]
    pub(crate) digits_only: bool,
    /// A new phone's model.
    #[arg(long, default_value = "Godkend headless")]
    pub(crate) model: String,
    /// A new phone without a sensor.
    #[arg(long)]
    pub(crate) no_biometrics: bool,
    /// A new phone whose hardware cannot agree on keys: no offline codes.
    #[arg(long)]
    pub(crate) no_key_agreement: bool,
}

/// What to do with the request that is shown.
#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// Approve it, without asking whether.
    #[arg(long, group = "decision")]
    pub(crate) approve: bool,
    /// Refuse it: I changed my mind.
    #[arg(long, group = "decision")]
    pub(crate) deny: bool,
    /// Refuse it and report it: this was not me.
    #[arg(long, group = "decision")]
    pub(crate) report: bool,
    /// A notice of use: yes, it was me.
    #[arg(long, group = "decision")]
    pub(crate) was_me: bool,
    /// A notice of use: no, it was not me.
    #[arg(long, group = "decision")]
    pub(crate) not_me: bool,
    /// Only show it.
    #[arg(long, group = "decision")]
    pub(crate) show: bool,
    /// Approve with what.
    #[arg(long)]
    pub(crate) with: Option<With>,
    /// Remember the browser.
    #[arg(long)]
    pub(crate) remember: bool,
}

/// On or off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// One push address, or none.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Web Push: the endpoint.
    #[arg(long, value_name = "URL", requires_all = ["key", "auth"])]
    pub(crate) web_push: Option<String>,
    /// Web Push: the subscriber's public key (p256dh, Base64url).
    #[arg(long, value_name = "KEY", requires = "web_push")]
    pub(crate) key: Option<String>,
    /// Web Push: the subscriber's secret (auth, Base64url).
    #[arg(long, value_name = "SECRET", requires = "web_push")]
    pub(crate) auth: Option<String>,
    /// FCM: the registration token.
    #[arg(long, value_name = "TOKEN", conflicts_with = "web_push")]
    pub(crate) fcm: Option<String>,
    /// APNs: the device token, in hex.
    #[arg(long, value_name = "HEX", conflicts_with_all = ["web_push", "fcm"])]
    pub(crate) apns: Option<String>,
    /// APNs: the app is a development build.
    #[arg(long, requires = "apns")]
    pub(crate) sandbox: bool,
    /// Takes the address back.
    #[arg(long, conflicts_with_all = ["web_push", "fcm", "apns"])]
    pub(crate) remove: bool,
}
