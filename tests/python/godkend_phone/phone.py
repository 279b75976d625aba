"""The phone: trust, activation, fetching, answering (sections 4 and 9 to 18).

It keeps everything in memory. A real phone stores what section 23 lists before it sends.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from . import cose, messages, trust
from .approval import Approvals
from .enrolment import Enrolments
from .errors import SignatureInvalid
from .keys import DeviceKeys
from .messages import Suite
from .schema import Choice, Message, Record
from .transport import NotPinned, Transport


@dataclass
class Identity:
    """One person on this phone."""

    account: bytes
    device: bytes
    name: str
    keys: DeviceKeys
    enrolment: bytes
    full_transcript: bytes
    ratchet: bytes
    block_code: str
    count: int = 0
    push_number: int = 0
    exchange: int = 0
    log: Record | None = None


class Phone(Enrolments, Approvals):
    """A phone that trusts one root. Everything it refuses on its own is `Untrusted`, `Malformed` or the like."""

    def __init__(
        self,
        root: Record,
        *,
        offered: tuple[Suite, ...] = (Suite.P256, Suite.HYBRID),
        app_version: str = "1.0.0",
        model: str = "Python phone",
    ) -> None:
        trust.check_root(root)
        self.root = root
        self.offered = offered
        self.app_version = app_version
        self.model = model
        self.transport = Transport(root.url)
        self.keys: Record | None = None
        self.highest_number = 0
        self.chosen_suite: Suite | None = None
        self.identity: Identity | None = None

    @property
    def environment(self) -> str:
        return str(self.root.environment)

    @property
    def me(self) -> Identity:
        if self.identity is None:
            raise RuntimeError("not activated")
        return self.identity

    # Section 4.

    def take_key_set(self, data: bytes) -> Record:
        """Verifies a key set and uses it from now on."""
        keys = trust.verify_key_set(data, self.root, self.highest_number, time.time())
        self.highest_number, self.keys = keys.number, keys
        self.transport.pins = keys.tls_pins
        return keys

    def refresh_key_set(self) -> Record:
        return self.take_key_set(self.transport.get_keys())

    def key_set(self) -> Record:
        return self.refresh_key_set() if self.keys is None else self.keys

    # Section 7.

    def post(self, path: str, body: bytes) -> bytes:
        """Sends; a TLS key that is not pinned is worth one look for a newer key set."""
        self.key_set()
        try:
            return self.transport.post(path, body)
        except NotPinned:
            self.refresh_key_set()
            return self.transport.post(path, body)

    def ask(self, path: str, message: Message, body: Record) -> bytes:
        """Posts a message signed by this identity's possession key."""
        return self.post(path, cose.sign(self.me.keys.possession, message, self.environment, body)[0])

    def open_signed(self, data: bytes, message: Message) -> cose.Signed:
        """A message signed by a challenge key; one that is unknown is worth one look for a newer key set."""
        signed = cose.open_message(data, message, self.environment)
        assert signed.kid is not None
        for last in (False, True):
            point = trust.challenge_key(self.key_set(), signed.kid)
            try:
                if point is None:
                    raise SignatureInvalid("no challenge key of that name")
                signed.verify(point)
                return signed
            except SignatureInvalid:
                if last:
                    raise
                self.refresh_key_set()
        raise AssertionError("unreachable")

    # Section 16.

    def refuse_locked(self, transaction: bytes, decision: messages.Decision = messages.Decision.DENY) -> None:
        body = messages.REFUSE_LOCKED.new(
            device=self.me.device, transaction=transaction, decision=decision, nonce=secrets.token_bytes(32)
        )
        messages.DONE.from_bytes(self.ask("refuse", messages.REFUSE_LOCKED, body))

    def overview(self) -> Record:
        body = messages.ASK_OVERVIEW.new(device=self.me.device, nonce=secrets.token_bytes(32))
        return messages.OVERVIEW.from_bytes(self.ask("overview", messages.ASK_OVERVIEW, body))

    def push(self, change: Choice | None = None) -> Record:
        """Gives or takes back a push address; without a change it asks what the server can send."""
        if change is not None:
            self.me.push_number += 1
        body = messages.PUSH_REGISTER.new(
            device=self.me.device, nonce=secrets.token_bytes(32), number=self.me.push_number, change=change
        )
        return messages.PUSH_STATE.from_bytes(self.ask("push", messages.PUSH_REGISTER, body))

    def block(self) -> None:
        body = messages.BLOCK_SELF.new(device=self.me.device, nonce=secrets.token_bytes(32))
        messages.DONE.from_bytes(self.ask("block", messages.BLOCK_SELF, body))
