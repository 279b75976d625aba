//! The app's version: which are served, and what the phone is told of its own.

use godkend_protocol::codes::Code;
use godkend_protocol::types::VersionPolicy;

use crate::app::App;
use crate::config::{self, Version};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::records::Device;

/// Whether an app of this version is served at `now` (Unix seconds).
///
/// # Errors
/// [`Code::Malformed`] for what is no version, [`Code::UpdateNeeded`] for one that is refused.
pub fn check(policy: &config::AppVersions, version: &str, now: i64) -> Result<(), ApiError> {
    let version = Version::parse(version).ok_or(Code::Malformed)?;
    let refused = below(version, &policy.refused_below);
    let late = below(version, &policy.required) && policy.required_from().is_some_and(|from| now >= from);
    if refused || late { Err(Code::UpdateNeeded.into()) } else { Ok(()) }
}

/// What a phone is told of its version at `now` (Unix seconds).
#[must_use]
pub fn policy(policy: &config::AppVersions, version: &str, now: i64) -> VersionPolicy {
    let Some(version) = Version::parse(version) else { return VersionPolicy::Recommended };
    match policy.required_from() {
        // One that is refused hears it in answers that no first message went before.
        _ if below(version, &policy.refused_below) => VersionPolicy::RequiredFrom { at: now },
        Some(at) if below(version, &policy.required) => VersionPolicy::RequiredFrom { at },
        _ if below(version, &policy.recommended) => VersionPolicy::Recommended,
        _ => VersionPolicy::Current,
    }
}

/// Keeps the version that a device names, if it is another than before: answers name none.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn note(app: &App, device: &Device, version: &str) -> Result<(), ApiError> {
    if device.info.app_version == version {
        return Ok(());
    }
    docs::retry(|| async move {
        // Read anew: what a handler holds may say how the device stands by now, which is not for this to store.
        let Some(mut entry) = docs::get::<Device>(&*app.store, &device.id.0).await? else { return Ok(()) };
        version.clone_into(&mut entry.doc.info.app_version);
        let mut changes = Changes::new();
        changes.update(&entry);
        changes.commit(&*app.store).await.map(|_| ())
    })
    .await
}

fn below(version: Version, least: &str) -> bool {
    Version::parse(least).is_some_and(|least| version < least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions() -> config::AppVersions {
        config::AppVersions {
            recommended: "2.1.0".to_owned(),
            required: "2.0.0".to_owned(),
            required_from: "1000".to_owned(),
            refused_below: "1.10.0".to_owned(),
        }
    }

    #[test]
    fn old_versions_are_told_in_time_and_then_refused() {
        let versions = versions();
        let check = |version: &str, now| check(&versions, version, now).map_err(|error| error.code);
        let policy = |version: &str| policy(&versions, version, 500);
        assert_eq!((check("2.1.0", 5_000), policy("2.1.0")), (Ok(()), VersionPolicy::Current));
        assert_eq!((check("2.0.9", 5_000), policy("2.0.9")), (Ok(()), VersionPolicy::Recommended));
        assert_eq!((check("1.99.9", 999), policy("1.99.9")), (Ok(()), VersionPolicy::RequiredFrom { at: 1_000 }));
        assert_eq!(check("1.99.9", 1_000), Err(Code::UpdateNeeded));
        // Numbers, not texts: 1.9 is older than 1.10.
        assert_eq!(check("1.9.9", 0), Err(Code::UpdateNeeded));
        assert_eq!(check("1.10.0", 0), Ok(()));
        for bad in ["", "1", "1.0", "1.0.0.0", "1.0.x", "1..0", "123456.0.0", "1.0.0 ", "+1.0.0"] {
            assert_eq!(check(bad, 0), Err(Code::Malformed), "{bad}");
        }
    }

    #[test]
    fn by_default_every_version_is_current() {
        let none = config::AppVersions::default();
        assert_eq!(check(&none, "0.0.1", i64::MAX), Ok(()));
        assert_eq!(policy(&none, "0.0.1", i64::MAX), VersionPolicy::Current);
    }
}
