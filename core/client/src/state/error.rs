//! Why a store did not open or save, and what to do about it.

use std::path::{Path, PathBuf};

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident: $type:ty = $field_doc:literal),* })? =
        $en:literal, $da:literal, $sample:expr;)*) => {
        /// Why a store did not open or save. Its text says what to do.
        #[derive(Debug, thiserror::Error)]
        #[non_exhaustive]
        pub enum StoreError {
            $(#[doc = $en] #[error($en)] $name $({ $(#[doc = $field_doc] $field: $type,)* })?,)*
        }

        impl StoreError {
            /// What a Danish reader is told.
            #[must_use]
            pub const fn danish(&self) -> &'static str {
                match self { $(Self::$name $({ $($field: _),* })? => $da,)* }
            }

            #[cfg(test)]
            fn samples() -> Vec<Self> {
                vec![$($sample,)*]
            }
        }
    };
}

errors! {
    InUse { path: PathBuf = "The profile's directory." } =
        "the profile in {path} is in use by another process; end that one, or use another profile",
        "Profilen bruges af et andet program. Luk det, eller brug en anden profil.",
        Self::InUse { path: "/p".into() };
    Damaged =
        "the stored data is damaged or was replaced; nothing was changed: restore the profile's whole directory, or activate this phone again in a new profile",
        "De gemte data er beskadiget eller udskiftet. Aktivér appen igen.",
        Self::Damaged;
    Newer =
        "the profile was written by a newer version; use that version",
        "Profilen er skrevet af en nyere version. Opdatér appen.",
        Self::Newer;
    PassphraseNeeded =
        "the profile is protected by a passphrase; give it",
        "Profilen er beskyttet af en adgangssætning. Indtast den.",
        Self::PassphraseNeeded;
    PassphraseWrong =
        "the passphrase is wrong; nothing was changed: try again",
        "Adgangssætningen er forkert. Prøv igen.",
        Self::PassphraseWrong;
    PassphraseTooShort =
        "the passphrase is too short; choose one of at least 12 characters",
        "Adgangssætningen er for kort. Vælg en på mindst 12 tegn.",
        Self::PassphraseTooShort;
    OtherMethod { recorded: &'static str = "How the profile is protected." } =
        "the profile is protected by {recorded}, and something else was asked for; open it that way, or make a new profile",
        "Profilen er beskyttet på en anden måde. Åbn den på den måde, den blev oprettet.",
        Self::OtherMethod { recorded: "a key file" };
    KeyStoreUnavailable =
        "the operating system's key store, which holds this profile's key, does not answer; start it (on Linux: a secret service on the session bus) and try again",
        "Systemets nøglelager svarer ikke. Log ind på computeren, og prøv igen.",
        Self::KeyStoreUnavailable;
    KeyStoreLocked =
        "the operating system's key store is locked; unlock it and try again",
        "Systemets nøglelager er låst. Lås det op, og prøv igen.",
        Self::KeyStoreLocked;
    KeyMissing =
        "this profile's key is gone, and what it sealed cannot be read; restore it, or activate this phone again in a new profile",
        "Profilens nøgle findes ikke længere. Aktivér appen igen.",
        Self::KeyMissing;
    TooOpen { path: PathBuf = "The file or directory." } =
        "others can read {path}; restrict it to its owner (chmod go-rwx) and consider its content known",
        "Andre på computeren kan læse profilen. Begræns adgangen til dig selv.",
        Self::TooOpen { path: "/p".into() };
    Stopped =
        "the program is ending and nothing was read or written; start it again",
        "Programmet er ved at lukke. Start det igen.",
        Self::Stopped;
    TooLarge =
        "the data is larger than a sealed file may be",
        "Der er for mange data til at gemme.",
        Self::TooLarge;
    Io { path: PathBuf = "The file or directory.", source: std::io::Error = "What the system said." } =
        "{path} cannot be read or written ({source}); check that the disk has room and that the directory is yours",
        "Data kan ikke gemmes. Kontrollér, at der er plads på disken.",
        Self::Io { path: "/p".into(), source: std::io::ErrorKind::StorageFull.into() };
}

impl StoreError {
    /// Says which file an error of the system's is about.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::StoreError;

    #[test]
    fn every_error_says_what_to_do_in_both_languages() {
        for error in StoreError::samples() {
            let (english, danish) = (error.to_string(), error.danish());
            assert!(english.len() > 30, "{english}");
            assert!(danish.len() > 30 && danish.ends_with('.'), "{danish}");
            assert!(!english.contains('{'), "{english}");
        }
    }
}
