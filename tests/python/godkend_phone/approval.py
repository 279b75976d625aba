"""Fetching a challenge, verifying it, answering it (sections 10 to 15 and 18)."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import checkpoint, cose, merkle, messages, ocra, opaque, p256, texts
from . import derivations as d
from .errors import Malformed, PinWrong, Untrusted
from .formats import LoginFrame, OfflineLink, SameDeviceLink, parse_link, read_digits
from .keys import DeviceKeys, device_key
from .messages import Action, Binding, Decision, Factor, KeyPurpose, Level
from .schema import Choice, Record

if TYPE_CHECKING:
    from .phone import Phone


@dataclass
class Request:
    """A verified challenge: what the person sees."""

    cose: bytes
    challenge: Record
    hash: bytes
    until: float
    pin: Record | None
    policy: Choice


@dataclass
class PinTry:
    """A right PIN: what an answer needs of it."""

    proof: Record
    key: p256.PrivateKey


@dataclass
class Answer:
    """An answer that is signed but not sent, or not acknowledged."""

    request: Record
    payload: bytes
    changes: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        return messages.ANSWER_REQUEST.to_bytes(self.request)


@dataclass
class Operations:
    """What the answer to an operation carries beside the decision."""

    data: Record | None = None
    new_keys: dict[KeyPurpose, p256.PrivateKey] = field(default_factory=dict)


def check_texts(challenge: Record) -> None:
    """Check 9 of section 12, for online and offline challenges."""
    short = [challenge.relying_party.name, challenge.place, challenge.browser]
    if challenge.payment is not None:
        short += [challenge.payment.payee, challenge.payment.account]
        if not re.fullmatch(r"[A-Z]{3}", challenge.payment.currency):
            raise Untrusted("not a currency")
    for text in short:
        if text is not None:
            texts.check(text, texts.NAME)
    if challenge.text is not None:
        texts.check(challenge.text, texts.REFERENCE_TEXT)


class Approvals:
    """What a phone does with requests."""

    # Section 11.

    def open_poll(self: Phone) -> Record:
        body = messages.POLL_OPEN.new(
            device=self.me.device, nonce=secrets.token_bytes(32), app_version=self.app_version
        )
        return messages.POLL_OPENED.from_bytes(self.ask("poll/open", messages.POLL_OPEN, body))

    def poll(self: Phone, token: bytes, known: list[bytes] | None = None, wait: int = 0) -> list[Record]:
        body = messages.POLL.new(token=token, known=sorted(known or []), wait=wait)
        return messages.PENDING.from_bytes(self.post("poll", messages.POLL.to_bytes(body))).items

    def fetch(self: Phone, how: Choice) -> Request:
        """Asks for a challenge and verifies it."""
        started, nonce = time.monotonic(), secrets.token_bytes(32)
        body = messages.FETCH.new(
            device=self.me.device, nonce=nonce, how=how, log=self.me.log, app_version=self.app_version
        )
        answer = self.ask("challenge", messages.FETCH, body)
        wanted = how.fields[0] if how.name in ("pushed", "scanned", "linked") else None
        return self.verify_fetched(answer, nonce, started, transaction=wanted)

    def scan(self: Phone, text: str) -> Request:
        """A login frame, scanned inside the app."""
        link = parse_link(text)
        if not isinstance(link, LoginFrame) or link.environment != self.environment:
            raise Untrusted("not a login of this environment")
        return self.fetch(Choice("scanned", (link.session, link.frame, link.code)))

    def opened_by(self: Phone, text: str) -> Request:
        """A same-device link that opened the app."""
        link = parse_link(text)
        if not isinstance(link, SameDeviceLink) or link.environment != self.environment:
            raise Untrusted("not a same-device login of this environment")
        return self.fetch(Choice("linked", (link.session, link.secret)))

    def typed(self: Phone, number: str) -> Request:
        return self.fetch(Choice("numbered", (read_digits(number),)))

    def manage(self: Phone, operation: Choice) -> Request:
        """Asks for a challenge about the device itself."""
        started, nonce = time.monotonic(), secrets.token_bytes(32)
        body = messages.MANAGE.new(
            device=self.me.device, nonce=nonce, operation=operation, log=self.me.log, app_version=self.app_version
        )
        answer = self.ask("manage", messages.MANAGE, body)
        return self.verify_fetched(answer, nonce, started, operation=operation)

    # Section 12: the ten checks, in their order.

    def verify_fetched(
        self: Phone,
        data: bytes,
        nonce: bytes,
        started: float,
        *,
        transaction: bytes | None = None,
        operation: Choice | None = None,
    ) -> Request:
        fetched = messages.FETCHED.from_bytes(data)
        signed = self.open_signed(fetched.challenge, messages.CHALLENGE)
        challenge, keys = signed.body, self.key_set()
        pq_key = keys.log_pq_key if self.root.pq_key is not None else None
        found = checkpoint.verify(fetched.checkpoint, self.environment, keys.log_keys, pq_key)
        position = found.position
        self._check_continuity(position, fetched.consistency)
        me = self.me
        if (challenge.account, challenge.device, challenge.nonce) != (me.account, me.device, nonce):
            raise Untrusted("a challenge for another")
        if challenge.log != position:
            raise Untrusted("the challenge and its checkpoint differ")
        if not 1 <= challenge.expires - challenge.issued <= 180:
            raise Untrusted("a life that no request has")
        if challenge.operation is None:
            if challenge.action > Action.SIGN:
                raise Untrusted("an operation's action without the operation")
        elif messages.OPERATION_ACTIONS[challenge.operation.name] != challenge.action:
            raise Untrusted("the operation is not the action")
        check_texts(challenge)
        if challenge.binding > Binding.OFFLINE:
            raise Untrusted("what is proved on a page asks no phone")
        if transaction is not None and challenge.transaction != transaction:
            raise Untrusted("another request than the one asked for")
        if operation is not None and challenge.operation != operation:
            raise Untrusted("another operation than the one asked for")
        me.log = position
        until = started + challenge.expires - challenge.issued
        return Request(
            fetched.challenge, challenge, d.challenge_hash(signed.payload), until, fetched.pin, fetched.policy
        )

    def _check_continuity(self: Phone, new: Record, proof: list[bytes]) -> None:
        old = self.me.log
        if old is None or new.epoch > old.epoch:
            return
        if new.epoch < old.epoch:
            raise Untrusted("an epoch that is over")
        merkle.verify_consistency(old.size, old.root, new.size, new.root, proof)

    # Section 10: a try.

    def start_pin(self: Phone, request: Request, pin: str) -> tuple[opaque.Try, bytes]:
        """OPAQUE's state and the bytes of PinStartRequest; the exchange number is used up."""
        attempt = opaque.Try(self.stretched(pin))
        self.me.exchange += 1
        body = messages.PIN_START.new(
            device=self.me.device, challenge=request.hash, exchange=self.me.exchange, ke1=attempt.ke1
        )
        data, _ = cose.sign(self.me.keys.possession, messages.PIN_START, self.environment, body)
        start = messages.PIN_START_REQUEST.new(start=data, challenge=request.cose)
        return attempt, messages.PIN_START_REQUEST.to_bytes(start)

    def try_pin(self: Phone, request: Request, pin: str) -> PinTry:
        """Raises `PinWrong` with what is left; the try is debited by then."""
        attempt, data = self.start_pin(request, pin)
        started = messages.PIN_STARTED.from_bytes(self.post("pin/start", data))
        if started.exchange != self.me.exchange:
            raise Untrusted("another exchange")
        try:
            login = attempt.finish(started.ke2, request.hash)
        except opaque.WrongPassword:
            raise PinWrong(started.if_wrong) from None
        proof = messages.PIN_PROOF.new(exchange=self.me.exchange, ke3=login.ke3)
        return PinTry(proof, d.pin_key(login.export_key))

    # Section 13.

    def sign_answer(
        self: Phone,
        request: Request,
        decision: Decision,
        *,
        pin: PinTry | None = None,
        biometric: bool = False,
        remember: bool = False,
        operations: Operations | None = None,
        **other: Any,
    ) -> Answer:
        """The answer's bytes. `other` replaces fields of Answer: for tests that lie."""
        me, extra = self.me, operations or Operations()
        factor = Factor.PIN if pin else Factor.BIOMETRIC if biometric else Factor.NONE
        data_hash = None
        if extra.data is not None:
            from .cbor import encode

            data_hash = d.operation_hash(encode(messages.OPERATION_DATA.encode(extra.data)))
        fields = {
            "device": me.device,
            "challenge": request.hash,
            "decision": decision,
            "factor": factor,
            "remember_browser": remember,
            "ratchet_hash": d.ratchet_hash(me.ratchet),
            "ratchet_count": me.count,
            "log": me.log,
            "operation": data_hash,
        }
        body = messages.ANSWER.new(**{**fields, **other})
        data, payload = cose.sign(me.keys.possession, messages.ANSWER, self.environment, body)
        signature = None
        if pin is not None:
            signature = cose.second_signature(pin.key, "pin", payload)
        elif biometric:
            assert me.keys.biometric is not None
            signature = cose.second_signature(me.keys.biometric, "biometric", payload)
        new_keys = [
            messages.NEW_KEY_SIGNATURE.new(purpose=purpose, signature=cose.second_signature(key, "new-key", payload))
            for purpose, key in extra.new_keys.items()
            if purpose != KeyPurpose.OFFLINE
        ]
        whole = messages.ANSWER_REQUEST.new(
            answer=data,
            challenge=request.cose,
            factor_signature=signature,
            pin=pin.proof if pin else None,
            data=extra.data,
            new_keys=new_keys,
        )
        return Answer(whole, payload)

    def send_answer(self: Phone, answer: Answer) -> Record:
        """Sends and takes the next ratchet from the signed reply."""
        return self.take_reply(answer, self.post("answer", answer.to_bytes()))

    def take_reply(self: Phone, answer: Answer, data: bytes) -> Record:
        reply = self.open_signed(data, messages.ANSWER_REPLY).body
        if reply.answer != d.sha256(answer.payload) or reply.ratchet_count != self.me.count + 1:
            raise Untrusted("the reply is to another answer")
        self.me.ratchet, self.me.count = reply.ratchet, reply.ratchet_count
        return reply

    def approve(
        self: Phone,
        request: Request,
        pin: str | None = None,
        *,
        remember: bool = False,
        operations: Operations | None = None,
    ) -> Record:
        """With the PIN, or with biometrics when none is given."""
        attempt = None if pin is None else self.try_pin(request, pin)
        return self.send_answer(
            self.sign_answer(
                request,
                Decision.APPROVE,
                pin=attempt,
                biometric=pin is None,
                remember=remember,
                operations=operations,
            )
        )

    def deny(self: Phone, request: Request, decision: Decision = Decision.DENY) -> Record:
        return self.send_answer(self.sign_answer(request, decision))

    # Section 15.

    def finish(self: Phone, pin: str) -> Record:
        """The first approval, which ends the enrolment."""
        return self.approve(self.manage(Choice("finish_enrolment")), pin)

    def change_pin(self: Phone, old: str, new: str) -> Record:
        request = self.manage(Choice("change_pin"))
        attempt = self.try_pin(request, old)
        record = self.register_pin(new, Choice("change", (request.hash,)))
        data = messages.OPERATION_DATA.new(keys=[], pin=record.request)
        answer = self.sign_answer(request, Decision.APPROVE, pin=attempt, operations=Operations(data))
        return self.send_answer(answer)

    def turn_biometrics_on(self: Phone, pin: str, *, offline: bool = True) -> Record:
        """Adds a biometric key and, where the hardware agrees, an offline one."""
        purposes = [KeyPurpose.BIOMETRIC] + ([KeyPurpose.OFFLINE] if offline else [])
        request = self.manage(Choice("add_keys", (purposes,)))
        made = {purpose: p256.PrivateKey.generate() for purpose in purposes}
        data = messages.OPERATION_DATA.new(keys=[device_key(purpose, key) for purpose, key in made.items()])
        reply = self.approve(request, pin, operations=Operations(data, made))
        self.me.keys.biometric = made[KeyPurpose.BIOMETRIC]
        self.me.keys.offline = made.get(KeyPurpose.OFFLINE)
        return reply

    def rotate_keys(self: Phone, pin: str) -> Record:
        """New keys for all but pepper and PIN; the old possession key signs the answer."""
        request, old = self.manage(Choice("rotate_keys")), self.me.keys
        fresh = DeviceKeys(pepper=old.pepper)
        made = {KeyPurpose.POSSESSION: fresh.possession}
        if old.biometric is not None:
            fresh.biometric = made[KeyPurpose.BIOMETRIC] = p256.PrivateKey.generate()
        if old.offline is not None:
            fresh.offline = made[KeyPurpose.OFFLINE] = p256.PrivateKey.generate()
        data = messages.OPERATION_DATA.new(keys=[device_key(purpose, key) for purpose, key in made.items()])
        reply = self.approve(request, pin, operations=Operations(data, made))
        self.me.keys = fresh
        return reply

    # Section 18.

    def offline_code(self: Phone, text: str) -> str:
        """The eight digits for a scanned offline link; the key set is the stored one."""
        link = parse_link(text)
        if not isinstance(link, OfflineLink):
            raise Malformed("not an offline link")
        if self.keys is None or self.me.keys.offline is None:
            raise Untrusted("nothing to verify it with, or no offline key")
        signed = cose.open_message(link.challenge, messages.OFFLINE_CHALLENGE, self.environment)
        point = next((key for key in self.keys.challenge_keys if d.kid(key) == signed.kid), None)
        if point is None:
            raise Untrusted("no challenge key of that name")
        signed.verify(point)
        challenge = signed.body
        if challenge.account_hint != d.account_hint(self.me.account, challenge.transaction):
            raise Untrusted("for another's phone")
        if challenge.level >= Level.HIGH or challenge.action > Action.SIGN:
            raise Untrusted("nothing that can be approved offline")
        check_texts(challenge)
        of_challenge = d.challenge_hash(signed.payload)
        agreed = self.me.keys.offline.agree(challenge.ephemeral)
        return ocra.offline_code(d.offline_key(agreed, of_challenge), of_challenge)
