//! The phone's own affairs: history, devices, browsers, PIN, biometrics, moving, blocking, removing.

use std::path::Path;

use godkend_core::{Approval, Command, Failure, Outcome};
use godkend_protocol::messages::device::Overview;

use super::Phone;
use super::decide::{With, approval};
use super::requests::parse_id;
use crate::ask;
use crate::exit::Exit;
use crate::json::{Person, Report};
use crate::problem::Problem;
use crate::qr;

/// Who is on this phone.
pub(crate) fn people(phone: &Phone) -> Exit {
    let people = phone.client.identities().iter().map(Person::of).collect();
    phone.out.report(&Report::People { people, activation_pending: phone.client.activation_pending() });
    Exit::Done
}

/// What this phone remembers.
///
/// # Errors
/// [`Failure::NoIdentity`].
pub(crate) fn history(phone: &Phone) -> Result<Exit, Problem> {
    phone.out.report(&Report::of_history(&phone.client.history(phone.person)?));
    Ok(Exit::Done)
}

/// The person's devices.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn devices(phone: &Phone) -> Result<Exit, Problem> {
    let overview = overview(phone).await?;
    phone.out.report(&Report::of_devices(&overview, Some(phone.identity()?.device)));
    Ok(Exit::Done)
}

/// The remembered browsers, or forgets one.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn browsers(phone: &Phone, forget: Option<&str>, with: Option<With>) -> Result<Exit, Problem> {
    let Some(text) = forget else {
        phone.out.report(&Report::of_browsers(&overview(phone).await?));
        return Ok(Exit::Done);
    };
    let browser = parse_id(text)?;
    approved(phone, with, |with| Command::ForgetBrowser { identity: phone.person, browser, with }).await?;
    done(phone, "browser_forgotten")
}

async fn overview(phone: &Phone) -> Result<Overview, Problem> {
    match phone.run(Command::Overview { identity: phone.person }).await? {
        Outcome::Overview(overview) => Ok(*overview),
        _ => Err(Failure::NotNow.into()),
    }
}

/// A new PIN for the old.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn change_pin(phone: &Phone) -> Result<Exit, Problem> {
    loop {
        let old = ask::pin(&phone.out).await?;
        let new = ask::new_pin(&phone.out).await?;
        phone.out.progress("PIN-koden bliver skiftet ...", "The PIN is being changed ...");
        match phone.client.run(Command::ChangePin { identity: phone.person, old, new }).await {
            Ok(_) => return done(phone, "pin_changed"),
            Err(failure) if ask::may_try_again(&failure) => phone.out.say(&failure.danish(), &failure.english()),
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Biometrics on, with the PIN; or off.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn biometrics(phone: &Phone, on: bool, with: Option<With>) -> Result<Exit, Problem> {
    let outcome = if on {
        let pin = ask::pin(&phone.out).await?;
        phone.run(Command::EnableBiometrics { identity: phone.person, pin }).await?
    } else {
        approved(phone, with, |with| Command::DisableBiometrics { identity: phone.person, with }).await?
    };
    keys(phone, outcome)
}

/// New keys for old.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn rotate_keys(phone: &Phone) -> Result<Exit, Problem> {
    let pin = ask::pin(&phone.out).await?;
    let outcome = phone.run(Command::RotateKeys { identity: phone.person, pin }).await?;
    keys(phone, outcome)
}

fn keys(phone: &Phone, outcome: Outcome) -> Result<Exit, Problem> {
    let Outcome::Keys(keys) = outcome else { return Err(Failure::NotNow.into()) };
    phone.out.report(&Report::Keys { purposes: keys.iter().map(|key| key.purpose.name()).collect() });
    Ok(Exit::Done)
}

/// Locked pushes from typed user ids, on or off.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn calls(phone: &Phone, on: bool, with: Option<With>) -> Result<Exit, Problem> {
    approved(phone, with, |with| Command::SetLockedPush { identity: phone.person, on, with }).await?;
    done(phone, if on { "locked_push_on" } else { "locked_push_off" })
}

/// Hands out an activation for another phone, and takes the digits that it shows.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn hand_over(
    phone: &Phone,
    with: Option<With>,
    keep: bool,
    picture: Option<&Path>,
) -> Result<Exit, Problem> {
    let outcome = approved(phone, with, |with| Command::Move { identity: phone.person, with, keep }).await?;
    let Outcome::Activation(handed) = outcome else { return Err(Failure::NotNow.into()) };
    if let Some(path) = picture {
        qr::write_png(&handed.link, path)?;
    }
    phone.out.report(&Report::Activation {
        form: "link",
        text: handed.link.clone(),
        expires: handed.expires,
        id: None,
        picture: picture.map(|path| path.display().to_string()),
    });
    type_digits(phone).await
}

/// The digits that the other phone shows.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn type_digits(phone: &Phone) -> Result<Exit, Problem> {
    loop {
        let digits = ask::secret(&phone.out, "Tallene på den nye telefon", "The digits on the new phone").await?;
        let digits: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
        match phone.client.run(Command::MoveDigits { identity: phone.person, digits }).await {
            Ok(Outcome::MovedTo { model, place, active_from }) => {
                phone.out.report(&Report::Confirmed { model, place, active_from });
                return Ok(Exit::Done);
            }
            Ok(_) => return Err(Failure::NotNow.into()),
            Err(failure @ Failure::Refused { code: godkend_protocol::codes::Code::DigitsWrong, .. })
                if ask::is_terminal() =>
            {
                phone.out.say(&failure.danish(), &failure.english());
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Removes a device of the person's, this one if none is named.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn remove(phone: &Phone, device: Option<&str>, with: Option<With>) -> Result<Exit, Problem> {
    let device = device.map(parse_id).transpose()?;
    approved(phone, with, |with| Command::RemoveDevice { identity: phone.person, device, with }).await?;
    done(phone, "device_removed")
}

/// Blocks this device, after asking where there is somebody to ask.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn block(phone: &Phone, yes: bool) -> Result<Exit, Problem> {
    let sure = yes
        || ask::confirm(
            &phone.out,
            "Spær denne telefon? Den kan først bruges igen, når en skranke åbner den.",
            "Block this phone? It can be used again only when a desk lifts the block.",
        )
        .await?;
    if !sure {
        return Err(Failure::Cancelled.into());
    }
    phone.run(Command::Block { identity: phone.person }).await?;
    done(phone, "blocked")
}

/// The block code has been written down.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn block_code_noted(phone: &Phone) -> Result<Exit, Problem> {
    phone.run(Command::BlockCodeNoted { identity: phone.person }).await?;
    done(phone, "block_code_noted")
}

/// Takes a person who can no longer use this phone off it.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn forget(phone: &Phone) -> Result<Exit, Problem> {
    let identity = phone.identity()?.id;
    phone.run(Command::Forget { identity }).await?;
    done(phone, "forgotten")
}

/// Runs a command that needs an approval; a wrong PIN can be corrected at the terminal.
async fn approved(
    phone: &Phone,
    with: Option<With>,
    command: impl Fn(Approval) -> Command,
) -> Result<Outcome, Problem> {
    loop {
        let approval = approval(phone, with).await?;
        phone.out.progress("Sender ...", "Sending ...");
        match phone.client.run(command(approval)).await {
            Err(failure) if ask::may_try_again(&failure) => phone.out.say(&failure.danish(), &failure.english()),
            Err(failure) => return Err(failure.into()),
            Ok(outcome) => {
                phone.out.clear();
                return Ok(outcome);
            }
        }
    }
}

fn done(phone: &Phone, what: &'static str) -> Result<Exit, Problem> {
    phone.out.clear();
    phone.out.report(&Report::Done { what });
    Ok(Exit::Done)
}
