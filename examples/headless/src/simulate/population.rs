//! A country's worth of citizens and devices, put into a server's database and log by its own store and sequencer.
//!
//! The documents are those that a desk and an activation leave behind: account, user id, device with three keys and a
//! PIN record, block code, two lines of history, and the log's entries for them. Nobody can log in with these devices:
//! their keys are the same random point.

use std::sync::Arc;
use std::time::Duration;

use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, PublicKey, Secret, random};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{DeviceInfo, KeyPurpose, Level, SecurityLevel, Suite};
use godkend_server::app::App;
use godkend_server::audit::{AuditEntry, logged_keys};
use godkend_server::docs::Changes;
use godkend_server::history::{self, About};
use godkend_server::records::{Account, BlockCodeIndex, Device, EnrolledKey, PinRecord, UserIdIndex};
use tokio::task::JoinSet;

use crate::clock::Watch;
use crate::problem::Problem;

/// Citizens in one commit: their six documents and five log entries stay within a commit's limits.
const IN_COMMIT: u32 = 12;
/// Commits on their way.
const AT_ONCE: usize = 16;
/// Between two looks at what is slower.
const PAUSE: Duration = Duration::from_millis(20);

/// Adds `count` citizens with a device each; `progress` hears how many are there, and the seconds.
///
/// # Errors
/// [`Problem::Embedded`] if the store cannot take them.
pub(crate) async fn add(app: &Arc<App>, count: u32, progress: impl Fn(u32, u64)) -> Result<(), Problem> {
    let watch = Watch::start();
    let public = crypto::p256_public(&Secret::random(&mut app.rng()));
    let public = public.ok_or_else(|| Problem::Embedded("no key".to_owned()))?;
    let (mut begun, mut done, mut told) = (0, 0, 0);
    let mut tasks: JoinSet<Result<u32, Problem>> = JoinSet::new();
    while done < count {
        while begun < count && tasks.len() < AT_ONCE {
            let (app, first, size) = (app.clone(), begun, IN_COMMIT.min(count - begun));
            begun += size;
            tasks.spawn(async move {
                let mut changes = Changes::new();
                (first..first + size).for_each(|number| citizen(&app, &mut changes, number, public));
                // A slow disk is waited for.
                while let Err(error) = changes.clone().commit(&*app.store).await {
                    if error.code != Code::Unavailable {
                        return Err(Problem::Embedded(error.to_string()));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                app.log.wake();
                Ok(size)
            });
        }
        match tasks.join_next().await {
            Some(Ok(size)) => done += size?,
            _ => return Err(Problem::Embedded("a commit was lost".to_owned())),
        }
        if watch.elapsed().as_secs() > told {
            told = watch.elapsed().as_secs();
            progress(done, told);
        }
        // The outbox is not to grow without bound: the log's flushes are the slower ones.
        while app.store.outbox_read(0, 1).await.is_ok_and(|waiting| {
            waiting.first().is_some_and(|oldest| {
                let newest = u64::from(done) * 5;
                newest > oldest.id.sequence + 200_000
            })
        }) {
            tokio::time::sleep(PAUSE).await;
        }
    }
    // Until the log has it all.
    while app.store.outbox_read(0, 1).await.is_ok_and(|waiting| !waiting.is_empty()) {
        tokio::time::sleep(PAUSE).await;
    }
    progress(count, watch.elapsed().as_secs());
    Ok(())
}

fn citizen(app: &App, changes: &mut Changes, number: u32, public: PublicKey) {
    let (mut rng, now) = (app.rng(), app.now());
    let id: Id = in_order(number, random(&mut rng));
    let account = Account {
        id,
        uuid: hex(&id),
        user_id: format!("borger-{number:08}-{}", &hex(&id)[..8]),
        name: format!("Borger Nummer {number}"),
        date_of_birth: "1980-01-01".to_owned(),
        cpr: None,
        identity_level: Level::Substantial,
        blocked: false,
        least_suite: Suite::P256,
        locked_push: true,
        tell_uses: false,
        disputed: Vec::new(),
        created: now,
        magic: None,
    };
    let key =
        |purpose| EnrolledKey { purpose, public, security: SecurityLevel::Software, enrolled: now, counter: None };
    let device_id: Id = in_order(number, random(&mut rng));
    let transcript: Hash32 = random(&mut rng);
    let device = Device {
        id: device_id,
        account: id,
        state: DeviceState::Active,
        info: DeviceInfo {
            model: "Simuleret telefon".to_owned(),
            platform: "Godkend headless".to_owned(),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            language: "da".to_owned(),
        },
        keys: [KeyPurpose::Possession, KeyPurpose::Biometric, KeyPurpose::Offline].map(key).to_vec(),
        suite: Suite::P256,
        enrolled: now,
        last_used: None,
        ratchet_count: 1,
        ratchet: Secret::random(&mut rng),
        last_answer: Some((random(&mut rng), Blob(vec![7; 250]))),
        block_code: in_order(number, random(&mut rng)),
        pin: Some(PinRecord {
            seed: app.keys.current_seed,
            credential: random(&mut rng),
            record: Blob(vec![7; 129]),
            key: public,
            debits: 0,
            last_debit: 0,
            exchange: None,
            last_exchange: 1,
            enrolled: now,
        }),
        epoch: app.log.epoch(),
        restored: app.restored(),
        transcript,
        security: SecurityLevel::Software,
        app_attest: None,
        push: None,
    };
    changes.insert(&UserIdIndex { user_id: account.user_id.to_ascii_lowercase(), account: id });
    changes.insert(&BlockCodeIndex { hash: device.block_code, device: device_id });
    let by = "desk:simulate".to_owned();
    changes.log(&AuditEntry::AccountCreated {
        account: id,
        uuid: account.uuid.clone(),
        level: Level::Substantial,
        by,
        at: now,
    });
    changes.log(&AuditEntry::DeviceEnrolled {
        device: device_id,
        account: id,
        enrolment: Fixed(transcript.0.first_chunk().copied().unwrap_or_default()),
        transcript,
        keys: logged_keys(&device.keys),
        suite: Suite::P256,
        at: now,
    });
    changes.log(&AuditEntry::PinEnrolled {
        device: device_id,
        account: id,
        key: public,
        record: crypto::sha256(&[&[7; 129]]),
        at: now,
    });
    changes.log(&AuditEntry::Ratchet {
        device: device_id,
        count: 1,
        ratchet: device.ratchet.clone(),
        answer: None,
        at: now,
    });
    changes.log(&AuditEntry::DeviceChanged {
        device: device_id,
        account: id,
        state: DeviceState::Active,
        why: "activated".to_owned(),
        at: now,
    });
    changes.insert(&account).insert(&device);
    history::add(changes, app, id, "identity_created", About::default());
    history::add(changes, app, id, "device_activated", About::device(device_id));
}

/// A random name that begins with a number: names that rise fill the database's pages one after the other, where others
/// would touch a page of a million for each citizen.
fn in_order<const N: usize>(number: u32, mut name: Fixed<N>) -> Fixed<N> {
    for (byte, digit) in name.0.iter_mut().zip(number.to_be_bytes()) {
        *byte = digit;
    }
    name
}

fn hex(id: &Id) -> String {
    id.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;
    use godkend_server::store::Kind;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_population_is_there_after_a_restart_and_fits_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let options = embedded::Options::test();
        let running = embedded::start(folder.path(), &options).await.unwrap();
        add(&running.app, 100, |_, _| {}).await.unwrap();
        assert_eq!(running.app.log.log().size(), 500);
        running.stop().await;
        let running = embedded::start(folder.path(), &options).await.unwrap();
        for kind in ["account", "device", "user_id", "block_code"] {
            assert_eq!(running.app.store.count(Kind(kind)).await, Ok(100), "{kind}");
        }
        assert_eq!(running.app.log.log().size(), 500);
        running.stop().await;
    }
}
