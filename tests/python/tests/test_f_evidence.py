"""Evidence of a decision (section 21): made by the server, verified here without it."""

from __future__ import annotations

import copy
import json
import unittest
from typing import Any

from godkend_phone import cbor, evidence, messages, p256
from godkend_phone.approval import Request
from godkend_phone.errors import Malformed, SignatureInvalid, Untrusted, UpdateNeeded, WrongEnvironment
from godkend_phone.messages import Decision, Factor

from .bank import Login
from .world import PIN, World


class Evidence(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.world = World.shared()
        cls.phone = cls.world.phone()
        cls.phone.turn_biometrics_on(PIN)

    def request(self) -> Request:
        return Login(self.world, **{"acr_values": "https://data.gov.dk/concept/core/nsis/Substantial"}).scanned_by(
            self.phone
        )

    def check(self, request: Request, decision: Decision, factor: Factor) -> bytes:
        data = self.world.evidence(request.challenge.transaction)
        challenge, answer = evidence.verify(data, self.world.root)
        self.assertEqual(challenge, request.challenge)
        self.assertEqual((answer.decision, answer.factor), (decision, factor))
        return data

    def test_an_approval_with_the_pin(self) -> None:
        request = self.request()
        self.phone.approve(request, PIN)
        data = self.check(request, Decision.APPROVE, Factor.PIN)
        self._every_lie(data)

    def test_an_approval_with_biometrics(self) -> None:
        request = self.request()
        self.phone.approve(request)
        self.check(request, Decision.APPROVE, Factor.BIOMETRIC)

    def test_a_refusal(self) -> None:
        for decision in (Decision.DENY, Decision.REPORT_FRAUD):
            request = self.request()
            self.phone.deny(request, decision)
            self.check(request, decision, Factor.NONE)

    def test_after_new_keys(self) -> None:
        phone = self.world.phone()
        phone.rotate_keys(PIN)
        request = Login(self.world).scanned_by(phone)
        phone.approve(request, PIN)
        evidence.verify(self.world.evidence(request.challenge.transaction), self.world.root)

    def _every_lie(self, data: bytes) -> None:
        parsed = messages.EVIDENCE.from_bytes(data)

        def refuses(**fields: Any) -> None:
            changed = copy.deepcopy(parsed)
            changed.__dict__.update(fields)
            with self.assertRaises((Untrusted, SignatureInvalid, Malformed)):
                evidence.verify(messages.EVIDENCE.to_bytes(changed), self.world.root)

        stranger = messages.ROOT.new(environment="test", url=self.world.root.url, key=p256.PrivateKey.generate().point)
        with self.assertRaises(SignatureInvalid):
            evidence.verify(data, stranger)
        refuses(version=2)
        refuses(key_sets=[])
        refuses(pin=None)
        refuses(keys=parsed.pin)
        refuses(pin=parsed.keys)
        refuses(decision=parsed.keys)
        for name in ("keys", "pin", "decision"):
            leaf = copy.deepcopy(getattr(parsed, name))
            entry = json.loads(leaf.entry)
            entry["account"] = "AAAAAAAAAAAAAAAAAAAAAA"
            leaf.entry = json.dumps(entry).encode()
            refuses(**{name: leaf})
            leaf = copy.deepcopy(getattr(parsed, name))
            leaf.index += 1
            refuses(**{name: leaf})
        for place in range(0, len(data), 13):
            flipped = data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
            with self.assertRaises(
                (Untrusted, SignatureInvalid, Malformed, UpdateNeeded, WrongEnvironment, ValueError),
                msg=f"byte {place}",
            ):
                evidence.verify(flipped, self.world.root)
        self.assertEqual(cbor.encode(cbor.decode(data)), data)
