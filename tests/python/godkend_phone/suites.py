"""What the protocol's suites are made of, and what section 5 does with them."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import Untrusted
from .hpke import AES_256_GCM, Context, DhKem, HybridKem, Kem
from .messages import Suite

INFO = b"godkend/1/activation"
_REPLY_AAD = b"godkend/1/reply"

KEMS: dict[Suite, Kem] = {Suite.P256: DhKem(), Suite.HYBRID: HybridKem()}


def context(suite: Suite, shared: bytes, psk: bytes = b"", psk_id: bytes = b"") -> Context:
    """The HPKE context of an activation: PSK mode with a link's secret and id, Base mode without."""
    return Context(KEMS[suite].identifier, AES_256_GCM, shared, INFO, psk, psk_id)


def reply_keys(of: Context) -> tuple[bytes, bytes]:
    """Key and nonce of the one reply under a context."""
    return of.export(b"godkend/1/reply-key", 32), of.export(b"godkend/1/reply-nonce", 12)


def open_reply(key: bytes, nonce: bytes, ciphertext: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, _REPLY_AAD)
    except InvalidTag:
        raise Untrusted("the reply was not sealed for this message") from None


def seal_reply(key: bytes, nonce: bytes, reply: bytes) -> bytes:
    return AESGCM(key).encrypt(nonce, reply, _REPLY_AAD)
