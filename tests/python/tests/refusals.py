"""A refusal with its code and its status, and points that are on no curve."""

from __future__ import annotations

import unittest
from typing import Any, Callable

from godkend_phone import p256
from godkend_phone.approval import Answer, Request
from godkend_phone.errors import Refused
from godkend_phone.phone import Phone

from .bank import Login
from .world import World

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
