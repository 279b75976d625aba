"""Reading the shared vector files, with a count of what was read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "vectors"
READ: dict[str, int] = {}
"""Files that a test has replayed, and how many cases."""


def load(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def replayed(name: str, cases: int) -> None:
    READ[name] = READ.get(name, 0) + cases


def binary(text: str) -> bytes:
    return bytes.fromhex(text)
