"""Which texts may be shown to a person (section 20)."""

from __future__ import annotations

import unicodedata

import regex

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
    # signs that enclose or join others invisibly, and what is no character
    " 0488-0489 0600-0605 06DD 070F 0890-0891 08E2 A670-A672 1107F 110BD 110CD 13430-1345F 16FE4 1D159 FDD0-FDEF"
)
_LATIN_LOOKALIKES = _ranges(
    # Cyrillic
    "430 435 43E 440 441 443 445 455 456 458 475 4BB 4CF 501 51B 51D 410 412 415 41A 41C-41E 420-423 425 405 406 408 4C0"
    " 51A 51C"
    # Greek
    " 391 392 395-397 399 39A 39C 39D 39F 3A1 3A4 3A5 3A7 3BD 3BF"
)
_RIGHT_TO_LEFT = _ranges("590-8FF FB1D-FDFF FE70-FEFE 10800-10FFF 1E800-1EFFF")
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


def _is_alphabetic(character: str) -> bool:
    # Unicode's property, which is wider than `str.isalpha`: vowel signs, Roman numerals, circled letters.
    return regex.match(r"\p{Alphabetic}", character) is not None


def _is_number(character: str) -> bool:
    return unicodedata.category(character).startswith("N")


def _check_word(letters: list[str]) -> None:
    if len({_group(letter) for letter in letters}) > 1:
        raise Untrusted("a word of two scripts")
    if len(letters) >= 3 and all(_within(letter, _LATIN_LOOKALIKES) for letter in letters):
        raise Untrusted("a word that looks Latin and is not")


def _check_marks(text: str) -> None:
    row = 2  # as if two stood before the text and behind each space: none comes first there
    for character in text:
        mark = unicodedata.category(character).startswith("M")
        row = row + 1 if mark else 2 if character == " " else 0
        if row > 2:
            raise Untrusted("a mark too many")


def _check_direction(text: str) -> None:
    numbers = [character for character in text if _is_number(character)]
    to_left = [character for character in text if _within(character, _RIGHT_TO_LEFT) and character not in numbers]
    others = [character for character in text if _is_alphabetic(character) and not _within(character, _RIGHT_TO_LEFT)]
    if to_left and (numbers or others):
        raise Untrusted("a text of two directions")


def check(text: str, limit: int) -> None:
    """Raises `Untrusted` for a text that cannot be shown."""
    if len(text) > limit or not text.strip():
        raise Untrusted("too long, or blank")
    if not unicodedata.is_normalized("NFC", text):
        raise Untrusted("not in normal form C")
    letters: list[str] = []
    for character in text:
        forbidden = _within(character, _FORBIDDEN) or ord(character) & 0xFFFE == 0xFFFE
        if forbidden or unicodedata.category(character) == "Cc":
            raise Untrusted(f"a text with U+{ord(character):04X}")
        if _is_alphabetic(character):
            letters.append(character)
        elif not _is_number(character):
            _check_word(letters)
            letters = []
    _check_word(letters)
    _check_marks(text)
    _check_direction(text)
