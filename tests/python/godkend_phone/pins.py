"""Which PINs a phone refuses to register (section 10)."""

from __future__ import annotations

import re


def too_simple(pin: str) -> bool:
    """Whether `pin` is not six digits, or is one that anybody would try first."""
    if not re.fullmatch(r"[0-9]{6}", pin):
        return True
    digits = [int(digit) for digit in pin]
    steps = {after - before for before, after in zip(digits, digits[1:])}
    repeats = any(pin == pin[:size] * (6 // size) for size in (1, 2, 3))
    pairs = all(pin[at] == pin[at + 1] for at in (0, 2, 4))
    return repeats or pairs or steps in ({1}, {-1}) or pin == pin[::-1]
