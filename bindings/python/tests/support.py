"""A phone of the binding's beside the real server, desk and bank that `tests/python` plays."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Any, AsyncIterator

import godkend
from tests.bank import Browser, Login
from tests.world import World

PIN = b"730915"
OTHER_PIN = b"518204"


def config(world: World, **changes: Any) -> godkend.PhoneConfig:
    roots = godkend.read_roots(Path(world.serving["root"]).read_text())
    facts = dict(roots=roots, model="Python", platform="CPython", app_version="1.0.0")
    return godkend.PhoneConfig(
        **{**facts, "language": godkend.Language.DANISH, "security": godkend.KeySecurity.SOFTWARE, **changes}
    )


@contextlib.asynccontextmanager
async def phone(world: World | None = None, *, citizen: str | None = None, active: bool = True) -> AsyncIterator[Any]:
    """A phone in a folder of its own, in use unless told otherwise. `phone.desktop` plays its hardware."""
    world = world or World.shared()
    with tempfile.TemporaryDirectory(prefix="godkend-bindings-") as folder:
        desktop = godkend.Desktop(folder)
        opened = await godkend.Phone.open(config(world), desktop.keys(), desktop.store())
        try:
            if active:
                await activate(opened, world, citizen or await asyncio.to_thread(world.citizen))
            yield Held(opened, desktop, folder)
        finally:
            await opened.shut_down()


class Held:
    """A phone with what it is made of; calls go to the phone."""

    def __init__(self, opened: godkend.Phone, desktop: godkend.Desktop, folder: str) -> None:
        self.phone, self.desktop, self.folder = opened, desktop, folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.phone, name)


async def activate(opened: godkend.Phone, world: World, citizen: str, pin: bytes = PIN) -> int:
    """From a handed-out link to a phone in use."""
    handed_out = await asyncio.to_thread(world.activation, citizen)
    person = await opened.activate(handed_out["text"])
    digits = opened.digits(person)
    assert digits is not None
    await asyncio.to_thread(world.confirm, digits, handed_out["id"])
    stage = await opened.await_digits(person)
    assert stage.is_choose_pin(), stage
    stage = await opened.choose_pin(pin, person)
    assert stage.is_active(), stage
    return person


async def login(browser: Browser | None = None, **parameters: str) -> Login:
    """A login that the bank has asked for, in a browser of its own unless one is given."""
    return await asyncio.to_thread(lambda: Login(World.shared(), browser, **parameters))


async def scanned(opened: Any, asked: Login, person: int | None = None) -> godkend.Request:
    """The phone scans what the login page shows; where the machine was too slow for a frame, the next one."""
    for attempt in range(5):
        try:
            result = await opened.scan(await asyncio.to_thread(asked.frame), person)
            assert isinstance(result, godkend.Scanned.REQUEST), result
            return result.request
        except godkend.PhoneError.Refused as refused:
            if refused.code != "qr_stale" or attempt == 4:
                raise
    raise AssertionError("no frame was fresh")
