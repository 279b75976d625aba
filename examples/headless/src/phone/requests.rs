//! What waits, and the ways to open it: pushed, scanned, linked, numbered.

use std::path::Path;
use std::time::Duration;

use godkend_core::{Command, Failure, Outcome, WaitingRequest};
use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;

use super::Phone;
use super::decide::{self, Decision, Options};
use crate::ask;
use crate::exit::Exit;
use crate::json::Report;
use crate::problem::Problem;
use crate::qr;

/// How often a camera looks again at a code that has just passed, or that it did not see.
const LOOKS: u32 = 8;

/// Lists what waits.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn pending(phone: &Phone) -> Result<Exit, Problem> {
    match phone.run(Command::Poll { identity: phone.person, wait: 0 }).await? {
        Outcome::Waiting { requests, policy } => {
            phone.out.report(&Report::of_waiting(&requests, Some(policy)));
            Ok(Exit::Done)
        }
        _ => Err(Failure::NotNow.into()),
    }
}

/// Waits for requests. With `once`, until the first one has been dealt with; else until it is stopped.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn watch(phone: &Phone, once: bool, options: &Options) -> Result<Exit, Problem> {
    let mut watch = phone.client.watch(phone.person);
    loop {
        phone.out.progress("Venter på anmodninger (Ctrl-C stopper) ...", "Waiting for requests (Ctrl-C stops) ...");
        let requests = watch.next().await?;
        phone.out.clear();
        phone.out.report(&Report::of_waiting(&requests, None));
        let mut exit = None;
        if options.decision != Decision::Show {
            for request in requests.iter().filter(|request| !request.locked || once || ask::is_terminal()) {
                exit = Some(deal_with(phone, request, options).await);
            }
        }
        match exit {
            Some(result) if once => return result,
            None if once && !requests.is_empty() => return Ok(Exit::Done),
            // One that went wrong does not end the watch.
            Some(Err(problem)) => phone.out.report(&Report::of_problem(&problem, phone.out.language())),
            _ => {}
        }
    }
}

async fn deal_with(phone: &Phone, request: &WaitingRequest, options: &Options) -> Result<Exit, Problem> {
    if request.locked {
        return match options.decision {
            Decision::Deny | Decision::Report => refuse_locked(phone, request.id, options.decision).await,
            Decision::WasMe | Decision::NotMe => Err(decide::no_notice()),
            _ => number(phone, options).await,
        };
    }
    let outcome = phone.run(Command::Open { identity: phone.person, id: request.id }).await?;
    decide::opened(phone, outcome, options).await
}

/// Opens a pushed request: the one named, or the only one that waits.
///
/// # Errors
/// [`Problem`]; [`Failure::NoRequest`] where none waits.
pub(crate) async fn open_pushed(phone: &Phone, id: Option<&str>, options: &Options) -> Result<Exit, Problem> {
    let Outcome::Waiting { requests, .. } = phone.run(Command::Poll { identity: phone.person, wait: 0 }).await? else {
        return Err(Failure::NotNow.into());
    };
    let wanted = id.map(parse_id).transpose()?;
    let found = match (wanted, requests.as_slice()) {
        (Some(wanted), all) => all.iter().find(|request| request.id == wanted),
        (None, [only]) => Some(only),
        (None, []) => None,
        (None, _) => {
            phone.out.report(&Report::of_waiting(&requests, None));
            return Err(Problem::usage("Flere venter: nævn den ene.", "Several wait: name one of them."));
        }
    };
    match found {
        Some(request) => deal_with(phone, request, options).await,
        None => Err(Failure::NoRequest.into()),
    }
}

async fn refuse_locked(phone: &Phone, id: Id, decision: Decision) -> Result<Exit, Problem> {
    let reported = decision == Decision::Report;
    phone.run(Command::RefuseLocked { identity: phone.person, id, fraud: reported }).await?;
    phone.out.report(&Report::Refused { reported });
    Ok(Exit::Done)
}

/// Types the number of the other screen.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn number(phone: &Phone, options: &Options) -> Result<Exit, Problem> {
    let number = ask::secret(&phone.out, "Tallet på den anden skærm", "The number on the other screen").await?;
    let number: String = number.chars().filter(|c| !c.is_whitespace()).collect();
    let outcome = phone.run(Command::TypeNumber { identity: phone.person, number }).await?;
    decide::opened(phone, outcome, options).await
}

/// Opens a link on this same device.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn open_link(phone: &Phone, options: &Options) -> Result<Exit, Problem> {
    let text = ask::secret(&phone.out, "Link", "Link").await?;
    let outcome = phone.run(Command::OpenLink { identity: phone.person, text: text.to_string() }).await?;
    decide::opened(phone, outcome, options).await
}

/// Scans a QR code: from a picture that may change, as a camera sees it, or its text.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn scan(phone: &Phone, picture: Option<&Path>, options: &Options) -> Result<Exit, Problem> {
    let Some(picture) = picture else {
        let text = ask::secret(&phone.out, "QR-kodens tekst", "The QR code's text").await?;
        let outcome = phone.run(Command::Scan { identity: phone.person, text: text.to_string() }).await?;
        return decide::opened(phone, outcome, options).await;
    };
    let mut looks = 0;
    loop {
        looks += 1;
        phone.out.progress("Kameraet leder efter en QR-kode ...", "The camera looks for a QR code ...");
        let problem = match look(picture).await {
            Ok(text) => match phone.client.run(Command::Scan { identity: phone.person, text }).await {
                Ok(outcome) => {
                    phone.out.clear();
                    return decide::opened(phone, outcome, options).await;
                }
                Err(failure @ Failure::Refused { code: Code::QrStale, .. }) => failure.into(),
                Err(failure) => return Err(failure.into()),
            },
            Err(problem) => problem,
        };
        if looks >= LOOKS {
            return Err(problem);
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

/// Reads the picture; finding a code takes processor time, so not on the runtime's threads.
async fn look(picture: &Path) -> Result<String, Problem> {
    let picture = picture.to_owned();
    let read = tokio::task::spawn_blocking(move || qr::read_picture(&picture)).await;
    Ok(read.map_err(|_| Problem::Open("the camera stopped".to_owned()))??)
}

/// A request's, device's or browser's id as the lists show it.
///
/// # Errors
/// [`Problem::Usage`].
pub(crate) fn parse_id(text: &str) -> Result<Id, Problem> {
    Id::from_base64(text.trim()).ok_or_else(|| {
        Problem::usage("Det er ikke et id som dem, listerne viser.", "This is not an id as the lists show them.")
    })
}
