//! Guessing without asking: what thieves have in hand, and the best that they can do with it.
//!
//! The attack is OPAQUE's own arithmetic (RFC 9807 and RFC 9497), written anew here. A guess is tested by what the
//! record says of the right one: its masking key, and the public `pin` key. For that a thief needs two secrets at once:
//! the phone's pepper key, which makes a PIN into OPAQUE's password, and the server's OPRF key. The tests hand the thief
//! one of them for nothing, and let everything in the loot that could be a key stand in for the other; with the other one
//! really in the loot the same search finds the PIN.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_client::entropy::Entropy;
use godkend_protocol::bytes::{Fixed, Id, PublicKey, Secret};
use godkend_protocol::cbor;
use godkend_protocol::cose::Received;
use godkend_protocol::crypto;
use godkend_protocol::messages::pin::{PinEnrol, PinEnrolRequest, PinRegister, PinStart, PinStartRequest};
use godkend_protocol::opaque::{self, Trying};
use godkend_protocol::types::KeyPurpose;
use p256_013::NistP256;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use voprf::{OprfClient, OprfServer};

use super::hand::{active, ask};
use godkend_tests::phone::{OTHER_PIN, PIN, with_pin};
use godkend_tests::{Bench, World};

type Key = [u8; 32];

/// What a record gives away about the right guess.
struct Target {
    environment: String,
    account: Id,
    device: Id,
    record: Vec<u8>,
    pin_key: PublicKey,
}

impl Target {
    /// OPAQUE's password for a PIN, with this pepper key.
    fn password(&self, pepper: &Key, pin: &str) -> Key {
        let input = opaque::pin_input(&self.environment, &self.account, &self.device, pin);
        crypto::hmac_sha256(pepper, &[&input.0]).0
    }

    /// Whether this password under this OPRF key is the one that was registered.
    fn admits(&self, password: &Key, oprf_key: &Key) -> bool {
        let Ok(server) = OprfServer::<NistP256>::new_with_key(oprf_key) else { return false };
        let output = server.evaluate(password).unwrap();
        // Stretching is the identity.
        let randomized = crypto::hmac_sha256(&[], &[&output, &output]);
        let expand = |info: &[&[u8]]| crypto::hmac_sha256(&randomized.0, &[&info.concat(), &[1]]);
        let nonce = &self.record[65..97];
        let export = Secret(expand(&[nonce, b"ExportKey"]).0);
        expand(&[b"MaskingKey"]).0 == self.record[33..65]
            || crypto::p256_public(&opaque::pin_key(&export)).unwrap() == self.pin_key
    }

    /// Those of the PINs that some pair of these keys confirms.
    fn search(&self, pins: &[&'static str], peppers: &BTreeSet<Key>, oprf_keys: &BTreeSet<Key>) -> Vec<&'static str> {
        let confirmed = |pin: &str| {
            peppers.iter().any(|pepper| {
                let password = self.password(pepper, pin);
                oprf_keys.iter().any(|key| self.admits(&password, key))
            })
        };
        pins.iter().copied().filter(|pin| confirmed(pin)).collect()
    }

    /// Those of the PINs that a blinded element of the traffic confirms, if one of these bytes blinded it.
    fn unblind(
        &self,
        pins: &[&'static str],
        pepper: &Key,
        blinds: &BTreeSet<Key>,
        seen: &BTreeSet<Vec<u8>>,
    ) -> Vec<&'static str> {
        let confirmed = |pin: &str| {
            let password = self.password(pepper, pin);
            blinds.iter().any(|blind| {
                let blinded = OprfClient::<NistP256>::blind(&password, &mut Replay(*blind, 0));
                blinded.is_ok_and(|blinded| seen.contains(blinded.message.serialize().as_slice()))
            })
        };
        pins.iter().copied().filter(|pin| confirmed(pin)).collect()
    }
}

/// A generator that says what it was given, and after that nothing that would fit.
struct Replay(Key, usize);

impl rand_core_06::RngCore for Replay {
    fn next_u32(&mut self) -> u32 {
        rand_core_06::impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        rand_core_06::impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, out: &mut [u8]) {
        for byte in out {
            // Zeros are no scalar; ones are, and the search ends.
            *byte = self.0.get(self.1).copied().unwrap_or(1);
            self.1 += 1;
        }
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for Replay {}

/// A phone that writes its randomness down.
struct Talkative(Arc<Mutex<Vec<u8>>>);

impl rand_core::TryRng for Talkative {
    type Error = std::convert::Infallible;
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
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        Entropy::system().with(|rng| rng.fill_bytes(out));
        self.0.lock().unwrap().extend_from_slice(out);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Talkative {}

/// Everything in the loot that could be a key of 32 bytes: each offset of every short piece, and of every byte string of
/// CBOR in the longer ones (major type 2 with a length of one byte), however deeply it is wrapped.
fn windows<'a>(loot: impl IntoIterator<Item = &'a Vec<u8>>) -> BTreeSet<Key> {
    const SHORT: usize = 64;
    let mut all = BTreeSet::new();
    let mut take = |piece: &[u8]| all.extend(piece.windows(32).map(|window| Key::try_from(window).unwrap()));
    for bytes in loot {
        if bytes.len() <= SHORT {
            take(bytes);
        }
        for (at, header) in bytes.windows(2).enumerate() {
            let length = usize::from(header[1]);
            if header[0] == 0x58 && (32..=SHORT).contains(&length) {
                take(bytes.get(at + 2..at + 2 + length).unwrap_or_default());
            }
        }
    }
    all
}

/// Every 32 bytes, at each offset.
fn every_window(bytes: &[u8]) -> BTreeSet<Key> {
    bytes.windows(32).map(|window| window.try_into().unwrap()).collect()
}

fn one(key: Key) -> BTreeSet<Key> {
    BTreeSet::from([key])
}

/// What a phone has ever stored, and everything that it sent and heard, as if there were no TLS.
fn phone_and_traffic(bench: &Bench) -> Vec<Vec<u8>> {
    let mut loot = bench.persisted.clone();
    for exchange in &bench.traffic {
        loot.push(exchange.body.clone());
        loot.extend(exchange.reply.clone());
    }
    loot
}

/// The blinded elements in the traffic.
fn blinded(bench: &Bench) -> BTreeSet<Vec<u8>> {
    let environment = bench.environment();
    let element = |path: &str, body: &[u8]| match path {
        PinRegister::PATH => {
            let message = Received::<PinRegister>::parse(body, environment).unwrap();
            Some(message.claimed().request.0.clone())
        }
        PinStartRequest::PATH => {
            let request: PinStartRequest = cbor::decode(body).unwrap();
            let message = Received::<PinStart>::parse(&request.start.0, environment).unwrap();
            Some(message.claimed().ke1.0[..33].to_vec())
        }
        _ => None,
    };
    bench.traffic.iter().filter_map(|exchange| element(exchange.path, &exchange.body)).collect()
}

/// What the phone sent when its PIN was chosen, and under which identifier the server keeps it.
async fn target(bench: &mut Bench, world: &World) -> Target {
    let asked = ask(bench, world).await;
    let request: PinEnrolRequest = cbor::decode(&bench.sent(PinEnrolRequest::PATH).body).unwrap();
    let enrol = Received::<PinEnrol>::parse(&request.enrol.0, bench.environment()).unwrap().claimed().clone();
    assert_eq!(enrol.upload.0.len(), 129);
    Target {
        environment: bench.environment().to_owned(),
        account: asked.claimed.account,
        device: asked.claimed.device,
        record: enrol.upload.0,
        pin_key: enrol.pin_key,
    }
}

/// The key of the OPRF that a record was made with, from the server's seed and the record's credential identifier.
fn oprf_key(seed: &[u8], credential: &[u8]) -> Key {
    let derived = crypto::hmac_sha256(&seed[..32], &[credential, b"OprfKey", &[1]]);
    let server = OprfServer::<NistP256>::new_from_seed(&derived.0, b"OPAQUE-DeriveKeyPair").unwrap();
    server.serialize().as_slice().try_into().unwrap()
}

/// The files of the server, those below `secrets` apart.
fn files(folder: &Path, secrets: bool) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if secrets || path.file_name().unwrap() != "secrets" {
                all.extend(files(&path, secrets));
            }
        } else {
            all.push(std::fs::read(path).unwrap());
        }
    }
    all
}

/// The database as somebody reads it who has taken the file.
async fn dump(world: &World) -> Vec<Vec<u8>> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(world.data().join("godkend.sqlite"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let mut all = Vec::new();
    for table in sqlx::query(tables).fetch_all(&mut connection).await.unwrap() {
        let table: String = table.get(0);
        let sql = AssertSqlSafe(format!("SELECT * FROM \"{table}\""));
        for row in sqlx::query(sql).fetch_all(&mut connection).await.unwrap() {
            all.extend((0..row.len()).filter_map(|at| row.try_get_unchecked::<Vec<u8>, _>(at).ok()));
        }
    }
    connection.close().await.unwrap();
    all
}

/// What is written in Base64 anywhere in there, decoded. JSON holds bytes in no other way.
fn decoded(raw: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    raw.iter()
        .flat_map(|bytes| bytes.split(move |byte| !is_base64(byte)))
        .filter(|word| word.len() >= 43)
        .filter_map(|word| URL_SAFE_NO_PAD.decode(word).ok())
        .collect()
}

/// The device's record in the database: its OPAQUE record and the identifier of its credential.
fn stored_record(rows: &[Vec<u8>], device: &Id) -> (Vec<u8>, Vec<u8>) {
    let documents = rows.iter().filter_map(|row| serde_json::from_slice::<Value>(row).ok());
    let mut own = documents.filter(|doc| doc["id"] == device.to_base64() && doc["pin"].is_object());
    let pin = own.next().expect("the device")["pin"].clone();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(pin[name].as_str().unwrap()).unwrap();
    (bytes("record"), bytes("credential"))
}

/// The newest OPAQUE secrets.
fn seed(world: &World) -> Vec<u8> {
    let secrets = std::fs::read_dir(world.data().join("secrets")).unwrap().map(|entry| entry.unwrap().path());
    let seed = secrets.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("opaque")).max();
    std::fs::read(seed.unwrap()).unwrap()
}

/// Guesses: the right one among others.
const GUESSES: [&str; 6] = ["000000", "123456", OTHER_PIN, PIN, "170385", "999999"];

/// Everything that a life of this phone leaves behind: right and wrong PINs, an app killed in the midst of a try.
async fn lived(user_id: &str) -> (World, Bench, Target) {
    use godkend_core::Command;
    use godkend_tests::bench::Kill;
    let (world, _, mut bench) = active(user_id).await;
    for pin in [PIN, OTHER_PIN] {
        let _ = bench.login(&world, with_pin(pin)).await;
    }
    for done in [false, true] {
        let (_, view) = bench.scan(&world).await;
        let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
        bench.run(approve, Some(Kill { step: 3, done })).await;
        assert_eq!(bench.traffic.last().unwrap().path, if done { PinStartRequest::PATH } else { "challenge" });
    }
    bench.login(&world, with_pin(PIN)).await.unwrap();
    let target = target(&mut bench, &world).await;
    (world, bench, target)
}

#[tokio::test]
async fn a21_a_phones_storage_and_its_recorded_traffic_test_no_pin() {
    let (mut world, bench, target) = lived("gro-phone").await;
    let pepper = bench.secret(KeyPurpose::Pepper).0;
    let loot = windows(&phone_and_traffic(&bench));
    let elements = blinded(&bench);
    assert!(elements.len() >= 4);
    println!("{} stand-ins", loot.len());
    world.stop().await;
    let rows = dump(&world).await;
    let (_, credential) = stored_record(&rows, &target.device);
    let oprf = oprf_key(&seed(&world), &credential);

    // With the server's key for nothing, nothing in the phone is its pepper: the right PIN is like any other.
    assert_eq!(target.search(&[PIN], &loot, &one(oprf)), [""; 0]);
    // With the hardware opened as well, the phone and its traffic hold nothing in place of the server's key.
    assert_eq!(target.search(&[PIN], &one(pepper), &loot), [""; 0]);
    // Nor what blinded the PIN on its way.
    assert_eq!(target.unblind(&[PIN], &pepper, &loot, &elements), [""; 0]);

    // The same searches, once the missing half is in the loot.
    let with = |key: Key| loot.iter().copied().take(10).chain([key]).collect::<BTreeSet<_>>();
    assert_eq!(target.search(&GUESSES, &with(pepper), &one(oprf)), [PIN]);
    assert_eq!(target.search(&GUESSES, &one(pepper), &with(oprf)), [PIN]);
    // A phone that kept what it blinds with would give the PIN away with the pepper, and not without it.
    let noted = Arc::new(Mutex::new(Vec::new()));
    let password = Secret(target.password(&pepper, PIN));
    let (_, ke1) = Entropy::new(Talkative(noted.clone())).with(|rng| Trying::start(rng, password)).unwrap();
    let (noted, elements) = (every_window(&noted.lock().unwrap()), BTreeSet::from([ke1.0[..33].to_vec()]));
    assert_eq!(target.unblind(&GUESSES, &pepper, &noted, &elements), [PIN]);
    assert_eq!(target.unblind(&GUESSES, &[7; 32], &noted, &elements), [""; 0]);
}

#[tokio::test]
async fn a22_a_database_with_the_seed_or_the_whole_server_tests_no_pin() {
    let (mut world, bench, target) = lived("hans-dump").await;
    let pepper = bench.secret(KeyPurpose::Pepper).0;
    // A try is left open, so that its state lies in the database too.
    world.stop().await;
    let rows = dump(&world).await;
    let (record, credential) = stored_record(&rows, &target.device);
    assert_eq!(record, target.record, "the database is where the record is");
    let oprf = oprf_key(&seed(&world), &credential);

    // The database alone, rows and freed pages: with the phone's pepper for nothing, none of it is the OPRF's key.
    let mut database = rows.clone();
    database.extend(files(&world.data(), false));
    let loot = windows(&decoded(&database));
    println!("{} stand-ins in the database and the log", loot.len());
    assert_eq!(target.search(&[PIN], &one(pepper), &loot), [""; 0]);
    // With the seed, and at last with all that the server has: nothing stands in for the pepper.
    let everything = files(&world.data(), true);
    let secrets: Vec<_> = files(&world.data().join("secrets"), true);
    assert!(secrets.len() >= 5);
    let mut loot = loot;
    loot.extend(secrets.iter().filter(|secret| secret.len() < 200).flat_map(|secret| every_window(secret)));
    loot.extend(windows(&decoded(&everything)));
    assert_eq!(target.search(&[PIN], &loot, &one(oprf)), [""; 0]);

    // With phone and server both, every guess is a test: that is written down, not hidden.
    assert_eq!(target.search(&GUESSES, &one(pepper), &one(oprf)), [PIN]);
    // The key is this record's alone: another registration's or device's credential gives another one.
    let other = oprf_key(&seed(&world), &Fixed::<16>([1; 16]).0);
    assert_eq!(target.search(&GUESSES, &one(pepper), &one(other)), [""; 0]);
}
