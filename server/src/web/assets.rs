//! The pages' own files: scripts, style, emblem and the password's WebAssembly.
//!
//! They are the same for everybody and hold no secret, so they travel compressed: once per process, at the first request
//! that takes it. What a page or its script is answered does not. A login's answers hold its link's secret, its number and
//! its codes beside what came with the request (user id, reference text); whoever can have a browser ask again and again
//! and see how long the answers are learns a secret from how well it compresses beside a guess (BREACH,
//! <https://breachattack.com>). Their few kilobytes are not worth the risk, and compressing them would cost each login.

use std::io::Write as _;
use std::sync::OnceLock;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;

pub(super) const SCRIPT_PATH: &str = "/assets/login.js";
pub(super) const TIME_SCRIPT_PATH: &str = "/assets/time.js";
pub(super) const MEANS_SCRIPT_PATH: &str = "/assets/means.js";
pub(super) const PASSWORD_WASM_PATH: &str = "/assets/password.wasm";
pub(super) const STYLE_PATH: &str = "/assets/style.css";
pub(super) const ICON_PATH: &str = "/assets/icon.svg";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

static SCRIPT: Asset = Asset::new(include_bytes!("login.js"), JAVASCRIPT);
static TIME_SCRIPT: Asset = Asset::new(include_bytes!("time.js"), JAVASCRIPT);
static MEANS_SCRIPT: Asset = Asset::new(include_bytes!("means.js"), JAVASCRIPT);
/// OPAQUE for the browser, built from `core/password` by `core/password/build-wasm`.
static PASSWORD_WASM: Asset = Asset::new(include_bytes!("password.wasm"), "application/wasm");
static STYLE: Asset = Asset::new(include_bytes!("style.css"), "text/css; charset=utf-8");
static ICON: Asset = Asset::new(include_bytes!("icon.svg"), "image/svg+xml");

static ALL: [(&str, &Asset); 6] = [
    (SCRIPT_PATH, &SCRIPT),
    (TIME_SCRIPT_PATH, &TIME_SCRIPT),
    (MEANS_SCRIPT_PATH, &MEANS_SCRIPT),
    (PASSWORD_WASM_PATH, &PASSWORD_WASM),
    (STYLE_PATH, &STYLE),
    (ICON_PATH, &ICON),
];

/// The files' routes.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ALL.iter().fold(Router::new(), |router, (path, asset)| {
        router.route(path, get(move |headers: HeaderMap| async move { asset.answer(&headers) }))
    })
}

/// A file that is the same for everybody.
struct Asset {
    plain: &'static [u8],
    kind: &'static str,
    gzip: OnceLock<Option<Bytes>>,
}

impl Asset {
    const fn new(plain: &'static [u8], kind: &'static str) -> Self {
        Self { plain, kind, gzip: OnceLock::new() }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let compressed = takes_gzip(headers).then(|| self.gzip.get_or_init(|| gzip(self.plain)).clone()).flatten();
        let coding = compressed.is_some();
        let body = compressed.unwrap_or(Bytes::from_static(self.plain));
        let head = [
            (header::CONTENT_TYPE, self.kind),
            (header::CACHE_CONTROL, "public, max-age=300"),
            (header::VARY, "accept-encoding"),
        ];
        let mut response = (head, body).into_response();
        if coding {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// RFC 1952; `None` if it came out no smaller.
fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().filter(|small| small.len() < plain.len()).map(Bytes::from)
}

/// Whether `Accept-Encoding` takes gzip (RFC 9110, section 12.5.3); `*` counts where gzip is not named.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|field| field.to_str().ok());
    let mut any = false;
    for coding in fields.flat_map(|field| field.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse::<f32>().ok());
        let wanted = weight.is_some_and(|weight| weight > 0.0);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return wanted,
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn asks(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
        headers
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for takes in ["gzip", "br, GZIP", "gzip;q=0.5", "deflate, gzip;q=1.0, *;q=0", "*", "br;q=1, *;q=0.1"] {
            assert!(takes_gzip(&asks(takes)), "{takes}");
        }
        for refuses in ["", "br", "gzip;q=0", "gzip; q=0.0, *", "*;q=0", "identity", "gzip;q=x"] {
            assert!(!takes_gzip(&asks(refuses)), "{refuses}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn what_comes_compressed_is_the_file() {
        for (path, asset) in &ALL {
            let plain = asset.answer(&HeaderMap::new());
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING), "{path}");
            let small = asset.answer(&asks("gzip, br"));
            assert_eq!(
                (&small.headers()[header::VARY], &plain.headers()[header::VARY]),
                (&HeaderValue::from_static("accept-encoding"), &HeaderValue::from_static("accept-encoding"))
            );
            assert_eq!(small.headers()[header::CONTENT_ENCODING], "gzip", "{path}");
            let small = axum::body::to_bytes(small.into_body(), usize::MAX).await.unwrap();
            let mut whole = Vec::new();
            flate2::read::GzDecoder::new(&small[..]).read_to_end(&mut whole).unwrap();
            assert!(whole == asset.plain && small.len() < asset.plain.len(), "{path}");
        }
    }
}
