//! The promises as a model: many phones, browsers and an attacker do what they like, in any order, against a real
//! server that is restarted and set back; after every act the server is compared with what the promises allow.
//!
//! ```sh
//! cargo test -p godkend-tests --test model                              # as CI does
//! GODKEND_MODEL_CASES=500 GODKEND_MODEL_SEED=7 cargo test -p godkend-tests --test model   # longer, other acts
//! ```
//!
//! A failure shrinks to a short list of acts and prints it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story that goes wrong ends")]

mod attacks;
mod operator;
mod play;
mod tally;

use godkend_protocol::types::Factor;
use godkend_tests::bench::Kill;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};

use play::Play;

/// What somebody does. Numbers pick among what there is: phones, logins, recorded messages.
#[derive(Clone, Debug)]
enum Act {
    /// A relying party asks, and a browser opens the login page.
    Ask { what: usize },
    /// The browser types somebody's user id.
    Call { login: usize, person: usize },
    /// A phone scans the page's code: its owner's page or somebody else's.
    Scan { phone: usize, login: usize },
    /// A phone types the page's number.
    Number { phone: usize, login: usize },
    /// A phone approves what it shows.
    Approve { phone: usize, with: With, kill: Option<Kill> },
    /// A phone refuses what it shows.
    Refuse { phone: usize, fraud: bool, kill: Option<Kill> },
    /// The PIN is changed, with the right old one or a wrong one.
    ChangePin { phone: usize, right: bool, kill: Option<Kill> },
    /// Biometrics are turned on.
    Biometrics { phone: usize, kill: Option<Kill> },
    /// The bank collects, again and again if it likes.
    Collect { login: usize },
    /// The browser gives up.
    Cancel { login: usize },
    /// The desk blocks a phone, or lifts the block.
    Block { phone: usize, lift: bool },
    /// Time goes by on the server.
    Later { seconds: i64 },
    /// The server ends and starts.
    Restart,
    /// The operator makes a copy of the database.
    Save,
    /// The operator puts the copy back; the log lives on.
    SetBack,
    /// An attacker sends what some phone once sent.
    Replay { message: usize },
    /// An attacker sends it with one bit turned.
    Bend { message: usize, byte: usize, bit: u8 },
    /// An attacker with the keys of one phone passes another phone's message off as its own.
    Graft { message: usize, phone: usize },
    /// An attacker with a phone's possession key turns its refusal into an approval on the way.
    Forge { phone: usize, factor: Factor },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum With {
    RightPin,
    WrongPin,
    Finger,
}

fn kill() -> impl Strategy<Value = Option<Kill>> {
    prop_oneof![
        4 => Just(None),
        1 => (0..9_usize, proptest::bool::ANY).prop_map(|(step, done)| Some(Kill { step, done })),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let any = || 0..64_usize;
    let with = prop_oneof![5 => Just(With::RightPin), 2 => Just(With::WrongPin), 3 => Just(With::Finger)];
    prop_oneof![
        8 => any().prop_map(|what| Act::Ask { what }),
        2 => (any(), any()).prop_map(|(login, person)| Act::Call { login, person }),
        9 => (any(), any()).prop_map(|(phone, login)| Act::Scan { phone, login }),
        2 => (any(), any()).prop_map(|(phone, login)| Act::Number { phone, login }),
        10 => (any(), with, kill()).prop_map(|(phone, with, kill)| Act::Approve { phone, with, kill }),
        3 => (any(), proptest::bool::ANY, kill()).prop_map(|(phone, fraud, kill)| Act::Refuse { phone, fraud, kill }),
        1 => (any(), proptest::bool::ANY, kill()).prop_map(|(phone, right, kill)| Act::ChangePin { phone, right, kill }),
        2 => (any(), kill()).prop_map(|(phone, kill)| Act::Biometrics { phone, kill }),
        5 => any().prop_map(|login| Act::Collect { login }),
        1 => any().prop_map(|login| Act::Cancel { login }),
        1 => (any(), proptest::bool::ANY).prop_map(|(phone, lift)| Act::Block { phone, lift }),
        2 => prop_oneof![Just(20), Just(61), Just(200), Just(3_600)].prop_map(|seconds| Act::Later { seconds }),
        1 => Just(Act::Restart),
        1 => Just(Act::Save),
        1 => Just(Act::SetBack),
        5 => any().prop_map(|message| Act::Replay { message }),
        4 => (any(), 0..2_000_usize, 0..8_u8).prop_map(|(message, byte, bit)| Act::Bend { message, byte, bit }),
        3 => (any(), any()).prop_map(|(message, phone)| Act::Graft { message, phone }),
        2 => (any(), prop_oneof![Just(Factor::Pin), Just(Factor::Biometric), Just(Factor::None)])
            .prop_map(|(phone, factor)| Act::Forge { phone, factor }),
    ]
}

#[test]
fn whatever_is_done_the_promises_hold() {
    let cases = std::env::var("GODKEND_MODEL_CASES").map_or(16, |cases| cases.parse().unwrap());
    let config = Config {
        cases,
        max_shrink_iters: 60,
        // What has failed once is written down by hand as a test of its own.
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut total = tally::Tally::default();
    let tally = std::cell::RefCell::new(&mut total);
    // The same acts each time, so that a red run is about the change and not about luck; others by their number.
    let seed: u64 = std::env::var("GODKEND_MODEL_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let result = runner.run(&proptest::collection::vec(act(), 20..60), |acts| {
        let play = runtime.block_on(async {
            let mut play = Play::begin().await;
            for act in &acts {
                play.act(act).await?;
            }
            play.end().await?;
            Ok::<_, TestCaseError>(play)
        })?;
        tally.borrow_mut().add(&play.tally);
        Ok(())
    });
    println!("{total:#?}");
    if let Err(error) = result {
        panic!("{error}");
    }
    // A run in which little happened has shown little.
    assert!(total.approved > 0 && total.collected > 0 && total.refused > 0 && total.wrong_pins > 0, "{total:?}");
    assert!(total.attacks > 10 && total.kills > 0, "{total:?}");
}
