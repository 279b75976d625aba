//! `serve`: the embedded server in a directory, until it is stopped.

use std::path::Path;

use crate::embedded::{self, Options};
use crate::exit::Exit;
use crate::home::{relying_party_file, root_file, token_file};
use crate::json::Report;
use crate::output::Output;
use crate::problem::Problem;
use crate::simulate::floor::Floor;
use crate::simulate::population;

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`Problem::Embedded`].
pub(crate) async fn serve(
    directory: &Path,
    options: &Options,
    until: Until,
    prepare: Option<u32>,
    out: &Output,
) -> Result<Exit, Problem> {
    out.progress("Serveren starter ...", "The server starts ...");
    let running = embedded::start(directory, options).await?;
    if let Some(count) = prepare {
        population::add(&running.app, count, |done, seconds| {
            // The load test that started this program has the terminal.
            eprintln!("{done} of {count} citizens, {seconds} s");
        })
        .await?;
    }
    out.clear();
    let metrics = running.metrics_addr.map(|address| format!("http://{address}/metrics"));
    out.report(&serving(directory, running.url.clone(), metrics));
    stopped(until).await?;
    running.stop().await;
    out.report(&Report::Done { what: "stopped" });
    Ok(Exit::Done)
}

/// The floor of a load test, until its standard input is closed.
///
/// # Errors
/// [`Problem::Embedded`].
pub(crate) async fn floor(directory: &Path, options: &Options, out: &Output) -> Result<Exit, Problem> {
    let floor = Floor::start(directory, options).await?;
    out.report(&serving(directory, floor.url.clone(), floor.metrics.clone()));
    stopped(Until::Attached).await?;
    floor.stop().await;
    Ok(Exit::Done)
}

fn serving(directory: &Path, url: String, metrics: Option<String>) -> Report {
    let text = |path: std::path::PathBuf| path.display().to_string();
    Report::Serving {
        url,
        directory: directory.display().to_string(),
        root: text(root_file(directory)),
        token: text(token_file(directory)),
        relying_party: text(relying_party_file(directory)),
        metrics,
    }
}

/// How long to serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    /// Until a signal.
    Signal,
    /// Until standard input ends: whoever started this program is gone.
    Attached,
}

async fn stopped(until: Until) -> Result<(), Problem> {
    match until {
        Until::Signal => signalled().await,
        Until::Attached => {
            tokio::select! {
                result = signalled() => result,
                _ = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())) => Ok(()),
            }
        }
    }
}

async fn signalled() -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::Embedded(error.to_string());
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result.map_err(failed),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(failed)
}
