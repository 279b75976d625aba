//! Policy as data: which combination of means gives which level, in which order, with which tries and waits.
//!
//! One file, [`DEFAULT`] unless `means.policy` names another. [`Policy::check`] proves before anything is served that
//! nothing in it reaches a level that the means together cannot carry.

mod check;
mod table;

pub use check::Implemented;

use godkend_protocol::types::Level;
use serde::{Deserialize, Serialize};

use crate::config::Level as Named;
use crate::oidc::request::level_of;

/// The policy that is used where the configuration names none.
pub const DEFAULT: &str = include_str!("policy.toml");

/// The app's name in the policy.
pub const APP: &str = "app";

/// A factor of authentication.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something that the person knows.
    Knowledge,
    /// Something that the person has.
    Possession,
    /// Something that the person is.
    Inherence,
}

/// Everything that the policy file says.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The app's own level.
    pub app: AppLevels,
    /// The means.
    pub means: Vec<MeansRule>,
    /// Which combinations give which level, best first.
    pub combination: Vec<Combination>,
    /// Tries and waits.
    pub tries: Tries,
    /// How far a code display may be from where it is believed to be.
    pub code_display: DisplayWindows,
    /// Which chips are taken, and what they are worth.
    #[serde(default)]
    pub chip: ChipRules,
}

/// The app's own level, by where its keys are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppLevels {
    /// Attested in hardware.
    pub hardware_keys: Named,
    /// In software.
    pub software_keys: Named,
}

/// What the policy says of one means.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeansRule {
    /// Its name: lower-case letters and underscores.
    pub name: String,
    /// What a Danish reader calls it.
    pub danish: String,
    /// What an English reader calls it.
    pub english: String,
    /// What a Greenlandic reader calls it; the Danish name where there is none.
    #[serde(default)]
    pub greenlandic: Option<String>,
    /// The factors that it proves.
    pub kinds: Vec<Kind>,
    /// The highest level that a combination can owe to it.
    pub most: Named,
}

/// The level of a combination.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Worth {
    /// Low.
    Low,
    /// Substantial.
    Substantial,
    /// High.
    High,
    /// The app's own.
    Own,
}

/// One combination.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combination {
    /// The names of its means.
    pub means: Vec<String>,
    /// What it gives.
    pub level: Worth,
}

impl Combination {
    /// A chip is a part of it, which has a worth of its own.
    pub(crate) fn has_chip(&self) -> bool {
        self.means.iter().any(|name| name == crate::means::CHIP)
    }

    /// The app is a part of it.
    pub(crate) fn has_app(&self) -> bool {
        self.means.iter().any(|name| name == APP)
    }

    /// Its name towards pages: the means' names, joined by `+`.
    #[must_use]
    pub fn name(&self) -> String {
        self.means.join("+")
    }
}

/// Tries and waits of what is proved on a page.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tries {
    /// Failures in a row before a wait.
    pub in_a_row: u32,
    /// Waits of a browser that the person has signed in with, seconds.
    pub own_browser_waits: Vec<u32>,
    /// Waits of all other browsers together, seconds.
    pub stranger_waits: Vec<u32>,
    /// Waits after a possession was proved that cannot be guessed, seconds.
    pub proved_waits: Vec<u32>,
    /// Of the strangers' tries, those that one address may use up in a day.
    pub one_address: u32,
}

/// As [`godkend_oath::Windows`], whose fields these are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisplayWindows {
    /// HOTP: codes that may have been shown and not used.
    pub ahead: u32,
    /// TOTP: steps before and after the expected one.
    pub around: u32,
    /// HOTP: how far two codes in a row are looked for.
    pub resynchronise_ahead: u32,
    /// TOTP: the same.
    pub resynchronise_around: u32,
    /// TOTP: the most that a clock may have drifted, steps.
    pub most_drift: u32,
}

/// Which chips are taken, and what they are worth.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChipRules {
    /// A chip must have verified its person itself, by a PIN or a finger, each time.
    pub user_verification: bool,
    /// Keys that are copied to other devices are taken too.
    pub synchronised: bool,
    /// Only chips whose make is proved are taken.
    pub attestation_required: bool,
    /// What a chip is worth at most whose make is proved.
    pub attested: Named,
    /// The same for all others.
    pub unattested: Named,
    /// Certificates of makers' authorities, each in PEM.
    pub authorities: Vec<String>,
    /// The makes (AAGUID) that are taken as proved; none for all under the authorities.
    pub models: Vec<String>,
}

impl Default for ChipRules {
    fn default() -> Self {
        Self {
            user_verification: true,
            synchronised: false,
            attestation_required: false,
            attested: Named::High,
            unattested: Named::Substantial,
            authorities: Vec::new(),
            models: Vec::new(),
        }
    }
}

impl From<DisplayWindows> for godkend_oath::Windows {
    fn from(windows: DisplayWindows) -> Self {
        let DisplayWindows { ahead, around, resynchronise_ahead, resynchronise_around, most_drift } = windows;
        Self { ahead, around, resynchronise_ahead, resynchronise_around, most_drift }
    }
}

/// A means that was proved, with its own level where it has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proved<'a> {
    /// Its name in the policy.
    pub name: &'a str,
    /// The app's own level.
    pub own: Option<Level>,
}

impl<'a> Proved<'a> {
    /// A means without a level of its own.
    #[must_use]
    pub const fn of(name: &'a str) -> Self {
        Self { name, own: None }
    }
}

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("the policy {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or a setting is missing, unknown or of the wrong kind.
    #[error("the policy does not fit: {0}")]
    Syntax(String),
    /// It breaks what must always hold.
    #[error("the policy is not sound:{}", .0.iter().map(|line| format!("\n- {line}")).collect::<String>())]
    Unsound(Vec<String>),
}

impl Policy {
    /// Reads a policy. It is not checked: see [`Self::check`].
    ///
    /// # Errors
    /// [`PolicyError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        toml::from_str(text).map_err(|error| PolicyError::Syntax(error.message().to_owned()))
    }

    /// The policy that a configuration names, checked against the means that are there.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn load(config: &crate::config::Config, implemented: &[Implemented]) -> Result<Self, PolicyError> {
        let path = &config.means.policy;
        let policy = if path.as_os_str().is_empty() {
            Self::parse(DEFAULT)?
        } else {
            let path = config.beside_file(path);
            let text = std::fs::read_to_string(&path).map_err(|source| PolicyError::Read { path, source })?;
            Self::parse(&text)?
        };
        let broken = policy.check(implemented);
        if broken.is_empty() { Ok(policy) } else { Err(PolicyError::Unsound(broken)) }
    }

    /// What the policy says of a means.
    #[must_use]
    pub fn means(&self, name: &str) -> Option<&MeansRule> {
        self.means.iter().find(|means| means.name == name)
    }

    /// The highest level that the proved means give together; `None` if they give none.
    #[must_use]
    pub fn level(&self, proved: &[Proved<'_>]) -> Option<Level> {
        let given = |combination: &Combination| {
            let of = |name: &String| proved.iter().find(|proved| proved.name == name);
            let all: Option<Vec<_>> = combination.means.iter().map(of).collect();
            let all = all?;
            Some(match combination.level {
                Worth::Low => Level::Low,
                Worth::Substantial => Level::Substantial,
                Worth::High => Level::High,
                Worth::Own => all.iter().find_map(|proved| proved.own)?,
            })
        };
        self.combination.iter().filter_map(given).max()
    }

    /// The app's own level: `hardware` says where its keys are.
    #[must_use]
    pub fn app_level(&self, hardware: bool) -> Level {
        level_of(if hardware { self.app.hardware_keys } else { self.app.software_keys })
    }

    /// The combinations that can reach `least`, best first. The app's own counts as what it can be at best.
    pub fn reaching(&self, least: Level) -> impl Iterator<Item = &Combination> {
        self.combination.iter().filter(move |combination| self.at_best(combination) >= least)
    }

    /// What a combination can give at best.
    #[must_use]
    pub fn at_best(&self, combination: &Combination) -> Level {
        let level = match combination.level {
            Worth::Low => Level::Low,
            Worth::Substantial => Level::Substantial,
            Worth::High => Level::High,
            Worth::Own => self.app_level(true).max(self.app_level(false)),
        };
        if combination.has_chip() { level.min(level_of(self.chip.attested)) } else { level }
    }
}

#[cfg(test)]
mod tests;
