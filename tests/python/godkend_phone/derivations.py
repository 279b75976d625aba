"""The hashes and keys of section 3, one function for each line of its table."""

from __future__ import annotations

import hashlib
import hmac as _hmac

from . import p256


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hmac(key: bytes, data: bytes) -> bytes:
    return _hmac.digest(key, data, "sha256")


def hkdf_extract(salt: bytes, secret: bytes) -> bytes:
    return hmac(salt or bytes(32), secret)


def hkdf_expand(key: bytes, info: bytes, size: int) -> bytes:
    output, block, number = b"", b"", 1
    while len(output) < size:
        block = hmac(key, block + info + bytes([number]))
        output, number = output + block, number + 1
    return output[:size]


def hkdf(secret: bytes, info: bytes, size: int = 32) -> bytes:
    """HKDF-SHA-256 (RFC 5869) with an empty salt."""
    return hkdf_expand(hkdf_extract(b"", secret), info, size)


def be64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def labelled_hash(label: str, *parts: bytes) -> bytes:
    """LH: every part is preceded by its length."""
    pieces = (label.encode(), *parts)
    return sha256(b"".join(be64(len(piece)) + piece for piece in pieces))


def kid(point: bytes) -> bytes:
    return sha256(b"godkend/1/kid" + point)[:8]


def fingerprint(environment: str, point: bytes, ml_dsa_key: bytes = b"") -> bytes:
    return labelled_hash("godkend/1/root", environment.encode(), point, ml_dsa_key)


def transcript(opening: bytes, offer_payload: bytes, core: bytes) -> bytes:
    return labelled_hash("godkend/1/activation", opening, offer_payload, core)


def full_transcript(of_transcript: bytes, reply_nonce: bytes) -> bytes:
    return labelled_hash("godkend/1/activation-full", of_transcript, reply_nonce)


def reset_transcript(open_payload: bytes, offer_payload: bytes) -> bytes:
    return labelled_hash("godkend/1/pin-reset", open_payload, offer_payload)


def mac_key(secret: bytes, activation: bytes) -> bytes:
    return hkdf(secret, b"godkend/1/activation-mac" + activation)


def attestation_challenge(nonce: bytes, subject: bytes, purpose: str) -> bytes:
    return labelled_hash("godkend/1/attestation", nonce, subject, purpose.encode())


def assertion_hash(challenge: bytes, point: bytes) -> bytes:
    return labelled_hash("godkend/1/assertion", challenge, point)


def digits(full: bytes) -> str:
    return f"{int.from_bytes(labelled_hash('godkend/1/digits', full)[:8], 'big') % 10**8:08}"


def block_code_hash(code: bytes) -> bytes:
    return labelled_hash("godkend/1/block-code", code)


def pin_input(environment: str, account: bytes, device: bytes, pin: str) -> bytes:
    return labelled_hash("godkend/1/pin", environment.encode(), account, device, pin.encode())


def key_from_seed(seed: bytes, label: str) -> p256.PrivateKey:
    """The first candidate of HKDF(seed, label || counter) that is a private key."""
    for counter in range(256):
        scalar = int.from_bytes(hkdf(seed, label.encode() + bytes([counter])), "big")
        if 0 < scalar < p256.N:
            return p256.PrivateKey(scalar)
    raise AssertionError("256 candidates above the group's order")


def pin_key(export_key: bytes) -> p256.PrivateKey:
    return key_from_seed(export_key, "godkend/1/pin-key")


def challenge_hash(payload: bytes) -> bytes:
    return labelled_hash("godkend/1/challenge", payload)


def ratchet_hash(ratchet: bytes) -> bytes:
    return labelled_hash("godkend/1/ratchet", ratchet)


def operation_hash(data: bytes) -> bytes:
    return labelled_hash("godkend/1/operation", data)


def qr_code(secret: bytes, session: bytes, frame: int) -> bytes:
    return hmac(secret, b"godkend/1/qr-frame" + session + be64(frame))[:16]


def offline_key(agreed: bytes, of_challenge: bytes) -> bytes:
    return hkdf(agreed, b"godkend/1/offline" + of_challenge)


def account_hint(account: bytes, transaction: bytes) -> bytes:
    return labelled_hash("godkend/1/account-hint", account, transaction)
