//! Where things are kept: phones under `profiles/`, the embedded server under `server/`, remembered browsers under
//! `browsers/`.

use std::path::{Path, PathBuf};

use godkend_client::roots::Roots;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::problem::Problem;
use crate::secret::SecretText;

/// The program's directory.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    directory: PathBuf,
    /// The server's directory, if it is not the one inside.
    server: Option<PathBuf>,
    roots: Vec<PathBuf>,
}

/// A relying party as the testers' program plays it; its secret makes the file one of mode 0600.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct RelyingPartyFile {
    /// `client_id`.
    pub(crate) client_id: String,
    /// `client_secret`.
    pub(crate) client_secret: SecretText,
    /// Where the browser comes back to.
    pub(crate) redirect_uri: String,
}

impl std::fmt::Debug for RelyingPartyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelyingPartyFile").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Home {
    /// The directory given, else the one that `XDG_STATE_HOME` or `HOME` names.
    ///
    /// # Errors
    /// [`Problem::Usage`] where none is named.
    pub(crate) fn new(
        given: Option<PathBuf>,
        server: Option<PathBuf>,
        roots: Vec<PathBuf>,
        env: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, Problem> {
        let state = || env("XDG_STATE_HOME").filter(|path| path.is_absolute());
        let home = || env("HOME").filter(|path| path.is_absolute()).map(|home| home.join(".local/state"));
        let directory = given.or_else(|| state().or_else(home).map(|base| base.join("godkend"))).ok_or_else(|| {
            Problem::usage(
                "Angiv en mappe med --home eller GODKEND_HOME.",
                "Name a folder with --home or GODKEND_HOME.",
            )
        })?;
        Ok(Self { directory, server, roots })
    }

    /// A phone's directory.
    ///
    /// # Errors
    /// [`Problem::Usage`] for a name that is not 1 to 32 letters, digits, hyphens and underscores.
    pub(crate) fn profile(&self, name: &str) -> Result<PathBuf, Problem> {
        Ok(self.directory.join("profiles").join(checked(name)?))
    }

    /// A remembered browser's cookies.
    ///
    /// # Errors
    /// As [`Self::profile`].
    pub(crate) fn browser(&self, name: &str) -> Result<PathBuf, Problem> {
        Ok(self.directory.join("browsers").join(format!("{}.json", checked(name)?)))
    }

    /// The id of the activation or PIN reset that this desk opened last; no secret.
    pub(crate) fn last_enrolment(&self) -> PathBuf {
        self.directory.join("desk").join("last-enrolment")
    }

    /// The directory that `serve` runs in.
    pub(crate) fn server(&self) -> PathBuf {
        self.server.clone().unwrap_or_else(|| self.directory.join("server"))
    }

    /// The roots named on the command line, else the embedded server's own.
    ///
    /// # Errors
    /// [`Problem::Roots`], and [`Problem::Usage`] where there is neither.
    pub(crate) fn roots(&self) -> Result<Roots, Problem> {
        if !self.roots.is_empty() {
            return Ok(Roots::from_files(&self.roots)?);
        }
        let own = root_file(&self.server());
        if own.exists() {
            return Ok(Roots::from_files([own])?);
        }
        Err(Problem::usage(
            "Der er ingen rod at stole på. Angiv serverens root.json med --root, eller start en server med `godkend serve`.",
            "There is no root to trust. Name the server's root.json with --root, or start a server with `godkend serve`.",
        ))
    }

    /// The only root, for a command that talks to one server.
    ///
    /// # Errors
    /// As [`Self::roots`]; [`Problem::Usage`] if there are several.
    pub(crate) fn root(&self) -> Result<godkend_client::Root, Problem> {
        let roots = self.roots()?;
        roots
            .only()
            .cloned()
            .ok_or_else(|| Problem::usage("Angiv præcis én rod med --root.", "Name exactly one root with --root."))
    }
}

/// The public root in a server's directory.
pub(crate) fn root_file(server: &Path) -> PathBuf {
    server.join("data/root.json")
}

/// The desk's token in a server's directory.
pub(crate) fn token_file(server: &Path) -> PathBuf {
    server.join("data/secrets/admin.token")
}

/// The relying party that `serve` sets up beside its server.
pub(crate) fn relying_party_file(server: &Path) -> PathBuf {
    server.join("testbank.json")
}

/// Reads a relying party's file.
///
/// # Errors
/// [`Problem::File`].
pub(crate) fn read_relying_party(path: &Path) -> Result<RelyingPartyFile, Problem> {
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| Problem::file(path, e))?);
    // The library's message may quote what it read, so it is not passed on.
    serde_json::from_str(&text).map_err(|_| Problem::file(path, "this is not a relying party's file"))
}

/// Writes a file that only its owner reads, in place of an earlier one, whole or not at all.
///
/// # Errors
/// [`Problem::File`].
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Problem> {
    use std::io::Write as _;
    let wrong = |error: std::io::Error| Problem::file(path, error);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(wrong)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(wrong)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(wrong)?;
    std::fs::rename(&beside, path).map_err(wrong)
}

fn checked(name: &str) -> Result<&str, Problem> {
    let good =
        (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if good {
        Ok(name)
    } else {
        Err(Problem::usage(
            "Et navn har 1 til 32 bogstaver (a-z), tal, bindestreger og understreger.",
            "A name has 1 to 32 letters (a-z), digits, hyphens and underscores.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(vars: &[(&str, &str)], given: Option<&str>) -> Result<Home, Problem> {
        let env = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value));
        Home::new(given.map(PathBuf::from), None, Vec::new(), env)
    }

    #[test]
    fn the_directory_given_wins_then_the_states_then_the_homes() {
        let both = [("XDG_STATE_HOME", "/state"), ("HOME", "/home/a")];
        let profile = |home: Home| home.profile("a").unwrap();
        assert_eq!(profile(home(&both, Some("/x")).unwrap()), PathBuf::from("/x/profiles/a"));
        assert_eq!(profile(home(&both, None).unwrap()), PathBuf::from("/state/godkend/profiles/a"));
        assert_eq!(profile(home(&both[1..], None).unwrap()), PathBuf::from("/home/a/.local/state/godkend/profiles/a"));
        assert!(home(&[("XDG_STATE_HOME", "relative")], None).is_err());
        assert!(home(&[], None).is_err());
    }

    #[test]
    fn a_name_never_leaves_its_folder() {
        let home = home(&[], Some("/x")).unwrap();
        for name in ["", "..", "a/b", "/etc", "a b", "æ", &"x".repeat(33)] {
            assert!(home.profile(name).is_err(), "{name}");
            assert!(home.browser(name).is_err(), "{name}");
        }
        assert!(home.profile("Anna_2-b").is_ok());
    }

    #[test]
    fn a_private_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file.json");
        write_private(&path, b"a long first content").unwrap();
        write_private(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_relying_party_is_named_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.json");
        std::fs::write(&path, r#"{"client_id": "bank", "client_secret": 12345678}"#).unwrap();
        let error = read_relying_party(&path).unwrap_err().to_string();
        assert!(error.contains("bank.json") && !error.contains("12345678"), "{error}");
    }
}
