"""Links, codes, digits (section 19)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from .derivations import sha256
from .errors import Malformed, UpdateNeeded

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CARELESS = str.maketrans({"O": "0", "I": "1", "L": "1"})
MAX_LINK = 4096


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text: str) -> bytes:
    """Base64url without padding, in its one form."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Malformed("not Base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url(data) != text:
        raise Malformed("Base64url with stray bits")
    return data


@dataclass(frozen=True)
class ActivationLink:
    environment: str
    id: bytes
    secret: bytes
    root: bytes
    expires: int


@dataclass(frozen=True)
class LoginFrame:
    environment: str
    session: bytes
    frame: int
    code: bytes


@dataclass(frozen=True)
class SameDeviceLink:
    environment: str
    session: bytes
    secret: bytes


@dataclass(frozen=True)
class OfflineLink:
    challenge: bytes


Link = ActivationLink | LoginFrame | SameDeviceLink | OfflineLink

# host: the class, and each key with the bytes of its value ("text", "number", or a length; 0 is any)
_FORMS: dict[str, tuple[type, list[tuple[str, str | int]]]] = {
    "activate": (ActivationLink, [("e", "text"), ("i", 16), ("s", 32), ("r", 32), ("x", "number")]),
    "login": (LoginFrame, [("e", "text"), ("s", 16), ("f", "number"), ("c", 16)]),
    "approve": (SameDeviceLink, [("e", "text"), ("s", 16), ("k", 32)]),
    "offline": (OfflineLink, [("c", 0)]),
}


def _value(text: str, form: str | int) -> str | int | bytes:
    if form == "text":
        if not re.fullmatch(r"[a-z0-9-]{1,32}", text):
            raise Malformed("not an environment")
        return text
    if form == "number":
        if not re.fullmatch(r"0|[1-9][0-9]{0,19}", text):
            raise Malformed("not a number")
        return int(text)
    data = from_b64url(text)
    if form and len(data) != form:
        raise Malformed("a value of another length")
    return data


def parse_link(text: str) -> Link:
    """Raises `Malformed`, or `UpdateNeeded` for another version."""
    match = re.fullmatch(r"godkend://([a-z]+)/([0-9]+)\?(.*)", text)
    if len(text) > MAX_LINK or not match or match[1] not in _FORMS:
        raise Malformed("not a link of this system")
    if match[2] != "1":
        raise UpdateNeeded(f"link version {match[2]}")
    made, keys = _FORMS[match[1]]
    pairs = [pair.partition("=") for pair in match[3].split("&")]
    if [pair[0] for pair in pairs] != [key for key, _ in keys]:
        raise Malformed("other keys, or another order")
    return made(*(_value(pair[2], form) for pair, (_, form) in zip(pairs, keys)))


def _write_base32(number: int, characters: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(characters)))


def _read_base32(text: str, characters: int) -> int:
    clean = re.sub(r"[ -]", "", text).upper().translate(_CARELESS)
    if len(clean) != characters or any(character not in _ALPHABET for character in clean):
        raise Malformed("not a code")
    number = 0
    for character in clean:
        number = number << 5 | _ALPHABET.index(character)
    return number


def _grouped(text: str, size: int, between: str = "-") -> str:
    return between.join(text[at : at + size] for at in range(0, len(text), size))


def code_checksum(name_and_secret: int) -> int:
    """The five bits that catch a slip of the finger."""
    total = 0
    for place in reversed(range(19)):
        total = (total ^ name_and_secret >> 5 * place & 31) << 1
        if total & 32:
            total ^= 0x25
    return total


def write_activation_code(name: bytes, secret: bytes) -> str:
    number = int.from_bytes(name, "big") << 55 | int.from_bytes(secret, "big")
    return _grouped(_write_base32(number << 5 | code_checksum(number), 20), 5)


def read_activation_code(text: str) -> tuple[bytes, bytes]:
    """Name (5 bytes) and secret (7 bytes). Raises `Malformed` for a wrong checksum: nothing is sent then."""
    number = _read_base32(text, 20)
    body, checksum = number >> 5, number & 31
    if code_checksum(body) != checksum:
        raise Malformed("a slip of the finger")
    return (body >> 55).to_bytes(5, "big"), (body & (1 << 55) - 1).to_bytes(7, "big")


def write_block_code(code: bytes) -> str:
    return _grouped(_write_base32(int.from_bytes(code, "big"), 18), 6)


def read_block_code(text: str) -> bytes:
    return _read_base32(text, 18).to_bytes(12, "big")


def read_digits(text: str) -> str:
    """Eight digits; spaces and hyphens are skipped."""
    clean = re.sub(r"[ -]", "", text)
    if not re.fullmatch(r"[0-9]{8}", clean):
        raise Malformed("not eight digits")
    return clean


def show_digits(digits: str) -> str:
    return _grouped(digits, 4, " ")


def tls_pin(subject_public_key_info: bytes) -> bytes:
    return sha256(subject_public_key_info)
