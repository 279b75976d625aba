//! `demo`: the main job from beginning to end, in one process: a citizen at the desk, a phone that is activated, a bank
//! that asks, a person who approves, and a signed answer that the bank verifies.

use std::path::PathBuf;

use godkend_core::{Approval, Command, Failure, Outcome, Pin, RequestView};
use godkend_protocol::messages::activation::Stage;

use crate::ask;
use crate::clock::Watch;
use crate::desk::{Desk, NewCitizen};
use crate::embedded::{self, Options};
use crate::exit::Exit;
use crate::home::{read_relying_party, relying_party_file, token_file};
use crate::http;
use crate::json::{Person, Report};
use crate::output::Output;
use crate::phone::decide::{self, Decision};
use crate::phone::{Finger, Phone, activate};
use crate::problem::Problem;
use crate::rp::browser::{Browser, LoginPage};
use crate::rp::openid::{Ask, RelyingParty, Started};
use crate::view;

/// What an unattended run types; nobody else's PIN.
const UNATTENDED_PIN: &str = "120486";

/// Runs the demo. `keep` names a folder for server and database, which is otherwise removed at the end.
///
/// # Errors
/// [`Problem`]; nothing but [`Exit::Done`] means that the bank verified its answer.
pub(crate) async fn demo(yes: bool, keep: Option<PathBuf>, out: Output) -> Result<Exit, Problem> {
    let watch = Watch::start();
    let temporary = tempfile::tempdir().map_err(|e| Problem::file(std::env::temp_dir(), e))?;
    if keep.as_ref().is_some_and(|folder| folder.join("godkend.toml").exists()) {
        return Err(Problem::usage(
            "Mappen har allerede en server. Nævn en ny mappe.",
            "The folder holds a server already. Name a new one.",
        ));
    }
    let directory = keep.unwrap_or_else(|| temporary.path().join("server"));
    step(
        &out,
        1,
        "En identitetsserver starter med en ny SQLite-fil.",
        "An identity server starts with a new SQLite file.",
    );
    let running = embedded::start(&directory, &Options::test()).await?;
    out.say(
        &format!("   {} · {}", running.url, directory.display()),
        &format!("   {} · {}", running.url, directory.display()),
    );
    let result = story(yes, &directory, &running.root, out).await;
    running.stop().await;
    let exit = result?;
    if exit == Exit::Done {
        out.report(&Report::Demo { verified: true, seconds: watch.elapsed().as_secs_f64() });
    }
    Ok(exit)
}

async fn story(
    yes: bool,
    directory: &std::path::Path,
    root: &godkend_client::Root,
    out: Output,
) -> Result<Exit, Problem> {
    let roots = godkend_client::Roots::new([root.clone()])?;
    step(
        &out,
        2,
        "Anna Andersen viser pas ved skranken og bliver oprettet.",
        "Anna Andersen shows her passport at the desk and is created.",
    );
    let desk = Desk::open(root, &token_file(directory)).await?;
    let citizen = desk.create_citizen(&anna()).await?;
    out.report(&Report::Citizen(Box::new(citizen.clone())));

    step(
        &out,
        3,
        "Skranken udleverer en aktivering. Annas telefon scanner den.",
        "The desk hands out an activation. Anna's phone scans it.",
    );
    let handed = desk.hand_out(&citizen.id, false).await?;
    out.code(&handed.text);
    let phone = Phone::in_memory(&roots, "Annas telefon", Finger::Match, out).await?;
    out.progress("Telefonen laver nøgler ...", "The phone makes its keys ...");
    let outcome = phone.run(Command::Scan { identity: None, text: handed.text.to_string() }).await?;
    let Outcome::Digits { identity, digits } = outcome else { return Err(Failure::NotNow.into()) };
    out.clear();
    out.report(&Report::Digits { person: identity.0, digits: digits.clone() });

    step(
        &out,
        4,
        "Anna læser tallene op, og skranken skriver dem ind.",
        "Anna reads the digits aloud, and the desk types them.",
    );
    let confirmed = desk.confirm(&handed.id, &digits).await?;
    out.report(&Report::Confirmed {
        model: confirmed.model,
        place: confirmed.place,
        active_from: confirmed.active_from,
    });

    step(&out, 5, "Anna vælger en PIN-kode.", "Anna chooses a PIN.");
    if activate::await_digits(&phone).await? != Stage::ChoosePin {
        return Err(Failure::NotNow.into());
    }
    choose_pin(&phone, yes).await?;
    let person = phone.identity()?;
    out.report(&Report::Activated { person: Person::of(&person), block_code: person.block_code.clone() });

    step(
        &out,
        6,
        "Testbanken beder om et login (OpenID Connect, PAR).",
        "The test bank asks for a login (OpenID Connect, PAR).",
    );
    let bank_file = read_relying_party(&relying_party_file(directory))?;
    let bank = RelyingParty::discover(http::client(root).await?, &root.url, bank_file).await?;
    let wanted = Ask {
        text: Some(out.language().pick("Log ind i Testbankens netbank", "Sign in to Testbanken's netbank").to_owned()),
        level: Some("substantial".to_owned()),
        ..Ask::default()
    };
    let started = bank.start(&wanted, out.language()).await?;
    let origin = url::Url::parse(&bank.issuer).map_err(|e| Problem::Untrusted(e.to_string()))?;
    let mut browser = Browser::new(http::client(root).await?, origin, None)?;
    let page = browser.open_login(&started.authorize).await?;

    step(
        &out,
        7,
        "Browseren viser en QR-kode, der skifter hvert sekund. Telefonen scanner den.",
        "The browser shows a QR code that changes every second. The phone scans it.",
    );
    let view = scan(&phone, &mut browser, &page).await?;
    out.report(&phone.shown(&view));

    step(&out, 8, "Anna beslutter sig.", "Anna decides.");
    decide(&phone, &view, yes).await?;

    step(
        &out,
        9,
        "Browseren går tilbage til banken, som henter og kontrollerer sit underskrevne svar.",
        "The browser goes back to the bank, which fetches and verifies its signed answer.",
    );
    let claims = finish(&bank, &started, &mut browser, &page).await?;
    out.report(&Report::SignedIn { verified: true, remembered: browser.is_remembered(), claims });
    phone.client.close().await;
    Ok(Exit::Done)
}

fn anna() -> NewCitizen {
    NewCitizen {
        name: "Anna Andersen".to_owned(),
        user_id: "anna.andersen".to_owned(),
        born: "1990-05-17".to_owned(),
        cpr: None,
        level: "substantial".to_owned(),
        magic: None,
        tell_uses: false,
    }
}

async fn choose_pin(phone: &Phone, yes: bool) -> Result<(), Problem> {
    loop {
        let pin = if yes { Pin::new(UNATTENDED_PIN)? } else { ask::new_pin(&phone.out).await? };
        phone.out.progress("PIN-koden bliver registreret ...", "The PIN is being registered ...");
        let result = phone.client.run(Command::ChoosePin { identity: phone.person, pin }).await;
        phone.out.clear();
        match result {
            Ok(_) => return Ok(()),
            Err(failure @ Failure::WeakPin(_)) if !yes && ask::is_terminal() => {
                phone.out.say(&failure.danish(), &failure.english());
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Draws the frame of this second and scans it; a frame that has just passed is scanned anew.
async fn scan(phone: &Phone, browser: &mut Browser, page: &LoginPage) -> Result<RequestView, Problem> {
    let mut looks = 0;
    loop {
        looks += 1;
        let frames = browser.frames(page).await?;
        let text = frames.current().map(|frame| frame.text.clone()).ok_or(Failure::NotACode)?;
        if looks == 1 {
            phone.out.code(&text);
        }
        match phone.client.run(Command::Scan { identity: None, text }).await {
            Ok(Outcome::Request(view)) => return Ok(*view),
            Ok(_) => return Err(Failure::NotNow.into()),
            Err(Failure::Refused { code: godkend_protocol::codes::Code::QrStale, .. }) if looks < 4 => {}
            Err(failure) => return Err(failure.into()),
        }
    }
}

async fn decide(phone: &Phone, view: &RequestView, yes: bool) -> Result<(), Problem> {
    if !yes {
        let options = decide::Options { decision: Decision::Ask, ..decide::Options::default() };
        // What was decided is what the bank is told: a refusal comes back from there.
        return decide::shown(phone, view, &options).await.map(drop);
    }
    let with = Approval::Pin(Pin::new(UNATTENDED_PIN)?);
    phone.out.say("   Anna skriver sin PIN-kode og godkender.", "   Anna types her PIN and approves.");
    match phone.run(Command::Approve { request: view.id, with, remember_browser: false }).await? {
        Outcome::Approved { return_url, active_from } => {
            phone.out.report(&Report::Approved { return_url, active_from });
            Ok(())
        }
        _ => Err(Failure::NotNow.into()),
    }
}

async fn finish(
    bank: &RelyingParty,
    started: &Started,
    browser: &mut Browser,
    page: &LoginPage,
) -> Result<crate::rp::token::Claims, Problem> {
    let mut state = browser.state(page, None, 0).await?;
    while state.finish.is_none() {
        let known = state.state.clone();
        state = browser.state(page, Some(&known), 25).await?;
    }
    let path = state.finish.unwrap_or_default();
    let back = browser.finish(&path).await?;
    bank.finish(started, &back).await
}

fn step(out: &Output, number: u32, danish: &str, english: &str) {
    out.say(&view::step(number, danish), &view::step(number, english));
}
