"""What a person does, from activation to the last settings, each against the real server."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
import unittest

import godkend
from godkend import Language, PhoneError
from support import OTHER_PIN, PIN, activate, config, login, phone, scanned
from tests.world import World

WAIT = 60


class Ear(godkend.Observer):
    """Hears that something has changed, on whichever thread it is told."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Event()
        self.threads: set[int] = set()

    def changed(self) -> None:
        self.threads.add(threading.get_ident())
        self._loop.call_soon_threadsafe(self._heard.set)

    async def until(self, condition) -> None:
        async def wait() -> None:
            while not condition():
                await self._heard.wait()
                self._heard.clear()

        await asyncio.wait_for(wait(), WAIT)


class Stories(unittest.IsolatedAsyncioTestCase):
    async def test_activation_shows_digits_and_a_block_code_once(self) -> None:
        world = World.shared()
        citizen = await asyncio.to_thread(world.citizen)
        async with phone(active=False) as one:
            self.assertEqual(one.state().people, [])
            handed_out = await asyncio.to_thread(lambda: world.activation(citizen, code=True))
            person = await one.activate(handed_out["text"])
            digits = one.digits(person)
            self.assertRegex(digits, r"^[0-9]{8}$")
            self.assertTrue(one.state().people[0].standing.is_enrolling())
            with self.assertRaises(PhoneError.Refused) as early:
                await one.choose_pin(PIN)
            self.assertEqual(early.exception.code, "digits_pending")
            await asyncio.to_thread(world.confirm, digits, handed_out["id"])
            self.assertTrue((await one.await_digits()).is_choose_pin())
            self.assertIsNone(one.digits(person), "typed digits are not shown any more")
            for weak, reason in ((b"111111", "REPEATED"), (b"123456", "SEQUENCE"), (b"12345", "SHAPE"), (b"\xff" * 6, "SHAPE")):
                with self.assertRaises(PhoneError.PinTooWeak) as caught:
                    await one.choose_pin(weak)
                self.assertEqual(caught.exception.reason.name, reason)
            self.assertTrue((await one.choose_pin(PIN)).is_active())
            self.assertTrue(one.state().people[0].block_code_waits)
            self.assertGreaterEqual(len(one.block_code()), 18)
            await one.block_code_noted()
            self.assertIsNone(one.block_code())
            self.assertFalse(one.state().people[0].block_code_waits)

    async def test_a_login_is_scanned_shown_and_approved(self) -> None:
        async with phone() as one:
            asked = await login(acr_values="https://data.gov.dk/concept/core/nsis/Substantial")
            request = await scanned(one, asked)
            self.assertEqual((request.relying_party, request.action), ("Testbanken", godkend.Action.LOG_ON))
            self.assertEqual((request.level, request.binding), (godkend.Level.SUBSTANTIAL, godkend.Binding.SCANNED_QR))
            self.assertTrue(request.pin_allowed and request.new_browser)
            self.assertIsNone(request.payment)
            self.assertTrue(0 < one.seconds_left(request) <= 180)
            with self.assertRaises(PhoneError.WrongPin) as caught:
                await one.approve_with_pin(request, b"918273")
            self.assertEqual(caught.exception.tries.tries_left, 2)
            self.assertIn("2", caught.exception.text(Language.DANISH))
            await one.approve_with_pin(request, PIN)
            with self.assertRaises(PhoneError.NoRequest):
                await one.approve_with_pin(request, PIN)
            await asyncio.to_thread(asked.wait_for, "approved")
            self.assertEqual((await asyncio.to_thread(asked.claims))["godkend.binding"], "scanned_qr")
            events = [line.event.name for line in one.history()]
            self.assertEqual(events, ["APPROVED", "WRONG_PIN", "APPROVED"])
            rows = list(csv.reader(io.StringIO(one.export_history())))
            self.assertEqual(rows[0][:4], ["time", "event", "relying_party", "action"])
            self.assertEqual([row[1] for row in rows[1:]], ["approved", "wrong_pin", "approved"])

    async def test_refusals_end_the_login(self) -> None:
        async with phone() as one:
            for refuse, event in ((one.deny, "denied"), (one.report_fraud, "reported")):
                asked = await login()
                await refuse(await scanned(one, asked))
                await asyncio.to_thread(asked.wait_for, event)
                self.assertEqual(one.history()[-1].event.name, event.upper())

    async def test_a_typed_number_opens_the_locked_request_that_the_observer_heard_of(self) -> None:
        world = World.shared()
        citizen = await asyncio.to_thread(world.citizen)
        async with phone(citizen=citizen) as one:
            ear = Ear()
            one.watch(ear)
            asked = await login()
            number = await asyncio.to_thread(asked.number_for, citizen)
            await ear.until(lambda: len(one.state().waiting) == 1)
            waiting = one.state().waiting[0]
            self.assertTrue(waiting.locked and 0 < waiting.seconds_left <= 180)
            self.assertNotIn(threading.get_ident(), ear.threads, "told on a thread of the library's")
            request = await one.type_number(f"{number[:4]} {number[4:]}")
            self.assertEqual(request.binding, godkend.Binding.TYPED_NUMBER)
            await one.approve_with_pin(request, PIN)
            await ear.until(lambda: not one.state().waiting)
            self.assertEqual(one.state().connection, godkend.Connection.ONLINE)
            # A locked request can be refused unread.
            asked = await login()
            await asyncio.to_thread(asked.number_for, citizen)
            await ear.until(lambda: len(one.state().waiting) == 1)
            one.unwatch()
            await one.refuse_locked(one.state().waiting[0].id)
            self.assertEqual(one.state().waiting, [])
            await asyncio.to_thread(asked.wait_for, "denied")

    async def test_a_remembered_browser_pushes_whole(self) -> None:
        async with phone() as one:
            first = await login()
            request = await scanned(one, first)
            self.assertTrue(request.may_remember)
            await one.approve_with_pin(request, PIN, remember_browser=True)
            await asyncio.to_thread(first.wait_for, "approved")
            await asyncio.to_thread(first.finish)
            await login(browser=first.browser)
            waiting = await one.waiting()
            self.assertEqual([one.locked for one in waiting], [False])
            pushed = await one.open_request(waiting[0].id)
            self.assertEqual(pushed.binding, godkend.Binding.REMEMBERED_BROWSER)
            await one.approve_with_pin(pushed, PIN)
            overview = await one.overview()
            self.assertEqual(len(overview.browsers), 1)
            await one.forget_browser(overview.browsers[0].id, PIN)
            self.assertEqual((await one.overview()).browsers, [])

    async def test_a_notice_of_use_is_told_from_a_request_and_answered_as_one(self) -> None:
        world = World.shared()
        citizen = await asyncio.to_thread(lambda: world.citizen(tell_uses=True))
        async with phone(citizen=citizen) as used, phone(citizen=citizen) as told:
            for waiting in await used.waiting():
                await used.deny(await used.open_request(waiting.id))
            for was_me, event in ((True, "RECOGNISED"), (False, "REPORTED")):
                asked = await login()
                request = await scanned(used, asked)
                with self.assertRaises(PhoneError.NotNow):
                    await used.answer_notice(request, was_me)
                await used.approve_with_pin(request, PIN)
                await asyncio.to_thread(asked.wait_for, "approved")
                waiting = await told.waiting()
                notice = await told.open_request(waiting[0].id)
                self.assertEqual((notice.action, notice.relying_party), (godkend.Action.NOTICE_OF_USE, "Godkend"))
                self.assertEqual(notice.text, "Din app blev brugt til at logge på hos Testbanken. Var det dig?")
                await told.answer_notice(notice, was_me)
                self.assertEqual(await told.waiting(), [])
                self.assertEqual(told.history()[-1].event.name, event)
                back = await asyncio.to_thread(asked.finish)
                self.assertEqual(back.get("error"), None if was_me else "access_denied", "given to nobody any more")

    async def test_the_same_device_gets_its_return_url(self) -> None:
        async with phone() as one:
            asked = await login()
            link = asked.same_device_link
            self.assertTrue(link)
            opened = await one.open_link(link)
            self.assertEqual(opened.request.binding, godkend.Binding.SAME_DEVICE)
            with self.assertRaises(PhoneError.NotACode):
                await one.scan(link)
            approved = await one.approve_with_pin(opened.request, PIN)
            self.assertTrue(approved.return_url.startswith("https://"))
            await asyncio.to_thread(asked.return_to, approved.return_url)
            await asyncio.to_thread(asked.wait_for, "approved")

    async def test_biometrics_and_offline_codes(self) -> None:
        async with phone() as one:
            with self.assertRaises(PhoneError.NotSupported):
                await one.enable_biometrics(PIN)
            one.desktop.play(godkend.Touch.MATCH)
            await one.enable_biometrics(PIN)
            person = one.state().people[0]
            self.assertTrue(person.biometrics and person.offline_codes)
            request = await scanned(one, await login())
            self.assertTrue(request.biometrics_allowed)
            for touch, error in ((godkend.Touch.CANCEL, PhoneError.Cancelled), (godkend.Touch.LOCKED_OUT, PhoneError.LockedOut)):
                one.desktop.play(touch)
                with self.assertRaises(error):
                    await one.approve_with_biometrics(request)
            one.desktop.play(godkend.Touch.MATCH)
            await one.approve_with_biometrics(request)
            # A new finger: the PIN still works, and biometrics can be turned on again.
            one.desktop.enrol_new_finger()
            request = await scanned(one, await login())
            with self.assertRaises(PhoneError.KeyInvalidated):
                await one.approve_with_biometrics(request)
            await one.approve_with_pin(request, PIN)
            await one.disable_biometrics(PIN)
            self.assertFalse(one.state().people[0].biometrics)
            await one.enable_biometrics(PIN)
            await one.rotate_keys(PIN)
            await one.approve_with_biometrics(await scanned(one, await login()))

    async def test_a_phone_that_cannot_agree_has_no_offline_codes(self) -> None:
        async with phone() as one:
            one.desktop.play(godkend.Touch.MATCH, key_agreement=False)
            await one.enable_biometrics(PIN)
            person = one.state().people[0]
            self.assertEqual((person.biometrics, person.offline_codes), (True, False))

    async def test_the_pin_is_changed_and_the_old_one_is_wrong(self) -> None:
        async with phone() as one:
            await one.change_pin(PIN, OTHER_PIN)
            request = await scanned(one, await login())
            with self.assertRaises(PhoneError.WrongPin):
                await one.approve_with_pin(request, PIN)
            await one.approve_with_pin(request, OTHER_PIN)

    async def test_a_new_phone_is_moved_to(self) -> None:
        async with phone() as old, phone(active=False) as new:
            handed = await old.move_to_new_phone(True, PIN)
            person = await new.activate(handed.link)
            moved = await old.type_new_phone_digits(new.digits(person))
            self.assertEqual(moved.model, "Python")
            self.assertTrue((await new.await_digits()).is_choose_pin())
            stage = await new.choose_pin(OTHER_PIN)
            self.assertTrue(stage.is_waiting() and stage.until > handed.expires_at, stage)
            phones = (await old.overview()).phones
            self.assertEqual(sorted(one.this_phone for one in phones), [False, True])
            await old.remove_phone(next(one.id for one in phones if not one.this_phone), PIN)
            self.assertEqual(len((await old.overview()).phones), 1)

    async def test_two_people_share_a_phone(self) -> None:
        world = World.shared()
        async with phone() as one:
            other = await activate(one.phone, world, await asyncio.to_thread(world.citizen), OTHER_PIN)
            self.assertEqual(len(one.state().people), 2)
            asked = await login()
            with self.assertRaises(PhoneError.NoPerson):
                await one.scan(await asyncio.to_thread(asked.frame))
            request = await scanned(one, asked, other)
            self.assertEqual(request.person, other)
            await one.approve_with_pin(request, OTHER_PIN)
            one.desktop.play(godkend.Touch.MATCH)
            with self.assertRaises(PhoneError.SharedPhone):
                await one.enable_biometrics(OTHER_PIN, other)
            self.assertEqual(await one.waiting(), [])

    async def test_locked_pushes_can_be_turned_off(self) -> None:
        async with phone() as one:
            self.assertTrue((await one.overview()).locked_push)
            await one.set_locked_push(False, PIN)
            self.assertFalse((await one.overview()).locked_push)

    async def test_a_blocked_phone_says_so_and_can_be_forgotten(self) -> None:
        async with phone() as one:
            await one.block()
            self.assertTrue(one.state().people[0].standing.is_blocked())
            with self.assertRaises(PhoneError.Blocked) as caught:
                await scanned(one, await login())
            self.assertIn("spærret", caught.exception.text(Language.DANISH))
            self.assertRegex(one.support_code(), r"^G1-1\.0\.0-[0-9.]+-SXCB-BLOCKED$")
            await one.forget(one.state().people[0].id)
            self.assertEqual(one.state().people, [])

    async def test_a_phone_survives_being_closed_and_lost_keys_mean_a_new_start(self) -> None:
        world = World.shared()
        async with phone() as one:
            await one.shut_down()
            again = await godkend.Phone.open(config(world), one.desktop.keys(), one.desktop.store())
            self.assertTrue(await again.settle())
            self.assertTrue(again.state().people[0].standing.is_active())
            await again.approve_with_pin(await scanned(again, await login()), PIN)
            await again.shut_down()
            one.desktop.lose_keys()
            with self.assertRaises(PhoneError.KeyMissing) as caught:
                await godkend.Phone.open(config(world), one.desktop.keys(), one.desktop.store())
            self.assertIn("Activate", caught.exception.text(Language.ENGLISH))
            await godkend.erase(one.desktop.keys(), one.desktop.store())
            fresh = await godkend.Phone.open(config(world), one.desktop.keys(), one.desktop.store())
            self.assertEqual(fresh.state().people, [])
            await activate(fresh, world, await asyncio.to_thread(world.citizen))
            await fresh.shut_down()

    async def test_what_is_no_code_is_refused_by_name(self) -> None:
        async with phone() as one:
            for text in ("", "hello", "https://example.org/", "godkend://login?x"):
                with self.assertRaises(PhoneError.NotACode):
                    await one.scan(text)
            with self.assertRaises(PhoneError.NotACode):
                await one.type_number("1234")
            with self.assertRaises(PhoneError.NotACode):
                await one.open_request("no id")
            with self.assertRaises(PhoneError.Refused) as caught:
                await one.type_number("00000000")
            self.assertEqual(caught.exception.code, "number_wrong")
