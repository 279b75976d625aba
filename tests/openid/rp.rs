//! A relying party in a test's hand: it can do everything right, and each thing wrong.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_server::ops::secrets::P256Key;
use godkend_tests::world::{CLIENT_SECRET, rng, unix_now};
use godkend_tests::{Browser, World};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Reply {
    pub(crate) fn error(&self) -> &str {
        self.json["error"].as_str().unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name}: {self:?}")).to_owned()
    }
}

/// What a relying party shows for itself.
pub(crate) enum Shows {
    Secret(String),
    Key(Box<P256Key>),
    Nothing,
}

pub(crate) struct Rp {
    http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) id: String,
    pub(crate) shows: Shows,
    pub(crate) back: String,
    /// Binds its tokens to this key.
    pub(crate) key: Option<P256Key>,
}

pub(crate) fn new_key() -> P256Key {
    P256Key::generate(&mut rng()).unwrap()
}

pub(crate) fn jwk(key: &P256Key) -> Value {
    let point = key.public();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "EC", "crv": "P-256", "x": part(&point[1..33]), "y": part(&point[33..]) })
}

pub(crate) fn thumbprint(key: &P256Key) -> String {
    let jwk = jwk(key);
    hash(&format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]))
}

pub(crate) fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}

/// A signed token with this header and these claims, whatever they are.
pub(crate) fn jws(key: &P256Key, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap()))
}

/// A name that was never used.
pub(crate) fn once() -> String {
    hash(&format!("{:?}", new_key().public()))
}

pub(crate) fn claims_of(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

pub(crate) fn header_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

impl Rp {
    pub(crate) fn new(world: &World, id: &str, shows: Shows) -> Self {
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        Self {
            http: http.build().unwrap(),
            url: world.url.clone(),
            id: id.to_owned(),
            shows,
            back: format!("https://{id}.example/callback"),
            key: None,
        }
    }

    /// One with the secret of all these stories.
    pub(crate) fn secret(world: &World, id: &str) -> Self {
        Self::new(world, id, Shows::Secret(CLIENT_SECRET.to_owned()))
    }

    pub(crate) fn bound(mut self) -> Self {
        self.key = Some(new_key());
        self
    }

    /// A proof for this request with some claims replaced, or removed by null.
    pub(crate) fn proof(&self, method: &str, path: &str, nonce: &str, changed: &Value) -> String {
        let key = self.key.as_ref().unwrap();
        let mut claims = json!({
            "jti": once(), "htm": method, "htu": format!("{}{path}", self.url), "iat": unix_now(), "nonce": nonce,
        });
        for (name, value) in changed.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        jws(key, &json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(key) }), &claims)
    }

    /// The nonce that the server wants now.
    pub(crate) async fn nonce(&self) -> String {
        let proof = self.proof("POST", "/token", "", &json!({}));
        let reply = self.send("/token", &[("grant_type", "x")], &[("dpop", &proof)]).await;
        assert_eq!(reply.error(), "use_dpop_nonce", "{reply:?}");
        reply.header("dpop-nonce").to_owned()
    }

    /// One form, with the client's own authentication and these headers.
    pub(crate) async fn send(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
        let mut form: Vec<(String, String)> = form.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut request = self.http.post(format!("{}{path}", self.url));
        match &self.shows {
            Shows::Secret(secret) => {
                let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                request = request.basic_auth(encoded(&self.id), Some(encoded(secret)));
            }
            Shows::Key(key) => form.extend(self.assertion(key, &json!({}))),
            Shows::Nothing if form.iter().any(|(name, _)| name == "client_id") => {}
            Shows::Nothing => form.push(("client_id".to_owned(), self.id.clone())),
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request.form(&form).send().await.unwrap()).await
    }

    /// The parameters of an assertion with some claims replaced.
    pub(crate) fn assertion(&self, key: &P256Key, changed: &Value) -> Vec<(String, String)> {
        let mut claims = json!({
            "iss": self.id, "sub": self.id, "aud": self.url, "iat": unix_now(), "exp": unix_now() + 60, "jti": once(),
        });
        for (name, value) in changed.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let text = jws(key, &json!({ "alg": "ES256" }), &claims);
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        [("client_assertion_type", kind.to_owned()), ("client_assertion", text)]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec()
    }

    /// One form; bound to the key, if it has one.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        if self.key.is_none() {
            return self.send(path, form, &[]).await;
        }
        let nonce = self.nonce().await;
        self.send(path, form, &[("dpop", &self.proof("POST", path, &nonce, &json!({})))]).await
    }

    pub(crate) fn parameters(&self, changed: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all: BTreeMap<&str, &str> = [
            ("client_id", self.id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", &self.back),
            ("scope", "openid"),
            ("state", "the state"),
            ("nonce", "the nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("acr_values", "Substantial"),
        ]
        .into();
        all.extend(changed.iter().copied());
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    /// Pushes a request with some parameters replaced, or removed by an empty value.
    pub(crate) async fn push(&self, changed: &[(&str, &str)]) -> Reply {
        let all = self.parameters(changed);
        let form: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        self.send("/par", &form, &[]).await
    }

    /// Where the browser goes with a pushed request.
    pub(crate) async fn address(&self, changed: &[(&str, &str)]) -> String {
        let pushed = self.push(changed).await;
        assert_eq!(pushed.status, 201, "{pushed:?}");
        let mut url = url::Url::parse(&format!("{}/authorize", self.url)).unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", &self.id)
            .append_pair("request_uri", &pushed.text("request_uri"));
        url.into()
    }

    /// What the browser is sent back with at once, without a page: a shared login or an error.
    pub(crate) async fn at_once(&self, browser: &mut Browser, changed: &[(&str, &str)]) -> BTreeMap<String, String> {
        let address = self.address(changed).await;
        let (status, location, body) = browser.visit(&address).await.expect_err("no page");
        assert_eq!(status, 303, "{body}");
        query(&location.unwrap())
    }

    /// A login up to its answer, by a test identity that approves.
    pub(crate) async fn answer(
        &self,
        browser: &mut Browser,
        user_id: &str,
        changed: &[(&str, &str)],
    ) -> BTreeMap<String, String> {
        browser.visit(&self.address(changed).await).await.unwrap();
        browser.type_user_id(user_id).await;
        browser.finish().await
    }

    /// A login's code.
    pub(crate) async fn code(&self, world: &World, user_id: &str, changed: &[(&str, &str)]) -> String {
        let answer = self.answer(&mut world.browser(), user_id, changed).await;
        answer.get("code").unwrap_or_else(|| panic!("no code: {answer:?}")).clone()
    }

    pub(crate) async fn redeem(&self, code: &str) -> Reply {
        self.redeem_with(code, &[]).await
    }

    /// Redeems a code with some parameters replaced.
    pub(crate) async fn redeem_with(&self, code: &str, changed: &[(&str, &str)]) -> Reply {
        let mut form: BTreeMap<&str, &str> = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.back),
            ("code_verifier", VERIFIER),
        ]
        .into();
        form.extend(changed.iter().copied());
        self.post("/token", &form.into_iter().collect::<Vec<_>>()).await
    }

    /// The whole login of a test identity that approves: the token response.
    pub(crate) async fn tokens(&self, world: &World, user_id: &str, changed: &[(&str, &str)]) -> Reply {
        let reply = self.redeem(&self.code(world, user_id, changed).await).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    }

    /// Asks for what an access token opens.
    pub(crate) async fn open(&self, path: &str, token: &str, form: Option<&[(&str, &str)]>) -> Reply {
        let (method, mut headers) = if form.is_some() { ("POST", vec![]) } else { ("GET", vec![]) };
        if self.key.is_some() {
            let proof = self.proof(method, path, &self.nonce().await, &json!({ "ath": hash(token) }));
            headers.extend([("dpop", proof), ("authorization", format!("DPoP {token}"))]);
        } else {
            headers.push(("authorization", format!("Bearer {token}")));
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        self.open_with(path, form, &headers).await
    }

    /// Asks something of the citizen's interface; what is sent makes it a POST.
    pub(crate) async fn own(&self, path: &str, token: &str, body: Option<Value>) -> Reply {
        let path = format!("/citizen/v1/{path}");
        let bare = path.split('?').next().unwrap();
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = match &body {
            Some(body) => self.http.post(format!("{}{path}", self.url)).json(body),
            None => self.http.get(format!("{}{path}", self.url)),
        };
        if self.key.is_some() {
            let proof = self.proof(method, bare, &self.nonce().await, &json!({ "ath": hash(token) }));
            request = request.header("dpop", proof).header("authorization", format!("DPoP {token}"));
        } else if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        reply(request.send().await.unwrap()).await
    }

    /// The same, with these headers and no others.
    pub(crate) async fn open_with(&self, path: &str, form: Option<&[(&str, &str)]>, headers: &[(&str, &str)]) -> Reply {
        let url = format!("{}{path}", self.url);
        let mut request = form.map_or_else(|| self.http.get(&url), |form| self.http.post(&url).form(form));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.open_with(path, None, &[]).await
    }
}

async fn reply(response: reqwest::Response) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Reply { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

pub(crate) fn query(address: &str) -> BTreeMap<String, String> {
    url::Url::parse(address).unwrap_or_else(|_| panic!("no address: {address}")).query_pairs().into_owned().collect()
}

/// A relying party's table for the configuration file.
pub(crate) fn table(id: &str, more: &str) -> String {
    let hash = hex::encode(ring::digest::digest(&ring::digest::SHA256, CLIENT_SECRET.as_bytes()));
    format!(
        "\n[[relying_party]]\nclient_id = \"{id}\"\nclient_secret_sha256 = \"{hash}\"\nname = \"{id}\"\n\
         redirect_uris = [\"https://{id}.example/callback\"]\n{more}\n"
    )
}

/// A world with a test identity `approves` and the relying parties of the usual file.
pub(crate) async fn world() -> World {
    world_with("").await
}

/// The same, with more in its configuration file.
pub(crate) async fn world_with(more: &str) -> World {
    let world = World::with(|_| {}, |text| text.push_str(more)).await;
    world.magic("approves", "approves").await;
    world
}
