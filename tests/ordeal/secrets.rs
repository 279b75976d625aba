//! After a whole run of real processes, every PIN, key, code and CPR number that was used in it is looked for in
//! everything that was left behind: logs, metrics, database, audit log, sealed files, and the processes' memory, which is
//! what a core dump holds. Each place is first given a secret of its own, and the search has to find it there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use godkend_client::entropy::Entropy;
use godkend_client::software_keys::{Persona, SoftwareKeys};
use godkend_client::state::{Profile, Wrapping};
use godkend_protocol::bytes::Secret;
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{CLIENT_SECRET, Server, clean};
use crate::wire::{Browser, Finish, Wire};

const PIN: &str = "730915";
const WRONG_PIN: &str = "482617";
const CPR: &str = "1703850003";
const PLANTED: &[u8] = b"a planted secret that somebody forgot";

/// Where something may be left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Logs,
    Metrics,
    Database,
    AuditLog,
    PhoneFiles,
    Screens,
    ServerMemory,
    PhoneMemory,
}

use Place::{AuditLog, Database, Logs, Metrics, PhoneFiles, PhoneMemory, Screens, ServerMemory};

const PLACES: [Place; 8] = [Logs, Metrics, Database, AuditLog, PhoneFiles, Screens, ServerMemory, PhoneMemory];

/// Something that was used, and where alone it belongs.
struct Used {
    name: String,
    bytes: Vec<u8>,
    belongs: &'static [Place],
}

/// A secret was found where it must not be. It does not say the secret.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Leak(String, Place, &'static str);

impl fmt::Debug for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:?}, as {}", self.0, self.1, self.2)
    }
}

/// What was left behind, by place.
#[derive(Default)]
struct Remains(BTreeMap<Place, Vec<Vec<u8>>>);

impl Remains {
    fn add(&mut self, place: Place, bytes: Vec<u8>) {
        self.0.entry(place).or_default().push(bytes);
    }

    fn folder(&mut self, place: Place, folder: &Path, wanted: &dyn Fn(&Path) -> bool) {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                self.folder(place, &path, wanted);
            } else if wanted(&path) {
                self.add(place, std::fs::read(&path).unwrap());
            }
        }
    }

    /// Every secret in every form, in one pass over everything.
    fn search(&self, used: &[Used]) -> Vec<Leak> {
        let wanted: Vec<_> = used
            .iter()
            .flat_map(|secret| forms(&secret.bytes).into_iter().map(move |(form, needle)| (secret, form, needle)))
            .collect();
        let needles = AhoCorasick::new(wanted.iter().map(|(.., needle)| needle)).unwrap();
        let mut leaks = BTreeSet::new();
        for (place, all) in self.0.iter().flat_map(|(place, remains)| remains.iter().map(move |all| (*place, all))) {
            for found in needles.find_overlapping_iter(all) {
                let (secret, form, _) = &wanted[found.pattern().as_usize()];
                if !secret.belongs.contains(&place) {
                    leaks.insert(Leak(secret.name.clone(), place, form));
                }
            }
        }
        leaks.into_iter().collect()
    }
}

/// The forms in which a secret could stand somewhere. What is too short to be told from chance is left out.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: String| text.into_bytes();
    let mut forms = vec![
        ("itself", secret.to_vec()),
        ("hexadecimal", text(hex::encode(secret))),
        ("upper-case hexadecimal", text(hex::encode_upper(secret))),
        ("UTF-16", secret.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("a list of numbers", text(secret.iter().map(u8::to_string).collect::<Vec<_>>().join(","))),
    ];
    // In Base64 a secret looks different at each of three offsets; its first and last letters also hold its neighbours.
    for offset in 0..3 {
        let shifted = [vec![0; offset], secret.to_vec()].concat();
        let clean = |encoded: String| {
            let skip = [0, 2, 3][offset];
            let end = encoded.len() - usize::from(shifted.len() % 3 != 0);
            encoded.as_bytes()[skip..end].to_vec()
        };
        forms.push(("Base64", clean(STANDARD_NO_PAD.encode(&shifted))));
        forms.push(("Base64 for addresses", clean(URL_SAFE_NO_PAD.encode(&shifted))));
    }
    forms.retain(|(form, needle)| *form == "itself" || needle.len() >= 8);
    forms
}

/// What a core dump of the process would hold: all memory that it can write.
fn memory(pid: u32) -> Vec<u8> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut file = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"))) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut region = vec![0; usize::try_from(to - from).unwrap()];
        // Some regions belong to the kernel.
        if file.seek(SeekFrom::Start(from)).is_ok() && file.read_exact(&mut region).is_ok() {
            all.append(&mut region);
        }
    }
    assert!(all.len() > 1_000_000, "the memory of {pid} cannot be read");
    all
}

/// Somebody's phone: a process for each thing that they do, or one that stays.
struct Phone<'a> {
    home: &'a Path,
    root: &'a Path,
}

impl Phone<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_ordeal-phone")));
        command.args(["--key-store", "file"]).args(words);
        command.env("GODKEND_HOME", self.home).env("GODKEND_ROOT", self.root).env_remove("DBUS_SESSION_BUS_ADDRESS");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// To its end; everything that it said, and the lines of its JSON.
    fn run(&self, words: &[&str], typed: &[&str]) -> (Vec<u8>, Vec<Value>) {
        let mut child = self.command(words).arg("--json").spawn().unwrap();
        type_lines(&mut child, typed);
        let said = child.wait_with_output().unwrap();
        let lines = String::from_utf8_lossy(&said.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        ([said.stdout, said.stderr].concat(), lines)
    }
}

fn type_lines(child: &mut Child, lines: &[&str]) {
    let input = child.stdin.as_mut().unwrap();
    for line in lines {
        // One that ends before it has read everything is no failure here.
        let _ = writeln!(input, "{line}");
    }
    let _ = input.flush();
}

/// What a phone that stays on has said so far.
struct Screen {
    output: BufReader<ChildStdout>,
    said: Vec<u8>,
}

impl Screen {
    fn of(child: &mut Child) -> Self {
        Self { output: BufReader::new(child.stdout.take().unwrap()), said: Vec::new() }
    }

    /// Waits for the next line of the kind.
    fn until(&mut self, kind: &str) {
        loop {
            let from = self.said.len();
            let read = self.output.read_until(b'\n', &mut self.said).unwrap();
            assert!(read > 0, "it ended without {kind}: {}", String::from_utf8_lossy(&self.said));
            if serde_json::from_slice::<Value>(&self.said[from..]).unwrap()["type"] == kind {
                return;
            }
        }
    }

    fn into_rest(mut self) -> Vec<u8> {
        self.output.read_to_end(&mut self.said).unwrap();
        self.said
    }
}

fn line<'a>(lines: &'a [Value], kind: &str) -> &'a Value {
    lines.iter().find(|line| line["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {lines:?}"))
}

/// The private keys of a phone, as its own files hold them under their seal.
fn phone_keys(profile: &Path) -> Vec<Secret<32>> {
    #[derive(minicbor::Decode)]
    #[cbor(map)]
    struct Key {
        #[n(3)]
        secret: Option<Secret<32>>,
    }
    #[derive(minicbor::Decode)]
    #[cbor(map)]
    struct Keys {
        #[n(2)]
        keys: BTreeMap<String, Key>,
    }
    let profile = Profile::open(profile, &Wrapping::KeyFile, Entropy::system()).unwrap();
    let keys = SoftwareKeys::open(Box::new(profile.file("keys")), Entropy::system(), Persona::default()).unwrap();
    let keys: Keys = minicbor::decode(&keys.export()).unwrap();
    keys.keys.into_values().filter_map(|key| key.secret).collect()
}

/// Every secret of the server's, as it lies in its files: the lines of text, or the bytes.
fn server_keys(folder: &Path, used: &mut Vec<Used>) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let (name, bytes) = (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
        let lines = std::str::from_utf8(&bytes).map(|text| {
            text.lines()
                .filter(|line| line.len() >= 20 && !line.starts_with("-----"))
                .map(|line| line.as_bytes().to_vec())
        });
        let parts: Vec<_> = lines.map_or_else(|_| vec![bytes.clone()], Iterator::collect);
        for bytes in parts {
            used.push(Used { name: format!("the server's {name}"), bytes, belongs: &[ServerMemory] });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a37_no_secret_is_left_where_it_must_not_be() {
    let mut server = Server::new();
    server.set("LOG_LEVEL", "trace");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    server.set("METRICS_LISTEN", &format!("127.0.0.1:{port}"));
    server.start().await;
    let wire = Wire::to(&server);
    let (home, root) = (tempfile::tempdir().unwrap(), server.data().join("root.json"));
    let phone = Phone { home: home.path(), root: &root };
    let mut remains = Remains::default();
    let mut used = Vec::new();
    let mut uses = |name: &str, text: &str, belongs: &'static [Place]| {
        used.push(Used { name: name.to_owned(), bytes: text.as_bytes().to_vec(), belongs });
    };

    // A person with a CPR number, a phone activated by a link, and one by a typed code.
    let body = json!({
        "name": "Anna Andersen", "user_id": "anna.secrets", "date_of_birth": "1985-03-17", "cpr": CPR,
        "identity_level": "high",
    });
    let citizen = wire.desk(Method::POST, "citizens", Some(body)).await.unwrap().is(201).unwrap();
    let citizen = citizen["id"].as_str().unwrap().to_owned();
    for (profile, form) in [("default", "link"), ("second", "code")] {
        let path = format!("citizens/{citizen}/activations");
        let handed = wire.desk(Method::POST, &path, Some(json!({ "form": form }))).await.unwrap().is(201).unwrap();
        let text = handed["text"].as_str().unwrap();
        // The server has made it, and it is used up.
        uses(&format!("the activation's {form}"), text, &[ServerMemory]);
        let (said, lines) = phone.run(&["-p", profile, "activate", "--digits-only"], &[text]);
        remains.add(Screens, said);
        let digits = line(&lines, "digits")["digits"].as_str().unwrap().to_owned();
        wire.digits(handed["id"].as_str().unwrap(), &digits).await.unwrap();
        let (_, lines) = phone.run(&["-p", profile, "resume"], &[PIN]);
        let code = line(&lines, "activated")["block_code"].as_str().unwrap().to_owned();
        // The app shows it until the person has written it down.
        uses("a block code", &code, &[PhoneMemory]);
        uses("a block code without hyphens", &code.replace('-', ""), &[PhoneMemory]);
    }

    // A wrong PIN, a right one, a remembered browser, tokens.
    let mut browser = Browser::new(&wire);
    browser.open().await.unwrap();
    let text = browser.qr().await.unwrap();
    let (said, _) = phone.run(&["scan", "--approve"], &[&text, WRONG_PIN]);
    remains.add(Screens, said);
    browser.open().await.unwrap();
    let text = browser.qr().await.unwrap();
    let (said, lines) = phone.run(&["scan", "--approve", "--remember"], &[&text, PIN]);
    line(&lines, "approved");
    remains.add(Screens, said);
    let Finish::Code(code) = browser.finish().await.unwrap() else { panic!("no code") };
    let tokens = wire.redeem(&code).await.unwrap().is(200).unwrap();
    uses("a code for the bank", &code, &[ServerMemory]);
    for name in ["access_token", "id_token"] {
        uses(name, tokens[name].as_str().unwrap(), &[ServerMemory]);
    }

    // A phone that stays on, and approves what the remembered browser asks for. It has typed the PIN and goes on.
    let mut staying =
        phone.command(&["watch", "--approve"]).arg("--json").env("PLANTED", as_text(PLANTED)).spawn().unwrap();
    browser.open().await.unwrap();
    // For the login that a wrong PIN left open, for this one, and for the notice of the second phone.
    type_lines(&mut staying, &[PIN, PIN, PIN]);
    let mut screen = Screen::of(&mut staying);
    let mut approved = Finish::Waits;
    for _ in 0..100 {
        approved = browser.finish().await.unwrap();
        if approved != Finish::Waits {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if !matches!(approved, Finish::Code(_)) {
        staying.kill().unwrap();
        panic!("{approved:?} {:?}", staying.wait_with_output().unwrap());
    }
    // A PIN that is being used is in memory, as it must be. What is looked for is one that stays.
    for _ in 0..3 {
        screen.until("approved");
    }
    for cookie in browser.secrets() {
        uses("a browser's cookie", &cookie, &[ServerMemory]);
    }

    uses("the PIN", PIN, &[]);
    uses("a wrong PIN", WRONG_PIN, &[]);
    uses("the CPR number", CPR, &[Database, ServerMemory]);
    uses("the CPR number as people write it", "170385-0003", &[]);
    uses("the bank's secret", CLIENT_SECRET, &[ServerMemory]);
    server_keys(&server.data().join("secrets"), &mut used);
    assert!(used.len() > 20, "the server has fewer secrets than it has keys");

    // What is left behind while everything still runs, and afterwards.
    remains.add(ServerMemory, memory(server.pid()));
    remains.add(PhoneMemory, memory(staying.id()));
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap();
    remains.add(Metrics, metrics.into_bytes());
    staying.kill().unwrap();
    let said = staying.wait_with_output().unwrap();
    remains.add(Screens, [screen.into_rest(), said.stderr].concat());
    for profile in ["default", "second"] {
        for key in phone_keys(&home.path().join("profiles").join(profile)) {
            // Hardware would keep it; in software it is in the phone's own memory alone.
            used.push(Used { name: "a phone's key".to_owned(), bytes: key.0.to_vec(), belongs: &[PhoneMemory] });
        }
    }
    let data = server.data();
    let database = |path: &Path| path.file_name().unwrap().to_string_lossy().contains(".sqlite");
    remains.folder(Database, &data, &database);
    server.stop().await;
    remains.folder(Database, &data, &database);
    remains.folder(AuditLog, &data.join("log"), &|_| true);
    remains.folder(PhoneFiles, home.path(), &|_| true);
    remains.add(Logs, server.complaints().into_bytes());
    let logged = server.complaints().lines().count();
    assert!(logged > 50, "only {logged} lines were logged");

    // The search sees what is there: planted in every place, and in every form.
    let planted = |belongs| [Used { name: "planted".to_owned(), bytes: PLANTED.to_vec(), belongs }];
    assert_eq!(remains.search(&planted(&[])), [Leak("planted".to_owned(), PhoneMemory, "itself")]);
    for place in PLACES {
        for (form, needle) in forms(PLANTED) {
            let mut with = Remains::default();
            let all = &remains.0[&place][0];
            let middle = all.len() / 2;
            let (before, after) =
                (&all[middle.saturating_sub(9_999)..middle], &all[middle..all.len().min(middle + 9_999)]);
            with.add(place, [before, &needle, after].concat());
            let found = with.search(&planted(&[]));
            assert!(found.contains(&Leak("planted".to_owned(), place, form)), "{place:?} {form}: {found:?}");
        }
    }

    let leaks = remains.search(&used);
    assert!(leaks.is_empty(), "{leaks:#?}");
    // The table says where a secret belongs; one that is not even there was never used.
    for secret in &mut used {
        secret.belongs = &[];
    }
    let seen = remains.search(&used);
    for (name, place) in
        [("the CPR number", Database), ("a phone's key", PhoneMemory), ("the server's admin.token", ServerMemory)]
    {
        assert!(seen.iter().any(|leak| leak.0 == name && leak.1 == place), "no {name} in {place:?}: {seen:#?}");
    }
}

fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
