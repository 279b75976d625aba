"""A citizen's whole life with this phone, against a running server."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
import unittest
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from godkend_phone import formats, p256
from godkend_phone.errors import PinWrong, Refused
from godkend_phone.messages import Binding, Decision, DeviceState, KeyPurpose, Suite
from godkend_phone.phone import Phone
from godkend_phone.schema import Choice

from .bank import Browser, Login
from .world import PIN, World

NEW_PIN = "482917"


class Stories(unittest.TestCase):
    world: World

    @classmethod
    def setUpClass(cls) -> None:
        cls.world = World.shared()

    def test_activation_by_link(self) -> None:
        handed_out = self.world.activation(self.world.citizen())
        phone = Phone(self.world.root, model="Annas telefon")
        digits = phone.activate(handed_out["text"])
        self.assertEqual(phone.stage(), Choice("digits"))
        confirmed = self.world.confirm(digits, handed_out["id"])
        self.assertEqual(confirmed["model"], "Annas telefon")
        self.assertEqual(phone.stage(), Choice("choose_pin"))
        phone.choose_pin(PIN)
        self.assertEqual(phone.stage(), Choice("finish"))
        self.assertIsNone(phone.finish(PIN).active_from)
        self.assertEqual(phone.stage(), Choice("active"))
        self.assertEqual(phone.me.name, "Anna Andersen")

    def test_activation_by_typed_code(self) -> None:
        phone = self.world.phone(code=True)
        line = phone.overview().devices[0]
        self.assertEqual((line.id, line.state), (phone.me.device, DeviceState.ACTIVE))
        self.assertEqual(line.keys, [KeyPurpose.POSSESSION])

    def test_a_slip_of_the_finger_sends_nothing(self) -> None:
        text = self.world.activation(self.world.citizen(), code=True)["text"]
        wrong = text[:-1] + ("1" if text[-1] != "1" else "2")
        phone = Phone(self.world.root)
        with self.assertRaises(formats.Malformed):
            phone.activate(wrong)
        self.assertEqual(phone.transport.sent, [])

    def test_login_by_qr_with_the_pin(self) -> None:
        phone, login = self.world.phone(), Login(self.world)
        request = login.scanned_by(phone)
        self.assertEqual(request.challenge.binding, Binding.SCANNED_QR)
        self.assertEqual(request.challenge.relying_party.name, "Testbanken")
        self.assertTrue(request.challenge.new_browser)
        phone.approve(request, PIN)
        self.assertEqual(login.wait_for("approved"), "approved")
        claims = login.claims()
        self.assertEqual((claims["godkend.binding"], claims["amr"]), ("scanned_qr", ["code_app", "pin"]))

    def test_login_with_biometrics(self) -> None:
        phone = self.world.phone()
        phone.turn_biometrics_on(PIN)
        self.assertEqual(
            phone.overview().devices[0].keys,
            [KeyPurpose.POSSESSION, KeyPurpose.BIOMETRIC, KeyPurpose.OFFLINE],
        )
        login = Login(self.world)
        phone.approve(login.scanned_by(phone))
        login.wait_for("approved")
        self.assertNotIn("pin", login.claims()["amr"])

    def test_login_by_typed_number(self) -> None:
        user_id = self.world.citizen()
        phone = self.world.phone(user_id)
        # The command verifies the bank's signed answer; the browser's way is in the next test.
        with self.world.bank("request-login", "--number", "--user-id", user_id) as bank:
            request = phone.typed(bank.result()["number"])
            self.assertEqual(request.challenge.binding, Binding.TYPED_NUMBER)
            phone.approve(request, PIN)
            self.assertTrue(bank.result()["verified"])

    def test_login_by_number_from_the_page_is_locked_before_it_is_typed(self) -> None:
        user_id = self.world.citizen()
        phone, login = self.world.phone(user_id), Login(self.world)
        number = login.number_for(user_id)
        items = phone.poll(phone.open_poll().token)
        self.assertEqual([item.locked for item in items], [True])
        with self.assertRaises(Refused):
            phone.fetch(Choice("pushed", (items[0].id,)))
        request = phone.typed(formats.show_digits(number))
        self.assertEqual(request.challenge.transaction, items[0].id)
        phone.approve(request, PIN)
        login.wait_for("approved")
        self.assertEqual(login.claims()["godkend.binding"], "typed_number")

    def test_a_locked_request_is_refused_unopened(self) -> None:
        user_id = self.world.citizen()
        phone, login = self.world.phone(user_id), Login(self.world)
        login.number_for(user_id)
        (item,) = phone.poll(phone.open_poll().token)
        phone.refuse_locked(item.id)
        login.wait_for("denied")
        self.assertEqual(phone.poll(phone.open_poll().token), [])

    def test_a_push_address_is_registered_replaced_and_taken_back(self) -> None:
        # A server with a Web Push service; that nobody answers there costs wake-ups and nothing else.
        key = Path(tempfile.mkdtemp(prefix="godkend-push-")) / "vapid.pem"
        self.addCleanup(shutil.rmtree, key.parent)
        key.touch(mode=0o600)
        private = ec.generate_private_key(ec.SECP256R1())
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        world = World({
            "GODKEND_PUSH_WEB_PUSH_HOSTS": '["push.example"]',
            "GODKEND_PUSH_WEB_PUSH_KEY": str(key),
            "GODKEND_PUSH_WEB_PUSH_CONTACT": "mailto:drift@godkend.example",
        })  # fmt: skip
        self.addCleanup(world.stop)
        phone, subscriber = world.phone(), p256.PrivateKey.generate()
        state = phone.push()
        vapid = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.assertEqual((state.registered, state.fcm, state.apns, state.web_push), (False, False, False, vapid))

        def address(host: str) -> Choice:
            web_push = Choice("web_push", (f"https://{host}/up/1", subscriber.point, secrets.token_bytes(16)))
            return Choice("set", (secrets.token_bytes(16), web_push))

        self.assertTrue(phone.push(address("push.example")).registered)
        self.assertTrue(phone.push(address("push.example")).registered)
        for change, code in [
            (address("elsewhere.example"), "push_refused"),
            (Choice("set", (secrets.token_bytes(16), Choice("fcm", ("token",)))), "push_refused"),
            (Choice("set", (secrets.token_bytes(16), Choice("fcm", ("a b",)))), "malformed"),
        ]:
            with self.assertRaises(Refused) as refused:
                phone.push(change)
            self.assertEqual(refused.exception.code, code)
        phone.me.push_number = 0
        with self.assertRaises(Refused) as refused:
            phone.push(Choice("remove"))
        self.assertEqual(refused.exception.code, "conflict")
        self.assertTrue(phone.push().registered)
        phone.me.push_number = 10
        self.assertFalse(phone.push(Choice("remove")).registered)

    def test_login_on_the_same_device(self) -> None:
        phone, login = self.world.phone(), Login(self.world)
        request = phone.opened_by(login.same_device_link)
        self.assertEqual(request.challenge.binding, Binding.SAME_DEVICE)
        reply = phone.approve(request, PIN)
        self.assertIsNotNone(reply.return_url)
        stolen = Browser(self.world)
        login.browser, own = stolen, login.browser
        login.return_to(reply.return_url)
        login.browser = own
        self.assertNotEqual(login.state["state"], "approved")
        login.return_to(reply.return_url)
        login.wait_for("approved")
        self.assertEqual(login.claims()["godkend.binding"], "same_device")

    def test_push_to_a_remembered_browser(self) -> None:
        user_id, browser = self.world.citizen(), Browser(self.world)
        phone, first = self.world.phone(user_id), Login(self.world, browser)
        request = first.scanned_by(phone)
        self.assertTrue(request.challenge.may_remember)
        phone.approve(request, PIN, remember=True)
        first.wait_for("approved")
        first.claims()
        token = phone.open_poll().token
        self.assertEqual(phone.poll(token), [])
        second = Login(self.world, browser)
        (item,) = phone.poll(token, wait=25)
        self.assertFalse(item.locked)
        request = phone.fetch(Choice("pushed", (item.id,)))
        self.assertEqual(request.challenge.binding, Binding.REMEMBERED_BROWSER)
        self.assertFalse(request.challenge.new_browser)
        phone.approve(request, PIN)
        second.wait_for("approved")
        self.assertEqual(second.claims()["godkend.binding"], "remembered_browser")
        (line,) = phone.overview().browsers
        phone.approve(phone.manage(Choice("forget_browser", (line.id,))), PIN)
        self.assertEqual(phone.overview().browsers, [])

    def test_deny_and_report(self) -> None:
        phone = self.world.phone()
        for decision, state in ((Decision.DENY, "denied"), (Decision.REPORT_FRAUD, "reported")):
            login = Login(self.world)
            phone.deny(login.scanned_by(phone), decision)
            login.wait_for(state)
            self.assertIn("error", login.finish())

    def test_a_payment_shows_amount_and_payee(self) -> None:
        user_id = self.world.citizen()
        phone = self.world.phone(user_id)
        arguments = ("request-payment", "--amount", "1250.00", "--payee", "Elselskabet", "--level", "substantial")
        with self.world.bank(*arguments, "--number", "--user-id", user_id) as bank:
            request = phone.typed(bank.result()["number"])
            payment = request.challenge.payment
            self.assertEqual((payment.amount_minor, payment.currency, payment.payee), (125000, "DKK", "Elselskabet"))
            phone.approve(request, PIN)
            self.assertTrue(bank.result()["verified"])

    def test_pin_change(self) -> None:
        phone = self.world.phone()
        phone.change_pin(PIN, NEW_PIN)
        login = Login(self.world)
        request = login.scanned_by(phone)
        with self.assertRaises(PinWrong):
            phone.approve(request, PIN)
        phone.approve(request, NEW_PIN)
        login.wait_for("approved")

    def test_pin_reset(self) -> None:
        user_id = self.world.citizen()
        phone = self.world.phone(user_id)
        with self.assertRaises(Refused) as refused:
            phone.open_pin_reset()
        self.assertEqual(refused.exception.code, "pin_reset_unknown")
        device = formats.b64url(phone.me.device)
        self.world.command("reset-pin", user_id, "--device", device)
        digits = phone.open_pin_reset()
        self.world.confirm(digits, formats.b64url(phone.me.enrolment))
        self.assertEqual(phone.stage(), Choice("choose_pin"))
        phone.choose_pin(NEW_PIN)
        phone.finish(NEW_PIN)
        self.assertEqual(phone.stage(), Choice("active"))
        login = Login(self.world)
        phone.approve(login.scanned_by(phone), NEW_PIN)
        login.wait_for("approved")

    def test_key_rotation(self) -> None:
        phone = self.world.phone()
        phone.turn_biometrics_on(PIN)
        old = phone.me.keys
        phone.rotate_keys(PIN)
        login = Login(self.world)
        phone.approve(login.scanned_by(phone))
        login.wait_for("approved")
        phone.me.keys = old
        with self.assertRaises(Refused) as refused:
            phone.overview()
        self.assertEqual(refused.exception.code, "signature_invalid")

    def test_biometrics_off_again(self) -> None:
        phone = self.world.phone()
        phone.turn_biometrics_on(PIN)
        phone.approve(phone.manage(Choice("remove_keys", ([KeyPurpose.BIOMETRIC, KeyPurpose.OFFLINE],))))
        self.assertEqual(phone.overview().devices[0].keys, [KeyPurpose.POSSESSION])

    def test_moving_to_a_new_phone(self) -> None:
        old = self.world.phone()
        reply = old.approve(old.manage(Choice("move_device", (False,))), PIN)
        handed_out = reply.activation
        secret, root = (formats.b64url(part) for part in (handed_out.secret, formats.from_b64url(self._root())))
        link = (
            f"godkend://activate/1?e={old.environment}&i={formats.b64url(handed_out.id)}&s={secret}"
            f"&r={root}&x={handed_out.expires}"
        )
        new = Phone(self.world.root, model="Ny telefon")
        digits = new.activate(link)
        with self.assertRaises(Refused) as refused:
            old.type_digits(handed_out.id, f"{(int(digits) + 1) % 10**8:08}")
        self.assertEqual((refused.exception.code, refused.exception.tries_left), ("digits_wrong", 2))
        told = old.type_digits(handed_out.id, digits)
        self.assertEqual(told.model, "Ny telefon")
        new.choose_pin(NEW_PIN)
        reply = new.finish(NEW_PIN)
        # Handed out by another means: an hour, in which the old phone may refuse.
        self.assertGreater(reply.active_from, time.time() + 3000)
        self.assertEqual(new.stage(), Choice("waiting", (reply.active_from,)))
        (item,) = old.poll(old.open_poll().token)
        notice = old.fetch(Choice("pushed", (item.id,)))
        self.assertEqual(notice.challenge.operation, Choice("new_device_notice", (handed_out.id,)))
        self.assertEqual(notice.challenge.text, "Ny telefon")
        old.deny(notice)
        with self.assertRaises(Refused) as refused:
            new.overview()
        self.assertEqual(refused.exception.code, "device_removed")

    def _root(self) -> str:
        from godkend_phone.trust import root_fingerprint

        return formats.b64url(root_fingerprint(self.world.root))

    def test_approval_without_a_network(self) -> None:
        user_id = self.world.citizen()
        phone = self.world.phone(user_id)
        phone.turn_biometrics_on(PIN)
        sent = len(phone.transport.sent)
        with self.world.bank("request-login", "--offline", "--user-id", user_id) as bank:
            bank.type(phone.offline_code(bank.result()["offline"]))
            result = bank.result()
            self.assertEqual(result["claims"]["godkend.binding"], "offline")
        self.assertEqual(len(phone.transport.sent), sent)

    def test_locked_pushes_are_turned_off(self) -> None:
        phone = self.world.phone()
        self.assertTrue(phone.overview().locked_push)
        phone.approve(phone.manage(Choice("set_locked_push", (False,))), PIN)
        self.assertFalse(phone.overview().locked_push)

    def test_blocking_oneself(self) -> None:
        phone = self.world.phone()
        phone.block()
        with self.assertRaises(Refused) as refused:
            phone.overview()
        self.assertEqual(refused.exception.code, "device_blocked")
        phone.block()

    def test_the_log_is_followed(self) -> None:
        """Each challenge carries a proof from the position that the phone saw last; all of them were verified."""
        phone = self.world.phone()
        before = phone.me.log.size
        for _ in range(2):
            login = Login(self.world)
            phone.approve(login.scanned_by(phone), PIN)
            login.wait_for("approved")
            time.sleep(1.1)
        Login(self.world).scanned_by(phone)
        self.assertGreater(phone.me.log.size, before)

    def test_every_exchange_with_another_suite(self) -> None:
        """A server that speaks suite 2 as well: the highest common one is taken, by both ends."""
        world = World(suite2=True)
        try:
            handed_out = world.activation(world.citizen())
            phone = Phone(world.root)
            digits = phone.activate(handed_out["text"])
            self.assertEqual(phone.chosen_suite, Suite.HYBRID)
            world.confirm(digits, handed_out["id"])
            phone.choose_pin(PIN)
            phone.finish(PIN)
            login = Login(world)
            phone.approve(login.scanned_by(phone), PIN)
            login.wait_for("approved")
        finally:
            world.stop()
