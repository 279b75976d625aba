//! `request-login` and `request-payment`: the bank and its customer's browser.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::browser::{Browser, LoginPage, PageState};
use super::openid::{Ask, RelyingParty};
use super::token::Claims;
use crate::ask;
use crate::exit::Exit;
use crate::home::RelyingPartyFile;
use crate::http;
use crate::json::{LoginStarted, Report};
use crate::language::countdown;
use crate::output::Output;
use crate::problem::Problem;
use crate::qr;

/// How the browser is bound to the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The moving QR code; also a remembered browser's push.
    Qr {
        /// Where to write it, each second anew.
        picture: Option<PathBuf>,
    },
    /// A typed user id and a number.
    Number {
        /// The user id.
        user_id: String,
    },
    /// The same-device link.
    SameDevice,
    /// A QR code for a phone without a network.
    Offline {
        /// The user id.
        user_id: String,
        /// Where to write it.
        picture: Option<PathBuf>,
    },
    /// Without a browser.
    Ciba {
        /// The user id.
        user_id: String,
    },
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) how: How,
    pub(crate) ask: Ask,
    /// The browser's file of cookies.
    pub(crate) browser: Option<PathBuf>,
    /// How far the provider's clock may be away, in seconds.
    pub(crate) leeway: u32,
}

/// Asks, waits, and verifies the answer.
///
/// # Errors
/// [`Problem::OpenId`] when the person refuses, [`Problem::Token`] for an answer that does not hold.
pub(crate) async fn request(
    root: &godkend_client::Root,
    bank: RelyingPartyFile,
    options: &Options,
    out: &Output,
) -> Result<Exit, Problem> {
    out.progress("Banken spørger ...", "The bank asks ...");
    let party = RelyingParty::discover(http::client(root).await?, &root.url, bank).await?.with_leeway(options.leeway);
    let (claims, remembered) = match &options.how {
        How::Ciba { user_id } => (backchannel(&party, &options.ask, user_id, out).await?, false),
        how => {
            let origin = Url::parse(&party.issuer).map_err(|e| Problem::Untrusted(e.to_string()))?;
            let mut browser = Browser::new(http::client(root).await?, origin, options.browser.clone())?;
            let claims = through(&party, &mut browser, &options.ask, how, out).await?;
            (claims, browser.is_remembered())
        }
    };
    out.clear();
    out.report(&Report::SignedIn { verified: true, remembered, claims });
    Ok(Exit::Done)
}

async fn backchannel(party: &RelyingParty, ask: &Ask, user_id: &str, out: &Output) -> Result<Claims, Problem> {
    let request = party.start_backchannel(ask, user_id, out.language()).await?;
    out.clear();
    out.report(&Report::LoginStarted(Box::new(LoginStarted {
        how: "ciba",
        expires_in: i64::try_from(request.expires_in).unwrap_or(0),
        number: Some(request.number.clone()),
        link: None,
        offline: None,
        picture: None,
        remembered: false,
    })));
    party.finish_backchannel(&request, |left| waiting(out, left)).await
}

async fn through(
    party: &RelyingParty,
    browser: &mut Browser,
    ask: &Ask,
    how: &How,
    out: &Output,
) -> Result<Claims, Problem> {
    let started = party.start(ask, out.language()).await?;
    let page = browser.open_login(&started.authorize).await?;
    let end = tokio::select! {
        end = wait(browser, &page, how, out) => end,
        _ = tokio::signal::ctrl_c() => {
            Err(Problem::Phone(godkend_core::Failure::Cancelled))
        }
    };
    let finish = match end {
        Ok(finish) => finish,
        Err(problem) => {
            if matches!(problem, Problem::Phone(godkend_core::Failure::Cancelled)) {
                // The person gives up; a server that cannot be told will see the request expire.
                let _ = browser.cancel(&page).await;
            }
            return Err(problem);
        }
    };
    let back = browser.finish(&finish).await?;
    party.finish(&started, &back).await
}

/// Shows the page until it has an end; gives the way on.
async fn wait(browser: &mut Browser, page: &LoginPage, how: &How, out: &Output) -> Result<String, Problem> {
    let mut state = browser.state(page, None, 0).await?;
    let mut started = LoginStarted {
        how: "qr",
        expires_in: state.expires_in,
        number: state.number.clone(),
        link: None,
        offline: None,
        picture: None,
        remembered: state.remembered,
    };
    let mut drawing = Drawing::default();
    match how {
        How::Qr { picture } => {
            drawing.picture.clone_from(picture);
            drawing.moving = true;
            drawing.draw(browser, page, out, false).await?;
            started.picture = picture.as_deref().map(shown);
        }
        How::Number { user_id } => {
            started.how = "number";
            started.number = Some(browser.type_user_id(page, user_id).await?);
        }
        How::SameDevice => {
            started.how = "same_device";
            started.link = Some(state.same_device_link.clone().ok_or_else(|| {
                Problem::usage("Der er intet link til denne anmodning.", "There is no link for this request.")
            })?);
        }
        How::Offline { user_id, picture } => {
            started.how = "offline";
            let text = browser.offline(page, user_id).await?;
            if let Some(path) = picture {
                qr::write_png(&text, path)?;
            }
            started.picture = picture.as_deref().map(shown);
            out.code(&text);
            started.offline = Some(text);
        }
        How::Ciba { .. } => {}
    }
    out.clear();
    out.report(&Report::LoginStarted(Box::new(started)));
    let result = until_end(browser, page, how, &mut state, &mut drawing, out).await;
    drawing.remove();
    result
}

async fn until_end(
    browser: &mut Browser,
    page: &LoginPage,
    how: &How,
    state: &mut PageState,
    drawing: &mut Drawing,
    out: &Output,
) -> Result<String, Problem> {
    let mut returned = false;
    loop {
        if let Some(finish) = state.finish.clone() {
            return Ok(finish);
        }
        if state.needs_return && !returned {
            let address = ask::secret(out, "Adressen fra appen", "The address from the app").await?;
            browser.open_return(&address).await?;
            returned = true;
        } else if matches!(how, How::Offline { .. }) {
            let code = ask::secret(out, "Koden på telefonen", "The code on the phone").await?;
            let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
            *state = browser.type_offline_code(page, &code).await?;
            continue;
        }
        let left = u64::try_from(state.expires_in).unwrap_or(0);
        let known = state.state.clone();
        if drawing.moving && known == "waiting" {
            drawing.draw(browser, page, out, true).await?;
            waiting(out, left);
            drawing.next_second().await;
            *state = browser.state(page, Some(&known), 0).await?;
        } else {
            waiting(out, left);
            // Short where a line counts down, and where what is waited for does not change the state.
            let wait = if out.can_redraw() || *how == How::SameDevice { 1 } else { 25 };
            *state = browser.state(page, Some(&known), wait).await?;
        }
    }
}

fn waiting(out: &Output, left: u64) {
    let left = countdown(left);
    out.progress(&format!("Venter på telefonen · {left}"), &format!("Waiting for the phone · {left}"));
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The moving QR code, on the terminal and in a file.
#[derive(Default)]
struct Drawing {
    picture: Option<PathBuf>,
    moving: bool,
    lines: usize,
    ahead_ms: i64,
}

impl Drawing {
    async fn draw(
        &mut self,
        browser: &mut Browser,
        page: &LoginPage,
        out: &Output,
        on_screen: bool,
    ) -> Result<(), Problem> {
        let frames = match browser.frames(page).await {
            Ok(frames) => frames,
            // Opened in the meantime: there is nothing more to draw.
            Err(Problem::Server(_)) => return Ok(()),
            Err(problem) => return Err(problem),
        };
        self.ahead_ms = frames.now_ms.rem_euclid(1000);
        let Some(frame) = frames.current() else { return Ok(()) };
        if let Some(path) = &self.picture {
            write_whole(&frame.text, path)?;
        }
        if on_screen && out.can_redraw() {
            let drawn = qr::draw(&frame.text);
            let up = if self.lines > 0 { format!("\u{1b}[{}A", self.lines) } else { String::new() };
            self.lines = drawn.lines().count();
            out.show(&format!("{up}{drawn}"));
        }
        Ok(())
    }

    /// Until the server's clock has gone on.
    async fn next_second(&self) {
        let rest = u64::try_from(1000 - self.ahead_ms).unwrap_or(1000);
        tokio::time::sleep(Duration::from_millis(rest.clamp(50, 1000))).await;
    }

    /// An old code must not be scanned.
    fn remove(&self) {
        if let Some(path) = &self.picture {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// So that a camera never sees half a picture.
fn write_whole(text: &str, path: &Path) -> Result<(), Problem> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    qr::write_png(text, &beside)?;
    std::fs::rename(&beside, path).map_err(|e| Problem::file(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qr.png");
        for text in ["godkend://login/1?first", "godkend://login/1?second"] {
            write_whole(text, &path).unwrap();
            assert_eq!(qr::read_picture(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let drawing = Drawing { picture: Some(path.clone()), ..Drawing::default() };
        drawing.remove();
        assert!(!path.exists());
    }
}
