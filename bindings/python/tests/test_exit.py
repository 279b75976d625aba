"""A program that ends while the library's threads call into Python ends as it wanted to. A thread that comes back for the
interpreter when that is going away takes the process with it (`pthread_exit` through Rust's frames, so SIGABRT): here each
of them lingers in its call, and comes back over and over."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tests.world import World

BEGIN = """
import asyncio, sys, threading, time, godkend

def linger():
    for _ in range(10_000):
        time.sleep(0.0001)

config = godkend.PhoneConfig(roots=godkend.read_roots(open(sys.argv[1]).read()), model="Python", platform="CPython",
                             app_version="1.0.0", language=godkend.Language.ENGLISH, security=godkend.KeySecurity.SOFTWARE)
desktop = godkend.Desktop("state")

async def opened(store=desktop.store()):
    return await godkend.Phone.open(config, desktop.keys(), store)
"""


class Exit(unittest.TestCase):
    def program(self, text: str, *arguments: str) -> str:
        """What the program printed, once it has ended well."""
        with tempfile.TemporaryDirectory(prefix="godkend-exit-") as folder:
            ended = subprocess.run(
                [sys.executable, "-c", BEGIN + text, World.shared().serving["root"], *arguments],
                cwd=folder, capture_output=True, text=True, timeout=60,
            )
            self.assertEqual((ended.returncode, ended.stderr), (0, ""), ended.stdout)
            self.assertEqual([one.name for one in Path(folder).iterdir()], ["state"])
            return ended.stdout

    def test_the_thread_that_brought_the_last_answer_is_still_in_the_call(self) -> None:
        printed = self.program("""
told, lingering = asyncio.SelectorEventLoop.call_soon_threadsafe, []

def tell_and_linger(loop, callback, *arguments):
    told(loop, callback, *arguments)
    if threading.current_thread() is not threading.main_thread():
        lingering.append(True)
        linger()

asyncio.SelectorEventLoop.call_soon_threadsafe = tell_and_linger
asyncio.run(opened())
print(bool(lingering))
""")
        self.assertEqual(printed, "True\n")

    def test_an_observer_is_being_told(self) -> None:
        world = World.shared()
        printed = self.program("""
class Slow(godkend.Observer):
    def changed(self):
        print("told", flush=True)
        heard.set()
        linger()
        print("heard", flush=True)

async def main():
    phone = await opened()
    phone.watch(Slow())
    await phone.activate(sys.argv[2])
    await asyncio.to_thread(heard.wait)

heard = threading.Event()
asyncio.run(main())
""", world.activation(world.citizen())["text"])
        self.assertEqual(printed, "told\nheard\n")

    def test_a_store_is_being_asked(self) -> None:
        printed = self.program("""
class Slow(godkend.StateStore):
    def load(self):
        linger()
        print("loaded", flush=True)

    def save(self, blob):
        raise AssertionError("nothing is saved")

try:
    asyncio.run(asyncio.wait_for(opened(Slow()), 0.2))
except TimeoutError:
    print("given up", flush=True)
except asyncio.TimeoutError:  # its name before Python 3.11
    print("given up", flush=True)
""")
        self.assertEqual(printed, "given up\nloaded\n")

    def test_another_thread_awaits_an_answer(self) -> None:
        printed = self.program("""
class Silent(godkend.HardwareKeys):
    async def derive(self, alias, input):
        asked.set()
        await asyncio.Event().wait()

async def wait():
    try:
        await godkend.Phone.open(config, Silent(), desktop.store())
    except godkend.PhoneError.ShutDown:
        print("shut down", flush=True)

asked = threading.Event()
other = threading.Thread(target=lambda: asyncio.run(wait()), daemon=True)
other.start()
asked.wait()
godkend.shut_down_library()
other.join()
try:
    asyncio.run(opened())
except godkend.PhoneError.ShutDown:
    print("for good", flush=True)
""")
        self.assertEqual(printed, "shut down\nfor good\n")
