"""OPAQUE-3DH (RFC 9807) over P-256 with SHA-256, the client's side, and the OPRF (RFC 9497) below it.

Section 6 of the protocol names the parameters. Stretching is the identity; both identities default to the public keys.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from . import p256
from .derivations import hkdf_expand, hkdf_extract, hmac, sha256
from .errors import Malformed

_CONTEXT = b"OPRFV1-\x00-P256-SHA256"


class WrongPassword(Exception):
    """KE2 does not fit the password (or was tampered with: nobody can tell the two apart)."""


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def blind(password: bytes, scalar: int) -> bytes:
    """The blinded element, compressed."""
    return (scalar * p256.hash_to_group(password, b"HashToGroup-" + _CONTEXT)).compressed()


def finalize(password: bytes, scalar: int, evaluated: bytes) -> bytes:
    """The OPRF's output."""
    unblinded = (pow(scalar, -1, p256.N) * p256.decompress(evaluated)).compressed()
    return sha256(_prefixed(password) + _prefixed(unblinded) + b"Finalize")


def derive_key_pair(seed: bytes, info: bytes) -> int:
    """DeriveKeyPair of RFC 9497: the private scalar."""
    for counter in range(256):
        scalar = p256.hash_to_scalar(seed + _prefixed(info) + bytes([counter]), b"DeriveKeyPair" + _CONTEXT)
        if scalar:
            return scalar
    raise AssertionError("256 zero scalars")


def dh_key_pair(seed: bytes) -> tuple[int, bytes]:
    """OPAQUE's DeriveDiffieHellmanKeyPair: the scalar and the compressed point."""
    scalar = derive_key_pair(seed, b"OPAQUE-DeriveDiffieHellmanKeyPair")
    return scalar, (scalar * p256.G).compressed()


def _randomized_password(password: bytes, scalar: int, evaluated: bytes) -> bytes:
    output = finalize(password, scalar, evaluated)
    return hkdf_extract(b"", output + output)


@dataclass(frozen=True)
class _Envelope:
    """What both registration and recovery derive from the randomized password and the envelope's nonce."""

    private: int
    public: bytes
    tag: bytes
    export_key: bytes
    client_identity: bytes
    server_identity: bytes


def _envelope(
    randomized: bytes, nonce: bytes, server_key: bytes, client_identity: bytes | None, server_identity: bytes | None
) -> _Envelope:
    private, public = dh_key_pair(hkdf_expand(randomized, nonce + b"PrivateKey", 32))
    client = public if client_identity is None else client_identity
    server = server_key if server_identity is None else server_identity
    cleartext = server_key + _prefixed(server) + _prefixed(client)
    tag = hmac(hkdf_expand(randomized, nonce + b"AuthKey", 32), nonce + cleartext)
    export_key = hkdf_expand(randomized, nonce + b"ExportKey", 32)
    return _Envelope(private, public, tag, export_key, client, server)


class Registration:
    """One registration: `request` to send, then `finish`."""

    def __init__(self, password: bytes, scalar: int | None = None) -> None:
        self._password = password
        self._scalar = p256.random_scalar() if scalar is None else scalar
        self.request = blind(password, self._scalar)

    def finish(
        self,
        response: bytes,
        nonce: bytes | None = None,
        client_identity: bytes | None = None,
        server_identity: bytes | None = None,
    ) -> tuple[bytes, bytes]:
        """The upload (129 bytes) and the export key."""
        if len(response) != 66:
            raise Malformed("a registration response has 66 bytes")
        nonce = secrets.token_bytes(32) if nonce is None else nonce
        evaluated, server_key = response[:33], response[33:]
        p256.decompress(server_key)
        randomized = _randomized_password(self._password, self._scalar, evaluated)
        envelope = _envelope(randomized, nonce, server_key, client_identity, server_identity)
        masking_key = hkdf_expand(randomized, b"MaskingKey", 32)
        return envelope.public + masking_key + nonce + envelope.tag, envelope.export_key


def _expand_label(secret: bytes, label: bytes, context: bytes) -> bytes:
    name = b"OPAQUE-" + label
    info = (32).to_bytes(2, "big") + bytes([len(name)]) + name + bytes([len(context)]) + context
    return hkdf_expand(secret, info, 32)


@dataclass(frozen=True)
class HandshakeKeys:
    """The keys of one handshake, and the hash that they authenticate."""

    server_mac: bytes
    client_mac: bytes
    session_key: bytes


def handshake_keys(shared: bytes, preamble: bytes) -> HandshakeKeys:
    """DeriveKeys and both MACs of RFC 9807, section 6.4."""
    prk = hkdf_extract(b"", shared)
    secret = _expand_label(prk, b"HandshakeSecret", sha256(preamble))
    server_mac = hmac(_expand_label(secret, b"ServerMAC", b""), sha256(preamble))
    client_mac = hmac(_expand_label(secret, b"ClientMAC", b""), sha256(preamble + server_mac))
    return HandshakeKeys(server_mac, client_mac, _expand_label(prk, b"SessionKey", sha256(preamble)))


def make_preamble(
    context: bytes, client_identity: bytes, ke1: bytes, server_identity: bytes, inner_ke2: bytes
) -> bytes:
    """`inner_ke2` is KE2 without the server's MAC."""
    return b"OPAQUEv1-" + _prefixed(context) + _prefixed(client_identity) + ke1 + _prefixed(server_identity) + inner_ke2


@dataclass(frozen=True)
class Login:
    """What a right password gives."""

    ke3: bytes
    export_key: bytes
    session_key: bytes


class Try:
    """One try: `ke1` to send, then `finish`. The state lives in memory alone."""

    def __init__(
        self, password: bytes, scalar: int | None = None, nonce: bytes | None = None, share_seed: bytes | None = None
    ) -> None:
        self._password = password
        self._scalar = p256.random_scalar() if scalar is None else scalar
        seed = secrets.token_bytes(32) if share_seed is None else share_seed
        self._share, share_point = dh_key_pair(seed)
        nonce = secrets.token_bytes(32) if nonce is None else nonce
        self.ke1 = blind(password, self._scalar) + nonce + share_point

    def finish(
        self, ke2: bytes, context: bytes, client_identity: bytes | None = None, server_identity: bytes | None = None
    ) -> Login:
        """Raises `WrongPassword` when the envelope or the server's MAC does not fit."""
        if len(ke2) != 259:
            raise Malformed("KE2 has 259 bytes")
        evaluated, masking_nonce, masked = ke2[:33], ke2[33:65], ke2[65:162]
        server_share, server_mac = p256.decompress(ke2[194:227]), ke2[227:]
        randomized = _randomized_password(self._password, self._scalar, evaluated)
        masking_key = hkdf_expand(randomized, b"MaskingKey", 32)
        pad = hkdf_expand(masking_key, masking_nonce + b"CredentialResponsePad", 97)
        opened = bytes(a ^ b for a, b in zip(masked, pad))
        server_key, nonce, tag = opened[:33], opened[33:65], opened[65:]
        envelope = _envelope(randomized, nonce, server_key, client_identity, server_identity)
        if not secrets.compare_digest(envelope.tag, tag):
            raise WrongPassword
        shared = b"".join(
            point.compressed()
            for point in (
                self._share * server_share,
                self._share * p256.decompress(server_key),
                envelope.private * server_share,
            )
        )
        preamble = make_preamble(context, envelope.client_identity, self.ke1, envelope.server_identity, ke2[:227])
        keys = handshake_keys(shared, preamble)
        if not secrets.compare_digest(keys.server_mac, server_mac):
            raise WrongPassword
        return Login(keys.client_mac, envelope.export_key, keys.session_key)
