"""Calls while others wait, cancelled half-way, from many threads, after the end, with hardware and stores that fail:
nothing hangs, nothing crashes, nothing is lost."""

from __future__ import annotations

import asyncio
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import godkend
from godkend import KeyError as KeyFailure
from godkend import Language, PhoneError
from support import OTHER_PIN, PIN, activate, config, login, phone, scanned
from tests.world import World

SOON = 60


async def soon(work: Any) -> Any:
    """A result, or a test that fails rather than hangs."""
    return await asyncio.wait_for(work, SOON)


class Faulty(godkend.HardwareKeys):
    """Hardware of Python's own over the played one; `fault` may throw or answer wrongly."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys
        self.fault: Callable[[str], Any] | None = None
        self.calls: list[str] = []

    async def _do(self, name: str, *arguments: Any) -> Any:
        self.calls.append(name)
        if self.fault is not None:
            wrong = self.fault(name)
            if wrong is not None:
                return wrong
        return await getattr(self._keys, name)(*arguments)

    async def create(self, alias: str, conditions: Any) -> Any:
        return await self._do("create", alias, conditions)

    async def sign(self, alias: str, message: bytes, prompt: str | None) -> Any:
        return await self._do("sign", alias, message, prompt)

    async def derive(self, alias: str, input: bytes) -> Any:
        return await self._do("derive", alias, input)

    async def agree(self, alias: str, point: bytes, prompt: str | None) -> Any:
        return await self._do("agree", alias, point, prompt)

    async def delete(self, aliases: list[str]) -> None:
        await self._do("delete", aliases)

    async def aliases(self) -> list[str]:
        return await self._do("aliases")


class Shelf(godkend.StateStore):
    """A store in memory that can fail."""

    def __init__(self) -> None:
        self.blob: bytes | None = None
        self.broken = False
        self.saves = 0

    def load(self) -> bytes | None:
        if self.broken:
            raise godkend.StoreError.Failed(detail="broken")
        return self.blob

    def save(self, blob: bytes) -> None:
        if self.broken:
            raise RuntimeError("a disk that throws what nobody declared")
        self.saves += 1
        self.blob = blob


class Misuse(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.world = World.shared()

    async def asyncTearDown(self) -> None:
        godkend.uniffi_set_event_loop(None)

    async def test_calls_while_another_waits(self) -> None:
        async with phone() as one, phone(active=False) as other:
            handed_out = await asyncio.to_thread(lambda: self.world.activation(self.world.citizen()))
            person = await other.activate(handed_out["text"])
            waiting = asyncio.create_task(other.await_digits(person))
            one.desktop.play(godkend.Touch.MATCH)
            await one.enable_biometrics(PIN)
            request = await scanned(one, await login())
            one.desktop.play(godkend.Touch.WAITS)
            prompt = asyncio.create_task(one.approve_with_biometrics(request))
            # While one phone waits for digits and the other for a finger, both do everything else.
            for _ in range(5):
                one.state(), other.state(), one.history(), other.digits(person)
                waits = await soon(one.waiting())
                self.assertEqual([one.id for one in waits], [request.transaction])
                await soon(one.overview())
                await soon(other.enrolment(person))
            second = await soon(scanned(one, await login()))
            # Another answer of the same person waits for its turn, and gets it.
            turn = asyncio.create_task(one.approve_with_pin(second, PIN))
            await asyncio.sleep(0.2)
            self.assertFalse(prompt.done() or turn.done() or waiting.done())
            one.desktop.play(godkend.Touch.MATCH)
            await soon(prompt)
            await soon(turn)
            await asyncio.to_thread(self.world.confirm, other.digits(person), handed_out["id"])
            self.assertTrue((await soon(waiting)).is_choose_pin())

    async def test_a_call_that_is_cancelled_half_way_leaves_the_request_open(self) -> None:
        async with phone() as one:
            one.desktop.play(godkend.Touch.MATCH)
            await one.enable_biometrics(PIN)
            for cancel, error in (
                (lambda task: one.cancel(), PhoneError.Cancelled),
                (lambda task: task.cancel(), asyncio.CancelledError),
            ):
                request = await scanned(one, await login())
                one.desktop.play(godkend.Touch.WAITS)
                task = asyncio.create_task(one.approve_with_biometrics(request))
                await asyncio.sleep(0.1)
                cancel(task)
                with self.assertRaises(error):
                    await soon(task)
                # The finger that comes too late approves nothing, and the PIN still does.
                one.desktop.play(godkend.Touch.MATCH)
                await soon(one.approve_with_pin(request, PIN))
            self.assertEqual(one.history()[-1].event, godkend.HistoryEvent.APPROVED)

    async def test_calls_cancelled_at_every_moment_lose_no_state(self) -> None:
        async with phone() as one:
            # With a finger: an abandoned PIN costs a try, as it must.
            one.desktop.play(godkend.Touch.MATCH)
            await one.enable_biometrics(PIN)
            for milliseconds in range(0, 60, 3):
                request = await scanned(one, await login())
                task = asyncio.create_task(one.approve_with_biometrics(request))
                await asyncio.sleep(milliseconds / 1000)
                task.cancel()
                try:
                    await soon(task)
                except (asyncio.CancelledError, PhoneError):
                    pass
            self.assertTrue(await soon(one.settle()))
            await soon(one.approve_with_pin(await scanned(one, await login()), PIN))
            self.assertTrue(one.state().people[0].standing.is_active())
            self.assertFalse(one.state().people[0].unsettled)

    async def test_one_phone_from_many_threads(self) -> None:
        async with phone() as one:
            def thread() -> str:
                async def approve() -> str:
                    asked = await login()
                    request = await scanned(one, asked)
                    one.state(), one.history(), one.support_code()
                    await one.approve_with_pin(request, PIN)
                    return asked.wait_for("approved")

                return asyncio.run(asyncio.wait_for(approve(), SOON))

            with ThreadPoolExecutor(8) as pool:
                loop = asyncio.get_running_loop()
                results = await asyncio.gather(*(loop.run_in_executor(pool, thread) for _ in range(8)))
            self.assertEqual(results, ["approved"] * 8)
            self.assertEqual((await one.overview()).pin.tries_left, 3)
            self.assertEqual(len(one.history()), 9)

    async def test_shutting_down_with_calls_under_way_and_calls_after_it(self) -> None:
        async with phone() as one:
            one.desktop.play(godkend.Touch.MATCH)
            await one.enable_biometrics(PIN)
            request = await scanned(one, await login())
            one.desktop.play(godkend.Touch.WAITS)
            one.watch(Thrower())
            under_way = [
                asyncio.create_task(one.approve_with_biometrics(request)),
                asyncio.create_task(one.overview()),
                asyncio.create_task(one.waiting()),
                asyncio.create_task(one.settle()),
            ]
            await asyncio.sleep(0.05)
            await soon(asyncio.gather(one.shut_down(), one.shut_down()))
            ended = await soon(asyncio.gather(*under_way, return_exceptions=True))
            self.assertIsInstance(ended[0], PhoneError.ShutDown)
            for result in ended[1:]:
                self.assertTrue(isinstance(result, PhoneError.ShutDown) or not isinstance(result, BaseException), result)
            for call in (
                lambda: one.waiting(),
                lambda: one.settle(),
                lambda: one.scan("x"),
                lambda: one.approve_with_pin(request, PIN),
                lambda: one.deny(request),
                lambda: one.activate("x"),
                lambda: one.await_digits(),
                lambda: one.change_pin(PIN, OTHER_PIN),
                lambda: one.overview(),
                lambda: one.block(),
            ):
                with self.assertRaises(PhoneError.ShutDown):
                    await soon(call())
            with self.assertRaises(PhoneError.ShutDown):
                one.watch(Thrower())
            one.cancel(), one.unwatch()
            self.assertEqual(len(one.state().people), 1)
            await soon(one.shut_down())

    async def test_an_observer_that_throws_and_one_that_calls_back(self) -> None:
        async with phone() as one:
            thrower = Thrower()
            one.watch(thrower)
            await one.block_code_noted()
            for _ in range(600):
                if thrower.told:
                    break
                await asyncio.sleep(0.05)
            self.assertTrue(thrower.told)

            heard = threading.Event()

            class Caller(godkend.Observer):
                def changed(self) -> None:
                    if one.state().people[0].biometrics and one.history() and one.support_code():
                        one.unwatch()
                        heard.set()

            one.watch(Caller())
            one.desktop.play(godkend.Touch.MATCH)
            await soon(one.enable_biometrics(PIN))
            self.assertTrue(await asyncio.to_thread(heard.wait, SOON))

    async def test_hardware_that_throws_fails_the_call_by_name_and_loses_nothing(self) -> None:
        godkend.uniffi_set_event_loop(asyncio.get_running_loop())
        async with phone(active=False) as held:
            keys, shelf = Faulty(held.desktop.keys()), Shelf()
            one = await soon(godkend.Phone.open(config(self.world), keys, shelf))
            citizen = await asyncio.to_thread(self.world.citizen)
            # An activation whose first key cannot be made leaves nothing behind.
            handed_out = await asyncio.to_thread(self.world.activation, citizen)
            keys.fault = throws(KeyFailure.StrongBoxMissing(), "create")
            with self.assertRaises(PhoneError.NotSupported):
                await soon(one.activate(handed_out["text"]))
            keys.fault = None
            self.assertEqual(one.state().people, [])
            await soon(activate(one, self.world, citizen))

            request = await scanned(one, await login())
            for fault, error in (
                (throws(KeyFailure.Cancelled(), "sign"), PhoneError.Cancelled),
                (throws(KeyFailure.NotAuthenticated(), "sign"), PhoneError.NotAuthenticated),
                (throws(KeyFailure.LockedOut(), "derive"), PhoneError.LockedOut),
                (throws(KeyFailure.Missing(), "derive"), PhoneError.KeyMissing),
                (throws(KeyFailure.Failed(detail="odd"), "sign"), PhoneError.NotSupported),
                (throws(ZeroDivisionError("what nobody declared"), "sign"), PhoneError.NotSupported),
                (answers(b"no signature", "sign"), PhoneError.NotSupported),
                (answers(b"too short", "derive"), PhoneError.NotSupported),
            ):
                keys.fault = fault
                with self.assertRaises(error):
                    await soon(one.approve_with_pin(request, PIN))
                keys.fault = None
            await soon(one.approve_with_pin(request, PIN))
            self.assertEqual((await soon(one.overview())).pin.tries_left, 3)
            # Another phone's signature: never sent.
            keys.fault = answers_with(foreign_signature, "sign")
            request = None
            with self.assertRaises(PhoneError):
                await soon(scanned(one, await login()))
            keys.fault = None
            await soon(one.approve_with_pin(await scanned(one, await login()), PIN))
            await soon(one.shut_down())

    async def test_hardware_that_never_answers_holds_up_nobody_else(self) -> None:
        godkend.uniffi_set_event_loop(asyncio.get_running_loop())
        async with phone(active=False) as held:
            keys, shelf = Faulty(held.desktop.keys()), Shelf()
            one = await soon(godkend.Phone.open(config(self.world), keys, shelf))
            await soon(activate(one, self.world, await asyncio.to_thread(self.world.citizen)))
            request = await scanned(one, await login())
            gate = asyncio.Event()
            original = keys._keys

            class Slow:
                def __getattr__(self, name: str) -> Any:
                    async def call(*arguments: Any) -> Any:
                        await gate.wait()
                        return await getattr(original, name)(*arguments)

                    return call

            keys._keys = Slow()
            task = asyncio.create_task(one.approve_with_pin(request, PIN))
            await asyncio.sleep(0.2)
            one.state(), one.history()
            await soon(one.shut_down())
            with self.assertRaises(PhoneError.ShutDown):
                await soon(task)
            gate.set()
            keys._keys = original
            again = await soon(godkend.Phone.open(config(self.world), keys, shelf))
            await soon(again.settle())
            await soon(again.approve_with_pin(await scanned(again, await login()), PIN))
            await soon(again.shut_down())

    async def test_a_store_that_fails_sends_nothing_and_keeps_what_was_saved(self) -> None:
        async with phone(active=False) as held:
            keys, shelf = held.desktop.keys(), Shelf()
            one = await soon(godkend.Phone.open(config(self.world), keys, shelf))
            await soon(activate(one, self.world, await asyncio.to_thread(self.world.citizen)))
            self.assertNotIn(b"Anna", shelf.blob, "what is stored is sealed")
            request = await scanned(one, await login())
            shelf.broken = True
            with self.assertRaises(PhoneError.Storage) as caught:
                await soon(one.approve_with_pin(request, PIN))
            self.assertTrue(caught.exception.text(Language.DANISH))
            await soon(one.shut_down())
            with self.assertRaises(PhoneError.Storage):
                await soon(godkend.Phone.open(config(self.world), keys, shelf))
            shelf.broken = False
            again = await soon(godkend.Phone.open(config(self.world), keys, shelf))
            await soon(again.settle())
            await soon(again.approve_with_pin(await scanned(again, await login()), PIN))
            await soon(again.shut_down())
            # Damaged, cut short, somebody else's, or written by a newer app: never taken for an empty one.
            good = shelf.blob
            for bad, error in (
                (good[:-1], PhoneError.StateDamaged),
                (good[:20] + bytes([good[20] ^ 1]) + good[21:], PhoneError.StateDamaged),
                (b"something else entirely", PhoneError.StateDamaged),
                (good[:4] + bytes([good[4] + 1]) + good[5:], PhoneError.StateNewer),
            ):
                shelf.blob = bad
                with self.assertRaises(error):
                    await soon(godkend.Phone.open(config(self.world), keys, shelf))
            shelf.blob = good
            last = await soon(godkend.Phone.open(config(self.world), keys, shelf))
            self.assertEqual(len(last.state().people), 1)
            await soon(last.shut_down())

    async def test_a_bad_configuration_is_named(self) -> None:
        async with phone(active=False) as held:
            for changes, word in (({"roots": []}, "root"), ({"model": ""}, "model"), ({"app_version": "x" * 65}, "version")):
                with self.assertRaises(PhoneError.BadConfiguration) as caught:
                    await godkend.Phone.open(config(self.world, **changes), held.desktop.keys(), held.desktop.store())
                self.assertIn(word, caught.exception.what)
            with self.assertRaises(PhoneError.BadConfiguration):
                godkend.read_roots("{}")
            with self.assertRaises(PhoneError.InUse):
                godkend.Desktop(held.folder)


class Thrower(godkend.Observer):
    def __init__(self) -> None:
        self.told = 0

    def changed(self) -> None:
        self.told += 1
        raise RuntimeError("an observer that throws")


def throws(error: BaseException, at: str) -> Callable[[str], Any]:
    def fault(name: str) -> Any:
        if name == at:
            raise error

    return fault


def answers(value: Any, at: str) -> Callable[[str], Any]:
    return lambda name: value if name == at else None


def answers_with(make: Callable[[], Any], at: str) -> Callable[[str], Any]:
    return lambda name: make() if name == at else None


def foreign_signature() -> bytes:
    """A sound signature by a key that nobody enrolled."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).sign(b"something", ec.ECDSA(hashes.SHA256()))
