//! The core alone, stepped by hand: killed before or after any effect and restored from what was persisted, it
//! converges. The other side is the real server; time and randomness are given.
//!
//! The sweep kills every command at each of its steps in turn. The property kills at random, again and again, also
//! while it recovers.

use godkend_client::keys::HardwareKeys;
use godkend_core::{Approval, Command, Pin};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

use godkend_tests::World;
use godkend_tests::bench::{Bench, Kill};
use godkend_tests::phone::{OTHER_PIN, PIN, with_pin};

/// What the phone can be doing when it is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    ApprovePin,
    ApproveBiometric,
    Deny,
    BiometricsOn,
    BiometricsOff,
    ChangePin,
    Rotate,
    Move,
    LockedPush,
}

impl Doing {
    const ALL: [Self; 9] = [
        Self::ApprovePin,
        Self::ApproveBiometric,
        Self::Deny,
        Self::BiometricsOn,
        Self::BiometricsOff,
        Self::ChangePin,
        Self::Rotate,
        Self::Move,
        Self::LockedPush,
    ];

    /// Does it once, killed as told. Says whether it came to its end.
    async fn once(self, bench: &mut Bench, world: &World, kill: Option<Kill>) -> bool {
        let pin = Pin::new(bench.pin).unwrap();
        let with = Approval::Pin(pin.clone());
        let has_biometrics = bench.machine.identities()[0].biometrics;
        let mut page = None;
        let command = match self {
            Self::ApprovePin | Self::ApproveBiometric | Self::Deny => {
                if self == Self::ApproveBiometric && !has_biometrics {
                    bench.ok(Command::EnableBiometrics { identity: None, pin: pin.clone() }).await;
                }
                let (browser, view) = bench.scan(world).await;
                page = Some(browser);
                match self {
                    Self::Deny => Command::Deny { request: view.id },
                    Self::ApproveBiometric => {
                        Command::Approve { request: view.id, with: Approval::Biometric, remember_browser: false }
                    }
                    _ => Command::Approve { request: view.id, with, remember_browser: false },
                }
            }
            Self::BiometricsOn => Command::EnableBiometrics { identity: None, pin },
            Self::BiometricsOff => {
                if !has_biometrics {
                    bench.ok(Command::EnableBiometrics { identity: None, pin: pin.clone() }).await;
                }
                Command::DisableBiometrics { identity: None, with }
            }
            Self::ChangePin => {
                let new = if bench.pin == PIN { OTHER_PIN } else { PIN };
                Command::ChangePin { identity: None, old: pin, new: Pin::new(new).unwrap() }
            }
            Self::Rotate => Command::RotateKeys { identity: None, pin },
            Self::Move => Command::Move { identity: None, with, keep: true },
            Self::LockedPush => Command::SetLockedPush { identity: None, on: true, with },
        };
        let result = bench.run(command, kill).await.0;
        let finished = result.is_some();
        if let Some(result) = result {
            result.unwrap();
            if self == Self::ChangePin {
                bench.pin = if bench.pin == PIN { OTHER_PIN } else { PIN };
            }
        }
        bench.resume().await;
        if let Some(mut browser) = page {
            // Taken once or not at all; what was finished was taken.
            let state = browser.state().await;
            if finished {
                assert_ne!(state["finish"], serde_json::Value::Null, "{self:?} {state}");
            }
            if self != Self::Deny && state["state"] == "approved" {
                browser.signed_in().await;
            }
        }
        finished
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_killed_at_every_step_converges() {
    let world = World::new().await;
    let citizen = world.citizen("step-by-step").await;
    let mut bench = Bench::new(&world, 1);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    let mut kills = 0;
    for doing in Doing::ALL {
        for step in 0.. {
            let mut finished = false;
            for done in [false, true] {
                finished = doing.once(&mut bench, &world, Some(Kill { step, done })).await;
                kills += usize::from(!finished);
                // Spent tries come back with the next right PIN, so a sweep does not kill the PIN.
                bench.check(&world, &citizen).await;
            }
            if finished {
                break;
            }
        }
    }
    println!("{kills} kills");
    assert!(kills > 100, "{kills}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activation_killed_at_every_step_converges() {
    let world = World::new().await;
    let mut kills = 0;
    for phase in 0..2_u64 {
        for step in 0..40_u64 {
            let citizen = world.citizen(&format!("killed-{phase}-{step}")).await;
            let mut killed = false;
            for done in [false, true] {
                // Another seed each time: block codes name a phone, and must differ.
                let mut bench = Bench::new(&world, (phase << 20) | (step << 4) | u64::from(done) | 1 << 40);
                let kill = Kill { step: usize::try_from(step).unwrap(), done };
                let plan: Vec<_> = (0..=phase).map(|at: u64| (at == phase).then_some(kill)).collect();
                let before = bench.milliseconds;
                bench.activate(&world, &citizen, &mut plan.into_iter()).await;
                killed |= bench.milliseconds > before;
                assert_eq!(bench.keys.aliases().await.unwrap().len(), 2, "orphaned keys");
                bench.login(&world, with_pin(PIN)).await.unwrap();
                bench.ok(Command::RemoveDevice { identity: None, device: None, with: with_pin(PIN) }).await;
                assert!(bench.keys.aliases().await.unwrap().is_empty());
                world.advance(61).await;
                kills += 1;
            }
            assert!(killed);
        }
    }
    println!("{kills} activations");
}

#[test]
fn killed_again_and_again_at_random_it_converges() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let cases = Cases { cases: 12, max_shrink_iters: 40, ..Cases::default() };
    let deeds =
        prop::collection::vec((0..Doing::ALL.len(), prop::collection::vec((0_usize..24, any::<bool>()), 0..4)), 1..6);
    let number = std::cell::Cell::new(0);
    TestRunner::new(cases)
        .run(
            &(any::<u64>(), prop::collection::vec((0_usize..20, any::<bool>()), 0..3), deeds),
            |(seed, first, deeds)| {
                number.set(number.get() + 1);
                runtime.block_on(async {
                    let citizen = world.citizen(&format!("random-{}", number.get())).await;
                    let mut bench = Bench::new(&world, seed);
                    let mut kills = first.into_iter().map(|(step, done)| Some(Kill { step, done }));
                    bench.activate(&world, &citizen, &mut kills).await;
                    for (doing, kills) in deeds {
                        for (step, done) in kills {
                            Doing::ALL[doing].once(&mut bench, &world, Some(Kill { step, done })).await;
                            bench.check(&world, &citizen).await;
                        }
                        Doing::ALL[doing].once(&mut bench, &world, None).await;
                    }
                    bench.check(&world, &citizen).await;
                });
                Ok(())
            },
        )
        .unwrap();
}
