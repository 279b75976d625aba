//! `serve`: the embedded server in a directory, until it is stopped.

use std::path::Path;

use crate::embedded::{self, Options};
use crate::exit::Exit;
use crate::home::{relying_party_file, root_file, token_file};
use crate::json::Report;
use crate::output::Output;
use crate::problem::Problem;

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`Problem::Embedded`].
pub(crate) async fn serve(directory: &Path, options: &Options, out: &Output) -> Result<Exit, Problem> {
    out.progress("Serveren starter ...", "The server starts ...");
    let running = embedded::start(directory, options).await?;
    out.clear();
    let text = |path: std::path::PathBuf| path.display().to_string();
    out.report(&Report::Serving {
        url: running.url.clone(),
        directory: directory.display().to_string(),
        root: text(root_file(directory)),
        token: text(token_file(directory)),
        relying_party: text(relying_party_file(directory)),
    });
    stopped().await?;
    running.stop().await;
    out.report(&Report::Done { what: "stopped" });
    Ok(Exit::Done)
}

async fn stopped() -> Result<(), Problem> {
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
