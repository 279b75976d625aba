//! The browser's side against the server's own: they have nothing in common but the RFC.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

use godkend_password::exchange::{Choosing, Refused, Seed, Using};
use godkend_protocol::bytes::{Blob, Fixed, Id};
use godkend_protocol::crypto;
use godkend_protocol::opaque::{self, OpaqueError, ServerSecrets};

struct Counter(u64);

impl rand_core::TryRng for Counter {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in to.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&crypto::sha256(&[b"counter", &self.0.to_be_bytes()]).0[..chunk.len()]);
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Counter {}

const CREDENTIAL: Id = Fixed([7; 16]);

fn registered(server: &ServerSecrets, password: &str) -> Blob {
    let (choosing, request) = Choosing::start(Seed::new([1; 32]), password.as_bytes()).unwrap();
    let response = server.register(&request, &CREDENTIAL).unwrap();
    opaque::finish_registration(&choosing.finish(&response.0).unwrap()).unwrap()
}

fn tried(server: &ServerSecrets, record: &Blob, password: &str, context: u8) -> Result<bool, Refused> {
    let (using, ke1) = Using::start(Seed::new([2; 32]), password.as_bytes()).unwrap();
    let started = server.start_try(&mut Counter(9), &record.0, &ke1, &CREDENTIAL, &Fixed([5; 32])).unwrap();
    let ke3 = using.finish(&started.ke2.0, &[context; 32])?;
    assert_eq!(opaque::finish_try(&started.state, &[0; 32]), Err(OpaqueError::Refused));
    Ok(opaque::finish_try(&started.state, &ke3).is_ok())
}

#[test]
fn the_right_password_proves_itself_and_no_other() {
    let server = ServerSecrets::generate(&mut Counter(0));
    let record = registered(&server, "en hest spiser havre");
    assert_eq!(tried(&server, &record, "en hest spiser havre", 5), Ok(true));
    assert_eq!(tried(&server, &record, "en hest spiser havrE", 5), Err(Refused));
    assert_eq!(tried(&server, &record, "", 5), Err(Refused));
    // Bound to another login.
    assert_eq!(tried(&server, &record, "en hest spiser havre", 6), Err(Refused));
    // Another server.
    let other = ServerSecrets::generate(&mut Counter(50));
    assert_eq!(tried(&other, &record, "en hest spiser havre", 5), Err(Refused));
}

#[test]
fn a_seed_draws_different_bytes_each_time() {
    let (_, a) = Using::start(Seed::new([2; 32]), b"x").unwrap();
    let (_, b) = Using::start(Seed::new([3; 32]), b"x").unwrap();
    assert_ne!(a, b);
    assert_eq!(a.len(), 98);
}

/// The page loads a built file: it must be built from these sources.
#[test]
fn the_browsers_file_is_built_from_these_sources() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for name in ["Cargo.toml", "src/browser.rs", "src/exchange.rs", "src/lib.rs", "src/rules.rs"] {
        sources.extend_from_slice(&std::fs::read(folder.join(name)).unwrap());
    }
    let files = std::fs::read_dir(folder.join("src")).unwrap().count();
    assert_eq!(files, 4, "a new source file belongs in this list and in build-wasm");
    let web = folder.join("../../server/src/web");
    let noted = std::fs::read_to_string(web.join("password.wasm.sources")).unwrap();
    let wasm = std::fs::read(web.join("password.wasm")).unwrap();
    let hashes = format!(
        "sources {}\nwasm {}\n",
        hex::encode(crypto::sha256(&[&sources]).0),
        hex::encode(crypto::sha256(&[&wasm]).0)
    );
    assert_eq!(noted, hashes, "run core/password/build-wasm");
    assert!(wasm.starts_with(b"\0asm"));
}
