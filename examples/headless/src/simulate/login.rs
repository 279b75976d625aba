//! One login, as the parts of the real thing do it: the bank asks; the browser follows, and waits as the page's script does;
//! the phone shows and approves; the bank redeems what it is given, and verifies the ID token.

use godkend_core::{Approval, Command, Failure, Outcome, Pin};
use tokio::sync::Mutex;

use super::PIN;
use super::means::Means;
use super::pool::Steps;
use super::way::Way;
use crate::language::Language;
use crate::phone::Phone;
use crate::problem::Problem;
use crate::rp::browser::{Browser, LoginPage, PageState};
use crate::rp::openid::{Ask, RelyingParty, Started};

/// A person: a phone, a browser, and a connection of the bank's. All of them keep their connections.
pub(super) struct Citizen {
    pub(super) user_id: String,
    pub(super) phone: Phone,
    /// One that knows nobody: each login has a window of its own.
    pub(super) browser: Browser,
    /// One that the person has had remembered, if [`Way::Remembered`] is wanted.
    pub(super) remembered: Mutex<Option<Browser>>,
    pub(super) bank: RelyingParty,
    pub(super) means: Means,
}

impl Citizen {
    /// Signs in once.
    ///
    /// # Errors
    /// [`Problem`].
    pub(super) async fn log_in(&self, way: Way) -> Result<Steps, Problem> {
        let steps = Steps::start();
        if way == Way::Ciba {
            return self.without_a_browser(steps).await;
        }
        if way == Way::Remembered {
            let mut browser = self.remembered.lock().await;
            return self.in_browser(way, browser.as_mut().ok_or(Failure::NotNow)?, steps).await;
        }
        self.in_browser(way, &mut self.browser.forgetting(), steps).await
    }

    async fn in_browser(&self, way: Way, browser: &mut Browser, mut steps: Steps) -> Result<Steps, Problem> {
        let (started, page) = self.open(way, browser, &mut steps).await?;
        if way.has_password() {
            let finish = self.means.sign_in(way, browser, &page).await?;
            steps.step("5 means");
            return self.end(&started, browser, &finish, steps).await;
        }
        if way == Way::AppChip {
            self.means.half(browser, &page).await?;
            steps.step("3 chip");
        }
        let frames = browser.load(&page).await?;
        steps.step("3 page");
        let command = match way {
            Way::Number => {
                let number = browser.type_user_id(&page, &self.user_id).await?;
                Command::TypeNumber { identity: None, number }
            }
            Way::Remembered => self.waiting().await?,
            _ => {
                let text = frames.current().ok_or(Failure::NotACode)?.text.clone();
                Command::Scan { identity: None, text }
            }
        };
        let with = if way == Way::Biometric { Approval::Biometric } else { Approval::Pin(Pin::new(PIN)?) };
        let phone = self.approve(command, with, false, &mut steps);
        let ((), finish) = tokio::try_join!(phone, told(browser, &page))?;
        steps.step("6 told");
        self.end(&started, browser, &finish, steps).await
    }

    /// Signs in for the first time in a browser that is to be remembered.
    ///
    /// # Errors
    /// [`Problem`].
    pub(super) async fn have_remembered(&self) -> Result<(), Problem> {
        let mut steps = Steps::start();
        let mut browser = self.browser.forgetting();
        let (started, page) = self.open(Way::Pin, &mut browser, &mut steps).await?;
        let text = browser.load(&page).await?.current().ok_or(Failure::NotACode)?.text.clone();
        let scan = Command::Scan { identity: None, text };
        self.approve(scan, Approval::Pin(Pin::new(PIN)?), true, &mut steps).await?;
        let finish = told(&mut browser, &page).await?;
        self.end(&started, &mut browser, &finish, steps).await?;
        *self.remembered.lock().await = Some(browser);
        Ok(())
    }

    async fn open(&self, way: Way, browser: &mut Browser, steps: &mut Steps) -> Result<(Started, LoginPage), Problem> {
        let level = (way == Way::Password).then(|| "low".to_owned());
        let started = self.bank.start(&Ask { level, ..Ask::default() }, Language::Da).await?;
        steps.step("1 par");
        let page = browser.open_login(&started.authorize).await?;
        steps.step("2 authorize");
        Ok((started, page))
    }

    /// The request that waits in the app without a number.
    async fn waiting(&self) -> Result<Command, Problem> {
        let Outcome::Waiting { requests, .. } = self.phone.run(Command::Poll { identity: None, wait: 0 }).await? else {
            return Err(Failure::NotNow.into());
        };
        let id = requests.iter().find(|request| !request.locked).ok_or(Failure::NoRequest)?.id;
        Ok(Command::Open { identity: None, id })
    }

    async fn approve(&self, open: Command, with: Approval, remember: bool, steps: &mut Steps) -> Result<(), Problem> {
        let Outcome::Request(view) = self.phone.run(open).await? else { return Err(Failure::NotNow.into()) };
        steps.step("4 shown");
        self.phone.run(Command::Approve { request: view.id, with, remember_browser: remember }).await?;
        steps.step("5 approve");
        Ok(())
    }

    async fn without_a_browser(&self, mut steps: Steps) -> Result<Steps, Problem> {
        let request = self.bank.start_backchannel(&Ask::default(), &self.user_id, Language::Da).await?;
        steps.step("1 back channel");
        let open = Command::TypeNumber { identity: None, number: request.number.clone() };
        self.approve(open, Approval::Pin(Pin::new(PIN)?), false, &mut steps).await?;
        self.bank.finish_backchannel(&request, |_| {}).await?;
        steps.step("8 token");
        Ok(steps)
    }

    /// Back to the bank, which redeems its code.
    async fn end(
        &self,
        started: &Started,
        browser: &mut Browser,
        finish: &str,
        mut steps: Steps,
    ) -> Result<Steps, Problem> {
        let back = browser.finish(finish).await?;
        steps.step("7 finish");
        self.bank.finish(started, &back).await?;
        steps.step("8 token");
        Ok(steps)
    }
}

/// What the page's script waits for: where to go when all is over.
async fn told(browser: &mut Browser, page: &LoginPage) -> Result<String, Problem> {
    let mut known = "waiting".to_owned();
    loop {
        let PageState { state, finish, .. } = browser.state(page, Some(&known), 25).await?;
        match finish {
            Some(finish) => return Ok(finish),
            None => known = state,
        }
    }
}
