"""Which texts may be shown to a person (section 20)."""

from __future__ import annotations

import unicodedata

from .errors import Untrusted

REFERENCE_TEXT = 130
NAME = 64


def _ranges(text: str) -> list[tuple[int, int]]:
    found = []
    for part in text.replace(",", " ").split():
        low, _, high = part.partition("-")
        found.append((int(low, 16), int(high or low, 16)))
    return found


_FORBIDDEN = _ranges(
    # formatting, fillers, private use, and all above the scripts in use
    "00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 2028-202E 2060-206F 2800 3164 E000-F8FF FE00-FE0F FEFF FFA0"
    " FFF0-FFFF 1BCA0-1BCA3 1D173-1D17A E0000-10FFFF"
    # spaces but U+0020
    " 00A0 1680 2000-200A 202F 205F 3000"
    # combining marks
    " 0300-036F 1AB0-1AFF 1DC0-1DFF 20D0-20FF FE20-FE2F"
    # letters that imitate ASCII
    " FF01-FF5E 1D400-1D7FF"
)
_GROUPS = {
    "Latin": _ranges("41-5A 61-7A AA BA C0-24F 1E00-1EFF"),
    "Greek": _ranges("370-3FF 1F00-1FFF"),
    "Cyrillic": _ranges("400-52F 1C80-1C8F 2DE0-2DFF A640-A69F"),
    "Armenian": _ranges("530-58F"),
    "Cherokee": _ranges("13A0-13FF AB70-ABBF"),
}


def _within(character: str, ranges: list[tuple[int, int]]) -> bool:
    return any(low <= ord(character) <= high for low, high in ranges)


def _group(character: str) -> str:
    return next((name for name, ranges in _GROUPS.items() if _within(character, ranges)), "other")


def check(text: str, limit: int) -> None:
    """Raises `Untrusted` for a text that cannot be shown."""
    if len(text) > limit or not text.strip():
        raise Untrusted("too long, or blank")
    if not unicodedata.is_normalized("NFC", text):
        raise Untrusted("not in normal form C")
    groups: set[str] = set()
    for character in text:
        if unicodedata.category(character) == "Cc" or _within(character, _FORBIDDEN):
            raise Untrusted(f"a text with U+{ord(character):04X}")
        if not character.isalnum():
            groups = set()
        elif character.isalpha():
            groups.add(_group(character))
            if len(groups) > 1:
                raise Untrusted("a word of two scripts")
