"""What the server must refuse, each with the code that the document gives."""

from __future__ import annotations

import copy
import time
import unittest
from typing import Any, Callable

from godkend_phone import cbor, cose, formats, messages, p256, suites
from godkend_phone import derivations as d
from godkend_phone.approval import Answer, Operations, PinTry, Request
from godkend_phone.enrolment import Opened
from godkend_phone.errors import PinWrong, Refused
from godkend_phone.keys import DeviceKeys, device_key
from godkend_phone.messages import Decision, Factor, KeyPurpose, Suite
from godkend_phone.phone import Phone
from godkend_phone.schema import Choice, Record

from .bank import Login
from .world import PIN, World

WRONG_PIN = "264913"
OFF_CURVE = b"\x04" + b"\x01" * 64
OFF_CURVE_COMPRESSED = next(
    candidate
    for candidate in (b"\x02" + number.to_bytes(32, "big") for number in range(1, 100))
    if pow(p256._square(int.from_bytes(candidate[1:], "big")), (p256.P - 1) // 2, p256.P) == p256.P - 1
)


class Refusals(unittest.TestCase):
    world: World

    @classmethod
    def setUpClass(cls) -> None:
        cls.world = World.shared()

    def refused(self, code: str, action: Callable[[], Any]) -> Refused:
        with self.assertRaises(Refused) as caught:
            action()
        self.assertEqual(caught.exception.code, code)
        self.assertEqual(caught.exception.status, STATUS[code])
        return caught.exception

    def request(self, phone: Phone) -> tuple[Login, Request]:
        login = Login(self.world)
        return login, login.scanned_by(phone)

    def post(self, phone: Phone, answer: Answer) -> bytes:
        return phone.post("answer", answer.to_bytes())


class Encoding(Refusals):
    """Sections 1 and 2, on a message that changes nothing: PollOpen."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.phone = cls.world.phone()
        cls.body = {3: cls.phone.me.device, 4: bytes(32), 5: "1.0.0"}

    def send(
        self,
        body: dict[Any, Any] | None = None,
        *,
        payload: bytes | None = None,
        key: p256.PrivateKey | None = None,
        role: str = "possession",
        change: Callable[[bytes], bytes] | None = None,
    ) -> bytes:
        payload = cbor.encode([12, 1, "test", body or self.body]) if payload is None else payload
        data = cose.sign_payload(key or self.phone.me.keys.possession, role, payload)
        return self.phone.post("poll/open", change(data) if change else data)

    def raw(self, encoded_body: bytes) -> bytes:
        return bytes.fromhex("840c016474657374") + encoded_body

    def test_extensions_are_ignored_and_critical_ones_are_not(self) -> None:
        for key in (64, 2**32, 2**64 - 1):
            messages.POLL_OPENED.from_bytes(self.send({**self.body, key: {"any": [1, None, b"", {True: -1}]}}))
        for key in (-1, -(2**64)):
            self.refused("update_needed", lambda: self.send({**self.body, key: 0}))
        self.refused("update_needed", lambda: self.send({**self.body, -1: 0, 9: 0}))
        for key in (0, 1, 6, 63, "a", b"\x40"):
            self.refused("malformed", lambda: self.send({**self.body, key: 0}))
        self.refused("update_needed", lambda: self.phone.post("poll", cbor.encode({1: bytes(32), 2: [], 3: 0, -1: 0})))

    def test_an_extension_is_signed(self) -> None:
        extended = cbor.encode([12, 1, "test", {**self.body, 64: 0}])
        _, _, _, signature = cose.split(cose.sign_payload(self.phone.me.keys.possession, "possession", extended))
        stripped = cbor.encode([cose.protected_header(), {}, cbor.encode([12, 1, "test", self.body]), signature])
        self.refused("signature_invalid", lambda: self.phone.post("poll/open", stripped))

    def test_only_the_one_encoding(self) -> None:
        fields = [cbor.encode(key) + cbor.encode(value) for key, value in self.body.items()]
        joined = b"".join(fields)
        for name, encoded in {
            "indefinite map": b"\xbf" + joined + b"\xff",
            "indefinite text": b"\xa3" + fields[0] + fields[1] + b"\x05\x7f\x651.0.0\xff",
            "long head": b"\xb8\x03" + joined,
            "out of order": b"\xa3" + fields[1] + fields[0] + fields[2],
            "a key twice": b"\xa4" + fields[0] + joined,
            "a float": b"\xa4" + joined + b"\x18\x40\xf9\x3c\x00",
            "a tag": b"\xa4" + joined + b"\x18\x40\xc0\x00",
            "undefined": b"\xa4" + joined + b"\x18\x40\xf7",
            "a simple value": b"\xa4" + joined + b"\x18\x40\xf0",
            "not UTF-8": b"\xa4" + joined + b"\x18\x40\x61\xff",
            "disorder in an extension": b"\xa4" + joined + b"\x18\x40\xa2\x02\x00\x01\x00",
        }.items():
            with self.subTest(name):
                self.refused("malformed", lambda: self.send(payload=self.raw(encoded)))
        for name, change in {
            "indefinite envelope": lambda data: b"\x9f" + data[1:] + b"\xff",
            "tagged": lambda data: b"\xd2" + data,
            "something after": lambda data: data + b"\x00",
            "cut": lambda data: data[:-1],
            "nothing": lambda data: b"",
        }.items():
            with self.subTest(name):
                self.refused("malformed", lambda: self.send(change=change))

    def test_absent_is_not_null(self) -> None:
        body = {3: self.phone.me.device, 4: bytes(32), 5: [3, ["12345678"]], 6: None, 7: "1.0.0"}
        payload = cbor.encode([13, 1, "test", body])
        data = cose.sign_payload(self.phone.me.keys.possession, "possession", payload)
        self.refused("malformed", lambda: self.phone.post("challenge", data))

    def test_nesting(self) -> None:
        def nested(levels: int, innermost: cbor.Item) -> cbor.Item:
            return innermost if levels == 0 else [nested(levels - 1, innermost)]

        # The payload is outermost, the body 1 below it, the extension's value 2.
        self.send({**self.body, 64: nested(10, 0)})
        self.send({**self.body, 64: nested(10, [])})
        self.refused("malformed", lambda: self.send({**self.body, 64: nested(11, 0)}))
        self.refused("malformed", lambda: self.send({**self.body, 64: nested(11, [])}))

    def test_version_environment_and_type_in_this_order(self) -> None:
        for version in (0, 2, 2**32 - 1):
            self.refused("update_needed", lambda: self.send(payload=cbor.encode([13, version, "prod", {}])))
        for version in (-1, 2**32, "1", None):
            self.refused("malformed", lambda: self.send(payload=cbor.encode([12, version, "test", self.body])))
        self.refused("wrong_environment", lambda: self.send(payload=cbor.encode([13, 1, "prod", {}])))
        for number in (0, 13, 2**16):
            self.refused("malformed", lambda: self.send(payload=cbor.encode([number, 1, "test", self.body])))
        self.refused("malformed", lambda: self.send(payload=cbor.encode([12, 1, "test", self.body, 0])))

    def test_signatures(self) -> None:
        def flip(at: int) -> Callable[[bytes], bytes]:
            return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if at >= 0 else (
                data[:at] + bytes([data[at] ^ 1]) + (data[at + 1 :] if at != -1 else b"")
            )

        for name, change in {
            "last bit": flip(-1),
            "r": flip(-60),
            "the other s": lambda data: data[:-64] + p256.other_s(data[-64:]),
            "zero": lambda data: data[:-64] + bytes(64),
            "r and s the order": lambda data: data[:-64] + 2 * p256.N.to_bytes(32, "big"),
        }.items():
            with self.subTest(name):
                self.refused("signature_invalid", lambda: self.send(change=change))
        self.refused("signature_invalid", lambda: self.send(role="pin"))
        self.refused("signature_invalid", lambda: self.send(key=p256.PrivateKey.generate()))
        self.refused("device_unknown", lambda: self.send({**self.body, 3: bytes(16)}))
        # The body is judged before the signature.
        self.refused("update_needed", lambda: self.send({**self.body, -1: 0}, key=p256.PrivateKey.generate()))

    def test_another_header(self) -> None:
        key, payload = self.phone.me.keys.possession, cbor.encode([12, 1, "test", self.body])
        for name, protected, unprotected in (
            ("another algorithm", cbor.encode({1: -35}), {}),
            ("no header", b"", {}),
            ("one more", cbor.encode({1: -7, 3: 0}), {}),
            ("unprotected", cose.protected_header(), {4: bytes(8)}),
            ("a phone's key named", cose.protected_header(d.kid(key.point)), {}),
        ):
            with self.subTest(name):
                signature = key.sign(cose.to_be_signed(protected, "possession", payload))
                data = cbor.encode([protected, unprotected, payload, signature])
                self.refused("malformed", lambda: self.phone.post("poll/open", data))

    def test_a_message_that_is_too_large(self) -> None:
        with self.assertRaises(Exception) as caught:
            self.phone.post("poll/open", bytes(cbor.MAX_BYTES + 1))
        self.assertEqual(getattr(caught.exception, "status", None), 413)
        self.refused("malformed", lambda: self.phone.post("poll/open", bytes(cbor.MAX_BYTES)))

    def test_app_versions(self) -> None:
        for version in ("1.0", "1.0.0.0", "1.0.123456", "1.0.0-beta", "", "-1.0.0", "1.\u0661.0", " 1.0.0"):
            with self.subTest(version):
                self.refused("malformed", lambda: self.send({**self.body, 5: version}))


class Activations(Refusals):
    def handed_out(self, *, code: bool = False) -> tuple[dict[str, Any], Phone]:
        return self.world.activation(self.world.citizen(), code=code), Phone(self.world.root)

    def enrol(
        self,
        phone: Phone,
        opened: Opened,
        *,
        keys: DeviceKeys | None = None,
        edit_core: Callable[[Record], None] | None = None,
        edit_enrol: Callable[[Record], None] | None = None,
        proof_key: p256.PrivateKey | None = None,
        enc: bytes | None = None,
        offer: bytes | None = None,
        psk: bool | None = None,
    ) -> bytes:
        """SealedEnrol of a phone that may lie in any part of it."""
        keys, body = keys or DeviceKeys(), opened.offer.body
        core = messages.ENROL_CORE.new(
            nonce=bytes(32),
            keys=[device_key(KeyPurpose.POSSESSION, keys.possession)],
            info=messages.DEVICE_INFO.new(model="M", platform="P", app_version="1.0.0", language="da"),
            pepper_security=messages.SecurityLevel.SOFTWARE,
            block_code_hash=d.sha256(keys.pepper),
        )
        if edit_core:
            edit_core(core)
        core_bytes = messages.ENROL_CORE.to_bytes(core)
        transcript = d.transcript(opened.opening, opened.offer.payload, core_bytes)
        proof = messages.ENROL_PROOF.new(transcript=transcript)
        enrol = messages.ENROL.new(
            open=opened.opening,
            core=core_bytes,
            mac=d.hmac(d.mac_key(opened.secret, body.id), transcript),
            proof=cose.sign(proof_key or keys.possession, messages.ENROL_PROOF, "test", proof)[0],
        )
        if edit_enrol:
            edit_enrol(enrol)
        shared, real_enc = suites.KEMS[body.suite].encapsulate(body.hpke_key)
        with_psk = opened.by_link if psk is None else psk
        context = suites.context(body.suite, shared, *((opened.secret, body.id) if with_psk else (b"", b"")))
        sealed = messages.SEALED_ENROL.new(
            offer=offer or opened.offer_bytes,
            enc=enc or real_enc,
            ciphertext=context.seal(opened.offer_bytes, messages.ENROL.to_bytes(enrol)),
        )
        return messages.SEALED_ENROL.to_bytes(sealed)

    def test_opening(self) -> None:
        handed_out, phone = self.handed_out()
        link = formats.parse_link(handed_out["text"])
        assert isinstance(link, formats.ActivationLink)

        def opening(**fields: Any) -> bytes:
            given = {"app_version": "1.0.0", "suites": [Suite.P256], **fields}
            return phone.post("activation/open", messages.ACTIVATION_OPEN.to_bytes(messages.ACTIVATION_OPEN.new(**given)))

        self.refused("malformed", lambda: opening(id=link.id, name=bytes(5)))
        self.refused("malformed", lambda: opening())
        self.refused("activation_unknown", lambda: opening(id=bytes(16)))
        self.refused("activation_unknown", lambda: opening(name=bytes(5)))
        self.refused("suite_refused", lambda: opening(id=link.id, suites=[]))
        self.refused("suite_refused", lambda: opening(id=link.id, suites=[Suite.HYBRID]))
        unknown_suite = cbor.encode({1: "1.0.0", 2: link.id, 4: [1, 3]})
        self.refused("malformed", lambda: phone.post("activation/open", unknown_suite))
        by_code, _ = self.handed_out(code=True)
        self.refused("activation_unknown", lambda: opening(id=formats.from_b64url(by_code["id"])))

    def test_a_wrong_code_costs_one_of_five_tries(self) -> None:
        handed_out, phone = self.handed_out(code=True)
        opened = phone.open_activation(handed_out["text"])
        right, opened.secret = opened.secret, bytes(7)
        for left in (4, 3, 2, 1):
            refused = self.refused(
                "activation_refused", lambda: phone.post("activation/enrol", self.enrol(phone, opened))
            )
            self.assertEqual(refused.tries_left, left)
        self.refused("activation_blocked", lambda: phone.post("activation/enrol", self.enrol(phone, opened)))
        opened.secret = right
        self.refused("activation_blocked", lambda: phone.post("activation/enrol", self.enrol(phone, opened)))
        self.refused("activation_blocked", lambda: phone.open_activation(handed_out["text"]))

    def test_what_does_not_open_costs_nothing(self) -> None:
        handed_out, phone = self.handed_out()
        opened = phone.open_activation(handed_out["text"])
        right = opened.secret
        for number in range(6):
            opened.secret = bytes([number]) * 32
            refused = self.refused(
                "activation_refused", lambda: phone.post("activation/enrol", self.enrol(phone, opened))
            )
            self.assertIsNone(refused.tries_left)
        opened.secret = right
        for enc in (OFF_CURVE, bytes(65), b"\x04"):
            self.refused("activation_refused", lambda: phone.post("activation/enrol", self.enrol(phone, opened, enc=enc)))
        self.refused("activation_refused", lambda: phone.post("activation/enrol", self.enrol(phone, opened, psk=False)))
        phone.post("activation/enrol", self.enrol(phone, opened))

    def test_every_part_of_an_enrolment_is_bound(self) -> None:
        handed_out, phone = self.handed_out()
        opened = phone.open_activation(handed_out["text"])
        keys = DeviceKeys()
        flipped = opened.offer_bytes[:-1] + bytes([opened.offer_bytes[-1] ^ 1])
        second = device_key(KeyPurpose.POSSESSION, p256.PrivateKey.generate())
        same = device_key(KeyPurpose.BIOMETRIC, keys.possession)
        off_curve = device_key(KeyPurpose.BIOMETRIC, p256.PrivateKey.generate())
        off_curve.public = OFF_CURVE
        other_open = messages.ACTIVATION_OPEN.to_bytes(
            messages.ACTIVATION_OPEN.new(app_version="1.0.1", id=opened.offer.body.id, suites=[Suite.P256])
        )

        def set_key(**fields: Any) -> Callable[[Record], None]:
            return lambda core: core.keys[0].__dict__.update(fields)

        cases: list[tuple[str, str, dict[str, Any]]] = [
            ("an offer that is not the server's", "signature_invalid", {"offer": flipped}),
            ("not an offer", "malformed", {"offer": b"no offer"}),
            ("another opening", "malformed", {"edit_enrol": lambda enrol: setattr(enrol, "open", other_open)}),
            ("a proof by another key", "signature_invalid", {"proof_key": p256.PrivateKey.generate()}),
            ("a possession key off the curve", "signature_invalid", {"edit_core": set_key(public=OFF_CURVE)}),
            ("an algorithm of another purpose", "malformed", {"edit_core": set_key(algorithm=-25)}),
            ("a PIN key", "malformed", {"edit_core": set_key(purpose=KeyPurpose.PIN)}),
            ("no key", "malformed", {"edit_core": lambda core: core.keys.clear()}),
            ("a purpose twice", "malformed", {"edit_core": lambda core: core.keys.append(second)}),
            ("a point twice", "malformed", {"edit_core": lambda core: core.keys.append(same)}),
            ("another key off the curve", "malformed", {"edit_core": lambda core: core.keys.append(off_curve)}),
        ]
        for name, code, changes in cases:
            with self.subTest(name):
                self.refused(
                    code, lambda: phone.post("activation/enrol", self.enrol(phone, opened, keys=keys, **changes))
                )
        phone.post("activation/enrol", self.enrol(phone, opened, keys=keys))

    def test_the_first_message_takes_it(self) -> None:
        handed_out, phone = self.handed_out()
        opened = phone.open_activation(handed_out["text"])
        first = self.enrol(phone, opened)
        reply = phone.post("activation/enrol", first)
        self.assertEqual(phone.post("activation/enrol", first), reply)
        self.refused("activation_used", lambda: phone.post("activation/enrol", self.enrol(phone, opened)))
        self.refused("activation_used", lambda: phone.open_activation(handed_out["text"]))

    def test_a_block_code_is_one_device_s(self) -> None:
        def same(core: Record) -> None:
            core.block_code_hash = d.sha256(handed_out["id"].encode())

        handed_out, phone = self.handed_out()
        phone.post("activation/enrol", self.enrol(phone, phone.open_activation(handed_out["text"]), edit_core=same))
        other, _ = self.handed_out()
        opened = phone.open_activation(other["text"])
        self.refused("conflict", lambda: phone.post("activation/enrol", self.enrol(phone, opened, edit_core=same)))
        phone.post("activation/enrol", self.enrol(phone, opened))

    def test_three_wrong_digits_make_it_void(self) -> None:
        handed_out, phone = self.handed_out()
        digits = phone.activate(handed_out["text"])
        wrong = f"{(int(digits) + 1) % 10**8:08}"
        for _ in range(3):
            with self.assertRaises(Exception):
                self.world.confirm(wrong, handed_out["id"])
        self.assertEqual(phone.stage(), Choice("void"))
        with self.assertRaises(Exception):
            self.world.confirm(digits, handed_out["id"])
        self.refused("device_removed", lambda: phone.choose_pin(PIN))

    def test_no_pin_before_the_digits(self) -> None:
        handed_out, phone = self.handed_out()
        digits = phone.activate(handed_out["text"])
        self.refused("digits_pending", lambda: phone.choose_pin(PIN))
        self.refused("device_not_active", phone.overview)
        self.world.confirm(digits, handed_out["id"])
        self.refused("operation_refused", lambda: phone.finish(PIN))

    def test_an_account_never_goes_back_to_an_older_suite(self) -> None:
        world = World(suite2=True)
        try:
            user_id = world.citizen()
            first = Phone(world.root)
            handed_out = world.activation(user_id)
            digits = first.activate(handed_out["text"])
            world.confirm(digits, handed_out["id"])
            first.choose_pin(PIN)
            first.finish(PIN)
            stripped = Phone(world.root, offered=(Suite.P256,))
            link = world.activation(user_id)["text"]
            self.refused("suite_refused", lambda: stripped.activate(link))
        finally:
            world.stop()


class Pins(Refusals):
    def test_tries_rounds_and_waits(self) -> None:
        """The table of section 10, on a server whose clock may be moved."""
        world = World()
        try:
            phone = world.phone()
            login = Login(world)
            request = login.scanned_by(phone)
            expected = [
                (2, 0, 2, False),
                (1, 0, 2, False),
                (3, 60, 1, False),
                (2, 0, 1, False),
                (1, 0, 1, False),
                (3, 3600, 0, False),
                (2, 0, 0, False),
                (1, 0, 0, False),
                (0, 0, 0, True),
            ]
            for number, status in enumerate(expected):
                with self.assertRaises(PinWrong) as wrong:
                    phone.try_pin(request, WRONG_PIN)
                left = wrong.exception.status
                self.assertEqual((left.tries_left, left.wait, left.rounds_left, left.dead), status)
                if left.wait:
                    refused = self.refused("pin_waiting", lambda: phone.try_pin(request, PIN))
                    self.assertIn(refused.retry_after, range(1, left.wait + 1))
                    world.command("clock", str(left.wait + 1))
                    request = Login(world).scanned_by(phone)
            self.refused("pin_dead", lambda: phone.try_pin(request, PIN))
            self.assertTrue(phone.overview().pin.dead)
        finally:
            world.stop()

    def test_a_right_pin_clears_the_tries(self) -> None:
        phone = self.world.phone()
        login, request = self.request(phone)
        with self.assertRaises(PinWrong):
            phone.approve(request, WRONG_PIN)
        self.assertEqual(phone.overview().pin.tries_left, 2)
        phone.approve(request, PIN)
        self.assertEqual(phone.overview().pin.tries_left, 3)

    def test_a_try_is_debited_before_its_answer_and_once(self) -> None:
        phone = self.world.phone()
        _, request = self.request(phone)
        _, start = phone.start_pin(request, PIN)
        first = phone.post("pin/start", start)
        self.assertEqual(phone.overview().pin.tries_left, 2)
        self.assertEqual(phone.post("pin/start", start), first)
        self.assertEqual(phone.overview().pin.tries_left, 2)
        # A new exchange closes the first one, whose debit stands.
        later = phone.try_pin(request, PIN)
        self.assertEqual(phone.overview().pin.tries_left, 1)
        self.refused("pin_exchange_closed", lambda: phone.post("pin/start", start))
        phone.send_answer(phone.sign_answer(request, Decision.APPROVE, pin=later))
        self.assertEqual(phone.overview().pin.tries_left, 3)

    def test_exchange_numbers_rise(self) -> None:
        phone = self.world.phone()
        _, request = self.request(phone)
        phone.me.exchange -= 1
        self.refused("pin_exchange_closed", lambda: phone.try_pin(request, PIN))
        self.assertEqual(phone.overview().pin.tries_left, 3)

    def test_points_off_the_curve(self) -> None:
        phone = self.world.phone()
        _, request = self.request(phone)
        for ke1 in (OFF_CURVE_COMPRESSED + bytes(65), bytes(98)):
            phone.me.exchange += 1
            body = messages.PIN_START.new(
                device=phone.me.device, challenge=request.hash, exchange=phone.me.exchange, ke1=ke1
            )
            start = cose.sign(phone.me.keys.possession, messages.PIN_START, "test", body)[0]
            data = messages.PIN_START_REQUEST.new(start=start, challenge=request.bytes)
            self.refused(
                "malformed", lambda: phone.post("pin/start", messages.PIN_START_REQUEST.to_bytes(data))
            )
        self.assertEqual(phone.overview().pin.tries_left, 3)
        change = phone.manage(Choice("change_pin"))
        for element in (OFF_CURVE_COMPRESSED, bytes(33), b"\x04" + bytes(32)):
            register = messages.PIN_REGISTER.new(
                device=phone.me.device, context=Choice("change", (change.hash,)), request=element, nonce=bytes(32)
            )
            self.refused("malformed", lambda: phone.ask("pin/register", messages.PIN_REGISTER, register))

    def test_a_registration_needs_its_challenge(self) -> None:
        """Else free registrations would test PINs."""
        phone = self.world.phone()
        _, request = self.request(phone)
        for context in (Choice("change", (request.hash,)), Choice("change", (bytes(32),))):
            self.refused("challenge_invalid", lambda: phone.register_pin("482917", context))
        used = phone.manage(Choice("change_pin"))
        phone.deny(used)
        self.refused("challenge_invalid", lambda: phone.register_pin("482917", Choice("change", (used.hash,))))

    def test_a_try_needs_the_challenge_that_it_names(self) -> None:
        phone = self.world.phone()
        (_, first), (_, second) = self.request(phone), self.request(phone)
        mixed = copy.copy(first)
        mixed.bytes = second.bytes
        self.refused("challenge_invalid", lambda: phone.try_pin(mixed, PIN))
        self.assertEqual(phone.overview().pin.tries_left, 3)


class Answers(Refusals):
    """What a thief of the wire, or of one key, could try."""

    def setUp(self) -> None:
        self.phone = self.world.phone()

    def edited(self, whole: Answer, /, **fields: Any) -> Answer:
        changed = Answer(copy.copy(whole.request), whole.payload)
        changed.request.__dict__.update(fields)
        return changed

    def approval(self, request: Request, attempt: PinTry | None = None, **fields: Any) -> Answer:
        attempt = attempt or self.phone.try_pin(request, PIN)
        return self.phone.sign_answer(request, Decision.APPROVE, pin=attempt, **fields)

    def test_the_same_answer_again_gets_the_same_reply(self) -> None:
        _, request = self.request(self.phone)
        answer = self.approval(request)
        reply = self.post(self.phone, answer)
        self.assertEqual(self.post(self.phone, answer), reply)
        # Another signature over the same payload is the same answer; none at all is not.
        bad = self.edited(answer, answer=answer.request.answer[:-1] + bytes([answer.request.answer[-1] ^ 1]))
        self.refused("signature_invalid", lambda: self.post(self.phone, bad))
        self.phone.take_reply(answer, reply)
        _, other = self.request(self.phone)
        self.phone.deny(other)
        self.refused("answer_out_of_step", lambda: self.post(self.phone, answer))

    def test_every_flipped_bit(self) -> None:
        login, request = self.request(self.phone)
        answer = self.approval(request)
        raw, codes = answer.to_bytes(), set()
        for place in range(0, len(raw), 7):
            flipped = bytearray(raw)
            flipped[place] ^= 1 << place % 8
            with self.assertRaises(Refused, msg=f"byte {place}") as refused:
                self.phone.post("answer", bytes(flipped))
            codes.add(refused.exception.code)
        self.assertLessEqual({"signature_invalid", "malformed", "challenge_invalid"}, codes)
        self.assertEqual(login.wait_for("waiting", "opened"), login.state["state"])
        self.phone.approve(request, PIN)
        login.wait_for("approved")

    def test_signatures_with_the_larger_s(self) -> None:
        _, request = self.request(self.phone)
        answer = self.approval(request)
        cose_bytes = answer.request.answer
        high = self.edited(answer, answer=cose_bytes[:-64] + p256.other_s(cose_bytes[-64:]))
        self.refused("signature_invalid", lambda: self.post(self.phone, high))
        high = self.edited(answer, factor_signature=p256.other_s(answer.request.factor_signature))
        self.refused("signature_invalid", lambda: self.post(self.phone, high))

    def test_a_judged_proof_closes_its_exchange(self) -> None:
        _, request = self.request(self.phone)
        with self.assertRaises(PinWrong):
            self.phone.try_pin(request, WRONG_PIN)
        answer = self.approval(request)
        bad = self.edited(answer, factor_signature=p256.other_s(answer.request.factor_signature))
        self.refused("signature_invalid", lambda: self.post(self.phone, bad))
        self.assertEqual(self.phone.overview().pin.tries_left, 3)
        self.refused("pin_exchange_closed", lambda: self.post(self.phone, answer))

    def test_a_wrong_ke3(self) -> None:
        _, request = self.request(self.phone)
        answer = self.approval(request)
        proof = copy.copy(answer.request.pin)
        proof.ke3 = bytes(32)
        self.refused("pin_wrong", lambda: self.post(self.phone, self.edited(answer, pin=proof)))
        self.assertEqual(self.phone.overview().pin.tries_left, 2)
        self.refused("pin_exchange_closed", lambda: self.post(self.phone, answer))

    def test_an_answer_for_another_request(self) -> None:
        (_, first), (second_login, second) = self.request(self.phone), self.request(self.phone)
        answer = self.approval(first)
        self.refused("challenge_invalid", lambda: self.post(self.phone, self.edited(answer, challenge=second.bytes)))
        tries = self.phone.try_pin(first, PIN)
        self.refused("challenge_invalid", lambda: self.post(self.phone, self.approval(second, tries)))
        self.assertEqual(second_login.wait_for("waiting", "opened"), second_login.state["state"])

    def test_a_challenge_of_another_phone(self) -> None:
        other = self.world.phone()
        _, request = self.request(other)
        self.refused("challenge_invalid", lambda: self.phone.try_pin(request, PIN))
        self.refused("challenge_invalid", lambda: self.phone.deny(request))

    def test_a_challenge_that_was_changed(self) -> None:
        _, request = self.request(self.phone)
        protected, _, payload, signature = cose.split(request.bytes)
        changed = cbor.encode([protected, {}, payload.replace(b"Testbanken", b"Testbunken"), signature])
        altered = copy.copy(request)
        altered.bytes, altered.hash = changed, d.challenge_hash(cose.split(changed)[2])
        self.refused("challenge_invalid", lambda: self.phone.deny(altered))

    def test_deny_turned_into_approve(self) -> None:
        login, request = self.request(self.phone)
        denied = self.phone.sign_answer(request, Decision.DENY)
        protected, _, payload, signature = cose.split(denied.request.answer)
        parts: Any = cbor.decode(payload)
        parts[3][5] = Decision.APPROVE
        turned = cbor.encode([protected, {}, cbor.encode(parts), signature])
        self.refused("signature_invalid", lambda: self.post(self.phone, self.edited(denied, answer=turned)))
        parts[3][6] = Factor.PIN
        turned = cbor.encode([protected, {}, cbor.encode(parts), signature])
        approval = self.approval(request)
        self.refused("signature_invalid", lambda: self.post(self.phone, self.edited(approval, answer=turned)))
        self.phone.send_answer(denied)
        login.wait_for("denied")

    def test_factors_are_not_relabelled(self) -> None:
        """With biometrics enrolled, so that only the key tells the two apart."""
        self.phone.turn_biometrics_on(PIN)
        _, request = self.request(self.phone)
        relabelled = self.approval(request, factor=Factor.BIOMETRIC)
        self.refused("malformed", lambda: self.post(self.phone, relabelled))
        self.refused("signature_invalid", lambda: self.post(self.phone, self.edited(relabelled, pin=None)))
        touched = self.phone.sign_answer(request, Decision.APPROVE, biometric=True, factor=Factor.PIN)
        self.refused("malformed", lambda: self.post(self.phone, touched))
        attempt = self.phone.try_pin(request, PIN)
        with_proof = self.edited(touched, pin=attempt.proof)
        self.refused("signature_invalid", lambda: self.post(self.phone, with_proof))
        none = self.phone.sign_answer(request, Decision.APPROVE)
        self.refused("factor_refused", lambda: self.post(self.phone, none))

    def test_a_factor_that_the_phone_does_not_have(self) -> None:
        _, request = self.request(self.phone)
        self.assertEqual(request.challenge.factors, [Factor.PIN])
        self.phone.me.keys.biometric = p256.PrivateKey.generate()
        answer = self.phone.sign_answer(request, Decision.APPROVE, biometric=True)
        self.refused("factor_refused", lambda: self.post(self.phone, answer))

    def test_the_parts_fit_the_decision(self) -> None:
        _, request = self.request(self.phone)
        attempt = self.phone.try_pin(request, PIN)
        sign = self.phone.sign_answer
        approve = sign(request, Decision.APPROVE, pin=attempt)
        signature = messages.NEW_KEY_SIGNATURE.new(purpose=KeyPurpose.BIOMETRIC, signature=bytes(64))
        for name, answer in {
            "approve without a factor's signature": self.edited(approve, factor_signature=None),
            "approve without a proof": self.edited(approve, pin=None),
            "approve with data": self.edited(approve, data=messages.OPERATION_DATA.new(keys=[])),
            "approve with new keys": self.edited(approve, new_keys=[signature]),
            "deny with a factor": sign(request, Decision.DENY, pin=attempt),
            "deny with parts": sign(request, Decision.DENY, pin=attempt, factor=Factor.NONE),
            "deny and remember": sign(request, Decision.DENY, remember=True),
            "deny with an operation": sign(request, Decision.DENY, operation=bytes(32)),
        }.items():
            with self.subTest(name):
                self.refused("malformed", lambda: self.post(self.phone, answer))
        with_operation = sign(request, Decision.APPROVE, pin=attempt, operation=bytes(32))
        self.refused("challenge_invalid", lambda: self.post(self.phone, with_operation))
        self.phone.send_answer(approve)

    def test_remembering_where_it_was_not_offered(self) -> None:
        request = self.phone.manage(Choice("set_locked_push", (True,)))
        self.assertFalse(request.challenge.may_remember)
        self.phone.approve(request, PIN, remember=True)
        self.assertEqual(self.phone.overview().browsers, [])

    def test_purposes(self) -> None:
        for purposes in ([], [KeyPurpose.BIOMETRIC] * 2, [KeyPurpose.PEPPER], [KeyPurpose.POSSESSION], [KeyPurpose.PIN]):
            with self.subTest(purposes):
                self.refused("malformed", lambda: self.phone.manage(Choice("add_keys", (purposes,))))
        self.refused("operation_refused", lambda: self.phone.manage(Choice("remove_keys", ([KeyPurpose.BIOMETRIC],))))
        self.refused("browser_unknown", lambda: self.phone.manage(Choice("forget_browser", (bytes(16),))))
        self.refused("operation_refused", lambda: self.phone.manage(Choice("new_device_notice", (bytes(16),))))

    def test_a_finished_request(self) -> None:
        _, request = self.request(self.phone)
        self.phone.deny(request)
        self.refused("transaction_finished", lambda: self.phone.approve(request, PIN))

    def test_a_request_of_another_phone(self) -> None:
        other, login = self.world.phone(), Login(self.world)
        frame = login.frame()
        self.phone.scan(frame)
        self.refused("transaction_taken", lambda: other.scan(frame))

    def test_frames(self) -> None:
        login = Login(self.world)
        link = formats.parse_link(login.frame())
        assert isinstance(link, formats.LoginFrame)
        wrong = Choice("scanned", (link.session, link.frame, bytes(16)))
        self.refused("qr_unknown", lambda: self.phone.fetch(wrong))
        unknown = Choice("scanned", (bytes(16), link.frame, link.code))
        self.refused("qr_unknown", lambda: self.phone.fetch(unknown))
        time.sleep(max(0.0, link.frame + 5.5 - time.time()))
        stale = Choice("scanned", (link.session, link.frame, link.code))
        self.refused("qr_stale", lambda: self.phone.fetch(stale))
        login.scanned_by(self.phone)
        self.phone.fetch(stale)  # the phone that has it may send an old frame again

    def test_links_and_numbers(self) -> None:
        login = Login(self.world)
        link = formats.parse_link(login.same_device_link)
        assert isinstance(link, formats.SameDeviceLink)
        self.refused("link_invalid", lambda: self.phone.fetch(Choice("linked", (link.session, bytes(32)))))
        for _ in range(5):
            self.refused("number_wrong", lambda: self.phone.typed("00000000"))
        refused = self.refused("throttled", lambda: self.phone.typed("00000000"))
        self.assertIsNotNone(refused.retry_after)
        self.refused("transaction_unknown", lambda: self.phone.fetch(Choice("pushed", (bytes(16),))))
        self.refused("poll_expired", lambda: self.phone.poll(bytes(32)))

    def test_an_older_store_freezes_the_phone(self) -> None:
        copied = copy.deepcopy(self.phone.me)
        _, request = self.request(self.phone)
        self.phone.deny(request)
        self.phone.identity = copied
        _, request = self.request(self.phone)
        self.refused("answer_out_of_step", lambda: self.post(
            self.phone, self.phone.sign_answer(request, Decision.DENY, ratchet_count=99)
        ))  # fmt: skip
        self.refused("device_frozen", lambda: self.phone.deny(request))
        self.refused("device_frozen", self.phone.overview)

    def test_operations(self) -> None:
        """New keys count only with the answer's hash of them, and each with its own signature."""
        made = {KeyPurpose.BIOMETRIC: p256.PrivateKey.generate()}
        data = messages.OPERATION_DATA.new(keys=[device_key(KeyPurpose.BIOMETRIC, made[KeyPurpose.BIOMETRIC])])
        other = messages.OPERATION_DATA.new(keys=[device_key(KeyPurpose.BIOMETRIC, p256.PrivateKey.generate())])
        off_curve = copy.deepcopy(data)
        off_curve.keys[0].public = OFF_CURVE
        request = self.phone.manage(Choice("add_keys", ([KeyPurpose.BIOMETRIC],)))

        def signed(of: Record, attempt: PinTry, **fields: Any) -> Answer:
            operations = Operations(of, made)
            return self.phone.sign_answer(request, Decision.APPROVE, pin=attempt, operations=operations, **fields)

        # What is found before the PIN is judged leaves its exchange open.
        attempt = self.phone.try_pin(request, PIN)
        right = signed(data, attempt)
        for name, code, answer in (
            ("other data", "challenge_invalid", self.edited(right, data=other)),
            ("no data", "malformed", self.edited(right, data=None)),
            ("no hash", "challenge_invalid", signed(data, attempt, operation=None)),
        ):
            with self.subTest(name):
                self.refused(code, lambda: self.post(self.phone, answer))
        self.assertEqual(self.phone.overview().pin.tries_left, 2)
        # The operation's own rules come after it: the tries are cleared, and the exchange is closed.
        unsigned = self.edited(right, new_keys=[])
        self.refused("malformed", lambda: self.post(self.phone, unsigned))
        self.assertEqual(self.phone.overview().pin.tries_left, 3)
        self.refused("pin_exchange_closed", lambda: self.post(self.phone, right))
        off_the_curve = signed(off_curve, self.phone.try_pin(request, PIN))
        self.refused("malformed", lambda: self.post(self.phone, off_the_curve))
        self.phone.send_answer(signed(data, self.phone.try_pin(request, PIN)))
        self.phone.me.keys.biometric = made[KeyPurpose.BIOMETRIC]
        # A finger may not enrol another finger.
        request = self.phone.manage(Choice("add_keys", ([KeyPurpose.BIOMETRIC],)))
        touched = self.phone.sign_answer(
            request, Decision.APPROVE, biometric=True, operations=Operations(data, made)
        )
        self.refused("factor_refused", lambda: self.post(self.phone, touched))
        self.refused("device_unknown", lambda: self.phone.manage(Choice("remove_device", (bytes(16),))))
        self.refused("operation_refused", lambda: self.phone.manage(Choice("finish_enrolment")))


STATUS = {
    "malformed": 400, "update_needed": 426, "wrong_environment": 400, "suite_refused": 400, "throttled": 429,
    "activation_unknown": 404, "activation_used": 409, "activation_refused": 403, "activation_blocked": 403,
    "digits_pending": 409, "device_unknown": 404, "device_not_active": 409, "device_frozen": 403,
    "device_removed": 410, "signature_invalid": 403, "transaction_unknown": 404, "transaction_finished": 409,
    "transaction_taken": 409, "challenge_invalid": 403, "factor_refused": 403, "answer_out_of_step": 409,
    "pin_wrong": 403, "pin_waiting": 429, "pin_dead": 403, "pin_missing": 409, "pin_exchange_closed": 409,
    "qr_unknown": 404, "qr_stale": 410, "number_wrong": 403, "link_invalid": 403, "poll_expired": 401,
    "operation_refused": 409, "browser_unknown": 404, "conflict": 409,
}  # fmt: skip
"""Section 25, the codes that are met here."""
