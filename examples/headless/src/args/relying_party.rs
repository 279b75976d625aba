//! What the relying party's commands take.

use std::path::PathBuf;

use clap::Args;

use super::LevelName;

/// `request-login`
#[derive(Debug, Args)]
pub(crate) struct RequestLogin {
    /// A reference text, shown to the person: at most 130 characters.
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// The level to ask for.
    #[arg(long)]
    pub(crate) level: Option<LevelName>,
    /// Write the moving QR code as a picture, each second anew.
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
    /// By a user id and a number that is typed into the app.
    #[arg(long, group = "how", requires = "user_id")]
    pub(crate) number: bool,
    /// By a link on the same device.
    #[arg(long, group = "how")]
    pub(crate) same_device: bool,
    /// For a phone without a network: by a QR code and a code that it shows.
    #[arg(long, group = "how", requires = "user_id")]
    pub(crate) offline: bool,
    /// Without a browser (CIBA).
    #[arg(long, group = "how", requires = "user_id")]
    pub(crate) ciba: bool,
    /// The person's user id.
    #[arg(long)]
    pub(crate) user_id: Option<String>,
    /// Which browser: its cookies are kept, so that it can be remembered.
    #[arg(long, value_name = "NAME", conflicts_with = "ciba")]
    pub(crate) browser: Option<String>,
    /// The relying party's file [default: the server's testbank.json].
    #[arg(long, value_name = "FILE")]
    pub(crate) client: Option<PathBuf>,
    /// How far the server's clock may be away; for one that `clock` has moved.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) leeway: u32,
}

/// An amount as the server reads it.
pub(super) fn amount(text: &str) -> Result<String, String> {
    let good = text.split_once('.').is_some_and(|(whole, cents)| {
        (1..=12).contains(&whole.len())
            && cents.len() == 2
            && whole.bytes().chain(cents.bytes()).all(|b| b.is_ascii_digit())
            && (whole == "0" || !whole.starts_with('0'))
            && text.bytes().any(|b| (b'1'..=b'9').contains(&b))
    });
    if good { Ok(text.to_owned()) } else { Err("an amount looks like 1250.00".to_owned()) }
}
