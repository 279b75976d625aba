"""Every message and type of the protocol, as its tables have them (sections 4 and 8 to 18)."""

from __future__ import annotations

from enum import IntEnum

from .schema import Boolean, Bytes, Choice, Field, Integer, ListOf, MapOf, Message, Optional_, Plain, Tagged, Text

U16, U32, U64 = (Integer(0, 2**bits - 1) for bits in (16, 32, 64))
I32, I64 = (Integer(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (32, 64))
ID, NONCE, HASH, POINT, SIG, ANY, TEXT, BOOL = (
    Bytes(16), Bytes(32), Bytes(32), Bytes(65), Bytes(64), Bytes(), Text(), Boolean(),
)  # fmt: skip
COSE = ANY
"""A signed message in a field is a byte string; `cose` opens it."""


def _need(key: int, name: str, of: object) -> Field:
    return Field(key, name, of)  # type: ignore[arg-type]


def _may(key: int, name: str, of: object) -> Field:
    return Field(key, name, of, optional=True)  # type: ignore[arg-type]


# Section 8: plain enumerations.


class Suite(IntEnum):
    P256 = 1
    HYBRID = 2


class KeyPurpose(IntEnum):
    POSSESSION = 1
    BIOMETRIC = 2
    OFFLINE = 3
    PEPPER = 4
    PIN = 5


class SecurityLevel(IntEnum):
    SOFTWARE = 1
    TRUSTED_ENVIRONMENT = 2
    DEDICATED = 3


class Level(IntEnum):
    LOW = 1
    SUBSTANTIAL = 2
    HIGH = 3


class Factor(IntEnum):
    NONE = 0
    PIN = 1
    BIOMETRIC = 2


class Decision(IntEnum):
    APPROVE = 1
    DENY = 2
    REPORT_FRAUD = 3


class Binding(IntEnum):
    SCANNED_QR = 1
    SAME_DEVICE = 2
    TYPED_NUMBER = 3
    REMEMBERED_BROWSER = 4
    REMEMBERED_BROWSER_AND_NUMBER = 5
    DEVICE = 6
    OFFLINE = 7
    TYPED = 8
    ORIGIN = 9


class Action(IntEnum):
    LOG_ON = 1
    APPROVE = 2
    CONFIRM = 3
    ACCEPT = 4
    SIGN = 5
    FINISH_ENROLMENT = 16
    CHANGE_PIN = 17
    ADD_KEYS = 18
    REMOVE_KEYS = 19
    ROTATE_KEYS = 20
    MOVE_DEVICE = 21
    REMOVE_DEVICE = 22
    FORGET_BROWSER = 23
    NEW_DEVICE_NOTICE = 24
    SET_LOCKED_PUSH = 25


class DeviceState(IntEnum):
    ENROLLING = 1
    ACTIVE = 2
    BLOCKED = 3
    FROZEN = 4
    REMOVED = 5


SUITE, KEY_PURPOSE, SECURITY_LEVEL, LEVEL, FACTOR, DECISION, BINDING, ACTION, DEVICE_STATE = map(
    Plain, (Suite, KeyPurpose, SecurityLevel, Level, Factor, Decision, Binding, Action, DeviceState)
)

# Section 8: tagged enumerations.

ATTESTATION = Tagged({
    1: ("software", ()),
    2: ("android", (ListOf(ANY),)),
    3: ("app_attest", (ANY, Optional_(ANY), Optional_(ANY))),
})  # fmt: skip
OPERATION = Tagged({
    1: ("finish_enrolment", ()),
    2: ("change_pin", ()),
    3: ("add_keys", (ListOf(KEY_PURPOSE),)),
    4: ("remove_keys", (ListOf(KEY_PURPOSE),)),
    5: ("rotate_keys", ()),
    6: ("move_device", (BOOL,)),
    7: ("remove_device", (ID,)),
    8: ("forget_browser", (ID,)),
    9: ("new_device_notice", (ID,)),
    10: ("set_locked_push", (BOOL,)),
})  # fmt: skip
OPERATION_ACTIONS = {name: Action[name.upper()] for name, _ in OPERATION.variants.values()}
VERSION_POLICY = Tagged({1: ("current", ()), 2: ("recommended", ()), 3: ("required_from", (I64,))})
STAGE = Tagged({
    1: ("digits", ()),
    2: ("choose_pin", ()),
    3: ("finish", ()),
    4: ("waiting", (I64,)),
    5: ("active", ()),
    6: ("void", ()),
})  # fmt: skip
FETCH_HOW = Tagged({
    1: ("pushed", (ID,)),
    2: ("scanned", (ID, U64, Bytes(16))),
    3: ("numbered", (TEXT,)),
    4: ("linked", (ID, Bytes(32))),
})  # fmt: skip
PIN_CONTEXT = Tagged({1: ("enrolment", (ID, HASH)), 2: ("change", (HASH,))})

SOFTWARE = Choice("software")

# Section 8: maps.

DEVICE_KEY = MapOf(
    "DeviceKey",
    _need(1, "purpose", KEY_PURPOSE),
    _need(2, "algorithm", I32),
    _need(3, "public", POINT),
    _need(4, "attestation", ATTESTATION),
)
ALGORITHMS = {KeyPurpose.POSSESSION: -7, KeyPurpose.BIOMETRIC: -7, KeyPurpose.OFFLINE: -25}
DEVICE_INFO = MapOf(
    "DeviceInfo",
    _need(1, "model", TEXT),
    _need(2, "platform", TEXT),
    _need(3, "app_version", TEXT),
    _need(4, "language", TEXT),
)
LOG_POSITION = MapOf("LogPosition", _need(1, "epoch", U32), _need(2, "size", U64), _need(3, "root", HASH))
PAYMENT = MapOf(
    "Payment",
    _need(1, "amount_minor", U64),
    _need(2, "currency", TEXT),
    _need(3, "payee", TEXT),
    _may(4, "account", TEXT),
)
RELYING_PARTY = MapOf("RelyingParty", _need(1, "id", TEXT), _need(2, "name", TEXT))
PIN_STATUS = MapOf(
    "PinStatus",
    _need(1, "tries_left", U32),
    _need(2, "wait", U32),
    _need(3, "rounds_left", U32),
    _need(4, "dead", BOOL),
)

# Section 4: trust.

ROOT = MapOf(
    "Root", _need(1, "environment", TEXT), _need(2, "url", TEXT), _need(3, "key", POINT), _may(4, "pq_key", Bytes(1952))
)
HPKE_PUBLIC = MapOf("HpkePublic", _need(1, "suite", SUITE), _need(2, "public", ANY))
SIGNED_KEY_SET = Message("SignedKeySet", _need(1, "cose", COSE), _may(2, "pq_signature", ANY))
KEY_SET = Message(
    "KeySet",
    _need(1, "number", U64),
    _need(2, "issued", I64),
    _need(3, "expires", I64),
    _need(4, "tls_pins", ListOf(HASH)),
    _need(5, "challenge_keys", ListOf(POINT)),
    _need(6, "log_keys", ListOf(POINT)),
    _need(7, "hpke_keys", ListOf(HPKE_PUBLIC)),
    _need(8, "suites", ListOf(SUITE)),
    _may(9, "log_pq_key", ANY),
    type=1,
    role="root",
)

# Section 9: activation.

ACTIVATION_OPEN = Message(
    "ActivationOpen",
    _need(1, "app_version", TEXT),
    _may(2, "id", ID),
    _may(3, "name", Bytes(5)),
    _need(4, "suites", ListOf(SUITE)),
)
ACTIVATION_OFFER = Message(
    "ActivationOffer",
    _need(3, "id", ID),
    _need(4, "open_hash", HASH),
    _need(5, "suite", SUITE),
    _need(6, "hpke_key", ANY),
    _need(7, "nonce", NONCE),
    _need(8, "issued", I64),
    _need(9, "security", SECURITY_LEVEL),
    _need(10, "key_set", U64),
    type=2,
    role="challenge",
)
ENROL_CORE = Message(
    "EnrolCore",
    _need(1, "nonce", NONCE),
    _need(2, "keys", ListOf(DEVICE_KEY)),
    _need(3, "info", DEVICE_INFO),
    _need(4, "pepper_security", SECURITY_LEVEL),
    _need(5, "block_code_hash", HASH),
)
ENROL = Message(
    "Enrol", _need(1, "open", ANY), _need(2, "core", ANY), _need(3, "mac", HASH), _need(4, "proof", COSE)
)  # fmt: skip
ENROL_PROOF = Message("EnrolProof", _need(3, "transcript", HASH), type=3, role="possession")
SEALED_ENROL = Message("SealedEnrol", _need(1, "offer", ANY), _need(2, "enc", ANY), _need(3, "ciphertext", ANY))
SEALED_REPLY = Message("SealedReply", _need(1, "ciphertext", ANY))
ENROL_REPLY = Message(
    "EnrolReply",
    _need(3, "transcript", HASH),
    _need(4, "nonce", NONCE),
    _need(5, "account", ID),
    _need(6, "device", ID),
    _need(7, "identity_name", TEXT),
    _need(8, "ratchet", Bytes(16)),
    _need(9, "finish_before", I64),
    type=4,
    role="challenge",
)
ENROLMENT_STATUS = Message(
    "EnrolmentStatus",
    _need(3, "device", ID),
    _need(4, "enrolment", ID),
    _need(5, "nonce", NONCE),
    _need(6, "known", STAGE),
    _need(7, "wait", U32),
    type=5,
    role="possession",
)
STAGE_REPLY = Message("StageReply", _need(1, "stage", STAGE))
TYPED_DIGITS = Message(
    "TypedDigits",
    _need(3, "device", ID),
    _need(4, "activation", ID),
    _need(5, "digits", TEXT),
    _need(6, "nonce", NONCE),
    type=6,
    role="possession",
)
DIGITS_REPLY = Message("DigitsReply", _need(1, "model", TEXT), _may(2, "place", TEXT), _may(3, "active_from", I64))

# Section 10: PIN.

PIN_REGISTER = Message(
    "PinRegister",
    _need(3, "device", ID),
    _need(4, "context", PIN_CONTEXT),
    _need(5, "request", Bytes(33)),
    _need(6, "nonce", NONCE),
    type=7,
    role="possession",
)
PIN_REGISTERED = Message("PinRegistered", _need(1, "seed", U32), _need(2, "response", Bytes(66)))
PIN_ENROL = Message(
    "PinEnrol",
    _need(3, "device", ID),
    _need(4, "context", PIN_CONTEXT),
    _need(5, "seed", U32),
    _need(6, "upload", Bytes(129)),
    _need(7, "pin_key", POINT),
    type=8,
    role="possession",
)
PIN_ENROL_REQUEST = Message("PinEnrolRequest", _need(1, "enrol", COSE), _need(2, "pin_signature", SIG))
PIN_START = Message(
    "PinStart",
    _need(3, "device", ID),
    _need(4, "challenge", HASH),
    _need(5, "exchange", U64),
    _need(6, "ke1", Bytes(98)),
    type=9,
    role="possession",
)
PIN_START_REQUEST = Message("PinStartRequest", _need(1, "start", COSE), _need(2, "challenge", COSE))
PIN_STARTED = Message(
    "PinStarted", _need(1, "exchange", U64), _need(2, "ke2", Bytes(259)), _need(3, "if_wrong", PIN_STATUS)
)
PIN_PROOF = MapOf("PinProof", _need(1, "exchange", U64), _need(2, "ke3", Bytes(32)))

# Section 17: PIN reset.

PIN_RESET_OPEN = Message(
    "PinResetOpen",
    _need(3, "device", ID),
    _need(4, "nonce", NONCE),
    _need(5, "app_version", TEXT),
    type=10,
    role="possession",
)
PIN_RESET_OFFER = Message(
    "PinResetOffer",
    _need(3, "id", ID),
    _need(4, "device", ID),
    _need(5, "open_hash", HASH),
    _need(6, "nonce", NONCE),
    _need(7, "finish_before", I64),
    type=11,
    role="challenge",
)

# Section 11: polling and fetching.

POLL_OPEN = Message(
    "PollOpen",
    _need(3, "device", ID),
    _need(4, "nonce", NONCE),
    _need(5, "app_version", TEXT),
    type=12,
    role="possession",
)
POLL_OPENED = Message(
    "PollOpened", _need(1, "token", Bytes(32)), _need(2, "expires_in", U32), _need(3, "policy", VERSION_POLICY)
)
POLL = Message("Poll", _need(1, "token", Bytes(32)), _need(2, "known", ListOf(ID)), _need(3, "wait", U32))
PENDING_ITEM = MapOf("PendingItem", _need(1, "id", ID), _need(2, "locked", BOOL), _need(3, "expires_in", U32))
PENDING = Message("Pending", _need(1, "items", ListOf(PENDING_ITEM)))
FETCH = Message(
    "Fetch",
    _need(3, "device", ID),
    _need(4, "nonce", NONCE),
    _need(5, "how", FETCH_HOW),
    _may(6, "log", LOG_POSITION),
    _need(7, "app_version", TEXT),
    type=13,
    role="possession",
)
MANAGE = Message(
    "Manage",
    _need(3, "device", ID),
    _need(4, "nonce", NONCE),
    _need(5, "operation", OPERATION),
    _may(6, "log", LOG_POSITION),
    _need(7, "app_version", TEXT),
    type=14,
    role="possession",
)
FETCHED = Message(
    "Fetched",
    _need(1, "challenge", COSE),
    _need(2, "checkpoint", TEXT),
    _need(3, "consistency", ListOf(HASH)),
    _need(4, "policy", VERSION_POLICY),
    _may(5, "pin", PIN_STATUS),
)

# Sections 12 and 13: challenge and answer.

CHALLENGE = Message(
    "Challenge",
    _need(3, "transaction", ID),
    _need(4, "account", ID),
    _need(5, "device", ID),
    _need(6, "relying_party", RELYING_PARTY),
    _need(7, "action", ACTION),
    _may(8, "text", TEXT),
    _may(9, "payment", PAYMENT),
    _may(10, "operation", OPERATION),
    _need(11, "level", LEVEL),
    _need(12, "factors", ListOf(FACTOR)),
    _may(13, "browser_session", HASH),
    _need(14, "binding", BINDING),
    _may(15, "place", TEXT),
    _may(16, "browser", TEXT),
    _need(17, "new_browser", BOOL),
    _need(18, "may_remember", BOOL),
    _need(19, "nonce", NONCE),
    _need(20, "log", LOG_POSITION),
    _need(21, "issued", I64),
    _need(22, "expires", I64),
    type=15,
    role="challenge",
)
ANSWER = Message(
    "Answer",
    _need(3, "device", ID),
    _need(4, "challenge", HASH),
    _need(5, "decision", DECISION),
    _need(6, "factor", FACTOR),
    _need(7, "remember_browser", BOOL),
    _need(8, "ratchet_hash", HASH),
    _need(9, "ratchet_count", U64),
    _need(10, "log", LOG_POSITION),
    _may(11, "operation", HASH),
    type=16,
    role="possession",
)
NEW_KEY_SIGNATURE = MapOf("NewKeySignature", _need(1, "purpose", KEY_PURPOSE), _need(2, "signature", SIG))
OPERATION_DATA = MapOf("OperationData", _need(1, "keys", ListOf(DEVICE_KEY)), _may(2, "pin", PIN_ENROL_REQUEST))
ANSWER_REQUEST = Message(
    "AnswerRequest",
    _need(1, "answer", COSE),
    _need(2, "challenge", ANY),
    _may(3, "factor_signature", SIG),
    _may(4, "pin", PIN_PROOF),
    _may(5, "data", OPERATION_DATA),
    _need(6, "new_keys", ListOf(NEW_KEY_SIGNATURE)),
)
HANDED_OUT = MapOf("HandedOut", _need(1, "id", ID), _need(2, "secret", Bytes(32)), _need(3, "expires", I64))
ANSWER_REPLY = Message(
    "AnswerReply",
    _need(3, "answer", HASH),
    _need(4, "ratchet", Bytes(16)),
    _need(5, "ratchet_count", U64),
    _may(6, "return_url", TEXT),
    _may(7, "activation", HANDED_OUT),
    _may(8, "active_from", I64),
    _need(9, "policy", VERSION_POLICY),
    type=17,
    role="challenge",
)

# Section 16: other requests.

REFUSE_LOCKED = Message(
    "RefuseLocked",
    _need(3, "device", ID),
    _need(4, "transaction", ID),
    _need(5, "decision", DECISION),
    _need(6, "nonce", NONCE),
    type=18,
    role="possession",
)
ASK_OVERVIEW = Message(
    "AskOverview", _need(3, "device", ID), _need(4, "nonce", NONCE), type=19, role="possession"
)  # fmt: skip
DEVICE_LINE = MapOf(
    "DeviceLine",
    _need(1, "id", ID),
    _need(2, "model", TEXT),
    _need(3, "platform", TEXT),
    _need(4, "state", DEVICE_STATE),
    _need(5, "enrolled", I64),
    _may(6, "last_used", I64),
    _need(7, "keys", ListOf(KEY_PURPOSE)),
)
BROWSER_LINE = MapOf(
    "BrowserLine", _need(1, "id", ID), _need(2, "name", TEXT), _need(3, "remembered", I64), _need(4, "last_used", I64)
)
OVERVIEW = Message(
    "Overview",
    _need(1, "devices", ListOf(DEVICE_LINE)),
    _need(2, "browsers", ListOf(BROWSER_LINE)),
    _need(3, "locked_push", BOOL),
    _may(4, "pin", PIN_STATUS),
)
BLOCK_SELF = Message("BlockSelf", _need(3, "device", ID), _need(4, "nonce", NONCE), type=20, role="possession")

PUSH_ADDRESS = Tagged({
    1: ("fcm", (TEXT,)),
    2: ("apns", (ANY, BOOL)),
    3: ("web_push", (TEXT, POINT, Bytes(16))),
})  # fmt: skip
PUSH_CHANGE = Tagged({1: ("set", (Bytes(16), PUSH_ADDRESS)), 2: ("remove", ())})
PUSH_REGISTER = Message(
    "PushRegister",
    _need(3, "device", ID),
    _need(4, "nonce", NONCE),
    _need(5, "number", U64),
    _may(6, "change", PUSH_CHANGE),
    type=22,
    role="possession",
)
PUSH_STATE = Message(
    "PushState", _need(1, "registered", BOOL), _need(2, "fcm", BOOL), _need(3, "apns", BOOL), _may(4, "web_push", POINT)
)

# Section 18: offline.

OFFLINE_CHALLENGE = Message(
    "OfflineChallenge",
    _need(3, "transaction", ID),
    _need(4, "account_hint", HASH),
    _need(5, "relying_party", RELYING_PARTY),
    _need(6, "action", ACTION),
    _may(7, "text", TEXT),
    _may(8, "payment", PAYMENT),
    _need(9, "level", LEVEL),
    _need(10, "ephemeral", POINT),
    _may(11, "place", TEXT),
    _may(12, "browser", TEXT),
    _need(13, "issued", I64),
    _need(14, "expires", I64),
    type=21,
    role="challenge",
)

# Sections 7 and 25.

DONE = Message("Done")
ERROR_REPLY = Message("ErrorReply", _need(1, "code", TEXT), _may(2, "retry_after", U32), _may(3, "tries_left", U32))

# Section 21: evidence.

LEAF = MapOf(
    "Leaf", _need(1, "index", U64), _need(2, "salt", Bytes(32)), _need(3, "entry", ANY), _need(4, "proof", ListOf(HASH))
)
EVIDENCE = Message(
    "Evidence",
    _need(1, "version", U32),
    _need(2, "key_sets", ListOf(ANY)),
    _may(3, "request", ANY),
    _may(4, "keys", LEAF),
    _may(5, "pin", LEAF),
    _need(6, "decision", LEAF),
    _need(7, "checkpoint", TEXT),
    _need(8, "consistency", ListOf(HASH)),
)
