//! The site's command line.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use godkend_borger::Borger;
use godkend_netbank::Settings;

/// A small public body: a login at Low, and a step up to Substantial for a letter.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where the site listens.
    #[arg(long, env = "BORGER_LISTEN", default_value = "127.0.0.1:9081")]
    listen: SocketAddr,
    /// The site's own origin, as browsers see it; its /callback is registered at the identity server.
    #[arg(long, env = "BORGER_URL", default_value = "http://127.0.0.1:9081")]
    url: String,
    /// The identity server.
    #[arg(long, env = "BORGER_ISSUER", default_value = "https://localhost:8443")]
    issuer: String,
    /// The client identifier at the identity server.
    #[arg(long, env = "BORGER_CLIENT_ID", default_value = "borger")]
    client_id: String,
    /// The client's secret. From the environment only, so that no process list shows it.
    #[arg(skip = std::env::var("BORGER_CLIENT_SECRET").ok())]
    client_secret: Option<String>,
    /// A file with the client's secret.
    #[arg(long, env = "BORGER_CLIENT_SECRET_FILE")]
    client_secret_file: Option<PathBuf>,
    /// A PEM certificate to trust for the identity server, and no other: for one that made its own.
    #[arg(long, env = "BORGER_CA_FILE")]
    ca_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("borger: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let client_secret = match &options.client_secret_file {
        Some(path) => Some(std::fs::read_to_string(path)?.trim().to_owned()),
        None => options.client_secret,
    };
    let certificate = options.ca_file.map(std::fs::read).transpose()?;
    let settings = Settings {
        url: options.url.trim_end_matches('/').to_owned(),
        issuer: options.issuer,
        client_id: options.client_id,
        client_secret,
        certificate,
    };
    let site = Borger::new(settings)?;
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    println!("borger: listening on {}", listener.local_addr()?);
    site.serve(listener).await?;
    Ok(())
}
