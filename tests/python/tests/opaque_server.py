"""The server's KE2 (RFC 9807, section 6.3.2.2), for vectors that a client cannot check from its own side."""

from __future__ import annotations

from godkend_phone import opaque, p256
from godkend_phone.derivations import hkdf_expand


def evaluate(element: bytes, oprf_seed: bytes, credential_identifier: bytes) -> bytes:
    seed = hkdf_expand(oprf_seed, credential_identifier + b"OprfKey", 32)
    return (opaque.derive_key_pair(seed, b"OPAQUE-DeriveKeyPair") * p256.decompress(element)).compressed()


def ke2(
    *,
    ke1: bytes,
    context: bytes,
    oprf_seed: bytes,
    credential_identifier: bytes,
    server_private: int,
    client_public: bytes,
    masking_key: bytes,
    envelope: bytes,
    masking_nonce: bytes,
    server_nonce: bytes,
    share_seed: bytes,
    client_identity: bytes | None = None,
    server_identity: bytes | None = None,
) -> bytes:
    server_public = (server_private * p256.G).compressed()
    pad = hkdf_expand(masking_key, masking_nonce + b"CredentialResponsePad", 97)
    masked = bytes(a ^ b for a, b in zip(server_public + envelope, pad))
    share, share_point = opaque.dh_key_pair(share_seed)
    inner = evaluate(ke1[:33], oprf_seed, credential_identifier) + masking_nonce + masked + server_nonce + share_point
    client_share = p256.decompress(ke1[65:])
    shared = b"".join(
        point.compressed()
        for point in (
            share * client_share,
            server_private * client_share,
            share * p256.decompress(client_public),
        )
    )
    preamble = opaque.make_preamble(
        context, client_identity or client_public, ke1, server_identity or server_public, inner
    )
    return inner + opaque.handshake_keys(shared, preamble).server_mac
