//! The desk's commands.

use std::path::Path;

use super::{Desk, NewCitizen};
use crate::ask;
use crate::exit::Exit;
use crate::home::{Home, write_private};
use crate::json::{Device, Report};
use crate::output::Output;
use crate::problem::Problem;
use crate::qr;

/// Creates a citizen; `cpr` asks for the number.
///
/// # Errors
/// [`Problem`], here and below.
pub(crate) async fn create_citizen(desk: &Desk, out: &Output, mut new: NewCitizen, cpr: bool) -> Result<Exit, Problem> {
    if cpr {
        new.cpr = Some(ask::secret(out, "CPR-nummer", "CPR number").await?);
    }
    out.report(&Report::Citizen(Box::new(desk.create_citizen(&new).await?)));
    Ok(Exit::Done)
}

/// Lists citizens, or one with devices.
pub(crate) async fn citizens(desk: &Desk, out: &Output, user_id: Option<&str>) -> Result<Exit, Problem> {
    let Some(user_id) = user_id else {
        out.report(&Report::Citizens { citizens: desk.citizens().await? });
        return Ok(Exit::Done);
    };
    let citizen = desk.citizen(user_id).await?;
    let devices = desk.devices(&citizen.id).await?;
    out.report(&Report::Citizen(Box::new(citizen)));
    let devices = devices.into_iter().map(|line| Device {
        id: line.id,
        model: line.model,
        platform: line.platform,
        state: state(&line.state),
        enrolled: line.enrolled,
        last_used: line.last_used,
        keys: Vec::new(),
        this: false,
    });
    out.report(&Report::Devices { devices: devices.collect(), locked_push: None, pin: None });
    Ok(Exit::Done)
}

/// Hands out an activation, and remembers which for [`confirm_digits`].
pub(crate) async fn activation(
    desk: &Desk,
    out: &Output,
    home: &Home,
    user_id: &str,
    code: bool,
    picture: Option<&Path>,
) -> Result<Exit, Problem> {
    let citizen = desk.citizen(user_id).await?;
    let handed = desk.hand_out(&citizen.id, code).await?;
    write_private(&home.last_enrolment(), handed.id.as_bytes())?;
    if let Some(path) = picture {
        qr::write_png(&handed.text, path)?;
    }
    out.report(&Report::Activation {
        form: if code { "code" } else { "link" },
        text: handed.text.to_string(),
        expires: handed.expires,
        id: Some(handed.id),
        picture: picture.map(|path| path.display().to_string()),
    });
    Ok(Exit::Done)
}

/// Types the digits that the citizen reads from the phone.
pub(crate) async fn confirm_digits(desk: &Desk, out: &Output, home: &Home, id: Option<&str>) -> Result<Exit, Problem> {
    let id = match id {
        Some(id) => id.to_owned(),
        None => std::fs::read_to_string(home.last_enrolment()).map_err(|_| {
            Problem::usage(
                "Der er ikke udleveret nogen aktivering herfra. Nævn dens id.",
                "No activation was handed out from here. Name its id.",
            )
        })?,
    };
    loop {
        let digits = ask::secret(out, "Tallene på telefonen", "The digits on the phone").await?;
        let digits: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
        match desk.confirm(id.trim(), &digits).await {
            Ok(confirmed) => {
                let super::Confirmed { model, place, active_from } = confirmed;
                out.report(&Report::Confirmed { model, place, active_from });
                return Ok(Exit::Done);
            }
            Err(problem @ Problem::Server(godkend_protocol::codes::Code::DigitsWrong)) if ask::is_terminal() => {
                out.say(&problem.text(crate::language::Language::Da), &problem.text(crate::language::Language::En));
            }
            Err(problem) => return Err(problem),
        }
    }
}

/// Blocks or unblocks a citizen, or one device.
pub(crate) async fn block(
    desk: &Desk,
    out: &Output,
    user_id: &str,
    device: Option<&str>,
    blocked: bool,
) -> Result<Exit, Problem> {
    match device {
        Some(device) => desk.device(device, if blocked { "block" } else { "unblock" }).await?,
        None => {
            let citizen = desk.citizen(user_id).await?;
            desk.block_citizen(&citizen.id, blocked).await?;
        }
    }
    out.report(&Report::Done { what: if blocked { "blocked" } else { "unblocked" } });
    Ok(Exit::Done)
}

/// Opens a PIN reset on a citizen's device: the one named, or the only active one.
pub(crate) async fn reset_pin(
    desk: &Desk,
    out: &Output,
    home: &Home,
    user_id: &str,
    device: Option<&str>,
) -> Result<Exit, Problem> {
    let device = match device {
        Some(device) => device.to_owned(),
        None => {
            let citizen = desk.citizen(user_id).await?;
            let devices = desk.devices(&citizen.id).await?;
            let mut active = devices.into_iter().filter(|device| device.state == "active");
            match (active.next(), active.next()) {
                (Some(only), None) => only.id,
                _ => return Err(Problem::usage("Nævn enheden med --device.", "Name the device with --device.")),
            }
        }
    };
    let id = desk.reset_pin(&device).await?;
    write_private(&home.last_enrolment(), id.as_bytes())?;
    out.report(&Report::Done { what: "pin_reset_opened" });
    Ok(Exit::Done)
}

/// Moves a test environment's clock.
pub(crate) async fn clock(desk: &Desk, out: &Output, seconds: i64) -> Result<Exit, Problem> {
    desk.advance(seconds).await?;
    out.report(&Report::Done { what: "clock_set" });
    Ok(Exit::Done)
}

fn state(text: &str) -> &'static str {
    ["enrolling", "active", "blocked", "frozen"].into_iter().find(|known| *known == text).unwrap_or("removed")
}
