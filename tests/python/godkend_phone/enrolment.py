"""Activation and PIN registration, the phone's side (sections 9, 10 and 17)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import cose, messages, opaque, p256, pins, suites
from . import derivations as d
from .errors import Malformed, Untrusted
from .formats import ActivationLink, parse_link, read_activation_code, write_block_code
from .keys import DeviceKeys, device_key
from .messages import KeyPurpose, SecurityLevel, Suite
from .schema import Choice, Record
from .trust import root_fingerprint

if TYPE_CHECKING:
    from .phone import Phone


@dataclass
class Opened:
    """An activation after the server's offer, before the keys are sent."""

    opening: bytes
    offer_bytes: bytes
    offer: cose.Signed
    secret: bytes
    by_link: bool


@dataclass
class NewPin:
    """A PIN registration, ready to be sent."""

    request: Record
    key: p256.PrivateKey


def highest_common(offered: tuple[Suite, ...], served: list[Suite]) -> Suite | None:
    return max(set(offered) & set(served), default=None)


class Enrolments:
    """What a phone does until it is active."""

    def open_activation(self: Phone, text: str) -> Opened:
        """Link or typed code: asks the server for its offer, and judges it."""
        if text.startswith("godkend:"):
            link = parse_link(text)
            if not isinstance(link, ActivationLink):
                raise Malformed("not an activation")
            if link.root != root_fingerprint(self.root) or link.environment != self.environment:
                raise Untrusted("the link names another root")
            identifier, name, secret = link.id, None, link.secret
        else:
            identifier = None
            name, secret = read_activation_code(text)
        opening = messages.ACTIVATION_OPEN.to_bytes(
            messages.ACTIVATION_OPEN.new(
                app_version=self.app_version, id=identifier, name=name, suites=list(self.offered)
            )
        )
        offer_bytes = self.post("activation/open", opening)
        offer = self.open_signed(offer_bytes, messages.ACTIVATION_OFFER)
        keys = self.key_set()
        suite = highest_common(self.offered, keys.suites)
        hpke_key = next((key.public for key in keys.hpke_keys if key.suite == offer.body.suite), None)
        if offer.body.open_hash != d.sha256(opening):
            raise Untrusted("the offer answers another message")
        if offer.body.suite != suite:
            raise Untrusted("not the highest common suite")
        if offer.body.hpke_key != hpke_key:
            raise Untrusted("not the key set's HPKE key")
        if identifier is not None and offer.body.id != identifier:
            raise Untrusted("another activation")
        return Opened(opening, offer_bytes, offer, secret, identifier is not None)

    def seal_enrolment(
        self: Phone, opened: Opened, keys: DeviceKeys, block_code: bytes
    ) -> tuple[bytes, bytes, bytes, bytes]:
        """SealedEnrol, the transcript, and the key and nonce of the reply."""
        body = opened.offer.body
        core = messages.ENROL_CORE.to_bytes(
            messages.ENROL_CORE.new(
                nonce=secrets.token_bytes(32),
                keys=[device_key(KeyPurpose.POSSESSION, keys.possession)],
                info=messages.DEVICE_INFO.new(
                    model=self.model, platform="Python", app_version=self.app_version, language="en"
                ),
                pepper_security=SecurityLevel.SOFTWARE,
                block_code_hash=d.block_code_hash(block_code),
            )
        )
        transcript = d.transcript(opened.opening, opened.offer.payload, core)
        proof = messages.ENROL_PROOF.new(transcript=transcript)
        enrol = messages.ENROL.new(
            open=opened.opening,
            core=core,
            mac=d.hmac(d.mac_key(opened.secret, body.id), transcript),
            proof=cose.sign(keys.possession, messages.ENROL_PROOF, self.environment, proof)[0],
        )
        shared, enc = suites.KEMS[body.suite].encapsulate(body.hpke_key)
        psk = (opened.secret, body.id) if opened.by_link else (b"", b"")
        context = suites.context(body.suite, shared, *psk)
        ciphertext = context.seal(opened.offer_bytes, messages.ENROL.to_bytes(enrol))
        sealed = messages.SEALED_ENROL.new(offer=opened.offer_bytes, enc=enc, ciphertext=ciphertext)
        return messages.SEALED_ENROL.to_bytes(sealed), transcript, *suites.reply_keys(context)

    def activate(self: Phone, text: str) -> str:
        """From a link or a code to the eight digits, which the person types where it was handed out."""
        from .phone import Identity

        opened = self.open_activation(text)
        self.chosen_suite = opened.offer.body.suite
        keys, block_code = DeviceKeys(), (secrets.randbits(90)).to_bytes(12, "big")
        sealed, transcript, reply_key, reply_nonce = self.seal_enrolment(opened, keys, block_code)
        answer = messages.SEALED_REPLY.from_bytes(self.post("activation/enrol", sealed))
        reply = self.open_signed(
            suites.open_reply(reply_key, reply_nonce, answer.ciphertext), messages.ENROL_REPLY
        ).body
        if reply.transcript != transcript:
            raise Untrusted("the reply is to another enrolment")
        full = d.full_transcript(transcript, reply.nonce)
        self.identity = Identity(
            account=reply.account,
            device=reply.device,
            name=reply.identity_name,
            keys=keys,
            enrolment=opened.offer.body.id,
            full_transcript=full,
            ratchet=reply.ratchet,
            block_code=write_block_code(block_code),
        )
        return d.digits(full)

    def stage(self: Phone, known: str = "digits", wait: int = 0) -> Choice:
        """Where the enrolment stands."""
        body = messages.ENROLMENT_STATUS.new(
            device=self.me.device,
            enrolment=self.me.enrolment,
            nonce=secrets.token_bytes(32),
            known=Choice(known),
            wait=wait,
        )
        return messages.STAGE_REPLY.from_bytes(self.ask("activation/status", messages.ENROLMENT_STATUS, body)).stage

    def stretched(self: Phone, pin: str) -> bytes:
        """OPAQUE's password: the PIN through the phone's hardware."""
        return self.me.keys.derive(d.pin_input(self.environment, self.me.account, self.me.device, pin))

    def register_pin(self: Phone, pin: str, context: Choice) -> NewPin:
        """OPAQUE registration up to the record, which is not sent yet."""
        if pins.too_simple(pin):
            raise ValueError("a PIN that is too simple")
        registration = opaque.Registration(self.stretched(pin))
        body = messages.PIN_REGISTER.new(
            device=self.me.device, context=context, request=registration.request, nonce=secrets.token_bytes(32)
        )
        registered = messages.PIN_REGISTERED.from_bytes(self.ask("pin/register", messages.PIN_REGISTER, body))
        upload, export_key = registration.finish(registered.response)
        key = d.pin_key(export_key)
        enrol = messages.PIN_ENROL.new(
            device=self.me.device, context=context, seed=registered.seed, upload=upload, pin_key=key.point
        )
        data, payload = cose.sign(self.me.keys.possession, messages.PIN_ENROL, self.environment, enrol)
        signature = cose.second_signature(key, "pin", payload)
        return NewPin(messages.PIN_ENROL_REQUEST.new(enrol=data, pin_signature=signature), key)

    def choose_pin(self: Phone, pin: str) -> None:
        """Registers the PIN of an enrolment."""
        new = self.register_pin(pin, Choice("enrolment", (self.me.enrolment, self.me.full_transcript)))
        messages.DONE.from_bytes(self.post("pin/enrol", messages.PIN_ENROL_REQUEST.to_bytes(new.request)))

    def open_pin_reset(self: Phone) -> str:
        """The digits of a PIN reset that a desk has opened; then as in an activation."""
        body = messages.PIN_RESET_OPEN.new(
            device=self.me.device, nonce=secrets.token_bytes(32), app_version=self.app_version
        )
        data, payload = cose.sign(self.me.keys.possession, messages.PIN_RESET_OPEN, self.environment, body)
        offer = self.open_signed(self.post("pin/reset", data), messages.PIN_RESET_OFFER)
        if offer.body.device != self.me.device or offer.body.open_hash != d.sha256(payload):
            raise Untrusted("the offer answers another message")
        self.me.enrolment = offer.body.id
        self.me.full_transcript = d.reset_transcript(payload, offer.payload)
        return d.digits(self.me.full_transcript)

    def type_digits(self: Phone, activation: bytes, digits: str) -> Record:
        """On the old phone, in a move: the digits that the new one shows."""
        body = messages.TYPED_DIGITS.new(
            device=self.me.device, activation=activation, digits=digits, nonce=secrets.token_bytes(32)
        )
        return messages.DIGITS_REPLY.from_bytes(self.ask("activation/digits", messages.TYPED_DIGITS, body))
