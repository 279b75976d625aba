"""Deterministic CBOR, as narrow as section 1 of the protocol.

Items are Python's `int`, `bytes`, `str`, `list`, `dict`, `bool` and `None`. Nothing else is encoded or decoded, and
there is one encoding of each item: `decode` refuses every other. A map whose keys are not all numbers and strings,
which only an extension may hold, is `Pairs`.
"""

from __future__ import annotations

from typing import Any, Union

from .errors import Malformed

Item = Union[int, bytes, str, list["Item"], dict["Item", "Item"], "Pairs", bool, None]

MAX_BYTES = 65_536
MAX_DEPTH = 12
"""How far below the outermost item any item may stand."""

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, _TAG, SIMPLE = range(8)
FALSE, TRUE, NULL = 0xF4, 0xF5, 0xF6


class Pairs(list[Any]):
    """A map in the order of its encoding, with keys that a `dict` would not hold or not tell apart."""


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for additional, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | additional]) + argument.to_bytes(size, "big")
    raise Malformed("a number over 64 bits")


def encode(item: Item) -> bytes:
    """The one encoding of `item`. Raises `TypeError` for what has none."""
    if item is None:
        return bytes([NULL])
    if item is True or item is False:
        return bytes([TRUE if item else FALSE])
    if isinstance(item, int):
        return _head(UNSIGNED, item) if item >= 0 else _head(NEGATIVE, -1 - item)
    if isinstance(item, bytes):
        return _head(BYTES, len(item)) + item
    if isinstance(item, str):
        data = item.encode("utf-8")
        return _head(TEXT, len(data)) + data
    if isinstance(item, Pairs):
        return _map(item)
    if isinstance(item, list):
        return _head(ARRAY, len(item)) + b"".join(encode(element) for element in item)
    if isinstance(item, dict):
        return _map(list(item.items()))
    raise TypeError(f"{type(item).__name__} has no encoding")


def _map(pairs: list[tuple[Item, Item]]) -> bytes:
    encoded = sorted((encode(key), encode(value)) for key, value in pairs)
    return _head(MAP, len(encoded)) + b"".join(key + value for key, value in encoded)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise Malformed("the message ends too early")
        part = self.data[self.at : self.at + size]
        self.at += size
        return part

    def head(self) -> tuple[int, int]:
        first = self.take(1)[0]
        major, additional = first >> 5, first & 31
        if major == SIMPLE or additional < 24:
            return major, additional
        if additional > 27:
            raise Malformed("an indefinite or reserved length")
        size = 1 << additional - 24
        argument = int.from_bytes(self.take(size), "big")
        if _head(major, argument)[0] != first:
            raise Malformed("a head that is not in its shortest form")
        return major, argument

    def item(self, depth: int) -> Item:
        start = self.at
        major, argument = self.head()
        if depth > MAX_DEPTH:
            raise Malformed("nested too deep")
        if major == UNSIGNED:
            return argument
        if major == NEGATIVE:
            return -1 - argument
        if major == BYTES:
            return self.take(argument)
        if major == TEXT:
            try:
                return self.take(argument).decode("utf-8")
            except UnicodeDecodeError:
                raise Malformed("a text that is not UTF-8") from None
        if major == ARRAY:
            return [self.item(depth + 1) for _ in range(argument)]
        if major == MAP:
            return self.map(argument, depth)
        if major == SIMPLE:
            simple = {FALSE: False, TRUE: True, NULL: None}
            if self.data[start] in simple:
                return simple[self.data[start]]
        raise Malformed("a tag, a float or another item that is not allowed")

    def map(self, size: int, depth: int) -> Item:
        pairs = Pairs()
        previous = b""
        for _ in range(size):
            start = self.at
            key = self.item(depth + 1)
            encoded = self.data[start : self.at]
            if encoded <= previous:
                raise Malformed("map keys out of order, or one twice")
            previous = encoded
            pairs.append((key, self.item(depth + 1)))
        # True == 1 in Python: only keys that it tells apart may stand in a dict.
        simple = all(type(key) in (int, bytes, str) for key, _ in pairs)
        if simple:
            return dict(pairs)
        return pairs


def decode(data: bytes) -> Item:
    """The item that `data` is, all of it. Raises `Malformed` for anything but its one encoding."""
    if len(data) > MAX_BYTES:
        raise Malformed("larger than a message may be")
    reader = _Reader(data)
    item = reader.item(0)
    if reader.at != len(data):
        raise Malformed("bytes after the item")
    return item
