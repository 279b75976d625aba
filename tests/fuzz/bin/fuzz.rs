//! libFuzzer around the target that `FUZZ_TARGET` names.
#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        match godkend_fuzz::target(&name) {
            Some(target) => TARGET.set(target).unwrap_or_default(),
            None => {
                eprintln!("FUZZ_TARGET names no target; there are: {}", godkend_fuzz::names().collect::<Vec<_>>().join(" "));
                std::process::exit(2);
            }
        }
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(data);
        }
    }
);
