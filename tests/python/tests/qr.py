"""A phone's camera: reads a QR code that is drawn without a fault (ISO/IEC 18004, versions 1 to 10, no correction)."""

from __future__ import annotations

import base64

Modules = list[list[bool]]

# Per error correction level, for versions 1 to 10: check bytes a block, and blocks.
_CHECK = {
    "L": [7, 10, 15, 20, 26, 18, 20, 24, 30, 18],
    "M": [10, 16, 26, 18, 24, 16, 18, 22, 22, 26],
    "Q": [13, 22, 18, 26, 18, 24, 18, 22, 20, 24],
    "H": [17, 28, 22, 16, 22, 28, 26, 26, 24, 28],
}
_BLOCKS = {
    "L": [1, 1, 1, 1, 1, 2, 2, 2, 2, 4],
    "M": [1, 1, 1, 2, 2, 4, 4, 4, 5, 5],
    "Q": [1, 1, 2, 2, 4, 4, 6, 6, 8, 8],
    "H": [1, 1, 2, 4, 4, 4, 5, 6, 8, 8],
}
_LEVELS = {1: "L", 0: "M", 3: "Q", 2: "H"}
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_MASKS = [
    lambda i, j: (i + j) % 2 == 0,
    lambda i, j: i % 2 == 0,
    lambda i, j: j % 3 == 0,
    lambda i, j: (i + j) % 3 == 0,
    lambda i, j: (i // 2 + j // 3) % 2 == 0,
    lambda i, j: i * j % 2 + i * j % 3 == 0,
    lambda i, j: (i * j % 2 + i * j % 3) % 2 == 0,
    lambda i, j: ((i + j) % 2 + i * j % 3) % 2 == 0,
]


def from_bits(modules: str, size: int) -> Modules:
    """The modules as the login page gets them: a bit each, row by row, in Base64."""
    bits = base64.b64decode(modules)
    return [
        [bool(bits[at >> 3] >> 7 - (at & 7) & 1) for at in range(row * size, (row + 1) * size)] for row in range(size)
    ]


def _alignment(version: int) -> list[int]:
    if version == 1:
        return []
    count, size = version // 7 + 2, 17 + 4 * version
    step = (version * 4 + count * 2 + 1) // (count * 2 - 2) * 2
    return [6] + sorted(size - 7 - step * number for number in range(count - 1))


def _function_modules(version: int) -> set[tuple[int, int]]:
    size = 17 + 4 * version
    found = {(6, at) for at in range(size)} | {(at, 6) for at in range(size)}
    for row, column in ((0, 0), (0, size - 8), (size - 8, 0)):
        found |= {(row + i, column + j) for i in range(8) for j in range(8)}
    found |= {(8, at) for at in (*range(9), *range(size - 8, size))}
    found |= {(at, 8) for at in (*range(9), *range(size - 8, size))}
    for i in (centres := _alignment(version)):
        for j in centres:
            if (i, j) not in ((6, 6), (6, size - 7), (size - 7, 6)):
                found |= {(i + a, j + b) for a in range(-2, 3) for b in range(-2, 3)}
    if version >= 7:
        found |= {(i, size - 11 + j) for i in range(6) for j in range(3)}
        found |= {(size - 11 + j, i) for i in range(6) for j in range(3)}
    return found


def _codewords(modules: Modules, version: int, mask: int) -> bytes:
    size, reserved = len(modules), _function_modules(version)
    bits: list[bool] = []
    columns = [column for column in range(size - 1, 0, -2) if column > 6] + [5, 3, 1]
    for number, right in enumerate(columns):
        rows = range(size) if number % 2 else range(size - 1, -1, -1)
        for row in rows:
            for column in (right, right - 1):
                if (row, column) not in reserved:
                    bits.append(modules[row][column] ^ _MASKS[mask](row, column))
    return bytes(
        sum(bit << 7 - place for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits) // 8 * 8, 8)
    )


def _data(codewords: bytes, version: int, level: str) -> bytes:
    blocks, check = _BLOCKS[level][version - 1], _CHECK[level][version - 1]
    total = len(codewords) - blocks * check
    sizes = [total // blocks + (number >= blocks - total % blocks) for number in range(blocks)]
    parts: list[list[int]] = [[] for _ in sizes]
    stream = iter(codewords)
    for place in range(max(sizes)):
        for number, size in enumerate(sizes):
            if place < size:
                parts[number].append(next(stream))
    return bytes(value for part in parts for value in part)


def _text(data: bytes, version: int) -> str:
    number, left = int.from_bytes(data, "big"), len(data) * 8

    def take(bits: int) -> int:
        nonlocal left
        left -= bits
        return number >> left & (1 << bits) - 1

    wide = version >= 10
    text = ""
    while left >= 4 and (mode := take(4)):
        if mode == 4:
            text += bytes(take(8) for _ in range(take(16 if wide else 8))).decode()
        elif mode == 2:
            count = take(11 if wide else 9)
            for _ in range(count // 2):
                pair = take(11)
                text += _ALPHANUMERIC[pair // 45] + _ALPHANUMERIC[pair % 45]
            text += _ALPHANUMERIC[take(6)] if count % 2 else ""
        elif mode == 1:
            count = take(12 if wide else 10)
            for digits in [3] * (count // 3) + ([count % 3] if count % 3 else []):
                text += f"{take({3: 10, 2: 7, 1: 4}[digits]):0{digits}}"
        else:
            raise ValueError(f"mode {mode}")
    return text


def read(modules: Modules) -> str:
    """The text of a code."""
    version = (len(modules) - 17) // 4
    bits = [modules[8][column] for column in (0, 1, 2, 3, 4, 5, 7, 8)]
    format_bits = sum(bit << 14 - place for place, bit in enumerate(bits)) >> 10 ^ 0b10101
    level, mask = _LEVELS[format_bits >> 3], format_bits & 7
    return _text(_data(_codewords(modules, version, mask), version, level), version)
