//! Questions, asked on a thread that may block.

use zeroize::Zeroizing;

use godkend_core::{Failure, Pin};

use crate::output::Output;
use crate::problem::Problem;
use crate::prompt::{self, PromptError};

/// A secret: hidden in a terminal, else the next line of standard input.
pub(crate) async fn secret(out: &Output, danish: &str, english: &str) -> Result<Zeroizing<String>, Problem> {
    out.clear();
    let question = out.language().pick(danish, english).to_owned();
    let answer = blocking(move || prompt::secret(&question)).await?;
    Ok(Zeroizing::new(answer.trim().to_owned()))
}

/// Yes or no.
pub(crate) async fn confirm(out: &Output, danish: &str, english: &str) -> Result<bool, Problem> {
    out.clear();
    let question = out.language().pick(danish, english).to_owned();
    blocking(move || prompt::confirm(&question)).await
}

/// One of several, from 0.
pub(crate) async fn choose(out: &Output, question: &str, options: Vec<String>) -> Result<usize, Problem> {
    out.clear();
    let question = question.to_owned();
    blocking(move || prompt::choose(&question, &options.iter().map(String::as_str).collect::<Vec<_>>())).await
}

/// The PIN that is in use.
pub(crate) async fn pin(out: &Output) -> Result<Pin, Problem> {
    Ok(Pin::new(&secret(out, "PIN-kode", "PIN").await?)?)
}

/// A new PIN; in a terminal twice, so that a slip is noticed.
pub(crate) async fn new_pin(out: &Output) -> Result<Pin, Problem> {
    loop {
        let first = secret(out, "Ny PIN-kode (seks tal)", "New PIN (six digits)").await?;
        let pin = match Pin::new(&first) {
            Ok(pin) => pin,
            Err(failure) if is_terminal() => {
                out.say(&failure.danish(), &failure.english());
                continue;
            }
            Err(failure) => return Err(failure.into()),
        };
        if !is_terminal() {
            return Ok(pin);
        }
        let second = secret(out, "Gentag PIN-koden", "The PIN again").await?;
        if *first == *second {
            return Ok(pin);
        }
        out.say("De to er ikke ens. Prøv igen.", "The two differ. Try again.");
    }
}

/// Whether a person sits at the terminal, who can be asked again.
pub(crate) fn is_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal()
}

/// Whether a person can try the PIN again at once.
pub(crate) fn may_try_again(failure: &Failure) -> bool {
    is_terminal()
        && matches!(failure, Failure::WrongPin(status) if !status.dead && status.wait == 0 && status.tries_left > 0)
}

async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, PromptError> + Send + 'static,
) -> Result<T, Problem> {
    // The thread ends with the process; it is not waited for when the person stops the program.
    Ok(tokio::task::spawn_blocking(ask).await.unwrap_or(Err(PromptError::Ended))?)
}
