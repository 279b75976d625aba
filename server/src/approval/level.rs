//! Which level an approval reaches, and what may prove the person: the lowest of identity, authenticator and binding. What
//! an authenticator is worth, the policy says ([`crate::policy`]).

use godkend_protocol::codes::Code;
use godkend_protocol::types::{Action, Binding, Factor, KeyPurpose, Level, SecurityLevel};

use crate::app::App;
use crate::error::ApiError;
use crate::means::CHIP;
use crate::policy::{self, Proved};
use crate::records::{Account, Device};

/// The level of the device's keys with this factor, and of a chip of that worth beside them; `None` where the device lacks
/// the factor.
pub(super) fn authenticator(app: &App, device: &Device, factor: Factor, chip: Option<Level>) -> Option<Level> {
    let security = authenticator_security(device, factor)?;
    let both = chip.and_then(|worth| given(app, security, &[Proved::of(CHIP)]).map(|level| level.min(worth)));
    own_level(app, security).max(both)
}

/// The level of an offline code of the device: the finger or face before it, and the key that makes it.
pub(super) fn offline(app: &App, device: &Device) -> Option<Level> {
    own_level(app, offline_security(device)?)
}

/// What an approval with this factor, binding and chip is worth; `None` where the device lacks the factor.
pub(super) fn reached(
    app: &App,
    account: &Account,
    device: &Device,
    factor: Factor,
    binding: Binding,
    chip: Option<Level>,
) -> Option<Level> {
    authenticator(app, device, factor, chip).map(|level| level.min(account.identity_level).min(binding.cap()))
}

/// What may prove the person for this action.
///
/// # Errors
/// [`Code::LevelUnreachable`] where no factor of this device reaches `least`; [`Code::PinMissing`] and
/// [`Code::PinNeeded`] where the device has none that the action takes.
pub(super) fn factors(
    app: &App,
    account: &Account,
    device: &Device,
    action: Action,
    binding: Binding,
    least: Level,
    chip: Option<Level>,
) -> Result<Vec<Factor>, ApiError> {
    let trusted = device.epoch == app.log.epoch();
    let usable = usable(action, device, trusted);
    if usable.is_empty() {
        return Err(Code::PinMissing.into());
    }
    if !action.is_relying_party() {
        return Ok(usable);
    }
    let enough =
        |factor: &Factor| reached(app, account, device, *factor, binding, chip).is_some_and(|level| level >= least);
    let factors: Vec<_> = usable.into_iter().filter(enough).collect();
    if factors.is_empty() { Err(Code::LevelUnreachable.into()) } else { Ok(factors) }
}

/// What the policy gives for the app alone, by where its keys are.
fn own_level(app: &App, security: SecurityLevel) -> Option<Level> {
    given(app, security, &[])
}

/// What it gives for the app with these beside it.
fn given(app: &App, security: SecurityLevel, beside: &[Proved<'_>]) -> Option<Level> {
    let software_is_high = app.config.server.test_environment && app.config.approval.software_keys_high;
    let hardware = security >= SecurityLevel::TrustedEnvironment || software_is_high;
    let own = Some(app.policy.app_level(hardware));
    let app_itself = Proved { name: policy::APP, own };
    app.policy.level(&core::iter::once(app_itself).chain(beside.iter().copied()).collect::<Vec<_>>())
}

/// Where the weakest key is that answers with this factor; `None` where the device lacks it.
fn authenticator_security(device: &Device, factor: Factor) -> Option<SecurityLevel> {
    let security = |purpose| device.keys.iter().find(|key| key.purpose == purpose).map(|key| key.security);
    let possession = security(KeyPurpose::Possession)?;
    match factor {
        Factor::None => None,
        Factor::Pin => device.pin.as_ref().map(|_| possession),
        Factor::Biometric => Some(possession.min(security(KeyPurpose::Biometric)?)),
    }
}

fn offline_security(device: &Device) -> Option<SecurityLevel> {
    let key = device.keys.iter().find(|key| key.purpose == KeyPurpose::Offline)?;
    authenticator_security(device, Factor::Biometric).map(|security| security.min(key.security))
}

/// The factors that an action takes and the device has. In a new epoch (`trusted` is false) the PIN comes first.
fn usable(action: Action, device: &Device, trusted: bool) -> Vec<Factor> {
    let has = |purpose| device.keys.iter().any(|key| key.purpose == purpose);
    let takes_biometric = match action {
        // These give new means to whoever holds the phone: the PIN, not a finger.
        Action::FinishEnrolment | Action::ChangePin | Action::AddKeys | Action::RotateKeys | Action::MoveDevice => {
            false
        }
        Action::LogOn
        | Action::Approve
        | Action::Confirm
        | Action::Accept
        | Action::Sign
        | Action::RemoveKeys
        | Action::RemoveDevice
        | Action::ForgetBrowser
        | Action::NewDeviceNotice
        | Action::SetLockedPush => true,
    };
    let mut factors = Vec::new();
    if device.pin.is_some() {
        factors.push(Factor::Pin);
    }
    if takes_biometric && trusted && has(KeyPurpose::Biometric) {
        factors.push(Factor::Biometric);
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::super::testing::device;
    use super::*;

    #[test]
    fn the_weakest_key_of_a_factor_counts() {
        let mut device = device();
        assert_eq!(authenticator_security(&device, Factor::Pin), Some(SecurityLevel::Software));
        device.keys[0].security = SecurityLevel::Dedicated;
        assert_eq!(authenticator_security(&device, Factor::Pin), Some(SecurityLevel::Dedicated));
        assert_eq!(authenticator_security(&device, Factor::Biometric), Some(SecurityLevel::Software));
        assert_eq!(authenticator_security(&device, Factor::None), None);
        device.keys.retain(|key| key.purpose != KeyPurpose::Biometric);
        assert_eq!(authenticator_security(&device, Factor::Biometric), None);
    }

    #[test]
    fn an_offline_code_is_worth_its_weakest_key() {
        let mut device = device();
        assert_eq!(offline_security(&device), None);
        let mut key = device.keys[1].clone();
        (key.purpose, key.security) = (KeyPurpose::Offline, SecurityLevel::Software);
        device.keys.push(key);
        device.keys[0].security = SecurityLevel::Dedicated;
        device.keys[1].security = SecurityLevel::Dedicated;
        assert_eq!(authenticator_security(&device, Factor::Biometric), Some(SecurityLevel::Dedicated));
        assert_eq!(offline_security(&device), Some(SecurityLevel::Software));
        device.keys[2].security = SecurityLevel::TrustedEnvironment;
        assert_eq!(offline_security(&device), Some(SecurityLevel::TrustedEnvironment));
        device.keys[1].security = SecurityLevel::Software;
        assert_eq!(offline_security(&device), Some(SecurityLevel::Software));
    }

    #[test]
    fn new_means_take_the_pin_and_a_new_epoch_too() {
        let mut device = device();
        assert_eq!(usable(Action::LogOn, &device, true), [Factor::Pin, Factor::Biometric]);
        assert_eq!(usable(Action::AddKeys, &device, true), [Factor::Pin]);
        assert_eq!(usable(Action::LogOn, &device, false), [Factor::Pin]);
        device.pin = None;
        assert_eq!(usable(Action::LogOn, &device, false), []);
        assert_eq!(usable(Action::ChangePin, &device, true), []);
    }
}
