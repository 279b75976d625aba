"""What the server must refuse on the way to an active phone (section 9)."""

from __future__ import annotations

from typing import Any, Callable

from godkend_phone import cbor, cose, formats, messages, p256, suites
from godkend_phone import derivations as d
from godkend_phone.enrolment import Opened
from godkend_phone.keys import DeviceKeys, device_key
from godkend_phone.messages import KeyPurpose, Suite
from godkend_phone.phone import Phone
from godkend_phone.schema import Choice, Record

from .refusals import OFF_CURVE, Refusals
from .world import PIN, CommandFailed, World


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
            return phone.post(
                "activation/open", messages.ACTIVATION_OPEN.to_bytes(messages.ACTIVATION_OPEN.new(**given))
            )

        self.refused("malformed", lambda: opening(id=link.id, name=bytes(5)))
        self.refused("malformed", opening)
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
            self.refused(
                "activation_refused", lambda: phone.post("activation/enrol", self.enrol(phone, opened, enc=enc))
            )
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
            with self.assertRaises(CommandFailed):
                self.world.confirm(wrong, handed_out["id"])
        self.assertEqual(phone.stage(), Choice("void"))
        with self.assertRaises(CommandFailed):
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
