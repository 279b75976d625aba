//! Chips: FIDO2 authenticators for a computer and a phone, through WebAuthn (W3C, level 2). A chip signs for the page's own
//! origin, so that no page in between can pass its signature on.
//!
//! A chip is asked without a list of credentials: it finds its own, so that whoever types a user id learns nothing of it.

mod register;
mod webauthn;

use async_trait::async_trait;
use godkend_protocol::bytes::{Fixed, Id};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::types::{Binding, Level};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::records::Chip;
use super::{CHIP, Judged, Means, Proof};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::oidc::request::level_of;
use crate::policy::{Implemented, Kind};
use crate::records::Entry;
use webauthn::{Asserted, Verdict};

pub use super::code::CODE_SECONDS;
pub use register::{ask, hand_out, remove, set};
pub(crate) use webauthn::is_authority;
pub use webauthn::relying_party;

/// The refusal of a wrong code.
pub const WRONG: Code = Code::ChipCodeWrong;

/// The chip as a means. A proof is the assertion as `navigator.credentials.get` gives it, bytes in base64url.
pub(super) struct ChipMeans;

#[async_trait]
impl Means for ChipMeans {
    fn implemented(&self) -> Implemented {
        Implemented { name: CHIP, kinds: &[Kind::Possession], ceiling: Level::High, alone: false }
    }

    fn binding(&self) -> Binding {
        Binding::Origin
    }

    async fn judge(&self, proof: &Proof<'_>) -> Result<Judged, ApiError> {
        let asserted = Asserted::deserialize(proof.value).map_err(|_| Code::Malformed)?;
        let app = proof.app;
        let held = docs::get::<Chip>(&*app.store, &Chip::id_of(&proof.account).0).await?;
        // Without a chip, a key that nobody has: the work is the same.
        let (key, counter) = held.as_ref().map_or((NOBODYS, 0), |chip| (chip.doc.key, chip.doc.counter));
        let verdict = webauthn::verify(app, &asserted, &proof.challenge, &key, counter)?;
        let Some(mut chip) = held else { return Ok(Judged::default()) };
        let worth = worth(app, &chip.doc);
        let own = asserted.is_from(&chip.doc, &handle(app, &proof.account));
        match verdict {
            Verdict::Right(counter) if own && !chip.doc.frozen && worth.is_some() => {
                (chip.doc.counter, chip.doc.last_used) = (counter, Some(proof.now));
                let used = Some((Chip::id_of(&proof.account), next(counter)));
                let mut changes = Changes::new();
                changes.update(&chip);
                Ok(Judged { right: true, unguessable: true, most: worth, used, changes })
            }
            Verdict::WentBack if own && !chip.doc.frozen => Ok(frozen(proof, chip)),
            _ => Ok(Judged::default()),
        }
    }
}

/// There are two of it, or it is an older copy: nobody knows which is the person's.
fn frozen(proof: &Proof<'_>, mut chip: Entry<Chip>) -> Judged {
    let (id, account) = (Chip::id_of(&proof.account), proof.account);
    chip.doc.frozen = true;
    let mut changes = Changes::new();
    changes.update(&chip).log(&AuditEntry::MeansChanged {
        account,
        means: CHIP.to_owned(),
        item: id,
        state: "frozen".to_owned(),
        by: "server".to_owned(),
        at: proof.now,
    });
    let details = json!({ "place": proof.transaction.place, "browser": proof.transaction.browser, "alert": true });
    let relying_party = Some(proof.transaction.relying_party.name.clone());
    history::add(&mut changes, proof.app, account, "chip_frozen", About { device: None, relying_party, details });
    Judged { used: Some((id, next(chip.doc.counter))), changes, ..Judged::default() }
}

/// The lowest counter that is still taken; 0 for a chip that does not count.
fn next(counter: u32) -> u64 {
    if counter == 0 { 0 } else { u64::from(counter).saturating_add(1) }
}

/// The curve's base point. Signatures are verified with it where there is no chip, and count for nothing whatever comes of it.
const NOBODYS: Fixed<64> = webauthn::GENERATOR;

/// What a chip is worth under the policy of today; `None` where that does not take it any more.
fn worth(app: &App, chip: &Chip) -> Option<Level> {
    let rules = &app.policy.chip;
    if chip.synchronised && !rules.synchronised {
        return None;
    }
    // As for an app whose keys are in software.
    let tests = app.config.server.test_environment && app.config.approval.software_keys_high;
    let level = match chip.attested {
        true => rules.attested,
        false if rules.attestation_required => return None,
        false if tests => rules.attested,
        false => rules.unattested,
    };
    Some(level_of(level).min(chip.most))
}

/// What a chip that signed before is worth now; none for one that may not be used any more.
pub(super) fn standing(app: &App, chip: &Chip) -> Option<Level> {
    worth(app, chip).filter(|_| !chip.frozen)
}

/// What a chip calls the account: 32 bytes that say nothing of the person, and the same for all of their chips.
fn handle(app: &App, account: &Id) -> Fixed<32> {
    crypto::hmac_sha256(&app.keys.pairwise.0, &[b"godkend/1/chip-user", &account.0])
}

/// A person's chip as a desk or the person may see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Shown {
    /// The make (AAGUID), if it was told.
    pub model: Option<String>,
    /// The make was proved.
    pub attested: bool,
    /// Its key can be copied to other devices.
    pub synchronised: bool,
    /// Its counter went back: it is never used again.
    pub frozen: bool,
    /// The level that it can carry now; none where the policy does not take it.
    pub level: Option<Level>,
    /// Unix seconds.
    pub registered: i64,
    /// Unix seconds.
    pub last_used: Option<i64>,
}

/// The chip that a person has.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn shown(app: &App, account: &Id) -> Result<Option<Shown>, ApiError> {
    let chip = docs::get::<Chip>(&*app.store, &Chip::id_of(account).0).await?;
    Ok(chip.map(|Entry { doc: chip, .. }| Shown {
        level: standing(app, &chip),
        model: chip.model,
        attested: chip.attested,
        synchronised: chip.synchronised,
        frozen: chip.frozen,
        registered: chip.registered,
        last_used: chip.last_used,
    }))
}

/// What a page hands to `navigator.credentials.get` beside the challenge.
#[must_use]
pub fn asked(app: &App) -> Value {
    json!({ "rpId": webauthn::relying_party(app), "userVerification": webauthn::verification(app) })
}
