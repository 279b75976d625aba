"""Signed messages: COSE_Sign1 in the one form of section 2."""

from __future__ import annotations

from dataclasses import dataclass

from . import cbor, p256
from .derivations import kid as kid_of
from .errors import Malformed, SignatureInvalid, UpdateNeeded, WrongEnvironment
from .schema import Message, Record

VERSION = 1
_ALG, _KID, _ES256 = 1, 4, -7


def _aad(role: str) -> bytes:
    return f"godkend/1/{role}".encode()


def to_be_signed(protected: bytes, role: str, payload: bytes) -> bytes:
    """The Sig_structure of RFC 9052, section 4.4."""
    return cbor.encode(["Signature1", protected, _aad(role), payload])


@dataclass(frozen=True)
class Signed:
    """A signed message as received: hashes and second signatures are over these bytes."""

    message: Message
    protected: bytes
    payload: bytes
    signature: bytes
    body: Record
    kid: bytes | None

    def verify(self, point: bytes) -> None:
        """Raises `SignatureInvalid` unless `point` signed it in the message's role."""
        assert self.message.role is not None
        p256.verify(point, to_be_signed(self.protected, self.message.role, self.payload), self.signature)


def payload_of(message: Message, environment: str, body: Record) -> bytes:
    return cbor.encode([message.type, VERSION, environment, message.encode(body)])


def protected_header(kid: bytes | None = None) -> bytes:
    return cbor.encode({_ALG: _ES256} if kid is None else {_ALG: _ES256, _KID: kid})


def sign_payload(key: p256.PrivateKey, role: str, payload: bytes, *, name_key: bool = False) -> bytes:
    """The COSE message around any payload."""
    protected = protected_header(kid_of(key.point) if name_key else None)
    return cbor.encode([protected, {}, payload, key.sign(to_be_signed(protected, role, payload))])


def sign(key: p256.PrivateKey, message: Message, environment: str, body: Record) -> tuple[bytes, bytes]:
    """A signed message of a phone, and its payload."""
    assert message.role is not None
    payload = payload_of(message, environment, body)
    return sign_payload(key, message.role, payload), payload


def second_signature(key: p256.PrivateKey, role: str, payload: bytes) -> bytes:
    """A bare signature over the payload of a message that carries no kid."""
    return key.sign(to_be_signed(protected_header(), role, payload))


def split(data: bytes) -> tuple[bytes, cbor.Item, bytes, cbor.Item]:
    """The four parts of a COSE_Sign1, not judged yet. Raises `Malformed` for what is not one."""
    parts = cbor.decode(data)
    if not isinstance(parts, list) or len(parts) != 4:
        raise Malformed("a COSE_Sign1 is an array of four")
    protected, unprotected, payload, signature = parts
    if not isinstance(protected, bytes) or not isinstance(payload, bytes):
        raise Malformed("protected header and payload are byte strings")
    return protected, unprotected, payload, signature


def open_message(data: bytes, message: Message, environment: str) -> Signed:
    """Everything that section 2 demands of a signed message but the signature itself, in its order."""
    protected, unprotected, payload, signature = split(data)
    parts = cbor.decode(payload)
    if not isinstance(parts, list) or len(parts) != 4:
        raise Malformed("a payload is an array of four")
    number, version, named, body = parts
    if type(number) is not int or type(version) is not int or not isinstance(named, str):
        raise Malformed("type and version are numbers, the environment a text")
    if version != VERSION:
        raise UpdateNeeded(f"version {version}")
    if named != environment:
        raise WrongEnvironment(named)
    if number != message.type:
        raise Malformed(f"type {number}, not {message.type}")
    record = message.body(body)
    header = cbor.decode(protected)
    kid = header.get(_KID) if isinstance(header, dict) else None
    if message.role == "challenge":
        if not isinstance(kid, bytes) or len(kid) != 8:
            raise Malformed("no kid of eight bytes")
    elif kid is not None:
        raise Malformed("a kid where none belongs")
    if protected != protected_header(kid) or unprotected != {}:
        raise Malformed("another header than the one that is allowed")
    if not isinstance(signature, bytes) or len(signature) != 64:
        raise SignatureInvalid("a signature has 64 bytes")
    return Signed(message, protected, payload, signature, record, kid)
