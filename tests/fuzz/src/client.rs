//! What the client library reads: sealed files, key blobs, roots, and whatever speaks HTTP on the other side.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use godkend_client::entropy::Entropy;
use godkend_client::roots::Roots;
use godkend_client::software_keys::{Persona, SoftwareKeys};
use godkend_client::state::{Profile, StateStore as _, Wrapping};
use godkend_client::transport::{Transport, TransportOptions};
use godkend_core::Authenticator;
use godkend_protocol::cbor;
use godkend_protocol::messages::{CONTENT_TYPE, Done, ErrorReply};
use tempfile::TempDir;

use crate::handset::Handset;
use crate::host;
use crate::input::{self, Input};
use crate::model;
use crate::mutate;
use crate::shared::random::Stream;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(6) {
        0 => keys(&mut input),
        1 => profile(&mut input),
        2 => roots(&mut input),
        3 => {
            let bytes = input.rest();
            let sum = godkend_protocol::crypto::sha256(&[bytes]);
            let with_sum = [bytes, &sum.0].concat();
            for state in [bytes, &with_sum] {
                let _ = Authenticator::new(Handset::config(model::root()), Some(state));
            }
        }
        _ => http(&mut input),
    }
}

fn entropy() -> Entropy {
    Entropy::new(Stream::new("client"))
}

fn keys(input: &mut Input<'_>) {
    use godkend_client::keys::{HardwareKeys as _, KeyAlias, KeyPolicy};
    use godkend_protocol::types::{KeyPurpose, SecurityLevel};
    static RIGHT: OnceLock<Vec<u8>> = OnceLock::new();
    let right = RIGHT.get_or_init(|| {
        let keys = SoftwareKeys::in_memory(entropy(), Persona::default());
        for purpose in [KeyPurpose::Possession, KeyPurpose::Pepper, KeyPurpose::Offline] {
            let policy = KeyPolicy {
                purpose,
                security: SecurityLevel::Software,
                biometric: false,
                unlocked: true,
                attestation_challenge: None,
            };
            host::runtime().block_on(keys.create(KeyAlias(purpose.name().to_owned()), policy)).unwrap();
        }
        keys.export().to_vec()
    });
    let bytes = match input.below(3) {
        0 => input.rest().to_vec(),
        1 => mutate::bytes(input, right.clone()),
        _ => mutate::cbor(input, right).unwrap_or_default(),
    };
    let keys = SoftwareKeys::in_memory(entropy(), Persona::default());
    if keys.import(&bytes).is_ok() {
        let exported = keys.export();
        keys.import(&exported).expect("what was taken is taken again");
        assert_eq!(*keys.export(), *exported);
    }
}

const CONTENT: &[u8] = b"what the app must not lose";

/// A profile of which one file is damaged.
fn profile(input: &mut Input<'_>) {
    static RIGHT: OnceLock<TempDir> = OnceLock::new();
    let right = RIGHT.get_or_init(|| {
        let folder = host::folder();
        let profile = Profile::open(folder.path(), &Wrapping::KeyFile, entropy()).unwrap();
        profile.file("state").save(CONTENT).unwrap();
        folder
    });
    let folder = host::folder();
    host::copy_folder(right.path(), folder.path());
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    names.sort();
    for _ in 0..=input.below(2) {
        let at = input.below(names.len());
        damage(input, &names[at]);
    }
    if let Ok(profile) = Profile::open(folder.path(), &Wrapping::KeyFile, entropy()) {
        match profile.file("state").load() {
            Ok(Some(content)) => assert_eq!(*content, CONTENT, "a damaged file was believed"),
            Ok(None) => assert!(!profile.file("state").path().exists(), "a file was overlooked"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn damage(input: &mut Input<'_>, path: &Path) {
    let Ok(content) = std::fs::read(path) else { return };
    if input.rarely(6) {
        std::fs::remove_file(path).unwrap();
    } else {
        std::fs::write(path, mutate::bytes(input, content)).unwrap();
    }
}

fn roots(input: &mut Input<'_>) {
    let right = serde_json::to_vec(&model::root()).unwrap();
    let text = if input.flag() { input::text(input.rest()) } else { input::text(&mutate::bytes(input, right)) };
    if let Ok(roots) = Roots::from_json(&text) {
        for root in roots.iter() {
            assert!(godkend_protocol::crypto::is_valid_point(&root.key));
            assert_eq!(roots.by_fingerprint(&root.fingerprint()), Some(root));
            assert!(Transport::new(&root.url, TransportOptions::default()).is_ok());
        }
    }
}

/// A listener on this machine that answers each connection with the bytes that it is given, and closes it.
struct Peer {
    url: String,
    answers: Mutex<Sender<Vec<u8>>>,
}

fn peer() -> &'static Peer {
    static PEER: OnceLock<Peer> = OnceLock::new();
    PEER.get_or_init(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (answers, next) = mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || {
            let mut answer = Vec::new();
            while let Ok((mut stream, _)) = listener.accept() {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                // A second connection for the same answer: the client tried again.
                while let Ok(newer) = next.try_recv() {
                    answer = newer;
                }
                let _ = stream.write_all(&answer);
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        });
        Peer { url, answers: Mutex::new(answers) }
    })
}

fn http(input: &mut Input<'_>) {
    let peer = peer();
    let body = match input.below(4) {
        0 => input.chunk().to_vec(),
        1 => cbor::encode(&Done {}),
        2 => {
            let refusal = ErrorReply { code: input.text(), retry_after: Some(input.number() as u32), tries_left: None };
            cbor::encode(&refusal)
        }
        _ => vec![0; usize::from(input.word()) * 2],
    };
    let status =
        *input.pick(&["200 OK", "403 Forbidden", "503 Busy", "302 Found", "429 Slow", "204 Nothing", "100 Go"]);
    let mut head = format!("HTTP/1.1 {status}\r\n");
    let length = if input.rarely(8) { input.number() as usize } else { body.len() };
    for _ in 0..input.below(5) {
        match input.below(6) {
            0 => head.push_str(&format!("content-type: {}\r\n", input.text())),
            1 => head.push_str(&format!("retry-after: {}\r\n", input.number())),
            2 => head.push_str("transfer-encoding: chunked\r\n"),
            3 => head.push_str("location: http://127.0.0.1:1/\r\n"),
            4 => head.push_str(&format!("content-length: {length}\r\n")),
            _ => head.push_str(&format!("content-type: {CONTENT_TYPE}\r\n")),
        }
    }
    head.push_str(&format!("content-type: {CONTENT_TYPE}\r\ncontent-length: {length}\r\n\r\n"));
    let mut answer = [head.as_bytes(), &body].concat();
    if input.rarely(4) {
        answer = mutate::bytes(input, answer);
    }
    peer.answers.lock().unwrap().send(answer).unwrap();
    let second = Duration::from_secs(1);
    let mut options = TransportOptions::default();
    (options.connect_timeout, options.answer_timeout, options.request_timeout) = (second, second, second);
    let taken = host::runtime().block_on(async {
        let transport = Transport::new(&peer.url, options).unwrap();
        transport.key_set().await
    });
    match taken {
        Ok(body) => assert!(body.len() <= cbor::MAX_MESSAGE, "a larger answer than allowed"),
        Err(error) => assert!(!error.to_string().is_empty() && error.retry_after().is_none_or(|_| true)),
    }
}
