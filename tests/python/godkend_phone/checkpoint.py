"""Signed checkpoints of the log: C2SP signed notes (section 21)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa

from . import p256
from .derivations import sha256
from .errors import SignatureInvalid, Untrusted
from .messages import LOG_POSITION
from .schema import Record

_MAX_LINES, _MAX_BYTES, _MAX_SIGNATURE, _MAX_NAME = 16, 65_536, 4096, 128


def es256_key_hash(origin: str, point: bytes) -> bytes:
    return sha256(origin.encode() + b"\n\x02" + point)[:4]


def ml_dsa_key_hash(origin: str, public: bytes) -> bytes:
    return sha256(origin.encode() + b"\n\xff" + b"godkend-ml-dsa-65" + public)[:4]


@dataclass(frozen=True)
class Checkpoint:
    environment: str
    position: Record
    time: int

    @property
    def origin(self) -> str:
        return f"godkend/{self.environment}/{self.position.epoch}"

    def body(self) -> str:
        root = base64.b64encode(self.position.root).decode()
        return f"{self.origin}\n{self.position.size}\n{root}\ntime {self.time}\n"


_BODY = re.compile(
    r"godkend/([a-z0-9-]{1,32})/(0|[1-9][0-9]{0,9})\n"
    r"(0|[1-9][0-9]{0,19})\n"
    r"([A-Za-z0-9+/]{43}=)\n"
    r"time (0|[1-9][0-9]{0,18})\n"
)
_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+=*)")


@dataclass(frozen=True)
class Note:
    """A note in its parts; `signatures` are (key name, key hash, signature)."""

    checkpoint: Checkpoint
    signed: bytes
    signatures: list[tuple[str, bytes, bytes]]


def parse(text: str) -> Note:
    """The form alone. Raises `Untrusted`."""
    if len(text.encode()) > _MAX_BYTES:
        raise Untrusted("the checkpoint is too large")
    body, gap, rest = text.partition("\n\n")
    match = _BODY.fullmatch(body + "\n")
    if not gap or not match or not rest.endswith("\n"):
        raise Untrusted("not a checkpoint")
    environment, epoch, size, root, time = match.groups()
    position = LOG_POSITION.new(epoch=int(epoch), size=int(size), root=base64.b64decode(root))
    checkpoint = Checkpoint(environment, position, int(time))
    if position.epoch >= 2**32 or position.size >= 2**64 or checkpoint.body() != body + "\n":
        raise Untrusted("a body that nobody would write")
    lines = rest[:-1].split("\n")
    if len(lines) > _MAX_LINES:
        raise Untrusted("too many signatures")
    signatures = []
    for line in lines:
        found = _LINE.fullmatch(line)
        try:
            data = base64.b64decode(found[2], validate=True) if found else b""
        except ValueError:
            data = b""
        if found is None or len(found[1].encode()) > _MAX_NAME or not 4 < len(data) <= 4 + _MAX_SIGNATURE:
            raise Untrusted("a signature line in another form")
        if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in found[1]):
            raise Untrusted("a key name with control characters")
        signatures.append((found[1], data[:4], data[4:]))
    return Note(checkpoint, (body + "\n").encode(), signatures)


def verify(text: str, environment: str, log_keys: list[bytes], pq_key: bytes | None = None) -> Checkpoint:
    """The checkpoint, signed by exactly one of `log_keys` and, where there is a `pq_key`, once by it."""
    note = parse(text)
    origin = note.checkpoint.origin
    hashes = {es256_key_hash(origin, point): point for point in log_keys}
    own = [(hashes[key], sig) for name, key, sig in note.signatures if name == origin and key in hashes]
    if len(own) != 1:
        raise Untrusted("not exactly one line by a log key")
    p256.verify(own[0][0], note.signed, own[0][1])
    if pq_key is not None:
        pq_hash = ml_dsa_key_hash(origin, pq_key)
        second = [sig for name, key, sig in note.signatures if name == origin and key == pq_hash]
        if len(second) != 1:
            raise Untrusted("not exactly one line by the log's ML-DSA-65 key")
        verify_ml_dsa(pq_key, note.signed, second[0])
    if note.checkpoint.environment != environment:
        raise Untrusted("a checkpoint of another environment")
    return note.checkpoint


def verify_ml_dsa(public: bytes, message: bytes, signature: bytes) -> None:
    """ML-DSA-65 with an empty context. Raises `SignatureInvalid`."""
    try:
        mldsa.MLDSA65PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise SignatureInvalid("ML-DSA-65") from None
