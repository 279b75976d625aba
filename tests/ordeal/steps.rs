//! The server killed and started again between any two steps of a phone. The phone side of the same, with the app killed
//! at every step, is `tests/e2e/steps.rs`; kills inside the server's own steps are the sweep's.

use godkend_core::{Approval, Command, Failure, Outcome, Pin};

use crate::dice::Dice;
use crate::gate::Keeper;
use crate::person::{Person, debits};
use crate::server::Server;
use crate::wire::{Done, Trouble, Wire};

#[derive(Clone, Copy, Debug)]
enum Deed {
    Activate,
    Approve,
    Deny,
    Biometrics,
    ByFinger,
    ChangePin,
    Rotate,
}

async fn does(deed: Deed, mut person: Person, number: u64) -> (Person, Done<()>) {
    let done = match deed {
        Deed::Activate => person.activate().await,
        Deed::Approve => person.ordinary_login().await,
        Deed::Deny => person.deny().await,
        Deed::ByFinger => person.finger_login().await,
        Deed::ChangePin => person.change_pin(&mut Dice::new(number)).await,
        Deed::Biometrics | Deed::Rotate => {
            let with = person.pin();
            let Approval::Pin(pin) = with.clone() else { unreachable!() };
            let command = match deed {
                Deed::Rotate => Command::RotateKeys { identity: None, pin },
                _ if person.has_biometrics() => Command::DisableBiometrics { identity: None, with },
                _ => Command::EnableBiometrics { identity: None, pin },
            };
            person.client.run(command).await.map(drop).map_err(|failure| Trouble::wrong(format!("{failure:?}")))
        }
    };
    (person, done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a26_the_server_is_killed_between_any_two_steps_of_a_phone() {
    let mut server = Server::new();
    // A picture read before a restart must not be too old after it.
    server.set("APPROVAL_QR_VALID_SECONDS", "60");
    server.start().await;
    let wire = Wire::to(&server);
    let (mut kills, mut names) = (0, 0);
    let deeds =
        [Deed::Activate, Deed::Approve, Deed::Deny, Deed::Biometrics, Deed::ByFinger, Deed::ChangePin, Deed::Rotate];
    let mut keeper = Keeper::new();
    let mut somebody = None;
    for deed in deeds {
        for step in 0.. {
            let mut person = match somebody.take() {
                Some(person) if !matches!(deed, Deed::Activate) => person,
                _ => {
                    names += 1;
                    keeper = Keeper::new();
                    Person::held(&wire, &server.root, &format!("step-{names}"), Some(keeper.gate())).await.unwrap()
                }
            };
            keeper.hold_after(step);
            let mut task = tokio::spawn(does(deed, person, step));
            let held = tokio::select! {
                () = keeper.held() => true,
                ended = &mut task => {
                    let (back, done) = ended.unwrap();
                    assert_eq!(done, Ok(()), "{deed:?}");
                    somebody = Some(back);
                    false
                }
            };
            if !held {
                assert!(keeper.open() && step > 2, "{deed:?} has {step} steps");
                break;
            }
            server.kill();
            server.start().await;
            kills += 1;
            keeper.let_go();
            let (back, done) = task.await.unwrap();
            person = back;
            // The phone need not have noticed; if it has, going on is enough.
            match done {
                Ok(()) => {}
                Err(Trouble::Gone) => {}
                Err(wrong) => panic!("{deed:?} held after {step} steps: {wrong:?}"),
            }
            person.settle(&mut Dice::new(step)).await.unwrap_or_else(|wrong| panic!("{deed:?}, {step}: {wrong:?}"));
            person.ordinary_login().await.unwrap_or_else(|wrong| panic!("{deed:?}, {step}: {wrong:?}"));
            somebody = Some(person);
        }
    }
    println!("{kills} kills between steps");
    assert!(kills > 30, "{kills}");
    server.stop().await;
    server.verified_log();
}

/// Held between the try that the server has debited and the answer that would prove the PIN.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a19_a_server_killed_in_the_middle_of_a_pin_login_keeps_the_debit() {
    let mut server = Server::new();
    server.start().await;
    let wire = Wire::to(&server);
    let mut keeper = Keeper::new();
    let mut person = Person::held(&wire, &server.root, "middle", Some(keeper.gate())).await.unwrap();
    person.activate().await.unwrap();
    let mut in_the_middle = 0;
    for step in 0.. {
        let view = person.shown().await.unwrap();
        keeper.hold_after(step);
        let (client, with) = (person.client.clone(), person.pin());
        let approve = Command::Approve { request: view.id, with, remember_browser: false };
        let mut approving = tokio::spawn(async move { client.run(approve).await });
        tokio::select! {
            () = keeper.held() => {}
            approved = &mut approving => {
                assert!(approved.unwrap().is_ok() && keeper.open());
                break;
            }
        }
        let tries = async || debits(&wire.devices(&person.citizen).await.unwrap()[0]["pin"]);
        let before = tries().await;
        in_the_middle += u32::from(before == 1);
        server.kill();
        server.start().await;
        assert_eq!(tries().await, before, "held after {step} steps");
        keeper.let_go();
        let approved = approving.await.unwrap();
        assert!(matches!(approved, Ok(Outcome::Approved { .. })), "a right PIN is still right: {approved:?}");
        assert_eq!(tries().await, 0);
    }
    assert!(in_the_middle > 0, "never held between the debit and its proof");

    // The same with one PIN wrong again and again: nine tries in all, however often the server dies.
    server.set("PIN_WAITS_SECONDS", "[1, 1]");
    for tries in 1..=9 {
        let mut wrong = Err(Failure::NoNetwork);
        while !matches!(wrong, Err(Failure::WrongPin(_))) {
            let view = person.shown().await.unwrap();
            let with = Approval::Pin(Pin::new("604731").unwrap());
            wrong = person.client.run(Command::Approve { request: view.id, with, remember_browser: false }).await;
        }
        server.kill();
        server.start().await;
        let devices = wire.devices(&person.citizen).await.unwrap();
        assert_eq!(debits(&devices[0]["pin"]), tries, "{devices:?}");
    }
    let view = person.shown().await.unwrap();
    let with = person.pin();
    let dead = person.client.run(Command::Approve { request: view.id, with, remember_browser: false }).await;
    assert!(dead.is_err(), "a dead PIN is dead");
}
