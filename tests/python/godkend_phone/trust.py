"""Roots and key sets (section 4)."""

from __future__ import annotations

import json
import re

from . import checkpoint, cose, p256
from .derivations import fingerprint, kid
from .errors import Untrusted
from .formats import b64url, from_b64url
from .messages import KEY_SET, ROOT, SIGNED_KEY_SET
from .schema import Record

GRACE = 2 * 24 * 3600
"""Seconds that a phone's clock may be ahead of the server's."""


def root_from_json(text: str) -> Record:
    """A root as it travels: `environment`, `url`, `key`, `pq_key`."""
    members = json.loads(text)
    pq_key = members.get("pq_key")
    root = ROOT.new(
        environment=members["environment"],
        url=members["url"],
        key=from_b64url(members["key"]),
        pq_key=None if pq_key is None else from_b64url(pq_key),
    )
    check_root(root)
    return root


def root_to_json(root: Record) -> str:
    members = {"environment": root.environment, "url": root.url, "key": b64url(root.key)}
    if root.pq_key is not None:
        members["pq_key"] = b64url(root.pq_key)
    return json.dumps(members)


def check_root(root: Record) -> None:
    p256.parse(root.key)
    loopback = re.fullmatch(r"http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?", root.url)
    if not re.fullmatch(r"[a-z0-9-]{1,32}", root.environment):
        raise Untrusted("not an environment")
    if not loopback and not re.fullmatch(r"https://[^/?#@\s]+", root.url):
        raise Untrusted("not an https origin")


def root_fingerprint(root: Record) -> bytes:
    return fingerprint(root.environment, root.key, root.pq_key or b"")


def verify_key_set(data: bytes, root: Record, highest: int, now: float) -> Record:
    """The key set in a SignedKeySet. `highest` is the highest number seen, `now` the phone's clock in Unix seconds."""
    signed_set = SIGNED_KEY_SET.from_bytes(data)
    signed = cose.open_message(signed_set.cose, KEY_SET, root.environment)
    signed.verify(root.key)
    if root.pq_key is not None:
        if signed_set.pq_signature is None:
            raise Untrusted("the key set lacks its second signature")
        message = cose.to_be_signed(signed.protected, "root", signed.payload)
        checkpoint.verify_ml_dsa(root.pq_key, message, signed_set.pq_signature)
    keys = signed.body
    if keys.number < highest:
        raise Untrusted("an older key set")
    if keys.expires <= now - GRACE:
        raise Untrusted("the key set has expired")
    if not keys.challenge_keys or not keys.log_keys or not keys.suites:
        raise Untrusted("a key set without keys")
    if not set(keys.suites) <= {key.suite for key in keys.hpke_keys}:
        raise Untrusted("a suite without its key")
    return keys


def challenge_key(keys: Record, wanted: bytes) -> bytes | None:
    """The challenge key that a kid names."""
    return next((point for point in keys.challenge_keys if kid(point) == wanted), None)
