"""What the server must refuse of an active phone: PINs, answers, fetches (sections 10 to 15)."""

from __future__ import annotations

import copy
import time
from typing import Any

from godkend_phone import cbor, cose, formats, messages, p256
from godkend_phone import derivations as d
from godkend_phone.approval import Answer, Operations, PinTry, Request
from godkend_phone.errors import PinWrong, Refused
from godkend_phone.keys import device_key
from godkend_phone.messages import Decision, Factor, KeyPurpose
from godkend_phone.schema import Choice, Record

from .bank import Login
from .refusals import OFF_CURVE, OFF_CURVE_COMPRESSED, WRONG_PIN, Refusals
from .world import PIN, World


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
            for status in expected:
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
            data = messages.PIN_START_REQUEST.new(start=start, challenge=request.cose)
            self.refused("malformed", lambda: phone.post("pin/start", messages.PIN_START_REQUEST.to_bytes(data)))
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
        mixed.cose = second.cose
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
        self.refused("challenge_invalid", lambda: self.post(self.phone, self.edited(answer, challenge=second.cose)))
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
        protected, _, payload, signature = cose.split(request.cose)
        changed = cbor.encode([protected, {}, payload.replace(b"Testbanken", b"Testbunken"), signature])
        altered = copy.copy(request)
        altered.cose, altered.hash = changed, d.challenge_hash(cose.split(changed)[2])
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
        for purposes in (
            [],
            [KeyPurpose.BIOMETRIC] * 2,
            [KeyPurpose.PEPPER],
            [KeyPurpose.POSSESSION],
            [KeyPurpose.PIN],
        ):
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
        touched = self.phone.sign_answer(request, Decision.APPROVE, biometric=True, operations=Operations(data, made))
        self.refused("factor_refused", lambda: self.post(self.phone, touched))
        self.refused("device_unknown", lambda: self.phone.manage(Choice("remove_device", (bytes(16),))))
        self.refused("operation_refused", lambda: self.phone.manage(Choice("finish_enrolment")))
