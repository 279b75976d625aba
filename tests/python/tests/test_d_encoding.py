"""What the server must refuse: messages in another form (sections 1 and 2)."""

from __future__ import annotations

from typing import Any, Callable

from godkend_phone import cbor, cose, messages, p256
from godkend_phone import derivations as d
from godkend_phone.errors import NoAnswer

from .refusals import Refusals


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
            return lambda data: data[: len(data) + at] + bytes([data[at] ^ 1]) + data[len(data) + at + 1 :]

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
        with self.assertRaises(NoAnswer) as caught:
            self.phone.post("poll/open", bytes(cbor.MAX_BYTES + 1))
        self.assertEqual(caught.exception.status, 413)
        self.refused("malformed", lambda: self.phone.post("poll/open", bytes(cbor.MAX_BYTES)))

    def test_app_versions(self) -> None:
        for version in ("1.0", "1.0.0.0", "1.0.123456", "1.0.0-beta", "", "-1.0.0", "1.\u0661.0", " 1.0.0"):
            with self.subTest(version):
                self.refused("malformed", lambda: self.send({**self.body, 5: version}))
