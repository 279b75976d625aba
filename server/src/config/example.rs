//! The commented file that `init` writes.
use std::fmt::Write as _;

use toml::{Table, Value};

use super::Config;
use super::settings::{SECTIONS, SETTINGS};

impl Config {
    /// A complete, commented TOML file with every setting at its default. It loads without findings.
    #[must_use]
    pub fn example() -> String {
        let defaults = Table::try_from(Self::default()).unwrap_or_default();
        let mut text = String::from(
            "# Configuration of the Godkend identity server. Every value below is the default; remove what you do not\n\
             # change. The variable named beside a setting overrides it.\n",
        );
        for (section, about) in SECTIONS {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n# {about}\n[{section}]\n");
            for setting in SETTINGS.iter().filter(|s| s.section == *section) {
                let value = defaults.get(*section).and_then(Value::as_table).and_then(|t| t.get(setting.key));
                let _ = writeln!(text, "# {} ({})", setting.about, setting.variable());
                if let Some(value) = value {
                    let _ = writeln!(text, "{} = {value}", setting.key);
                }
            }
        }
        text.push_str(AFTER);
        text
    }
}

const AFTER: &str = r#"
# What a phone's key store must prove; see docs/operating.md.
# [attestation]

# One table for each relying party.
# [[relying_party]]
# client_id = "netbank"
# # SHA-256 of a random 32-byte secret, in hex; leave out for a client with keys, and for a public one.
# client_secret_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
# redirect_uris = ["https://netbank.example/callback"]
# name = "Netbank"
# # Host name for the pairwise sub; the redirect address's host where it is left out.
# sector = "netbank.example"
# levels = ["low", "substantial", "high"]
# # "none", "claim" (public bodies) or "match".
# cpr = "none"
# # Whether it may start logins over its back channel.
# ciba = false
# # In place of a secret, for private_key_jwt: public keys, each a JWK as text.
# keys = []
# # Bind all its tokens to a DPoP key.
# dpop = false
# # Take its plain logins from the browser, without pushing.
# unpushed = false
# # Share logins with the relying parties that name the same group.
# single_sign_on = "municipality"
# post_logout_redirect_uris = ["https://netbank.example/"]
# backchannel_logout_uri = "https://netbank.example/backchannel-logout"
# ciba_notification_uri = "https://netbank.example/ciba-notification"
# # The citizen's own site: may ask for the scope self_service.
# self_service = false
"#;
