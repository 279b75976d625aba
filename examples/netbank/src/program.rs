//! The command line that the demo sites share: where a site listens, and how it proves itself to the identity server.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use axum::Router;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser};

use crate::Settings;
use crate::provider::ProviderError;

/// What differs from site to site.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The program's name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// The client identifier, unless another one is named; in capitals what the variables' names begin with.
    pub client_id: &'static str,
    /// The port of the loopback, unless another address is named.
    pub port: u16,
}

#[derive(Parser)]
struct Options {
    /// Where the site listens: plain HTTP, so behind a proxy that ends TLS, or on the loopback.
    #[arg(long)]
    listen: SocketAddr,
    /// The site's own origin, as browsers see it; its /callback is registered at the identity server.
    #[arg(long)]
    url: String,
    /// The identity server.
    #[arg(long, default_value = "https://localhost:8443")]
    issuer: String,
    /// The client identifier at the identity server.
    #[arg(long)]
    client_id: String,
    /// A file with the client's secret; without one it is taken from the environment, so that no process list shows it.
    #[arg(long)]
    client_secret_file: Option<PathBuf>,
    /// A PEM certificate to trust for the identity server, and no other: for one that made its own.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Binds the client's tokens to a key (DPoP); for a client that is registered with dpop = true.
    #[arg(long)]
    dpop: bool,
}

impl Program {
    /// Reads the command line and serves the site's pages until that fails.
    pub async fn run(self, pages: impl FnOnce(Settings) -> Result<Router, ProviderError>) -> ExitCode {
        let matches = self.command().get_matches();
        let secret = std::env::var(self.variable("client_secret")).ok();
        match self.serve(&matches, secret, pages).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {error}", self.name);
                ExitCode::FAILURE
            }
        }
    }

    async fn serve(
        self,
        matches: &ArgMatches,
        secret: Option<String>,
        pages: impl FnOnce(Settings) -> Result<Router, ProviderError>,
    ) -> Result<(), Box<dyn Error>> {
        let (listen, settings) = settings(matches, secret)?;
        let pages = pages(settings)?;
        let listener = tokio::net::TcpListener::bind(listen).await?;
        println!("{}: listening on {}", self.name, listener.local_addr()?);
        axum::serve(listener, pages).await?;
        Ok(())
    }

    fn command(self) -> Command {
        let Self { name, about, client_id, port } = self;
        let secret = format!("The secret's variable is {}.", self.variable("client_secret"));
        let command = Options::command().name(name).about(about).version(env!("CARGO_PKG_VERSION")).after_help(secret);
        command.mut_args(|arg| {
            let option = arg.get_id().as_str();
            let default = match option {
                "listen" => Some(lasting(format!("127.0.0.1:{port}"))),
                "url" => Some(lasting(format!("http://127.0.0.1:{port}"))),
                "client_id" => Some(client_id),
                _ => None,
            };
            let variable = lasting(self.variable(option));
            let arg = arg.env(variable);
            match default {
                Some(default) => arg.required(false).default_value(default),
                None => arg,
            }
        })
    }

    /// The environment variable of an option.
    fn variable(self, option: &str) -> String {
        format!("{}_{option}", self.client_id).replace('-', "_").to_uppercase()
    }
}

/// The parser keeps what it is given for as long as the program runs.
fn lasting(text: String) -> &'static str {
    text.leak()
}

fn settings(matches: &ArgMatches, secret: Option<String>) -> Result<(SocketAddr, Settings), Box<dyn Error>> {
    let options = Options::from_arg_matches(matches)?;
    let client_secret = match &options.client_secret_file {
        Some(path) => Some(std::fs::read_to_string(path)?.trim().to_owned()),
        None => secret,
    };
    let settings = Settings {
        url: options.url.trim_end_matches('/').to_owned(),
        issuer: options.issuer,
        client_id: options.client_id,
        client_secret,
        certificate: options.ca_file.map(std::fs::read).transpose()?,
        dpop: options.dpop,
    };
    Ok((options.listen, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Program =
        Program { name: "godkend-self-service", about: "A site", client_id: "self-service", port: 9082 };

    fn read(more: &[&str], secret: Option<&str>) -> (SocketAddr, Settings) {
        let words = ["godkend-self-service"].iter().chain(more);
        let matches = PROGRAM.command().try_get_matches_from(words).unwrap();
        settings(&matches, secret.map(str::to_owned)).unwrap()
    }

    #[test]
    fn each_option_has_its_variable_and_its_default() {
        let command = PROGRAM.command();
        command.clone().debug_assert();
        let variables: Vec<_> =
            command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)).collect();
        let of = |name: &str| format!("SELF_SERVICE_{name}");
        assert_eq!(
            variables,
            ["LISTEN", "URL", "ISSUER", "CLIENT_ID", "CLIENT_SECRET_FILE", "CA_FILE", "DPOP"].map(of)
        );
        let (listen, settings) = read(&[], None);
        assert_eq!((listen.to_string().as_str(), settings.url.as_str()), ("127.0.0.1:9082", "http://127.0.0.1:9082"));
        assert_eq!((settings.client_id.as_str(), settings.client_secret), ("self-service", None));
    }

    #[test]
    fn a_file_with_the_secret_comes_before_the_variable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "of the file\n").unwrap();
        let file = file.path().to_str().unwrap();
        let secret = |more: &[&str]| read(more, Some("of the environment")).1.client_secret;
        assert_eq!(secret(&["--client-secret-file", file]).as_deref(), Some("of the file"));
        assert_eq!(secret(&[]).as_deref(), Some("of the environment"));
        let (listen, settings) = read(&["--url", "https://a.dk/", "--listen", "[::1]:1", "--ca-file", file], None);
        assert_eq!((listen.to_string().as_str(), settings.url.as_str()), ("[::1]:1", "https://a.dk"));
        assert_eq!(settings.certificate.as_deref(), Some(&b"of the file\n"[..]));
        let missing = PROGRAM.command().try_get_matches_from(["x", "--ca-file", "/nothing/here"]).unwrap();
        assert!(super::settings(&missing, None).is_err());
    }
}
