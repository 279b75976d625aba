//! What a phone's maker says of its keys, through the server's door, under roots of the tests' own.

use std::sync::{Arc, Mutex};

use godkend_core::{Approval, Command, Failure, IdentityStanding, KeyPolicy, Outcome, Pin};
use godkend_protocol::bytes::{Blob, Fixed, Hash32, PublicKey, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::types::{Attestation, KeyPurpose, SecurityLevel};
use godkend_tests::World;
use godkend_tests::bench::Bench;
use godkend_tests::phone::{PIN, with_pin};
use godkend_tests::vendor::{
    APP_ID, Android, Apple, AttestedKeys, BATCH_SERIAL, Claim, Described, PACKAGE, SIGNER, assertion, key_id, p256,
};
use godkend_tests::world::{Citizen, unix_now};
use rcgen::KeyPair;
use reqwest::Method;

/// A server that demands hardware, and trusts these makers.
async fn demanding(android: &Android, apple: &Apple) -> World {
    demanding_with(android, apple, "").await
}

/// The same, with more about phones from Android's makers.
async fn demanding_with(android: &Android, apple: &Apple, more: &str) -> World {
    let policy = format!(
        "mode = \"required\"\n\n[attestation.android]\n{more}packages = [\"{PACKAGE}\"]\nsigner_digests = [\"{}\"]\n\
         test_roots = \"\"\"\n{}\"\"\"\n\n[attestation.apple]\napp_ids = [\"{APP_ID}\"]\ntest_root = \"\"\"\n{}\"\"\"\n",
        hex::encode(SIGNER),
        android.root_pem(),
        apple.root_pem()
    );
    World::with(
        |_| {},
        |config| {
            let open = "mode = \"software_allowed\"\n";
            assert!(config.contains(open));
            *config = config.replace(open, &policy);
        },
    )
    .await
}

fn honest(android: &Arc<Android>) -> impl FnMut(&KeyPolicy, &PublicKey) -> Attestation + Send + 'static {
    let android = android.clone();
    move |policy, public| android.attest(&Described::honest(policy), public)
}

fn bench(world: &World, seed: u64, keys: impl FnOnce(&Bench) -> Arc<AttestedKeys>) -> (Bench, Arc<AttestedKeys>) {
    let mut bench = Bench::new(world, seed);
    let keys = keys(&bench);
    bench.hardware = Some(keys.clone());
    (bench, keys)
}

async fn try_activation(bench: &mut Bench, link: &str) -> Result<Outcome, Failure> {
    bench.run(Command::Activate { text: link.to_owned(), environment: None }, None).await.0.unwrap()
}

fn refused<T: std::fmt::Debug>(result: Result<T, Failure>, why: &str) {
    let failure = result.expect_err(why);
    assert!(matches!(failure, Failure::Refused { code: Code::AttestationRefused, .. }), "{why}: {failure:?}");
}

async fn finish(bench: &mut Bench, world: &World, activation: &str, outcome: Outcome) {
    let Outcome::Digits { digits, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(world.digits(activation, &digits).await.0, 200);
    bench.ok(Command::ChoosePin { identity: None, pin: Pin::new(PIN).unwrap() }).await;
    assert_eq!(bench.machine.identities()[0].standing, IdentityStanding::Active);
}

async fn biometrics_on(bench: &mut Bench) -> Result<Outcome, Failure> {
    bench.run(Command::EnableBiometrics { identity: None, pin: Pin::new(PIN).unwrap() }, None).await.0.unwrap()
}

type Bend = fn(&mut Described);

#[tokio::test]
async fn a08_a_chain_that_says_anything_else_than_it_must_activates_nothing_and_the_honest_one_does() {
    let (android, apple) = (Arc::new(Android::default()), Apple::default());
    let world = demanding(&android, &apple).await;
    let citizen = world.citizen("hardware-anna").await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let (mut phone, keys) = bench(&world, 1, |bench| AttestedKeys::new(bench.keys.clone(), honest(&android)));

    // Each is the honest one but for one word.
    let bends: [(&str, Bend); 13] = [
        ("a software level", |said| said.level = 0),
        ("no such challenge", |said| said.challenge = vec![0; 32]),
        ("no challenge", |said| said.challenge.clear()),
        ("a challenge cut short", |said| said.challenge.truncate(31)),
        ("an unlocked boot loader", |said| said.locked = false),
        ("a system signed by its owner", |said| said.boot_state = 1),
        ("an unverified system", |said| said.boot_state = 2),
        ("another app", |said| said.package = "dk.evil.app"),
        ("the app, signed by somebody else", |said| said.signer = [0x52; 32]),
        ("an imported key", |said| said.origin = 2),
        ("a key that agrees", |said| said.purposes = vec![6]),
        ("a key that also agrees", |said| said.purposes = vec![2, 6]),
        ("a key that works on a locked screen", |said| said.unlocked_device_required = false),
    ];
    for (why, bend) in bends {
        let android = android.clone();
        keys.attest(move |policy, public| {
            let mut said = Described::honest(policy);
            bend(&mut said);
            android.attest(&said, public)
        });
        refused(try_activation(&mut phone, &link).await, why);
    }

    // Chains of another maker, another key, another purpose, another activation; or none.
    let stranger = Arc::new(Android::default());
    keys.attest(honest(&stranger));
    refused(try_activation(&mut phone, &link).await, "an unknown root");
    let maker = android.clone();
    keys.attest(move |policy, public| {
        let Attestation::Android { mut chain } = stranger.attest(&Described::honest(policy), public) else { panic!() };
        let Attestation::Android { chain: trusted } = maker.attest(&Described::honest(policy), public) else {
            panic!()
        };
        *chain.last_mut().unwrap() = trusted.last().unwrap().clone();
        Attestation::Android { chain }
    });
    refused(try_activation(&mut phone, &link).await, "the true root on a stranger's chain");
    let maker = android.clone();
    keys.attest(move |policy, _| {
        maker.attest(&Described::honest(policy), &crypto::p256_public(&Secret([9; 32])).unwrap())
    });
    refused(try_activation(&mut phone, &link).await, "another key's chain");
    keys.attest(|_, _| Attestation::Software);
    refused(try_activation(&mut phone, &link).await, "no chain");
    keys.attest(|_, _| Attestation::Android { chain: vec![] });
    refused(try_activation(&mut phone, &link).await, "an empty chain");
    keys.attest(|_, _| Attestation::Android { chain: vec![Blob(vec![0x30; 1000]); 11] });
    refused(try_activation(&mut phone, &link).await, "eleven certificates of rubbish");
    let other = world.citizen("hardware-bo").await;
    let (other_activation, other_link) = world.hand_out(&other, "link").await;
    let (mut other_phone, other_keys) =
        bench(&world, 2, |bench| AttestedKeys::new(bench.keys.clone(), honest(&android)));
    let shown = try_activation(&mut other_phone, &other_link).await.unwrap();
    finish(&mut other_phone, &world, &other_activation, shown).await;
    let theirs = other_keys.asked.lock().unwrap()[0].attestation_challenge.unwrap();
    let maker = android.clone();
    keys.attest(move |policy, public| {
        let said = Described { challenge: theirs.0.to_vec(), ..Described::honest(policy) };
        maker.attest(&said, public)
    });
    refused(try_activation(&mut phone, &link).await, "another activation's challenge");
    // An earlier offer of this same activation is not this one.
    let earlier = keys.asked.lock().unwrap()[0].attestation_challenge.unwrap();
    let maker = android.clone();
    keys.attest(move |policy, public| {
        maker.attest(&Described { challenge: earlier.0.to_vec(), ..Described::honest(policy) }, public)
    });
    refused(try_activation(&mut phone, &link).await, "an earlier challenge of the same activation");

    // Nothing was taken, and no try is gone: the same link activates the honest phone.
    assert_eq!(world.devices(&citizen).await.len(), 0);
    keys.attest(honest(&android));
    let outcome = try_activation(&mut phone, &link).await.unwrap();
    finish(&mut phone, &world, &activation, outcome).await;
    phone.login(&world, with_pin(PIN)).await.unwrap();
    assert_eq!(phone.hardware.as_ref().unwrap().aliases().await.unwrap().len(), 2, "no orphans");
}

#[tokio::test]
async fn a08_a_revoked_attestation_key_enrols_nothing_from_the_day_it_is_listed() {
    let (android, apple) = (Arc::new(Android::default()), Apple::default());
    let mut world = demanding(&android, &apple).await;
    let citizen = world.citizen("revoked-eva").await;
    let (mut enrolled, _) = bench(&world, 1, |bench| AttestedKeys::new(bench.keys.clone(), honest(&android)));
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let outcome = try_activation(&mut enrolled, &link).await.unwrap();
    finish(&mut enrolled, &world, &activation, outcome).await;

    let (activation, link) = world.hand_out(&citizen, "link").await;
    let (mut phone, _) = bench(&world, 2, |bench| AttestedKeys::new(bench.keys.clone(), honest(&android)));
    let list = world.data().join("attestation-status.json");
    let entries = |serial: &str| format!("{{\"entries\": {{\"{serial}\": {{\"status\": \"REVOKED\"}}}}}}");
    std::fs::write(&list, entries(&BATCH_SERIAL.to_uppercase())).unwrap();
    world.restart().await;
    refused(try_activation(&mut phone, &link).await, "a revoked key");
    // A phone that is enrolled goes on, but adds no key.
    enrolled.login(&world, with_pin(PIN)).await.unwrap();
    refused(biometrics_on(&mut enrolled).await, "a revoked key");
    enrolled.login(&world, with_pin(PIN)).await.unwrap();

    std::fs::write(&list, entries("abcde")).unwrap();
    world.restart().await;
    let outcome = try_activation(&mut phone, &link).await.unwrap();
    finish(&mut phone, &world, &activation, outcome).await;
    biometrics_on(&mut enrolled).await.unwrap();
    enrolled.login(&world, Approval::Biometric).await.unwrap();
}

/// By the service's clock, as everything else: the machine's own never moves here.
#[tokio::test]
async fn a08_a_maker_vouches_from_its_certificates_beginning_to_their_end_and_no_longer() {
    const DAY: u64 = 86_400;
    let now = u64::try_from(unix_now()).unwrap();
    let (android, apple) = (Arc::new(Android::valid(now - 10 * DAY, now + 10 * DAY)), Apple::default());
    let world = demanding_with(&android, &apple, "accept_expired_factory_certificates = false\n").await;
    let citizen = world.citizen("dated-dan").await;
    let (mut phone, _) = bench(&world, 1, |bench| AttestedKeys::new(bench.keys.clone(), honest(&android)));
    for (days, why) in [(11, "after the chain's end"), (-22, "before its beginning")] {
        world.advance(days * 86_400).await;
        let (_, link) = world.hand_out(&citizen, "link").await;
        refused(try_activation(&mut phone, &link).await, why);
        assert_eq!(world.devices(&citizen).await.len(), 0, "{why}");
    }
    // The first day, and the same phone.
    world.advance(86_400 + 3_600).await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let outcome = try_activation(&mut phone, &link).await.unwrap();
    finish(&mut phone, &world, &activation, outcome).await;
    // Enrolled is enrolled; a new key is vouched for anew.
    world.advance(20 * 86_400).await;
    phone.login(&world, with_pin(PIN)).await.unwrap();
    refused(biometrics_on(&mut phone).await, "after the chain's end");
    phone.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a08_a_later_key_that_asks_for_less_than_a_finger_at_each_use_is_not_added() {
    let (android, apple) = (Arc::new(Android::default()), Apple::default());
    let world = demanding(&android, &apple).await;
    let citizen = world.citizen("finger-finn").await;
    let (mut phone, keys) = bench(&world, 1, |bench| AttestedKeys::new(bench.keys.clone(), honest(&android)));
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let outcome = try_activation(&mut phone, &link).await.unwrap();
    finish(&mut phone, &world, &activation, outcome).await;
    let first: Hash32 = keys.asked.lock().unwrap()[0].attestation_challenge.unwrap();
    let bends: [(&str, KeyPurpose, Bend); 8] = [
        ("no authentication", KeyPurpose::Biometric, |said| said.no_auth_required = true),
        ("the screen lock's secret", KeyPurpose::Biometric, |said| said.user_auth_type = Some(1)),
        ("the screen lock's secret or a finger", KeyPurpose::Biometric, |said| said.user_auth_type = Some(3)),
        ("a finger for half a minute", KeyPurpose::Biometric, |said| said.auth_timeout = Some(30)),
        ("none named", KeyPurpose::Biometric, |said| said.user_auth_type = None),
        ("a software level", KeyPurpose::Biometric, |said| said.level = 0),
        ("an offline key that signs", KeyPurpose::Offline, |said| said.purposes = vec![2]),
        ("an offline key without a finger", KeyPurpose::Offline, |said| said.user_auth_type = None),
    ];
    let mut count = 0;
    for (why, purpose, bend) in bends {
        let android = android.clone();
        keys.attest(move |policy, public| {
            let mut said = Described::honest(policy);
            if policy.purpose == purpose {
                bend(&mut said);
            }
            android.attest(&said, public)
        });
        refused(biometrics_on(&mut phone).await, why);
        count += 1;
        if count % 4 == 0 {
            world.advance(61).await;
        }
    }
    // The activation's challenge was for another key of the same phone.
    let maker = android.clone();
    keys.attest(move |policy, public| {
        maker.attest(&Described { challenge: first.0.to_vec(), ..Described::honest(policy) }, public)
    });
    refused(biometrics_on(&mut phone).await, "the challenge of the possession key");
    let listed = || async { world.devices(&citizen).await[0].to_string() };
    assert!(!listed().await.contains("biometric"), "{}", listed().await);
    phone.login(&world, with_pin(PIN)).await.unwrap();
    keys.attest(honest(&android));
    world.advance(61).await;
    biometrics_on(&mut phone).await.unwrap();
    phone.login(&world, Approval::Biometric).await.unwrap();
    // New keys for old, each attested afresh.
    phone.ok(Command::RotateKeys { identity: None, pin: Pin::new(PIN).unwrap() }).await;
    phone.login(&world, Approval::Biometric).await.unwrap();
    let maker = android.clone();
    keys.attest(move |policy, public| {
        let mut said = Described::honest(policy);
        said.locked = policy.purpose != KeyPurpose::Possession;
        maker.attest(&said, public)
    });
    let rotate = Command::RotateKeys { identity: None, pin: Pin::new(PIN).unwrap() };
    refused(phone.run(rotate, None).await.0.unwrap(), "the boot loader was unlocked meanwhile");
    phone.login(&world, Approval::Biometric).await.unwrap();
}

#[tokio::test]
async fn a09_a_chain_in_which_an_attested_key_attests_another_is_refused() {
    let (android, apple) = (Arc::new(Android::default()), Apple::default());
    let world = demanding(&android, &apple).await;
    let citizen = world.citizen("forged-gry").await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let (mut phone, keys) = bench(&world, 1, |bench| AttestedKeys::new(bench.keys.clone(), honest(&android)));
    type Extend = fn(&Android, &KeyPolicy, &PublicKey) -> Attestation;
    let extensions: [(&str, Extend); 4] = [
        ("an invented attestation below an honest one of another app", |android, policy, public| {
            let theirs = Described { package: "dk.evil.app", ..Described::honest(policy) };
            android.extended(&theirs, Some(&Described::honest(policy)), public)
        }),
        ("an invented attestation below an honest one of this very activation", |android, policy, public| {
            android.extended(&Described::honest(policy), Some(&Described::honest(policy)), public)
        }),
        ("no attestation below an honest one of this very activation", |android, policy, public| {
            android.extended(&Described::honest(policy), None, public)
        }),
        ("two attestations in one certificate", |android, policy, public| {
            let theirs = Described { package: "dk.evil.app", ..Described::honest(policy) };
            android.twice(&Described::honest(policy), &theirs, public)
        }),
    ];
    for (why, extend) in extensions {
        let android = android.clone();
        keys.attest(move |policy, public| extend(&android, policy, public));
        refused(try_activation(&mut phone, &link).await, why);
    }
    assert_eq!(world.devices(&citizen).await.len(), 0);
    keys.attest(honest(&android));
    let outcome = try_activation(&mut phone, &link).await.unwrap();
    finish(&mut phone, &world, &activation, outcome).await;
    phone.login(&world, with_pin(PIN)).await.unwrap();
}

/// An iPhone: one App Attest key, whose counter rises with each assertion.
struct Iphone {
    key: KeyPair,
    counter: u32,
    known: bool,
}

impl Iphone {
    fn attest(&mut self, apple: &Apple, policy: &KeyPolicy, public: &PublicKey) -> Attestation {
        let challenge = policy.attestation_challenge.unwrap();
        self.counter += 1;
        let object = (!self.known).then(|| apple.object(&claim(challenge), &self.key)).map(Blob);
        let assertion = assertion(&self.key, APP_ID, self.counter, &challenge, public);
        Attestation::AppAttest { key_id: Blob(key_id(&self.key)), object, assertion: Blob(assertion) }
    }
}

fn claim(challenge: Hash32) -> Claim {
    Claim { app_id: APP_ID, first_counter: 0, development: false, challenge, key_id: None }
}

fn honest_iphone(
    apple: &Arc<Apple>,
    iphone: &Arc<Mutex<Iphone>>,
) -> impl FnMut(&KeyPolicy, &PublicKey) -> Attestation + Send + 'static {
    let (apple, iphone) = (apple.clone(), iphone.clone());
    move |policy, public| iphone.lock().unwrap().attest(&apple, policy, public)
}

async fn iphone_world() -> (World, Arc<Apple>, Citizen) {
    let (android, apple) = (Android::default(), Arc::new(Apple::default()));
    let world = demanding(&android, &apple).await;
    let citizen = world.citizen("apple-hans").await;
    (world, apple, citizen)
}

#[tokio::test]
async fn a10_an_app_attest_object_of_a_development_build_another_app_or_activation_activates_nothing() {
    let (world, apple, citizen) = iphone_world().await;
    let iphone = Arc::new(Mutex::new(Iphone { key: p256(), counter: 0, known: false }));
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let (mut phone, keys) =
        bench(&world, 1, |bench| AttestedKeys::new(bench.keys.clone(), |_, _| Attestation::Software));
    type Bend = fn(&mut Claim);
    let bends: [(&str, Bend); 5] = [
        ("a development build", |claim| claim.development = true),
        ("another app", |claim| claim.app_id = "TEAM123456.dk.evil.app"),
        ("an object that has counted", |claim| claim.first_counter = 1),
        ("another challenge", |claim| claim.challenge = Fixed([0; 32])),
        ("another key's name", |claim| claim.key_id = Some(vec![1; 32])),
    ];
    for (why, bend) in bends {
        let (apple, iphone) = (apple.clone(), iphone.clone());
        keys.attest(move |policy, public| {
            let challenge = policy.attestation_challenge.unwrap();
            let mut iphone = iphone.lock().unwrap();
            iphone.counter += 1;
            let mut claim = claim(challenge);
            bend(&mut claim);
            let object = Some(Blob(apple.object(&claim, &iphone.key)));
            let assertion = Blob(assertion(&iphone.key, APP_ID, iphone.counter, &challenge, public));
            Attestation::AppAttest { key_id: Blob(key_id(&iphone.key)), object, assertion }
        });
        refused(try_activation(&mut phone, &link).await, why);
    }
    // The assertion: of a key that it does not cover, by another key, with a counter of nought, or without an object.
    type Assert = fn(&Apple, &Iphone, &Hash32, &PublicKey) -> (Option<Vec<u8>>, Vec<u8>);
    let assertions: [(&str, Assert); 5] = [
        ("an Enclave key that it does not cover", |apple, iphone, challenge, _| {
            let other = crypto::p256_public(&Secret([9; 32])).unwrap();
            let object = apple.object(&claim(*challenge), &iphone.key);
            (Some(object), assertion(&iphone.key, APP_ID, 1, challenge, &other))
        }),
        ("an assertion over another challenge", |apple, iphone, challenge, public| {
            let object = apple.object(&claim(*challenge), &iphone.key);
            (Some(object), assertion(&iphone.key, APP_ID, 1, &Fixed([0; 32]), public))
        }),
        ("another key's assertion", |apple, iphone, challenge, public| {
            (Some(apple.object(&claim(*challenge), &iphone.key)), assertion(&p256(), APP_ID, 1, challenge, public))
        }),
        ("a counter that has not moved", |apple, iphone, challenge, public| {
            let object = apple.object(&claim(*challenge), &iphone.key);
            (Some(object), assertion(&iphone.key, APP_ID, 0, challenge, public))
        }),
        ("an assertion of a key that nobody attested", |_, iphone, challenge, public| {
            (None, assertion(&iphone.key, APP_ID, 1, challenge, public))
        }),
    ];
    for (why, assert) in assertions {
        let (apple, iphone) = (apple.clone(), iphone.clone());
        keys.attest(move |policy, public| {
            let iphone = iphone.lock().unwrap();
            let (object, assertion) = assert(&apple, &iphone, &policy.attestation_challenge.unwrap(), public);
            let key_id = Blob(key_id(&iphone.key));
            Attestation::AppAttest { key_id, object: object.map(Blob), assertion: Blob(assertion) }
        });
        refused(try_activation(&mut phone, &link).await, why);
    }
    assert_eq!(world.devices(&citizen).await.len(), 0);
    keys.attest(honest_iphone(&apple, &iphone));
    let outcome = try_activation(&mut phone, &link).await.unwrap();
    finish(&mut phone, &world, &activation, outcome).await;
    phone.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a10_a_reused_counter_or_another_phones_assertion_adds_no_key() {
    let (world, apple, citizen) = iphone_world().await;
    let iphone = Arc::new(Mutex::new(Iphone { key: p256(), counter: 0, known: false }));
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let (mut phone, keys) =
        bench(&world, 1, |bench| AttestedKeys::new(bench.keys.clone(), honest_iphone(&apple, &iphone)));
    let outcome = try_activation(&mut phone, &link).await.unwrap();
    finish(&mut phone, &world, &activation, outcome).await;
    iphone.lock().unwrap().known = true;
    let used = iphone.lock().unwrap().counter;
    type Counter = fn(u32, KeyPurpose) -> u32;
    let counters: [(&str, Counter); 3] = [
        ("the counter of the activation", |used, _| used),
        ("a lower one", |_, _| 0),
        ("one counter for two keys", |used, _| used + 1),
    ];
    for (why, counter) in counters {
        let iphone = iphone.clone();
        keys.attest(move |policy, public| {
            let iphone = iphone.lock().unwrap();
            let counter = counter(used, policy.purpose);
            let assertion = assertion(&iphone.key, APP_ID, counter, &policy.attestation_challenge.unwrap(), public);
            Attestation::AppAttest { key_id: Blob(key_id(&iphone.key)), object: None, assertion: Blob(assertion) }
        });
        refused(biometrics_on(&mut phone).await, why);
    }
    // Another phone's key vouches for it, under this phone's name.
    let (strange, named) = (p256(), iphone.clone());
    keys.attest(move |policy, public| {
        let assertion = assertion(&strange, APP_ID, 99, &policy.attestation_challenge.unwrap(), public);
        Attestation::AppAttest {
            key_id: Blob(key_id(&named.lock().unwrap().key)),
            object: None,
            assertion: Blob(assertion),
        }
    });
    refused(biometrics_on(&mut phone).await, "another phone's assertion");
    world.advance(61).await;
    keys.attest(honest_iphone(&apple, &iphone));
    biometrics_on(&mut phone).await.unwrap();
    phone.login(&world, Approval::Biometric).await.unwrap();
    // The counter that was stored is the highest: what was used for these keys adds no others.
    let highest = iphone.lock().unwrap().counter;
    let again = iphone.clone();
    keys.attest(move |policy, public| {
        let iphone = again.lock().unwrap();
        let assertion = assertion(&iphone.key, APP_ID, highest, &policy.attestation_challenge.unwrap(), public);
        Attestation::AppAttest { key_id: Blob(key_id(&iphone.key)), object: None, assertion: Blob(assertion) }
    });
    let rotate = || Command::RotateKeys { identity: None, pin: Pin::new(PIN).unwrap() };
    refused(phone.run(rotate(), None).await.0.unwrap(), "the highest counter again");
    keys.attest(honest_iphone(&apple, &iphone));
    phone.ok(rotate()).await;
    phone.login(&world, Approval::Biometric).await.unwrap();
}

#[tokio::test]
async fn a08_no_real_environment_starts_with_roots_of_somebodys_own() {
    let android = Android::default();
    let world = demanding(&android, &Apple::default()).await;
    let text = std::fs::read_to_string(world.dir.path().join("godkend.toml")).unwrap();
    let parse = |text: &str| {
        let config = godkend_server::config::Config::parse(text, world.dir.path().to_owned(), std::iter::empty());
        godkend_server::activation::Judge::load(&config.unwrap()).map(|judge| judge.least_security())
    };
    assert_eq!(parse(&text).unwrap(), SecurityLevel::TrustedEnvironment);
    let real = text.replace("test_environment = true", "test_environment = false");
    assert_ne!(real, text);
    assert!(parse(&real).unwrap_err().to_string().contains("test environments only"));
    let (status, _) = world.desk(Method::GET, "users/nobody", None).await;
    assert_eq!(status, 404);
}
