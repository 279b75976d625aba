"""Texts (section 20): phone and server must agree on each, or a request could be made that no phone shows."""

from __future__ import annotations

import itertools
import json
import random
import unittest
from pathlib import Path

from godkend_phone import texts
from godkend_phone.errors import Untrusted

from .bank import Browser
from .world import World

_asked = itertools.count(10_000)
_SURROGATES = range(0xD800, 0xE000)


def _phone(text: str) -> bool:
    try:
        texts.check(text, texts.NAME)
        return True
    except Untrusted:
        return False


def _edges() -> list[int]:
    """Each range's first and last code point, and their neighbours."""
    groups = [one for ranges in texts._GROUPS.values() for one in ranges]
    ranges = [*texts._FORBIDDEN, *texts._LATIN_LOOKALIKES, *texts._RIGHT_TO_LEFT, *groups]
    points = {point for low, high in ranges for point in (low - 1, low, high, high + 1)}
    return sorted(point for point in points if 0x20 <= point < 0x110000 and point not in _SURROGATES)


class Texts(unittest.TestCase):
    def setUp(self) -> None:
        self.world = World.shared()
        self.browser = Browser(self.world)
        self.token = Path(self.world.serving["token"]).read_text().strip()

    def _server(self, text: str) -> bool:
        """Whether the desk may give a citizen this name."""
        body = json.dumps({"name": text, "user_id": f"text.{next(_asked)}", "date_of_birth": "1990-05-17"})
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        status, _, answer = self.browser.ask("POST", "/admin/v1/citizens", body, headers)
        if status != 201:
            self.assertEqual(json.loads(answer)["error"], "text_refused", answer)
        return status == 201

    def _agree(self, text: str) -> bool:
        shown = _phone(text)
        self.assertEqual(shown, self._server(text), [f"U+{ord(character):04X}" for character in text])
        return shown

    def test_each_range(self) -> None:
        shown = [self._agree("a" + chr(point)) for point in _edges()]
        self.assertTrue(0 < sum(shown) < len(shown))

    def test_mixed(self) -> None:
        """The same texts in each run; another seed gives others."""
        draw = random.Random(20)
        pools: list[list[int]] = [
            _edges(),
            [ord(character) for character in "aBz 19-."],
            [0x430, 0x435, 0x43E, 0x412, 0x391, 0x395, 0x3BF],  # Cyrillic and Greek that look Latin
            [0x5D0, 0x5D1, 0x627, 0x661, 0x6F1, 0x10800, 0x966],  # right to left, and numbers
            [0x301, 0xE31, 0xE34, 0xE49, 0x93F, 0x94D, 0x5B0, 0x64B, 0x903, 0x20DD, 0x1E8D0],  # marks
            [0x20, 0x2D, 0x5F, 0xB7, 0xBD, 0x2160, 0x24D0, 0xAA],
        ]
        shown = []
        for _ in range(600):
            points = [draw.choice(draw.choice(pools)) for _ in range(draw.randint(1, 4))]
            shown.append(self._agree("".join(map(chr, points))))
        self.assertTrue(100 < sum(shown) < 500)
