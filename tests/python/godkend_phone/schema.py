"""Types of fields, and maps of them: how the message tables of the protocol are read.

A `Type` turns a value into a CBOR item and back, and is strict both ways. The tables themselves are in `messages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import SimpleNamespace
from typing import Any, Mapping

from . import cbor
from .errors import Malformed, UpdateNeeded

FIRST_EXTENSION = 64


class Record(SimpleNamespace):
    """A message's fields by name; one that is absent is `None`."""


@dataclass(frozen=True)
class Choice:
    """A variant of a tagged enumeration, with its fields in order."""

    name: str
    fields: tuple[Any, ...] = ()


class Type:
    """What a field may hold."""

    def encode(self, value: Any) -> cbor.Item:
        """The item; the same checks as `decode`, so that a test must go out of its way to send nonsense."""
        self.decode(value)
        return value

    def decode(self, item: cbor.Item) -> Any:
        raise NotImplementedError


class Integer(Type):
    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def decode(self, item: cbor.Item) -> int:
        if type(item) is not int or not self.low <= item <= self.high:
            raise Malformed("not a number of its range")
        return item


class Bytes(Type):
    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def decode(self, item: cbor.Item) -> bytes:
        if not isinstance(item, bytes) or self.size not in (None, len(item)):
            raise Malformed("not a byte string of its length")
        return item


class Text(Type):
    def decode(self, item: cbor.Item) -> str:
        if not isinstance(item, str):
            raise Malformed("not a text")
        return item


class Boolean(Type):
    def decode(self, item: cbor.Item) -> bool:
        if not isinstance(item, bool):
            raise Malformed("neither true nor false")
        return item


class ListOf(Type):
    def __init__(self, of: Type) -> None:
        self.of = of

    def encode(self, value: Any) -> cbor.Item:
        return [self.of.encode(element) for element in value]

    def decode(self, item: cbor.Item) -> list[Any]:
        if not isinstance(item, list):
            raise Malformed("not an array")
        return [self.of.decode(element) for element in item]


class Plain(Type):
    """A plain enumeration: a number."""

    def __init__(self, of: type[IntEnum]) -> None:
        self.of = of

    def encode(self, value: Any) -> cbor.Item:
        return int(self.of(value))

    def decode(self, item: cbor.Item) -> IntEnum:
        if type(item) is not int or item not in self.of.__members__.values():
            raise Malformed(f"not a {self.of.__name__}")
        return self.of(item)


@dataclass(frozen=True)
class Optional_:
    """In a variant's fields: `null` stands for an absent one."""

    of: Type


class Tagged(Type):
    """A tagged enumeration: an array of the variant's number and an array of its fields."""

    def __init__(self, variants: Mapping[int, tuple[str, tuple[Type | Optional_, ...]]]) -> None:
        self.variants = variants

    def encode(self, value: Choice) -> cbor.Item:
        number, types = next((n, types) for n, (name, types) in self.variants.items() if name == value.name)
        if len(types) != len(value.fields):
            raise Malformed(f"{value.name} has {len(types)} fields")
        fields: list[cbor.Item] = []
        for of, field in zip(types, value.fields):
            if isinstance(of, Optional_):
                fields.append(None if field is None else of.of.encode(field))
            else:
                fields.append(of.encode(field))
        return [number, fields]

    def decode(self, item: cbor.Item) -> Choice:
        if not isinstance(item, list) or len(item) != 2 or type(item[0]) is not int:
            raise Malformed("not a choice")
        number, fields = item
        if not isinstance(number, int) or number not in self.variants or not isinstance(fields, list):
            raise Malformed("an unknown choice")
        name, types = self.variants[number]
        if len(fields) != len(types):
            raise Malformed(f"{name} has {len(types)} fields")
        values: list[Any] = []
        for of, field in zip(types, fields):
            if isinstance(of, Optional_):
                values.append(None if field is None else of.of.decode(field))
            else:
                values.append(of.decode(field))
        return Choice(name, tuple(values))


@dataclass(frozen=True)
class Field:
    key: int
    name: str
    of: Type
    optional: bool = False


class MapOf(Type):
    """A map with integer keys, inside a message: it has no extensions."""

    def __init__(self, name: str, *fields: Field) -> None:
        self.name, self.fields = name, fields

    def new(self, **values: Any) -> Record:
        """A record with exactly these fields; optional ones that are not given are absent."""
        known = {field.name for field in self.fields}
        if set(values) - known:
            raise TypeError(f"{self.name} has no {set(values) - known}")
        return Record(**{name: values.get(name) for name in known})

    def encode(self, value: Record) -> cbor.Item:
        found: dict[cbor.Item, cbor.Item] = {}
        for field in self.fields:
            part = getattr(value, field.name)
            if part is not None:
                found[field.key] = field.of.encode(part)
            elif not field.optional:
                raise Malformed(f"{self.name} needs {field.name}")
        return found

    def decode(self, item: cbor.Item) -> Record:
        if not isinstance(item, dict):
            raise Malformed(f"{self.name} is a map")
        left = dict(item)
        values: dict[str, Any] = {}
        for field in self.fields:
            if field.key in left:
                values[field.name] = field.of.decode(left.pop(field.key))
            elif field.optional:
                values[field.name] = None
            else:
                raise Malformed(f"{self.name} lacks {field.name}")
        if left:
            raise Malformed(f"{self.name} has no key {next(iter(left))!r}")
        return Record(**values)


class Message(MapOf):
    """The outermost map of a message, with extensions. `type` and `role` are those of a signed one."""

    def __init__(self, name: str, *fields: Field, type: int | None = None, role: str | None = None) -> None:
        super().__init__(name, *fields)
        self.type, self.role = type, role

    def body(self, item: cbor.Item) -> Record:
        """Reads the map; keys from 64 up are ignored, negative ones are `UpdateNeeded`."""
        if not isinstance(item, dict) or any(type(key) is not int for key in item):
            raise Malformed(f"{self.name} is a map with integer keys")
        keys: list[int] = [key for key in item if isinstance(key, int)]
        if any(key < 0 for key in keys):
            raise UpdateNeeded(f"a critical extension of {self.name}")
        return self.decode({key: item[key] for key in keys if key < FIRST_EXTENSION})

    def to_bytes(self, value: Record) -> bytes:
        return cbor.encode(self.encode(value))

    def from_bytes(self, data: bytes) -> Record:
        return self.body(cbor.decode(data))
