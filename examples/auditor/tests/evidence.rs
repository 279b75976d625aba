//! Evidence of real decisions, in the hands of somebody who has the file, the root and this program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that goes wrong ends")]
#![allow(missing_docs)]

mod support;

use godkend_core::Approval;
use godkend_evidence::{EvidenceError, EvidenceFile, Shown, verify};
use godkend_protocol::cbor;
use godkend_protocol::types::{Binding, Decision, Factor};
use godkend_tests::{Ask, World};
use support::{Witness, auditor, login, path, root};

/// Writes a file beside the world's.
fn put(world: &World, name: &str, bytes: &[u8]) -> String {
    let file = world.dir.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    path(&file)
}

/// Each byte with one bit flipped, and some with each bit: refused, or the same to the last field.
fn survives_no_change(bytes: &[u8], world: &World) {
    let whole = verify(bytes, &world.root).unwrap();
    let judge = |place: usize, bit: usize| {
        let mut changed = bytes.to_vec();
        changed[place] ^= 1 << bit;
        match verify(&changed, &world.root) {
            Ok(shown) => assert_eq!(shown, whole, "byte {place}, bit {bit} changed what it says"),
            Err(_) => return true,
        }
        false
    };
    let refused = (0..bytes.len()).filter(|place| judge(*place, place % 8)).count();
    // No byte of today's format may change unseen; a later one may have room for it.
    assert_eq!(refused, bytes.len());
    for place in (0..bytes.len()).step_by(61) {
        for bit in 0..8 {
            assert!(judge(place, bit), "byte {place}, bit {bit}");
        }
    }
    for end in (0..bytes.len()).step_by(53) {
        assert!(verify(&bytes[..end], &world.root).is_err(), "cut to {end}");
    }
    assert!(verify(&[bytes, &[0]].concat(), &world.root).is_err(), "longer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a47_evidence_verifies_without_the_server_and_fails_with_one_byte_changed() {
    let mut world = World::new().await;
    let (_, phone) = world.person("anna-a47").await;
    let pin = login(&world, &phone, &Ask::login(), None).await;
    phone.biometrics_on().await.unwrap();
    let finger = login(&world, &phone, &Ask::login(), Some(Approval::Biometric)).await;
    let ask = Ask::payment("1250.50", "Bager Sørensen").at("Substantial");
    let payment = login(&world, &phone, &ask, None).await;
    let files = [world.evidence(&pin).await, world.evidence(&finger).await, world.evidence(&payment).await];
    // No server any more.
    world.stop().await;
    let shown: Vec<Shown> = files.iter().map(|file| verify(file, &world.root).unwrap()).collect();
    assert_eq!(shown[0].text.as_deref(), Some("Log på Netbank"));
    assert_eq!(
        (shown[0].factor, shown[0].binding, shown[0].decision),
        (Factor::Pin, Binding::ScannedQr, Decision::Approve)
    );
    assert_eq!(shown[1].factor, Factor::Biometric);
    let paid = shown[2].payment.clone().unwrap();
    assert_eq!((paid.amount_minor, paid.currency.as_str(), paid.payee.as_str()), (125_050, "DKK", "Bager Sørensen"));
    for one in &shown {
        assert!(one.possession.index < one.log.index && one.factor_key.as_ref().unwrap().index < one.log.index);
    }
    for file in &files {
        survives_no_change(file, &world);
    }
    // The program says the same, in both languages and for programs.
    let file = put(&world, "payment.cbor", &files[2]);
    let root = root(&world);
    let said = auditor(&["evidence", "verify", &file, "--root", &root]).await.ends(0);
    assert!(
        said.out.contains("✓ Beviset holder: godkendt med PIN-kode.") && said.out.contains("1.250,50 DKK"),
        "{said:#?}"
    );
    let said = auditor(&["evidence", "verify", &file, "--root", &root, "--language", "en"]).await.ends(0);
    assert!(said.out.contains("approved with the PIN") && said.out.contains("Bager Sørensen"), "{said:#?}");
    let said = auditor(&["evidence", "verify", &file, "--root", &root, "--json"]).await.ends(0).json();
    assert_eq!((&said["holds"], &said["kind"]), (&true.into(), &"decision".into()));
    assert_eq!(said["decision"]["payment"]["amount_minor"], 125_050);
    for place in (0..files[2].len()).step_by(files[2].len() / 24) {
        let mut changed = files[2].clone();
        changed[place] ^= 0x40;
        let file = put(&world, "changed.cbor", &changed);
        let said = auditor(&["evidence", "verify", &file, "--root", &root, "--json"]).await;
        assert!(said.code == 3 || said.code == 4, "byte {place}: {said:#?}");
        assert_eq!(said.json()["holds"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a47_a_key_enrolled_afterwards_and_parts_of_others_fail() {
    let world = World::new().await;
    let (_, anna) = world.person("anna-splice").await;
    let (_, bo) = world.person("bo-splice").await;
    let first = login(&world, &anna, &Ask::login(), None).await;
    let second = login(&world, &anna, &Ask::login(), None).await;
    let other = login(&world, &bo, &Ask::login(), None).await;
    // Keys of the same phone, enrolled after these decisions: all of its keys stand in that entry.
    anna.biometrics_on().await.unwrap();
    let late = login(&world, &anna, &Ask::login(), Some(Approval::Biometric)).await;
    support::settled(&world).await;
    let mut files = Vec::new();
    for id in [&first, &second, &other, &late] {
        files.push(cbor::decode::<EvidenceFile>(&world.evidence(id).await).unwrap());
    }
    // All under one checkpoint: nothing was written in between.
    assert!(files.iter().all(|file| file.checkpoint == files[0].checkpoint));
    let [first, second, other, late] = files.try_into().unwrap();
    let judge = |file: EvidenceFile| verify(&cbor::encode(&file), &world.root).map(|shown| shown.transaction);
    assert!([&first, &second, &other, &late].into_iter().all(|file| judge(file.clone()).is_ok()));

    let afterwards = EvidenceFile { keys: late.keys.clone(), ..first.clone() };
    assert!(late.keys.as_ref().unwrap().index > first.decision.index);
    assert_eq!(judge(afterwards), Err(EvidenceError::Enrolment));
    let theirs = EvidenceFile { keys: other.keys.clone(), ..first.clone() };
    assert_eq!(judge(theirs), Err(EvidenceError::Enrolment));
    let pin = EvidenceFile { pin: other.pin.clone(), ..first.clone() };
    assert_eq!(judge(pin), Err(EvidenceError::Enrolment));
    let swapped = EvidenceFile { keys: first.pin.clone(), pin: first.keys.clone(), ..first.clone() };
    assert_eq!(judge(swapped), Err(EvidenceError::Enrolment));
    for decision in [&second.decision, &other.decision, &late.decision] {
        let spliced = EvidenceFile { decision: decision.clone(), ..first.clone() };
        assert_eq!(judge(spliced), Err(EvidenceError::Decision));
    }
    let spliced = EvidenceFile { decision: first.keys.clone().unwrap(), ..first.clone() };
    assert!(judge(spliced).is_err(), "an entry of another kind");
    let spliced =
        EvidenceFile { request: second.request.clone(), consistency: second.consistency.clone(), ..first.clone() };
    assert_eq!(judge(spliced), Err(EvidenceError::Decision));
    let mut moved = first.clone();
    moved.decision.index += 1;
    assert_eq!(judge(moved), Err(EvidenceError::NotInLog));
    // Another environment's root, and this one's name with another key.
    let elsewhere = World::new().await;
    let bytes = cbor::encode(&first);
    assert_eq!(verify(&bytes, &elsewhere.root), Err(EvidenceError::KeySet));
    let file = put(&world, "first.cbor", &bytes);
    let said = auditor(&["evidence", "verify", &file, "--root", &root(&elsewhere), "--json"]).await.ends(3).json();
    assert_eq!(said["code"], "key_set_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_phone_has_signed_is_told_as_the_servers_word() {
    let world = World::new().await;
    let (_, phone) = world.person("cecilie-refuses").await;
    let mut browser = world.login_page(&Ask::login()).await;
    browser.type_user_id("cecilie-refuses").await;
    let waiting = phone.waiting().await;
    let refusal = godkend_core::Command::RefuseLocked { identity: None, id: waiting[0].id, fraud: false };
    phone.run(refusal).await.unwrap();
    support::settled(&world).await;
    let bytes = world.evidence(&waiting[0].id.to_base64()).await;
    assert_eq!(verify(&bytes, &world.root), Err(EvidenceError::StatementOnly));
    let file = put(&world, "statement.cbor", &bytes);
    let said = auditor(&["evidence", "verify", &file, "--root", &root(&world), "--language", "en"]).await.ends(5);
    assert!(said.out.starts_with("! The log says: refused. No phone has signed it"), "{said:#?}");
    let said = auditor(&["evidence", "verify", &file, "--root", &root(&world), "--json"]).await.ends(5).json();
    assert_eq!((&said["kind"], &said["statement"]["decision"]), (&"statement".into(), &"deny".into()));
    let mut changed = bytes;
    let last = changed.len() - 40;
    changed[last] ^= 1;
    let file = put(&world, "changed.cbor", &changed);
    auditor(&["evidence", "verify", &file, "--root", &root(&world)]).await.ends(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_reads_without_anything_else_and_never_overwrites() {
    let world = World::new().await;
    let (_, phone) = world.person("dorte-report").await;
    let id = login(&world, &phone, &Ask { text: Some("Køb <b>\"billigt\"</b> & 'godt'"), ..Ask::login() }, None).await;
    let bytes = world.evidence(&id).await;
    let file = put(&world, "evidence.cbor", &bytes);
    let report = path(&world.dir.path().join("report.html"));
    let words = ["evidence", "verify", &file, "--root", &root(&world), "--report", &report];
    auditor(&words).await.ends(0);
    let page = std::fs::read_to_string(&report).unwrap();
    assert!(page.starts_with("<!doctype html>\n<html lang=\"da\">") && page.ends_with("</html>\n"));
    assert!(page.contains("Køb &lt;b&gt;&quot;billigt&quot;&lt;/b&gt; &amp; &#39;godt&#39;"), "{page}");
    for word in ["<script", "src=", "href=", "http:", "https:", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    auditor(&words).await.ends(1);
    // One that does not hold is reported, too.
    let file = put(&world, "changed.cbor", &[&bytes[..bytes.len() - 1], &[bytes[bytes.len() - 1] ^ 1]].concat());
    let report = path(&world.dir.path().join("refused.html"));
    auditor(&["evidence", "verify", &file, "--root", &root(&world), "--report", &report]).await.ends(3);
    assert!(std::fs::read_to_string(&report).unwrap().contains("Beviset holder ikke"));
    auditor(&["evidence", "verify", "/nowhere/evidence.cbor", "--root", &root(&world)]).await.ends(1);
    auditor(&["evidence", "verify"]).await.ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_who_saw_the_same_log_is_named_and_another_is_not() {
    let world = World::new().await;
    let (_, phone) = world.person("erik-witnessed").await;
    let witness = Witness::new(&world).await;
    witness.look().await.ends(0);
    let early = std::fs::read(witness.file("checkpoint")).unwrap();
    let id = login(&world, &phone, &Ask::login(), None).await;
    let bytes = world.evidence(&id).await;
    let file = put(&world, "evidence.cbor", &bytes);
    // The log goes on, and then the witness looks.
    login(&world, &phone, &Ask::login(), None).await;
    support::settled(&world).await;
    witness.look().await.ends(0);
    let note = path(&witness.file("checkpoint"));
    let words = ["evidence", "verify", &file, "--root", &root(&world), "--witness-key", &witness.key, "--json"];
    let with = async |more: &[&str]| auditor(&[&words[..], more].concat()).await;
    let said = with(&["--witnessed", &note, "--server", &world.url]).await.ends(0).json();
    assert_eq!(said["witnessed"]["witness"], "tilsyn.example/w1");
    // Without a server: the proof as a file.
    let own = verify(&bytes, &world.root).unwrap().log.size;
    let theirs: u64 = std::fs::read_to_string(&note).unwrap().lines().nth(1).unwrap().parse().unwrap();
    let (status, proof) = support::get(&world, &format!("/log/v1/consistency?from={own}&to={theirs}")).await;
    assert_eq!(status, 200);
    let proof = put(&world, "proof.json", proof.as_bytes());
    with(&["--witnessed", &note, "--consistency", &proof]).await.ends(0);
    assert_eq!(with(&["--witnessed", &note]).await.ends(3).json()["code"], "not_witnessed");
    // What it saw before the decision says nothing of it.
    let early = put(&world, "early", &early);
    let said = with(&["--witnessed", &early, "--server", &world.url]).await.ends(3).json();
    assert_eq!(said["code"], "not_witnessed");
    // The server's own checkpoint has no witness.
    let plain = put(&world, "plain", support::checkpoint(&world).await.as_bytes());
    let said = with(&["--witnessed", &plain, "--server", &world.url]).await.ends(3).json();
    assert_eq!(said["code"], "witness_refused");
}
