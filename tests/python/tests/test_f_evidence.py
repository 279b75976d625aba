"""Evidence of a decision (section 21): made by the server, verified here without it."""

from __future__ import annotations

import copy
import json
import unittest
from typing import Any

from godkend_phone import cbor, checkpoint, evidence, formats, merkle, messages, p256
from godkend_phone.approval import Request
from godkend_phone.errors import Malformed, SignatureInvalid, Untrusted, UpdateNeeded, WrongEnvironment
from godkend_phone.messages import Decision, Factor

from .bank import Browser, Login
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

    def test_a_statement(self) -> None:
        """Nothing was signed that others could verify: an offline approval, and a refusal of what was not opened."""
        user_id = self.world.citizen()
        phone = self.world.phone(user_id)
        phone.turn_biometrics_on(PIN)
        with self.world.bank("request-login", "--offline", "--user-id", user_id) as bank:
            link = bank.result()["offline"]
            bank.type(phone.offline_code(link))
            claims = bank.result()["claims"]
        data = self.world.evidence(formats.from_b64url(claims["mitid.transaction_id"]))
        decided = evidence.verify_statement(data, self.world.root)
        self.assertEqual((decided["decision"], decided["binding"]), ("approve", "offline"))
        with self.assertRaises(Untrusted):
            evidence.verify(data, self.world.root)
        login = Login(self.world)
        login.number_for(user_id)
        (item,) = phone.poll(phone.open_poll().token)
        phone.refuse_locked(item.id)
        decided = evidence.verify_statement(self.world.evidence(item.id), self.world.root)
        self.assertEqual(decided["decision"], "deny")

    def test_the_log_continues(self) -> None:
        """Anyone may ask for a consistency proof between two sizes."""
        browser, keys = Browser(self.world), self.phone.key_set()
        status, _, note = browser.ask("GET", "/log/v1/checkpoint")
        self.assertEqual(status, 200)
        size = checkpoint.verify(note.decode(), "test", keys.log_keys).position.size
        roots = {}
        for old, new in ((1, size), (size // 2, size), (3, 7), (size, size)):
            status, _, body = browser.ask("GET", f"/log/v1/consistency?from={old}&to={new}")
            self.assertEqual(status, 200, body)
            answer = json.loads(body)
            proof = [formats.from_b64url(part) for part in answer["proof"]]
            roots[old], roots[new] = (formats.from_b64url(answer[name]) for name in ("from_root", "to_root"))
            merkle.verify_consistency(old, roots[old], new, roots[new], proof)
        self.assertEqual(roots[size], checkpoint.verify(note.decode(), "test", keys.log_keys).position.root)

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
        bare = copy.deepcopy(parsed)
        bare.__dict__.update(request=None, keys=None, pin=None, consistency=[])
        with self.assertRaises(Untrusted):
            evidence.verify_statement(messages.EVIDENCE.to_bytes(bare), self.world.root)
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
