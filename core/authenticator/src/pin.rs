//! The PIN on the phone: registered and proved through OPAQUE, behind the hardware's pepper.

use godkend_protocol::bytes::{Blob, Hash32, Secret};
use godkend_protocol::cose::{Role, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::messages::approval::PinProof;
use godkend_protocol::messages::pin::{
    PinContext, PinEnrol, PinEnrolRequest, PinRegister, PinRegistered, PinStart, PinStartRequest, PinStarted, PinStatus,
};
use godkend_protocol::opaque::{self, OpaqueError, Registering, Trying};
use godkend_protocol::types::KeyPurpose;

use crate::command::Pin;
use crate::error::Failure;
use crate::flow::Port;
use crate::keys::{KeyAlias, KeyReply, KeyRequest, SecretBytes32};
use crate::state::IdentityId;
use crate::trust::decode_reply;
use godkend_protocol::cbor;

/// A right PIN: the proof for the server, and the key for one signature.
pub(crate) struct Proved {
    pub(crate) proof: PinProof,
    pub(crate) key: Secret<32>,
}

/// The end of a try that did not go wrong for technical reasons.
pub(crate) enum Try {
    Right(Proved),
    Wrong(PinStatus),
}

/// Spends one try on a challenge.
pub(crate) async fn prove(
    port: &Port,
    identity: IdentityId,
    challenge: &Blob,
    hash: &Hash32,
    pin: &Pin,
) -> Result<Try, Failure> {
    let password = password(port, identity, pin).await?;
    let (trying, ke1) = port.with_rng(|rng| Trying::start(rng, password)).map_err(|_| Failure::NotSupported)?;
    let (device, exchange) = {
        let mut shared = port.shared();
        let identity = shared.state.identity_mut(identity)?;
        identity.exchange = identity.exchange.checked_add(1).ok_or(Failure::NotSupported)?;
        (identity.device, identity.exchange)
    };
    // The number must not come again after a kill; OPAQUE's own state dies with it, and the try with that.
    port.persist().await?;
    let (start, _) = port.sign(identity, &PinStart { device, challenge: *hash, exchange, ke1 }).await?;
    let request = PinStartRequest { start: Blob(start), challenge: challenge.clone() };
    let reply = port.post_as(identity, PinStartRequest::PATH, cbor::encode(&request), 0).await?;
    let started: PinStarted = decode_reply(&reply)?;
    if started.exchange != exchange {
        return Err(Failure::Untrusted);
    }
    match port.with_rng(|rng| trying.finish(rng, &started.ke2.0, hash)) {
        Ok(proved) => Ok(Try::Right(Proved {
            proof: PinProof { exchange, ke3: proved.ke3 },
            key: opaque::pin_key(&proved.export_key),
        })),
        Err(OpaqueError::Refused) => Ok(Try::Wrong(started.if_wrong)),
        Err(OpaqueError::Malformed) => Err(Failure::Untrusted),
    }
}

/// Registers a PIN in a context; gives the record with both signatures, ready to be sent.
pub(crate) async fn register(
    port: &Port,
    identity: IdentityId,
    context: PinContext,
    pin: &Pin,
) -> Result<PinEnrolRequest, Failure> {
    let password = password(port, identity, pin).await?;
    let (registering, request) =
        port.with_rng(|rng| Registering::start(rng, password)).map_err(|_| Failure::NotSupported)?;
    let device = port.shared().state.identity(identity)?.device;
    let nonce = port.random();
    let (message, _) = port.sign(identity, &PinRegister { device, context, request, nonce }).await?;
    let reply = port.post_as(identity, PinRegister::PATH, message, 0).await?;
    let answered: PinRegistered = decode_reply(&reply)?;
    let registered =
        port.with_rng(|rng| registering.finish(rng, &answered.response.0)).map_err(|_| Failure::Untrusted)?;
    let secret = opaque::pin_key(&registered.export_key);
    let pin_key = crypto::p256_public(&secret).ok_or(Failure::NotSupported)?;
    let enrol = PinEnrol { device, context, seed: answered.seed, upload: registered.upload, pin_key };
    let environment = port.root_of(identity)?.environment;
    let unsigned = Unsigned::new(&enrol, &environment, None);
    let pin_signature =
        crypto::p256_sign(&secret, &unsigned.to_be_signed_as(Role::Pin)).ok_or(Failure::NotSupported)?;
    let possession = port.shared().state.identity(identity)?.key(KeyPurpose::Possession)?.clone();
    let enrol = Blob(port.sign_with(&possession, unsigned).await?);
    Ok(PinEnrolRequest { enrol, pin_signature })
}

/// What goes into OPAQUE: the phone's hardware applied to a hash of the PIN. Each guess needs that hardware.
async fn password(port: &Port, identity: IdentityId, pin: &Pin) -> Result<Secret<32>, Failure> {
    let environment = port.root_of(identity)?.environment;
    let (input, alias) = {
        let shared = port.shared();
        let identity = shared.state.identity(identity)?;
        let input = opaque::pin_input(&environment, &identity.account, &identity.device, pin.digits());
        (input, KeyAlias::from(&identity.key(KeyPurpose::Pepper)?.alias))
    };
    match port.key(KeyRequest::Derive { alias, input: SecretBytes32(input.0) }).await? {
        KeyReply::Derived(output) => Ok(Secret(output.0)),
        _ => Err(Failure::NotSupported),
    }
}
