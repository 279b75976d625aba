//! The site's command line.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use godkend_netbank::Settings;
use godkend_self_service::Site;

/// The citizen's own site.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where the site listens: plain HTTP, so behind a proxy that ends TLS, or on the loopback.
    #[arg(long, env = "SELF_SERVICE_LISTEN", default_value = "127.0.0.1:9082")]
    listen: SocketAddr,
    /// The site's own origin, as browsers see it; its /callback is registered at the identity server.
    #[arg(long, env = "SELF_SERVICE_URL", default_value = "http://127.0.0.1:9082")]
    url: String,
    /// The identity server.
    #[arg(long, env = "SELF_SERVICE_ISSUER", default_value = "https://localhost:8443")]
    issuer: String,
    /// The client identifier at the identity server, registered with self_service = true.
    #[arg(long, env = "SELF_SERVICE_CLIENT_ID", default_value = "self-service")]
    client_id: String,
    /// The client's secret. From the environment only, so that no process list shows it.
    #[arg(skip = std::env::var("SELF_SERVICE_CLIENT_SECRET").ok())]
    client_secret: Option<String>,
    /// A file with the client's secret.
    #[arg(long, env = "SELF_SERVICE_CLIENT_SECRET_FILE")]
    client_secret_file: Option<PathBuf>,
    /// A PEM certificate to trust for the identity server, and no other: for one that made its own.
    #[arg(long, env = "SELF_SERVICE_CA_FILE")]
    ca_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("self-service: {error}");
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
    let site = Site::new(settings)?;
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    println!("self-service: listening on {}", listener.local_addr()?);
    site.serve(listener).await?;
    Ok(())
}
