//! A whole identity server inside this process, with a relying party of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use godkend_server::config::{Config, RelyingParty};
use godkend_server::keys::{InitOptions, init};
use godkend_server::ops::tls::system_random;
use godkend_server::server::{Running, StartOptions, start_on};
use ring::digest::{SHA256, digest};
use tokio::net::TcpListener;

use crate::clock;
use crate::home::{RelyingPartyFile, read_relying_party, relying_party_file, write_private};
use crate::problem::Problem;
use crate::rp::openid::random;

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// A test environment: software keys, a clock that can be set, magic identities.
    pub(crate) test: bool,
    /// Suite 2 as well.
    pub(crate) hybrid: bool,
    /// Where to listen; a new environment keeps the port that it gets.
    pub(crate) listen: SocketAddr,
    /// No limits in a minute: everything here comes from one machine, and faster than people are.
    pub(crate) unlimited: bool,
}

impl Options {
    /// On a free port of this machine, for a test.
    pub(crate) const fn test() -> Self {
        Self {
            test: true,
            hybrid: false,
            listen: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            unlimited: false,
        }
    }
}

/// Starts the environment in `directory`; a new one is made first.
///
/// # Errors
/// [`Problem::Embedded`] and [`Problem::File`].
pub(crate) async fn start(directory: &Path, options: &Options) -> Result<Running, Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::Embedded(error.to_string());
    let (listener, mut config) = prepare(directory, options).await?;
    config.relying_party.push(test_bank(directory)?);
    if options.unlimited {
        config.limits.requests_per_source_minute = 0;
        config.limits.logins_per_source_minute = u32::MAX;
        config.limits.connections_per_source = 0;
        config.means.tries_per_source_minute = u32::MAX;
        config.approval.numbers_per_minute = u32::MAX;
        config.metrics.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    }
    start_on(config, listener, StartOptions::default()).await.map_err(|e| failed(&e))
}

/// The environment's listener and configuration; a new one is made first.
///
/// # Errors
/// As [`start`].
pub(crate) async fn prepare(directory: &Path, options: &Options) -> Result<(TcpListener, Config), Problem> {
    let config_file = directory.join("godkend.toml");
    let failed = |error: &dyn std::fmt::Display| Problem::Embedded(error.to_string());
    let listener = if config_file.exists() {
        let listen = load(&config_file)?.server.listen;
        TcpListener::bind(listen).await.map_err(|e| failed(&format!("{listen}: {e}")))?
    } else if !options.test {
        return Err(Problem::usage(
            "Her er ingen server endnu. Et nyt miljø er til test: tilføj --test.",
            "There is no server here yet. A new environment is one for tests: add --test.",
        ));
    } else {
        // Bound first: a port that is free now is still ours when the keys are made.
        let listener =
            TcpListener::bind(options.listen).await.map_err(|e| failed(&format!("{}: {e}", options.listen)))?;
        create(directory, options, listener.local_addr().map_err(|e| failed(&e))?)?;
        listener
    };
    Ok((listener, load(&config_file)?))
}

fn load(path: &Path) -> Result<Config, Problem> {
    Config::load(path, std::env::vars()).map_err(|e| Problem::Embedded(e.to_string()))
}

fn create(directory: &Path, options: &Options, listen: SocketAddr) -> Result<(), Problem> {
    let new = InitOptions { hybrid: options.hybrid, ..InitOptions::test(directory, listen) };
    init(&new, clock::unix(), &mut system_random()).map_err(|e| Problem::Embedded(e.to_string()))?;
    Ok(())
}

/// The relying party that comes with the server. Its secret lies in a file of its own, not in the configuration.
fn test_bank(directory: &Path) -> Result<RelyingParty, Problem> {
    let path = relying_party_file(directory);
    let bank = if path.exists() {
        read_relying_party(&path)?
    } else {
        let bank = RelyingPartyFile {
            client_id: "testbank".to_owned(),
            client_secret: random()?.into(),
            redirect_uri: "https://testbank.example/callback".to_owned(),
        };
        let text = zeroize::Zeroizing::new(serde_json::to_vec_pretty(&bank).map_err(|e| Problem::file(&path, e))?);
        write_private(&path, &text)?;
        bank
    };
    let hash = digest(&SHA256, bank.client_secret.as_bytes());
    Ok(RelyingParty {
        client_id: bank.client_id.clone(),
        client_secret_sha256: Some(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()),
        redirect_uris: vec![bank.redirect_uri.clone()],
        name: "Testbanken".to_owned(),
        ciba: true,
        ..RelyingParty::default()
    })
}
