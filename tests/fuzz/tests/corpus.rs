//! Every input that was ever kept runs again, without libFuzzer and with real randomness: what was found stays mended.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::path::Path;

fn replay(name: &str) {
    let target = godkend_fuzz::target(name).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        // A panic of a target ends the test; the last line that it printed names the input.
        println!("{}", file.display());
        target(&std::fs::read(file).unwrap());
    }
    // An empty input is one as well.
    target(&[]);
    assert!(files.len() > 10, "the corpus is gone");
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            assert_eq!(godkend_fuzz::names().collect::<Vec<_>>(), [$(stringify!($name)),*]);
        }
    };
}

targets!(messages, proofs, codes, attestation, server_input, jose, client, phone, server);
