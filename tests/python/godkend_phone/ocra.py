"""One-time codes: HOTP (RFC 4226), TOTP (RFC 6238), OCRA (RFC 6287), and the offline code of section 18."""

from __future__ import annotations

import hashlib
import hmac

OFFLINE_SUITE = "OCRA-1:HOTP-SHA256-8:QH64"


def truncate(mac: bytes, digits: int) -> str:
    """RFC 4226, section 5.3, with the MAC's last byte as offset."""
    offset = mac[-1] & 15
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}}"


def hotp(key: bytes, counter: int, digits: int, algorithm: str = "sha1") -> str:
    return truncate(hmac.digest(key, counter.to_bytes(8, "big"), algorithm), digits)


def ocra(
    suite: str, key: bytes, question: bytes, *, counter: int | None = None, pin: bytes = b"", time: int | None = None
) -> str:
    """OCRA over parts that are already bytes; `question` is padded to 128 bytes here."""
    function, inputs = suite.split(":")[1:]
    _, algorithm, digits = function.split("-")
    names = inputs.split("-")
    data = suite.encode() + b"\x00"
    if "C" in names:
        assert counter is not None
        data += counter.to_bytes(8, "big")
    data += question.ljust(128, b"\x00")
    if any(name.startswith("PSHA") for name in names):
        data += pin
    if names[-1].startswith("T"):
        assert time is not None
        data += time.to_bytes(8, "big")
    return truncate(hmac.digest(key, data, algorithm.lower()), int(digits))


def question_bytes(suite: str, question: str) -> bytes:
    """A question as RFC 6287 encodes it: QN is the decimal number in hexadecimal, padded on the right; QA is ASCII."""
    if "QA" in suite:
        return question.encode()
    return bytes.fromhex(f"{int(question):x}".ljust(256, "0"))


def pin_hash(pin: str) -> bytes:
    return hashlib.sha1(pin.encode()).digest()


def offline_code(key: bytes, of_challenge: bytes) -> str:
    return ocra(OFFLINE_SUITE, key, of_challenge)
