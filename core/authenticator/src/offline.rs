//! Approval without a network: a signed challenge in a QR code, eight digits typed back.

use godkend_protocol::bytes::Blob;
use godkend_protocol::cose::Received;
use godkend_protocol::formats::offline_code;
use godkend_protocol::messages::approval::challenge_hash;
use godkend_protocol::messages::offline::{OfflineChallenge, account_hint};
use godkend_protocol::text;
use godkend_protocol::types::{Binding, Factor, KeyPurpose, Level, VersionPolicy};

use crate::answer;
use crate::command::{Approval, Outcome};
use crate::error::Failure;
use crate::flow::Port;
use crate::history::HistoryEvent;
use crate::keys::{KeyAlias, KeyReply, KeyRequest};
use crate::request::{self, RequestId, RequestView, Shown, ShownKind};
use crate::state::IdentityId;
use godkend_protocol::bytes::Secret;

/// Verifies an offline challenge under the stored key set and shows it to the person it is for.
pub(crate) fn show(port: &Port, identity: Option<IdentityId>, challenge: &Blob) -> Result<Outcome, Failure> {
    let candidates: Vec<IdentityId> = {
        let shared = port.shared();
        let wanted = |id: IdentityId| identity.is_none_or(|identity| identity == id);
        shared.state.identities.iter().map(|person| person.id).filter(|id| wanted(*id)).collect()
    };
    let mut readable = false;
    for id in candidates {
        let root = port.root_of(id)?;
        let Some(set) = port.stored_key_set(&root) else { continue };
        let Ok(received) = set.open::<OfflineChallenge>(&challenge.0, &root.environment) else { continue };
        readable = true;
        let account = port.shared().state.identity(id)?.account;
        let claimed = received.claimed();
        if claimed.account_hint == account_hint(&account, &claimed.transaction) {
            return show_to(port, id, &received);
        }
    }
    Err(if readable { Failure::NoRequest } else { Failure::Untrusted })
}

fn show_to(port: &Port, identity: IdentityId, received: &Received<OfflineChallenge>) -> Result<Outcome, Failure> {
    let challenge = received.claimed();
    let showable = text::check(&challenge.relying_party.name, text::MAX_NAME).is_ok()
        && challenge.text.as_deref().is_none_or(|text| text::check(text, text::MAX_REFERENCE_TEXT).is_ok())
        && challenge.payment.as_ref().is_none_or(request::is_showable_payment)
        && [&challenge.place, &challenge.browser]
            .into_iter()
            .all(|name| name.as_deref().is_none_or(|name| text::check(name, text::MAX_NAME).is_ok()));
    if !showable || challenge.level == Level::High || !challenge.action.is_relying_party() {
        return Err(Failure::Untrusted);
    }
    let view = RequestView {
        id: RequestId(0),
        identity,
        transaction: challenge.transaction,
        relying_party: challenge.relying_party.clone(),
        action: challenge.action,
        text: challenge.text.clone(),
        payment: challenge.payment.clone(),
        operation: None,
        notice_of_use: false,
        level: challenge.level,
        factors: vec![Factor::Biometric],
        binding: Binding::Offline,
        place: challenge.place.clone(),
        browser: challenge.browser.clone(),
        new_browser: false,
        may_remember: false,
        // Without a nonce of its own the phone cannot tell how old it is; the server judges the code.
        expires_at_ms: None,
        pin: None,
        policy: VersionPolicy::Current,
    };
    let hash = challenge_hash(received.payload());
    Ok(request::show(port, Shown { view, hash, kind: ShownKind::Offline(Box::new(challenge.clone())) }))
}

/// Makes the code. Behind biometrics only; a phone that cannot agree has no offline key and says so.
pub(crate) async fn approve(
    port: &Port,
    shown: &Shown,
    challenge: &OfflineChallenge,
    with: &Approval,
) -> Result<Outcome, Failure> {
    if matches!(with, Approval::Pin(_)) {
        return Err(Failure::NotSupported);
    }
    let identity = shown.view.identity;
    let alias = {
        let shared = port.shared();
        if shared.state.identities.len() > 1 {
            return Err(Failure::SharedPhone);
        }
        KeyAlias::from(&shared.state.identity(identity)?.key(KeyPurpose::Offline)?.alias)
    };
    let prompt = Some(answer::prompt(shown));
    let agreed = match port.key(KeyRequest::Agree { alias, point: challenge.ephemeral, prompt }).await? {
        KeyReply::Agreed(agreed) => Secret(agreed.0),
        _ => return Err(Failure::NotSupported),
    };
    let code = offline_code::code(&offline_code::key(&agreed, &shown.hash), &shown.hash);
    answer::note(port, shown, HistoryEvent::OfflineCode, None)?;
    port.unshow(shown.view.id);
    port.persist().await?;
    Ok(Outcome::OfflineCode { code })
}
