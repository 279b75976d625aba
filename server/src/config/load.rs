//! Reading the file and the environment.
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::check::Finding;
use super::settings::{Kind, SECTIONS, SETTINGS, Setting};
use super::{Config, RelyingParty};

/// Why there is no configuration. What is merely unwise or unknown comes from [`Config::check`] instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read: name another, or write one with `init`.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is not TOML: correct the place named.
    #[error("the configuration is not valid TOML: {0}")]
    Syntax(String),
    /// A setting has a value of the wrong kind: correct it where the sentence says.
    #[error("{0}")]
    Value(String),
}

impl Config {
    /// Reads the file at `path` and lays the environment's variables (name and value) over it.
    ///
    /// # Errors
    /// [`ConfigError`], if the file cannot be read or a value is of the wrong kind. Unknown settings do not end
    /// loading: [`Config::check`] reports them as errors, with everything else at once.
    pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let base = path.parent().map(Path::to_owned).unwrap_or_default();
        Self::parse(&text, base, env)
    }

    /// As [`Config::load`], from text; `base` is the folder that relative paths start from.
    ///
    /// # Errors
    /// As [`Config::load`], but for the reading.
    pub fn parse(text: &str, base: PathBuf, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut file: Table = text.parse().map_err(|e: toml::de::Error| ConfigError::Syntax(e.to_string()))?;
        let mut unknown = unknown_in_file(&file);
        for (name, value) in env.filter(|(name, _)| name.starts_with("GODKEND_")) {
            match SETTINGS.iter().find(|setting| setting.variable() == name) {
                Some(setting) => {
                    let value = from_text(setting, &value)?;
                    let section = file.entry(setting.section).or_insert_with(|| Value::Table(Table::new()));
                    if let Value::Table(section) = section {
                        section.insert(setting.key.to_owned(), value);
                    }
                }
                None => unknown.extend(unknown_variable(&name)),
            }
        }
        let mut config = read_sections(file)?;
        config.unknown = unknown;
        config.base = base;
        Ok(config)
    }

    /// Findings about names that exist nowhere.
    pub(super) fn unknown(&self) -> &[Finding] {
        &self.unknown
    }
}

/// One section at a time, so that an error names its setting.
fn read_sections(mut file: Table) -> Result<Config, ConfigError> {
    let mut known = Table::new();
    for setting in SETTINGS {
        let section = match file.get_mut(setting.section) {
            Some(Value::Table(section)) => section,
            Some(_) => {
                return Err(ConfigError::Value(format!("[{}] must be a table.", setting.section)));
            }
            None => continue,
        };
        let Some(value) = section.remove(setting.key) else {
            continue;
        };
        let mut alone = Table::new();
        alone.insert(setting.key.to_owned(), value.clone());
        let mut table = Table::new();
        table.insert(setting.section.to_owned(), Value::Table(alone));
        table.try_into::<Config>().map_err(|e| {
            ConfigError::Value(format!(
                "{} (variable {}) does not fit: {}.",
                setting.name(),
                setting.variable(),
                sentence(&e)
            ))
        })?;
        if let Value::Table(section) = known.entry(setting.section).or_insert_with(|| Value::Table(Table::new())) {
            section.insert(setting.key.to_owned(), value);
        }
    }
    let mut config: Config = known.try_into().map_err(|e| ConfigError::Value(sentence(&e)))?;
    match file.remove("attestation") {
        Some(Value::Table(table)) => config.attestation = table,
        Some(_) => {
            return Err(ConfigError::Value("[attestation] must be a table.".to_owned()));
        }
        None => {}
    }
    match file.remove("relying_party") {
        Some(Value::Array(list)) => {
            for (number, entry) in (1..).zip(list) {
                let entry = entry.try_into::<RelyingParty>().map_err(|e| {
                    ConfigError::Value(format!("[[relying_party]] number {number} does not fit: {}.", sentence(&e)))
                })?;
                config.relying_party.push(entry);
            }
        }
        Some(_) => {
            return Err(ConfigError::Value("relying_party must be written as [[relying_party]] tables.".to_owned()));
        }
        None => {}
    }
    Ok(config)
}

fn sentence(error: &toml::de::Error) -> String {
    error.message().trim_end_matches('.').to_owned()
}

/// The fields of `[[relying_party]]`.
pub(crate) const RELYING_PARTY_KEYS: &[&str] = &[
    "client_id",
    "client_secret_sha256",
    "redirect_uris",
    "name",
    "sector",
    "levels",
    "cpr",
    "ciba",
    "keys",
    "dpop",
    "unpushed",
    "single_sign_on",
    "post_logout_redirect_uris",
    "backchannel_logout_uri",
    "ciba_notification_uri",
    "self_service",
];

fn unknown_in_file(file: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (section, content) in file {
        if section == "attestation" {
            continue;
        }
        if section == "relying_party" {
            for entry in content.as_array().into_iter().flatten().filter_map(Value::as_table) {
                let strange = entry.keys().filter(|key| !RELYING_PARTY_KEYS.contains(&key.as_str()));
                findings.extend(
                    strange.map(|key| {
                        Finding::error(format!("relying_party.{key}"), "is no setting; correct or remove it")
                    }),
                );
            }
        } else if SECTIONS.iter().any(|(known, _)| known == section) {
            for key in content.as_table().into_iter().flat_map(Table::keys) {
                if !SETTINGS.iter().any(|s| s.section == section && s.key == key) {
                    findings.push(Finding::error(format!("{section}.{key}"), "is no setting; correct or remove it"));
                }
            }
        } else {
            findings.push(Finding::error(section.clone(), "is no section of this file; correct or remove it"));
        }
    }
    findings
}

/// A variable of one of the server's sections is a slip; others may belong to another program.
fn unknown_variable(name: &str) -> Option<Finding> {
    let rest = name.strip_prefix("GODKEND_")?.to_ascii_lowercase();
    let ours = SECTIONS.iter().any(|(section, _)| rest.starts_with(&format!("{section}_")));
    ours.then(|| {
        Finding::error(name.to_owned(), "is set in the environment but overrides no setting; correct or unset it")
    })
}

fn from_text(setting: &Setting, text: &str) -> Result<Value, ConfigError> {
    let wrong = |expected: &str| ConfigError::Value(format!("{} must be {expected}.", setting.variable()));
    let list =
        || format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v")).filter(Value::is_array);
    match setting.kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Number => text.trim().parse::<i64>().map(Value::Integer).map_err(|_| wrong("a whole number")),
        Kind::Switch => text.trim().parse::<bool>().map(Value::Boolean).map_err(|_| wrong("true or false")),
        Kind::NumberList => list().ok_or_else(|| wrong("a list of whole numbers such as [60, 3600]")),
        Kind::TextList => list().ok_or_else(|| wrong("a list of texts such as [\"127.0.0.1\"]")),
    }
}

/// A socket address, or the empty string for none.
pub(super) mod optional_address {
    use std::net::SocketAddr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::config) fn serialize<S: Serializer>(
        address: &Option<SocketAddr>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&address.map(|a| a.to_string()).unwrap_or_default())
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| D::Error::custom("a socket address such as 127.0.0.1:9464 is needed"))
    }
}
