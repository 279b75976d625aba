//! HTTPS to an environment's server from outside the phone: relying party, browser and desk. The root vouches for the
//! server here too, so no certificate authority is asked.

use std::time::Duration;

use godkend_client::{Accept, Root, tls_configuration};
use godkend_protocol::keyset::SignedKeySet;
use rustls::Error;

use crate::clock;
use crate::problem::Problem;

/// Above the 25 seconds that the server may hold a poll.
const TIMEOUT: Duration = Duration::from_secs(40);

/// A client that talks to the root's server and to nobody else. It follows no redirects.
///
/// # Errors
/// [`Problem::NoNetwork`], and [`Problem::Untrusted`] if the key set is not the root's.
pub(crate) async fn client(root: &Root) -> Result<reqwest::Client, Problem> {
    if root.url.starts_with("http://") {
        return build(None);
    }
    let url = format!("{}/phone/v1/keys", root.url.trim_end_matches('/'));
    let response = build(Some(Accept::Anyone))?.get(url).send().await.map_err(|error| network(&root.url, &error))?;
    let bytes = response.bytes().await.map_err(|error| network(&root.url, &error))?;
    // Fetched from anyone, believed because the root has signed it.
    let set = SignedKeySet::verify(&bytes, root, 0, clock::unix()).map_err(|e| Problem::Untrusted(e.to_string()))?;
    build(Some(Accept::Pinned(set.tls_pins)))
}

/// What an error of the HTTP library's means.
pub(crate) fn network(url: &str, error: &reqwest::Error) -> Problem {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let nested = cause.downcast_ref::<std::io::Error>().and_then(|e| e.get_ref()?.downcast_ref::<Error>());
        if cause.downcast_ref::<Error>().or(nested).is_some_and(|tls| matches!(tls, Error::InvalidCertificate(_))) {
            return Problem::Untrusted("the TLS key is not pinned".to_owned());
        }
        source = cause.source();
    }
    Problem::NoNetwork(url.to_owned())
}

fn build(accept: Option<Accept>) -> Result<reqwest::Client, Problem> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("Godkend-headless/", env!("CARGO_PKG_VERSION")));
    if let Some(accept) = accept {
        let tls = tls_configuration(accept).map_err(|e| Problem::Untrusted(e.to_string()))?;
        builder = builder.tls_backend_preconfigured(tls);
    }
    builder.build().map_err(|e| Problem::Untrusted(e.to_string()))
}
