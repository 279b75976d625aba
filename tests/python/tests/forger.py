"""Somebody who has the test server's own keys, and answers the phone in its place."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from godkend_phone import checkpoint, cose, messages, p256
from godkend_phone.schema import Message, Record

from .world import World

Edit = Callable[[Record], Any]


class Forger:
    def __init__(self, world: World) -> None:
        self._secrets = Path(world.serving["directory"]) / "data" / "secrets"
        self.environment = world.root.environment
        self.root, self.challenge, self.log = (self._key(name) for name in ("root", "challenge-1", "log-1"))

    def _key(self, name: str) -> p256.PrivateKey:
        key = load_pem_private_key((self._secrets / f"{name}.pem").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return p256.PrivateKey(key.private_numbers().private_value)

    def resign(self, data: bytes, message: Message, edit: Edit, key: p256.PrivateKey | None = None) -> bytes:
        """A signed message of the server, changed, and signed again."""
        body = cose.open_message(data, message, self.environment).body
        edit(body)
        payload = cose.payload_of(message, self.environment, body)
        assert message.role is not None
        signer = key or (self.root if message.role == "root" else self.challenge)
        return cose.sign_payload(signer, message.role, payload, name_key=message.role == "challenge")

    def key_set(self, data: bytes, edit: Edit, key: p256.PrivateKey | None = None) -> bytes:
        """A SignedKeySet, changed, and signed again by the root (or by `key`)."""
        signed_set = messages.SIGNED_KEY_SET.from_bytes(data)
        signed_set.cose = self.resign(signed_set.cose, messages.KEY_SET, edit, key)
        return messages.SIGNED_KEY_SET.to_bytes(signed_set)

    def fetched(self, data: bytes, edit_challenge: Edit = lambda _: None, edit: Edit = lambda _: None) -> bytes:
        """A Fetched with a changed challenge that is signed again, and other changes."""
        fetched = messages.FETCHED.from_bytes(data)
        fetched.challenge = self.resign(fetched.challenge, messages.CHALLENGE, edit_challenge)
        edit(fetched)
        return messages.FETCHED.to_bytes(fetched)

    def note(self, text: str, key: p256.PrivateKey | None = None, **position: Any) -> str:
        """A checkpoint with other numbers, signed by the log's key (or by `key`)."""
        found = checkpoint.parse(text).checkpoint
        environment = position.pop("environment", found.environment)
        changed = messages.LOG_POSITION.new(**{**vars(found.position), **position})
        made = checkpoint.Checkpoint(environment, changed, found.time)
        return f"{made.body()}\n" + self.line(made, key or self.log)

    def line(self, of: checkpoint.Checkpoint, key: p256.PrivateKey, name: str | None = None) -> str:
        signature = checkpoint.es256_key_hash(of.origin, key.point) + key.sign(of.body().encode())
        return f"\u2014 {name or of.origin} {base64.b64encode(signature).decode()}\n"
