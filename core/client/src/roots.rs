//! The roots of trust that an app carries: JSON written by the server's `init`, or built into the app.

use std::path::{Path, PathBuf};

use godkend_protocol::bytes::Hash32;
use godkend_protocol::crypto;
use godkend_protocol::formats::link::is_environment;
pub use godkend_protocol::keyset::Root;
use serde::Deserialize;

use crate::transport::base_url;

/// Why roots were refused.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The file cannot be read.
    #[error("the root file {path} cannot be read ({source}); give the file that the server's `init` wrote")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a root, and not a list of them.
    #[error("this is not a root file ({0}); give the file that the server's `init` wrote")]
    Json(#[from] serde_json::Error),
    /// A root whose fields do not hold together.
    #[error(
        "the root of environment {environment:?} has a bad {field}; get the file again from the environment's operator"
    )]
    Field {
        /// The root's environment, as written.
        environment: String,
        /// Which field is wrong.
        field: &'static str,
    },
    /// Two different roots for one environment.
    #[error("two different roots speak for the environment {0:?}; keep the right one")]
    Twice(String),
}

/// Roots, each for an environment of its own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roots(Vec<Root>);

impl Roots {
    /// Checks roots that the program itself brings along.
    ///
    /// # Errors
    /// [`RootError::Field`] and [`RootError::Twice`].
    pub fn new(roots: impl IntoIterator<Item = Root>) -> Result<Self, RootError> {
        let mut all = Self::default();
        for root in roots {
            all.add(root)?;
        }
        Ok(all)
    }

    /// Reads one root, or a list of them.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn from_json(text: &str) -> Result<Self, RootError> {
        /// One or several.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum File {
            One(Root),
            Several(Vec<Root>),
        }
        Self::new(match serde_json::from_str(text)? {
            File::One(root) => vec![root],
            File::Several(roots) => roots,
        })
    }

    /// Reads several files.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn from_files(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self, RootError> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let text =
                std::fs::read_to_string(path).map_err(|source| RootError::Io { path: path.to_owned(), source })?;
            for root in Self::from_json(&text)?.0 {
                all.add(root)?;
            }
        }
        Ok(all)
    }

    /// The root that an activation link names.
    #[must_use]
    pub fn by_fingerprint(&self, fingerprint: &Hash32) -> Option<&Root> {
        self.0.iter().find(|root| root.fingerprint() == *fingerprint)
    }

    /// The root of an environment.
    #[must_use]
    pub fn by_environment(&self, environment: &str) -> Option<&Root> {
        self.0.iter().find(|root| root.environment == environment)
    }

    /// The only root, where there is one only: a typed activation code names none.
    #[must_use]
    pub fn only(&self) -> Option<&Root> {
        match self.0.as_slice() {
            [root] => Some(root),
            _ => None,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Root> {
        self.0.iter()
    }

    fn add(&mut self, root: Root) -> Result<(), RootError> {
        let bad = |field| Err(RootError::Field { environment: root.environment.clone(), field });
        if !is_environment(&root.environment) {
            return bad("environment");
        }
        if base_url(&root.url).is_err() {
            return bad("url");
        }
        if !crypto::is_valid_point(&root.key) {
            return bad("key");
        }
        if root.pq_key.as_ref().is_some_and(|key| key.0.len() != PQ_KEY_LENGTH) {
            return bad("pq_key");
        }
        match self.by_environment(&root.environment) {
            Some(known) if *known == root => {}
            Some(_) => return Err(RootError::Twice(root.environment)),
            None => self.0.push(root),
        }
        Ok(())
    }
}

/// An ML-DSA-65 public key (FIPS 204, table 2).
const PQ_KEY_LENGTH: usize = 1952;

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::{Blob, Secret};

    use super::*;

    fn root(environment: &str, seed: u8) -> Root {
        Root {
            environment: environment.to_owned(),
            url: "https://id.example".to_owned(),
            key: crypto::p256_public(&Secret([seed; 32])).unwrap(),
            pq_key: None,
        }
    }

    #[test]
    fn roots_are_read_from_json_alone_or_in_a_list() {
        let (test, demo) = (root("test", 1), Root { pq_key: Some(Blob(vec![1; 1952])), ..root("demo", 2) });
        let one = Roots::from_json(&serde_json::to_string(&test).unwrap()).unwrap();
        assert_eq!(one.only(), Some(&test));
        let two = Roots::from_json(&serde_json::to_string(&[&test, &demo]).unwrap()).unwrap();
        assert_eq!(two.only(), None);
        assert_eq!(two.by_fingerprint(&demo.fingerprint()), Some(&demo));
        assert_eq!(two.by_environment("test"), Some(&test));
        assert_eq!(two.by_environment("prod"), None);
        // A root without a second key may leave the field out.
        let key = test.key.to_base64();
        let text = format!(r#"{{"environment":"test","url":"https://id.example","key":"{key}"}}"#);
        assert_eq!(Roots::from_json(&text).unwrap(), one);
    }

    #[test]
    fn files_are_read_together_and_a_missing_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, root: &Root| {
            let path = directory.path().join(name);
            std::fs::write(&path, serde_json::to_string(root).unwrap()).unwrap();
            path
        };
        let paths = [write("a", &root("test", 1)), write("b", &root("demo", 2)), write("c", &root("test", 1))];
        assert_eq!(Roots::from_files(paths).unwrap().iter().count(), 2);
        let paths = [write("a", &root("test", 1)), write("b", &root("test", 2))];
        assert!(matches!(Roots::from_files(paths), Err(RootError::Twice(name)) if name == "test"));
        let missing = Roots::from_files([directory.path().join("none")]).unwrap_err();
        assert!(missing.to_string().contains("none"), "{missing}");
    }

    #[test]
    fn what_does_not_hold_together_is_refused_by_field() {
        let good = root("test", 1);
        let mut off_curve = good.key;
        off_curve.0[40] ^= 1;
        let cases = [
            ("environment", Root { environment: "Test".to_owned(), ..good.clone() }),
            ("url", Root { url: "http://id.example".to_owned(), ..good.clone() }),
            ("url", Root { url: "https://id.example/path".to_owned(), ..good.clone() }),
            ("key", Root { key: off_curve, ..good.clone() }),
            ("pq_key", Root { pq_key: Some(Blob(vec![1; 32])), ..good }),
        ];
        for (expected, root) in cases {
            assert!(
                matches!(Roots::new([root]), Err(RootError::Field { field, .. }) if field == expected),
                "{expected}"
            );
        }
        assert!(matches!(Roots::from_json("{}"), Err(RootError::Json(_))));
    }
}
