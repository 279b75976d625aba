//! Values of every type that stands in messages, from a seed.

use godkend_protocol::bytes::{Blob, Fixed, Secret};
use godkend_protocol::crypto;
use godkend_protocol::keyset::*;
use godkend_protocol::messages::activation::*;
use godkend_protocol::messages::approval::*;
use godkend_protocol::messages::device::*;
use godkend_protocol::messages::offline::*;
use godkend_protocol::messages::pin::*;
use godkend_protocol::messages::push::*;
use godkend_protocol::messages::*;
use godkend_protocol::types::*;
use rand_core::Rng as _;

use super::random::Stream;

/// How values are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Every optional field present, two items in every list, plausible texts and numbers.
    Full,
    /// No optional field, no item.
    Least,
    /// Some of each.
    Mixed,
    /// Anything that the type can hold.
    Wild,
}

pub struct Gen {
    pub mode: Mode,
    stream: Stream,
}

impl Gen {
    pub fn new(mode: Mode, seed: &str) -> Self {
        Self { mode, stream: Stream::new(seed) }
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.stream.next_u32()).unwrap() % limit
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.fill_bytes(&mut bytes);
        bytes
    }

    fn present(&mut self) -> bool {
        match self.mode {
            Mode::Full => true,
            Mode::Least => false,
            Mode::Mixed | Mode::Wild => self.below(2) == 1,
        }
    }

    fn edge(&mut self) -> u64 {
        let edges = [0, 1, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX];
        if self.below(2) == 0 { edges[self.below(edges.len())] } else { self.stream.next_u64() >> self.below(64) }
    }
}

/// A value for the field `name`.
pub trait Any: Sized {
    fn any(g: &mut Gen, name: &str) -> Self;
}

impl Any for bool {
    fn any(g: &mut Gen, _: &str) -> Self {
        g.present()
    }
}

impl Any for u64 {
    fn any(g: &mut Gen, name: &str) -> Self {
        match (g.mode, name) {
            (Mode::Wild, _) => g.edge(),
            (_, "number" | "key_set") => 7,
            (_, "frame") => 1_790_000_003,
            (_, "amount_minor") => 125_000,
            (_, "size") => 70_000,
            _ => 3,
        }
    }
}

impl Any for u32 {
    fn any(g: &mut Gen, name: &str) -> Self {
        match (g.mode, name) {
            (Mode::Wild, _) => u32::try_from(g.edge() & u64::from(u32::MAX)).unwrap(),
            (_, "expires_in") => 600,
            (_, "wait") => 25,
            (_, "retry_after") => 60,
            _ => 2,
        }
    }
}

impl Any for i64 {
    fn any(g: &mut Gen, name: &str) -> Self {
        match (g.mode, name) {
            (Mode::Wild, _) => g.edge().cast_signed(),
            (_, "issued" | "enrolled" | "remembered") => 1_790_000_000,
            (_, "expires") => 1_790_000_180,
            _ => 1_790_003_600,
        }
    }
}

impl Any for i32 {
    fn any(g: &mut Gen, _: &str) -> Self {
        if g.mode == Mode::Wild { u32::any(g, "").cast_signed() } else { ALG_ES256 }
    }
}

impl Any for String {
    fn any(g: &mut Gen, name: &str) -> Self {
        if g.mode == Mode::Wild {
            let length = g.below(40);
            return (0..length).filter_map(|_| char::from_u32(u32::any(g, "") % 0x11_0000)).collect();
        }
        let text = match name {
            "environment" => "test",
            "url" => "https://godkend.example",
            "return_url" => "https://godkend.example/return?code=5f3a",
            "app_version" => "1.4.0",
            "language" => "da",
            "model" => "Pixel 9",
            "platform" => "Android 16",
            "place" => "Aarhus",
            "browser" => "Firefox, Linux",
            "text" => "Betal regningen fra Bager Sørensen & Søn",
            "currency" => "DKK",
            "payee" => "Bager Sørensen & Søn",
            "account" => "1234 0005678901",
            "code" => "pin_waiting",
            "digits" | "number" => "04821973",
            "identity_name" => "Åse Lind",
            "checkpoint" => {
                "godkend/test/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime 1790000000\n\n— x AQIDBAkJ\n"
            }
            "token" => "dZ0r:APA91bF-example_registration-token",
            "endpoint" => "https://push.example/up/3kq9?v=1",
            "id" => "netbank",
            "name" => "Netbank",
            _ => "?",
        };
        assert_ne!(text, "?", "no example text for {name}");
        text.to_owned()
    }
}

impl Any for Blob {
    fn any(g: &mut Gen, name: &str) -> Self {
        let length = match name {
            _ if g.mode == Mode::Wild => g.below(300),
            "request" => 33,
            "response" => 66,
            "upload" => 129,
            "ke1" => 98,
            "ke2" => 259,
            "ke3" => 32,
            "enc" | "public" | "hpke_key" => 65,
            "token" => 32,
            "pq_key" | "log_pq_key" => 1952,
            "pq_signature" => 3309,
            _ => 24,
        };
        Self(g.bytes(length))
    }
}

impl<const N: usize> Any for Fixed<N> {
    fn any(g: &mut Gen, name: &str) -> Self {
        if N == 65 && g.mode != Mode::Wild {
            let public = crypto::p256_public(&crypto::p256_from_seed(&g.bytes(32), name)).unwrap();
            return Self::from_slice(&public.0).unwrap();
        }
        Self::from_slice(&g.bytes(N)).unwrap()
    }
}

impl<const N: usize> Any for Secret<N> {
    fn any(g: &mut Gen, _: &str) -> Self {
        Self::from_slice(&g.bytes(N)).unwrap()
    }
}

impl<T: Any> Any for Option<T> {
    fn any(g: &mut Gen, name: &str) -> Self {
        g.present().then(|| T::any(g, name))
    }
}

impl<T: Any> Any for Vec<T> {
    fn any(g: &mut Gen, name: &str) -> Self {
        let count = match g.mode {
            Mode::Full => 2,
            Mode::Least => 0,
            Mode::Mixed | Mode::Wild => g.below(4),
        };
        (0..count).map(|_| T::any(g, name)).collect()
    }
}

/// Every variant of an enumeration, made once each.
pub trait Variants: Sized {
    fn variants(g: &mut Gen) -> Vec<(&'static str, Self)>;
}

macro_rules! any {
    ($(struct $name:ident { $($field:ident),* $(,)? })*) => { $(
        impl Any for $name {
            #[allow(unused_variables)]
            fn any(g: &mut Gen, _: &str) -> Self {
                Self { $($field: Any::any(g, stringify!($field)),)* }
            }
        }
    )* };
}

// Behind a semicolon stand variants that no message to or from a phone has.
macro_rules! any_enum {
    ($($name:ident { $($variant:ident $({ $($field:ident),* })?,)* $(; $($apart:ident,)*)? })*) => { $(
        impl Any for $name {
            fn any(g: &mut Gen, _: &str) -> Self {
                let mut all = Self::variants(g);
                all.retain(|(name, _)| ![$($(stringify!($apart),)*)?].contains(name));
                let index = g.below(all.len());
                all.swap_remove(index).1
            }
        }
        impl Variants for $name {
            #[allow(unused_variables)]
            fn variants(g: &mut Gen) -> Vec<(&'static str, Self)> {
                vec![$((
                    stringify!($variant),
                    Self::$variant $({ $($field: Any::any(g, stringify!($field)),)* })?,
                ),)* $($((stringify!($apart), Self::$apart),)*)?]
            }
        }
    )* };
}

any_enum! {
    Suite { P256, Hybrid, }
    KeyPurpose { Possession, Biometric, Offline, Pepper, Pin, }
    SecurityLevel { Software, TrustedEnvironment, Dedicated, }
    Attestation { Software, Android { chain }, AppAttest { key_id, object, assertion }, }
    Level { Low, Substantial, High, }
    Factor { None, Pin, Biometric, }
    Decision { Approve, Deny, ReportFraud, }
    Binding { ScannedQr, SameDevice, TypedNumber, RememberedBrowser, RememberedBrowserAndNumber, Device, Offline, ; Typed, Origin, }
    Action { LogOn, Approve, Confirm, Accept, Sign, FinishEnrolment, ChangePin, AddKeys, RemoveKeys, RotateKeys, MoveDevice, RemoveDevice, ForgetBrowser, NewDeviceNotice, SetLockedPush, }
    Operation { FinishEnrolment, ChangePin, AddKeys { purposes }, RemoveKeys { purposes }, RotateKeys, MoveDevice { keep }, RemoveDevice { device }, ForgetBrowser { browser }, NewDeviceNotice { activation }, SetLockedPush { on }, }
    VersionPolicy { Current, Recommended, RequiredFrom { at }, }
    Stage { Digits, ChoosePin, Finish, Waiting { until }, Active, Void, }
    FetchHow { Pushed { id }, Scanned { session, frame, code }, Numbered { number }, Linked { session, secret }, }
    DeviceState { Enrolling, Active, Blocked, Frozen, Removed, }
    PinContext { Enrolment { id, transcript }, Change { challenge }, }
    PushAddress { Fcm { token }, Apns { token, sandbox }, WebPush { endpoint, key, auth }, }
    PushChange { Set { handle, address }, Remove, }
}

any! {
    struct DeviceKey { purpose, algorithm, public, attestation }
    struct Payment { amount_minor, currency, payee, account }
    struct LogPosition { epoch, size, root }
    struct DeviceInfo { model, platform, app_version, language }
    struct Root { environment, url, key, pq_key }
    struct HpkePublic { suite, public }
    struct KeySet { number, issued, expires, tls_pins, challenge_keys, log_keys, hpke_keys, suites, log_pq_key }
    struct SignedKeySet { cose, pq_signature }
    struct ErrorReply { code, retry_after, tries_left }
    struct Done { }
    struct ActivationOpen { app_version, id, name, suites }
    struct ActivationOffer { id, open_hash, suite, hpke_key, nonce, issued, security, key_set }
    struct EnrolCore { nonce, keys, info, pepper_security, block_code_hash }
    struct Enrol { open, core, mac, proof }
    struct EnrolProof { transcript }
    struct SealedEnrol { offer, enc, ciphertext }
    struct SealedReply { ciphertext }
    struct EnrolReply { transcript, nonce, account, device, identity_name, ratchet, finish_before }
    struct EnrolmentStatus { device, enrolment, nonce, known, wait }
    struct StageReply { stage }
    struct TypedDigits { device, activation, digits, nonce }
    struct DigitsReply { model, place, active_from }
    struct PollOpen { device, nonce, app_version }
    struct PollOpened { token, expires_in, policy }
    struct Poll { token, known, wait }
    struct Pending { items }
    struct PendingItem { id, locked, expires_in }
    struct Fetch { device, nonce, how, log, app_version }
    struct Manage { device, nonce, operation, log, app_version }
    struct Fetched { challenge, checkpoint, consistency, policy, pin }
    struct RelyingParty { id, name }
    struct Challenge { transaction, account, device, relying_party, action, text, payment, operation, level, factors, browser_session, binding, place, browser, new_browser, may_remember, nonce, log, issued, expires }
    struct Answer { device, challenge, decision, factor, remember_browser, ratchet_hash, ratchet_count, log, operation }
    struct OperationData { keys, pin }
    struct NewKeySignature { purpose, signature }
    struct AnswerRequest { answer, challenge, factor_signature, pin, data, new_keys }
    struct PinProof { exchange, ke3 }
    struct AnswerReply { answer, ratchet, ratchet_count, return_url, activation, active_from, policy }
    struct HandedOut { id, secret, expires }
    struct RefuseLocked { device, transaction, decision, nonce }
    struct AskOverview { device, nonce }
    struct Overview { devices, browsers, locked_push, pin }
    struct DeviceLine { id, model, platform, state, enrolled, last_used, keys }
    struct BrowserLine { id, name, remembered, last_used }
    struct BlockSelf { device, nonce }
    struct OfflineChallenge { transaction, account_hint, relying_party, action, text, payment, level, ephemeral, place, browser, issued, expires }
    struct PinRegister { device, context, request, nonce }
    struct PinRegistered { seed, response }
    struct PinEnrol { device, context, seed, upload, pin_key }
    struct PinEnrolRequest { enrol, pin_signature }
    struct PinStart { device, challenge, exchange, ke1 }
    struct PinStartRequest { start, challenge }
    struct PinStarted { exchange, ke2, if_wrong }
    struct PinStatus { tries_left, wait, rounds_left, dead }
    struct PinResetOpen { device, nonce, app_version }
    struct PushRegister { device, nonce, number, change }
    struct PushState { registered, fcm, apns, web_push }
    struct PinResetOffer { id, device, open_hash, nonce, finish_before }
}
