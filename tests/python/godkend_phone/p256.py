"""P-256 in Python integers: group, hashing to the curve, ES256.

The OPRF needs the group's own arithmetic, which no binding offers. THIS IS NOT CONSTANT-TIME: it is for tests, and a
real phone's keys must never meet it. Signatures and ECDH use the `cryptography` package.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from .errors import Malformed, SignatureInvalid

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
A = P - 3
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


@dataclass(frozen=True)
class Point:
    """An affine point; `Point.IDENTITY` is the one without coordinates."""

    x: int | None
    y: int | None

    def compressed(self) -> bytes:
        assert self.x is not None and self.y is not None
        return bytes([2 + (self.y & 1)]) + self.x.to_bytes(32, "big")

    def uncompressed(self) -> bytes:
        assert self.x is not None and self.y is not None
        return b"\x04" + self.x.to_bytes(32, "big") + self.y.to_bytes(32, "big")

    def __neg__(self) -> Point:
        return self if self.y is None else Point(self.x, -self.y % P)

    def __add__(self, other: Point) -> Point:
        if self.x is None or self.y is None:
            return other
        if other.x is None or other.y is None:
            return self
        if self.x == other.x:
            if (self.y + other.y) % P == 0:
                return IDENTITY
            slope = (3 * self.x * self.x + A) * pow(2 * self.y, -1, P)
        else:
            slope = (other.y - self.y) * pow(other.x - self.x, -1, P)
        x = (slope * slope - self.x - other.x) % P
        return Point(x, (slope * (self.x - x) - self.y) % P)

    def __rmul__(self, scalar: int) -> Point:
        result, addend = IDENTITY, self
        while scalar:
            if scalar & 1:
                result = result + addend
            addend = addend + addend
            scalar >>= 1
        return result


IDENTITY = Point(None, None)
G = Point(
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def _square(x: int) -> int:
    return (x * x * x + A * x + B) % P


def decompress(data: bytes) -> Point:
    """A point from its 33 bytes. Raises `Malformed` for what is not on the curve."""
    if len(data) != 33 or data[0] not in (2, 3):
        raise Malformed("not a compressed point")
    x = int.from_bytes(data[1:], "big")
    y = pow(_square(x), (P + 1) // 4, P)
    if x >= P or y * y % P != _square(x):
        raise Malformed("not on the curve")
    return Point(x, y if y & 1 == data[0] & 1 else P - y)


def parse(data: bytes) -> Point:
    """A point from its 65 bytes. Raises `Malformed` for what is not on the curve."""
    if len(data) != 65 or data[0] != 4:
        raise Malformed("not an uncompressed point")
    x, y = int.from_bytes(data[1:33], "big"), int.from_bytes(data[33:], "big")
    if x >= P or y >= P or y * y % P != _square(x):
        raise Malformed("not on the curve")
    return Point(x, y)


def random_scalar() -> int:
    """Uniform in 1 to n-1."""
    return 1 + secrets.randbelow(N - 1)


# Hashing to the curve: RFC 9380, P256_XMD:SHA-256_SSWU_RO_.

_Z = P - 10


def expand_message_xmd(message: bytes, dst: bytes, size: int) -> bytes:
    """RFC 9380, section 5.3.1, with SHA-256."""
    suffix = dst + bytes([len(dst)])
    first = hashlib.sha256(bytes(64) + message + size.to_bytes(2, "big") + b"\x00" + suffix).digest()
    block = hashlib.sha256(first + b"\x01" + suffix).digest()
    output = block
    for number in range(2, -(-size // 32) + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block))
        block = hashlib.sha256(mixed + bytes([number]) + suffix).digest()
        output += block
    return output[:size]


def _map_to_curve(u: int) -> Point:
    """The simplified SWU map (RFC 9380, section 6.6.2)."""
    t = _Z * u * u % P
    denominator = (t * t + t) % P
    if denominator:
        x = -B * pow(A, -1, P) * (1 + pow(denominator, -1, P)) % P
    else:
        x = B * pow(_Z * A, -1, P) % P
    y = pow(_square(x), (P + 1) // 4, P)
    if y * y % P != _square(x):
        x = t * x % P
        y = pow(_square(x), (P + 1) // 4, P)
    return Point(x, y if y & 1 == u & 1 else P - y)


def hash_to_group(message: bytes, dst: bytes) -> Point:
    """hash_to_curve of RFC 9380."""
    uniform = expand_message_xmd(message, dst, 96)
    first, second = (int.from_bytes(uniform[at : at + 48], "big") % P for at in (0, 48))
    return _map_to_curve(first) + _map_to_curve(second)


def hash_to_scalar(message: bytes, dst: bytes) -> int:
    """hash_to_field of RFC 9380 modulo the group's order."""
    return int.from_bytes(expand_message_xmd(message, dst, 48), "big") % N


# ES256 as raw r || s with the smaller s, and ECDH.


class PrivateKey:
    """A P-256 key that signs and agrees."""

    def __init__(self, scalar: int) -> None:
        self.scalar = scalar
        self._key = ec.derive_private_key(scalar, ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self.point = Point(numbers.x, numbers.y).uncompressed()

    @staticmethod
    def generate() -> PrivateKey:
        return PrivateKey(random_scalar())

    @staticmethod
    def from_bytes(data: bytes) -> PrivateKey:
        return PrivateKey(int.from_bytes(data, "big"))

    def sign(self, message: bytes) -> bytes:
        """ES256 by RFC 6979, s at most n/2."""
        der = self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")

    def agree(self, point: bytes) -> bytes:
        """The x-coordinate of ECDH, 32 bytes."""
        parse(point)
        return self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))


def verify(point: bytes, message: bytes, signature: bytes) -> None:
    """Raises `SignatureInvalid` unless `signature` is ES256 of `message`, with the smaller s."""
    parse(point)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not 0 < r < N or not 0 < s <= N // 2:
        raise SignatureInvalid("not in the form of an ES256 signature with the smaller s")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SignatureInvalid("ES256") from None


def other_s(signature: bytes) -> bytes:
    """The same signature with n - s: valid ECDSA, and refused by the protocol."""
    return signature[:32] + (N - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
