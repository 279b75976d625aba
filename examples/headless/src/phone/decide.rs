//! A request on the screen, and what the person decides.

use godkend_core::{Approval, Command, Failure, Outcome, RequestView};
use godkend_protocol::types::Factor;

use super::{Phone, activate};
use crate::ask;
use crate::exit::Exit;
use crate::json::Report;
use crate::problem::Problem;

/// What to do with a request once it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Decision {
    /// Ask.
    #[default]
    Ask,
    /// Nothing more.
    Show,
    /// Approve.
    Approve,
    /// Refuse: I changed my mind.
    Deny,
    /// Refuse: this was not me.
    Report,
    /// A notice of use: it was me.
    WasMe,
    /// A notice of use: it was not me.
    NotMe,
}

/// How the person proves themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum With {
    /// With the PIN.
    Pin,
    /// With the finger.
    Biometric,
}

/// The decision and how it is carried out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) decision: Decision,
    /// Asked for, or the PIN, where left out.
    pub(crate) with: Option<With>,
    /// Remember the browser.
    pub(crate) remember: bool,
}

/// Takes what a scan, link, number or push has opened.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn opened(phone: &Phone, outcome: Outcome, options: &Options) -> Result<Exit, Problem> {
    match outcome {
        Outcome::Request(view) => {
            phone.out.report(&phone.shown(&view));
            shown(phone, &view, options).await
        }
        digits @ Outcome::Digits { .. } => activate::enrol(phone, digits, false).await,
        _ => Err(Failure::NotNow.into()),
    }
}

/// As [`opened`], for a request that the person sees already.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn shown(phone: &Phone, view: &RequestView, options: &Options) -> Result<Exit, Problem> {
    let asked = options.decision == Decision::Ask;
    let (decision, with) = match (asked, view.notice_of_use) {
        (false, _) => (options.decision, options.with),
        (true, true) => (was_it_you(phone).await?, None),
        (true, false) => ask(phone, view).await?,
    };
    match decision {
        Decision::WasMe | Decision::NotMe if !view.notice_of_use => Err(no_notice()),
        Decision::Approve if view.notice_of_use => Err(Problem::usage(
            "Det er en besked om brug, som ingen skal godkende: svar med was-me eller not-me.",
            "This is a notice of use, and nothing to approve: answer with was-me or not-me.",
        )),
        Decision::Show | Decision::Ask => Ok(Exit::Done),
        Decision::Approve => {
            let remember = options.remember || (asked && view.may_remember && remember(phone).await?);
            approve(phone, view, with, remember).await
        }
        Decision::Deny | Decision::Report | Decision::WasMe | Decision::NotMe => {
            let reported = matches!(decision, Decision::Report | Decision::NotMe);
            let request = view.id;
            let command = if reported { Command::ReportFraud { request } } else { Command::Deny { request } };
            phone.run(command).await?;
            if view.notice_of_use {
                phone.out.report(&Report::NoticeAnswered { was_me: !reported });
                return Ok(Exit::Done);
            }
            phone.out.report(&Report::Refused { reported });
            // A refusal that was ordered is a success; one that was chosen is what a script must hear of.
            Ok(if asked { Exit::Refused } else { Exit::Done })
        }
    }
}

/// The refusal of an answer that only a notice of use takes.
pub(super) fn no_notice() -> Problem {
    Problem::usage(
        "Det er ikke en besked om brug: svar med approve, deny eller report.",
        "This is no notice of use: answer with approve, deny or report.",
    )
}

/// The question of a notice of use.
async fn was_it_you(phone: &Phone) -> Result<Decision, Problem> {
    let language = phone.out.language();
    let options = [
        (language.pick("Ja, det var mig", "Yes, it was me"), Decision::WasMe),
        (language.pick("Nej, det var ikke mig", "No, it was not me"), Decision::NotMe),
        (language.pick("Svar ikke nu", "Do not answer now"), Decision::Show),
    ];
    let names = options.iter().map(|(name, _)| (*name).to_owned()).collect();
    let chosen = ask::choose(&phone.out, language.pick("Var det dig?", "Was it you?"), names).await?;
    Ok(options.get(chosen).map_or(Decision::Show, |(_, decision)| *decision))
}

async fn ask(phone: &Phone, view: &RequestView) -> Result<(Decision, Option<With>), Problem> {
    let language = phone.out.language();
    let mut options =
        vec![(language.pick("Godkend med PIN-kode", "Approve with the PIN"), Decision::Approve, Some(With::Pin))];
    if view.factors.contains(&Factor::Biometric) {
        let text = language.pick("Godkend med fingeraftryk", "Approve with a finger");
        options.push((text, Decision::Approve, Some(With::Biometric)));
    }
    options.push((language.pick("Afvis", "Refuse"), Decision::Deny, None));
    options.push((language.pick("Det var ikke mig", "This was not me"), Decision::Report, None));
    options.push((language.pick("Svar ikke nu", "Do not answer now"), Decision::Show, None));
    let names = options.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let question = language.pick("Hvad vil du?", "What do you want to do?");
    let chosen = ask::choose(&phone.out, question, names).await?;
    Ok(options.get(chosen).map_or((Decision::Show, None), |(_, decision, with)| (*decision, *with)))
}

async fn remember(phone: &Phone) -> Result<bool, Problem> {
    ask::confirm(
        &phone.out,
        "Husk denne browser, så næste anmodning kommer direkte til telefonen?",
        "Remember this browser, so that its next request comes straight to the phone?",
    )
    .await
}

async fn approve(phone: &Phone, view: &RequestView, with: Option<With>, remember: bool) -> Result<Exit, Problem> {
    loop {
        let approval = approval(phone, with).await?;
        phone.out.progress("Sender svaret ...", "Sending the answer ...");
        let command = Command::Approve { request: view.id, with: approval, remember_browser: remember };
        match phone.client.run(command).await {
            Ok(Outcome::Approved { return_url, active_from }) => {
                phone.out.clear();
                phone.out.report(&Report::Approved { return_url, active_from });
                return Ok(Exit::Done);
            }
            Ok(Outcome::OfflineCode { code }) => {
                phone.out.clear();
                phone.out.report(&Report::OfflineCode { code });
                return Ok(Exit::Done);
            }
            Ok(_) => return Err(Failure::NotNow.into()),
            Err(failure) if ask::may_try_again(&failure) => phone.out.say(&failure.danish(), &failure.english()),
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// The PIN, or the finger where it is asked for.
///
/// # Errors
/// [`Problem::Prompt`], [`Failure::WeakPin`].
pub(crate) async fn approval(phone: &Phone, with: Option<With>) -> Result<Approval, Problem> {
    match with {
        Some(With::Biometric) => Ok(Approval::Biometric),
        Some(With::Pin) | None => Ok(Approval::Pin(ask::pin(&phone.out).await?)),
    }
}
