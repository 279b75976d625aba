"""HPKE (RFC 9180) in the modes Base and PSK, with HKDF-SHA256: DHKEM(P-256) and the hybrid MLKEM768-P256.

Sender and receiver: a phone only sends, the receiver is here for the vectors and for tests that play a server.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import p256
from .derivations import hkdf_expand, hkdf_extract
from .errors import Malformed

AES_128_GCM, AES_256_GCM = 1, 2
_KDF = 1
MODE_BASE, MODE_PSK = 0, 1


def _labeled_extract(suite_id: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hkdf_extract(salt, b"HPKE-v1" + suite_id + label + secret)


def _labeled_expand(suite_id: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    return hkdf_expand(key, size.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + info, size)


class Kem(Protocol):
    """A key encapsulation: what the two suites of the protocol differ in."""

    identifier: int
    public_bytes: int
    enc_bytes: int

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """Shared secret and enc."""
        ...


class DhKem:
    """DHKEM(P-256, HKDF-SHA256)."""

    identifier = 0x0010
    public_bytes = 65
    enc_bytes = 65
    _suite_id = b"KEM" + (0x0010).to_bytes(2, "big")

    def derive(self, ikm: bytes) -> p256.PrivateKey:
        """DeriveKeyPair of RFC 9180, section 7.1.3."""
        prk = _labeled_extract(self._suite_id, b"", b"dkp_prk", ikm)
        for counter in range(256):
            data = _labeled_expand(self._suite_id, prk, b"candidate", bytes([counter]), 32)
            scalar = int.from_bytes(data, "big")
            if 0 < scalar < p256.N:
                return p256.PrivateKey(scalar)
        raise AssertionError("256 candidates above the group's order")

    def _shared(self, dh: bytes, enc: bytes, public: bytes) -> bytes:
        prk = _labeled_extract(self._suite_id, b"", b"eae_prk", dh)
        return _labeled_expand(self._suite_id, prk, b"shared_secret", enc + public, 32)

    def encapsulate(self, public: bytes, ephemeral: p256.PrivateKey | None = None) -> tuple[bytes, bytes]:
        ephemeral = p256.PrivateKey.generate() if ephemeral is None else ephemeral
        return self._shared(ephemeral.agree(public), ephemeral.point, public), ephemeral.point

    def decapsulate(self, private: p256.PrivateKey, enc: bytes) -> bytes:
        return self._shared(private.agree(enc), enc, private.point)


class HybridKey:
    """A private key of MLKEM768-P256, expanded from its 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        expanded = hashlib.shake_256(seed).digest(64 + 128)
        self.post_quantum = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        candidates = (int.from_bytes(expanded[at : at + 32], "big") for at in range(64, 192, 32))
        self.traditional = p256.PrivateKey(next(scalar for scalar in candidates if 0 < scalar < p256.N))
        self.seed = seed
        self.public = self.post_quantum.public_key().public_bytes_raw() + self.traditional.point


class HybridKem:
    """MLKEM768-P256 (draft-ietf-hpke-pq-04, draft-irtf-cfrg-concrete-hybrid-kems)."""

    identifier = 0x0050
    public_bytes = 1249
    enc_bytes = 1153
    _PQ_PUBLIC, _PQ_CIPHERTEXT = 1184, 1088

    def derive(self, ikm: bytes) -> HybridKey:
        """DeriveKeyPair: SHAKE256.LabeledDerive of the draft."""
        label = b"DeriveKeyPair"
        prefixed = len(label).to_bytes(2, "big") + label
        labelled = ikm + b"HPKE-v1" + b"KEM" + self.identifier.to_bytes(2, "big") + prefixed + (32).to_bytes(2, "big")
        return HybridKey(hashlib.shake_256(labelled).digest(32))

    def _combine(self, post_quantum: bytes, traditional: bytes, ciphertext: bytes, public: bytes) -> bytes:
        return hashlib.sha3_256(post_quantum + traditional + ciphertext + public + b"MLKEM768-P256").digest()

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        if len(public) != self.public_bytes:
            raise Malformed("not a public key of MLKEM768-P256")
        pq_public, t_public = public[: self._PQ_PUBLIC], public[self._PQ_PUBLIC :]
        pq_secret, pq_ciphertext = mlkem.MLKEM768PublicKey.from_public_bytes(pq_public).encapsulate()
        ephemeral = p256.PrivateKey.generate()
        shared = self._combine(pq_secret, ephemeral.agree(t_public), ephemeral.point, t_public)
        return shared, pq_ciphertext + ephemeral.point

    def decapsulate(self, private: HybridKey, enc: bytes) -> bytes:
        if len(enc) != self.enc_bytes:
            raise Malformed("not an enc of MLKEM768-P256")
        pq_ciphertext, t_ciphertext = enc[: self._PQ_CIPHERTEXT], enc[self._PQ_CIPHERTEXT :]
        pq_secret = private.post_quantum.decapsulate(pq_ciphertext)
        t_secret = private.traditional.agree(t_ciphertext)
        return self._combine(pq_secret, t_secret, t_ciphertext, private.traditional.point)


class Context:
    """The key schedule of RFC 9180, section 5.1, and what it encrypts and exports."""

    def __init__(self, kem: int, aead: int, shared: bytes, info: bytes, psk: bytes = b"", psk_id: bytes = b"") -> None:
        if bool(psk) != bool(psk_id):
            raise ValueError("a psk goes with its id")
        mode = MODE_PSK if psk else MODE_BASE
        suite_id = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (kem, _KDF, aead))
        self._suite_id = suite_id
        context = (
            bytes([mode])
            + _labeled_extract(suite_id, b"", b"psk_id_hash", psk_id)
            + _labeled_extract(suite_id, b"", b"info_hash", info)
        )
        secret = _labeled_extract(suite_id, shared, b"secret", psk)
        key_bytes = {AES_128_GCM: 16, AES_256_GCM: 32}[aead]
        self._aead = AESGCM(_labeled_expand(suite_id, secret, b"key", context, key_bytes))
        self._base_nonce = _labeled_expand(suite_id, secret, b"base_nonce", context, 12)
        self._exporter = _labeled_expand(suite_id, secret, b"exp", context, 32)

    def nonce(self, sequence: int) -> bytes:
        return (int.from_bytes(self._base_nonce, "big") ^ sequence).to_bytes(12, "big")

    def seal(self, aad: bytes, plaintext: bytes, sequence: int = 0) -> bytes:
        return self._aead.encrypt(self.nonce(sequence), plaintext, aad)

    def open(self, aad: bytes, ciphertext: bytes, sequence: int = 0) -> bytes:
        """Raises `cryptography.exceptions.InvalidTag`."""
        return self._aead.decrypt(self.nonce(sequence), ciphertext, aad)

    def export(self, exporter_context: bytes, size: int) -> bytes:
        return _labeled_expand(self._suite_id, self._exporter, b"sec", exporter_context, size)
