"""What the phone itself must refuse, with answers that were changed on their way or come from a server gone bad."""

from __future__ import annotations

import time
import unittest
from typing import Any, Callable

from godkend_phone import cbor, checkpoint, cose, formats, messages, p256, trust
from godkend_phone.errors import Malformed, PinWrong, SignatureInvalid, Untrusted, UpdateNeeded, WrongEnvironment
from godkend_phone.messages import Action, Binding, Suite
from godkend_phone.phone import Phone
from godkend_phone.pins import too_simple
from godkend_phone.schema import Choice, Record
from godkend_phone.transport import NotPinned

from . import vectors
from .bank import Login
from .forger import Edit, Forger
from .world import PIN, World

REFUSED = (Untrusted, SignatureInvalid, Malformed, UpdateNeeded, WrongEnvironment)


def flip(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


class Suspicions(unittest.TestCase):
    world: World
    forger: Forger

    @classmethod
    def setUpClass(cls) -> None:
        cls.world = World.shared()
        cls.forger = Forger(cls.world)

    def between(self, phone: Phone, path: str, change: Callable[[bytes], bytes]) -> None:
        """From now on `change` stands between server and phone on this path."""
        phone.transport.tamper = lambda asked, body: change(body) if asked == path else body


class KeySets(Suspicions):
    def set_of(self, edit: Edit, key: p256.PrivateKey | None = None) -> tuple[Phone, bytes]:
        phone = Phone(self.world.root)
        return phone, self.forger.key_set(phone.transport.get_keys(), edit, key)

    def refuses(self, edit: Edit, error: type[Exception] = Untrusted) -> None:
        phone, data = self.set_of(edit)
        with self.assertRaises(error):
            phone.take_key_set(data)
        self.assertIsNone(phone.keys)

    def test_a_set_of_another_root(self) -> None:
        world = World()
        try:
            other = Phone(world.root).transport.get_keys()
        finally:
            world.stop()
        phone = Phone(self.world.root)
        self.between(phone, "keys", lambda _: other)
        with self.assertRaises(SignatureInvalid):
            phone.key_set()
        phone, data = self.set_of(lambda _: None, p256.PrivateKey.generate())
        with self.assertRaises(SignatureInvalid):
            phone.take_key_set(data)

    def test_a_changed_set(self) -> None:
        data = Phone(self.world.root).transport.get_keys()
        for place in range(0, len(data), 11):
            with self.assertRaises(REFUSED, msg=f"byte {place}"):
                Phone(self.world.root).take_key_set(flip(data, place))

    def test_an_older_set(self) -> None:
        phone, newer = self.set_of(lambda keys: setattr(keys, "number", 7))
        older = phone.transport.get_keys()
        phone.take_key_set(newer)
        phone.take_key_set(newer)
        with self.assertRaises(Untrusted):
            phone.take_key_set(older)
        self.assertEqual(phone.key_set().number, 7)

    def test_an_expired_set(self) -> None:
        now = int(time.time())
        self.refuses(lambda keys: setattr(keys, "expires", now - trust.GRACE))
        phone, data = self.set_of(lambda keys: setattr(keys, "expires", now - trust.GRACE + 60))
        phone.take_key_set(data)

    def test_a_set_that_lacks_something(self) -> None:
        for field in ("challenge_keys", "log_keys", "suites", "hpke_keys"):
            with self.subTest(field):
                self.refuses(lambda keys: getattr(keys, field).clear())
        self.refuses(lambda keys: keys.suites.append(Suite.HYBRID))

    def test_a_set_without_its_second_signature(self) -> None:
        case = next(case for case in vectors.load("v1/keyset.json")["cases"] if case["output"]["pq_signature"])
        root = messages.ROOT.decode(cbor.decode(vectors.binary(case["output"]["root"])))
        data, issued = vectors.binary(case["output"]["signed_key_set"]), case["input"]["issued"]
        trust.verify_key_set(data, root, 0, issued)
        signed_set = messages.SIGNED_KEY_SET.from_bytes(data)
        signature, signed_set.pq_signature = signed_set.pq_signature, None
        with self.assertRaises(Untrusted):
            trust.verify_key_set(messages.SIGNED_KEY_SET.to_bytes(signed_set), root, 0, issued)
        signed_set.pq_signature = flip(signature, 100)
        with self.assertRaises(SignatureInvalid):
            trust.verify_key_set(messages.SIGNED_KEY_SET.to_bytes(signed_set), root, 0, issued)

    def test_a_tls_key_that_is_not_pinned(self) -> None:
        phone, data = self.set_of(lambda keys: setattr(keys, "tls_pins", [bytes(32)]))
        phone.take_key_set(data)
        self.between(phone, "keys", lambda _: data)
        with self.assertRaises(NotPinned):
            phone.post("poll", b"")
        self.assertEqual(phone.transport.sent, [])
        # One look for a newer set mends it.
        phone.transport.tamper = None
        self.assertEqual(phone.highest_number, 1)
        self.assertIsInstance(phone.open_activation(self.world.activation(self.world.citizen())["text"]), object)

    def test_roots(self) -> None:
        for url in ("http://id.example", "https://id.example/path", "https://", "ftp://id.example", "https://a@b"):
            with self.subTest(url), self.assertRaises(Untrusted):
                Phone(messages.ROOT.new(environment="test", url=url, key=self.world.root.key))
        for environment in ("", "Test", "a" * 33, "te st"):
            with self.subTest(environment), self.assertRaises(Untrusted):
                Phone(messages.ROOT.new(environment=environment, url="https://id.example", key=self.world.root.key))


class Activations(Suspicions):
    def refuses_offer(self, edit: Edit, error: type[Exception] | tuple[type[Exception], ...] = Untrusted) -> None:
        phone = Phone(self.world.root)
        link = self.world.activation(self.world.citizen())["text"]
        self.between(phone, "activation/open", lambda body: self.forger.resign(body, messages.ACTIVATION_OFFER, edit))
        with self.assertRaises(error):
            phone.activate(link)
        self.assertEqual([path for path, _ in phone.transport.sent], ["activation/open"])

    def test_offers(self) -> None:
        self.refuses_offer(lambda offer: setattr(offer, "open_hash", bytes(32)))
        self.refuses_offer(lambda offer: setattr(offer, "suite", Suite.HYBRID))
        self.refuses_offer(lambda offer: setattr(offer, "hpke_key", p256.PrivateKey.generate().point))
        self.refuses_offer(lambda offer: setattr(offer, "id", bytes(16)))

    def test_an_offer_by_another_key(self) -> None:
        phone = Phone(self.world.root)
        link = self.world.activation(self.world.citizen())["text"]
        stranger = p256.PrivateKey.generate()
        self.between(
            phone,
            "activation/open",
            lambda body: self.forger.resign(body, messages.ACTIVATION_OFFER, lambda _: None, stranger),
        )
        with self.assertRaises(SignatureInvalid):
            phone.activate(link)

    def test_an_offer_with_another_header(self) -> None:
        phone = Phone(self.world.root)
        offer = phone.post("activation/open", messages.ACTIVATION_OPEN.to_bytes(messages.ACTIVATION_OPEN.new(
            app_version="1.0.0", id=self._id(), suites=[Suite.P256]
        )))  # fmt: skip
        payload = cose.split(offer)[2]
        with self.assertRaises(Malformed):
            phone.open_signed(cose.sign_payload(self.forger.challenge, "challenge", payload), messages.ACTIVATION_OFFER)
        with self.assertRaises(SignatureInvalid):
            phone.open_signed(
                cose.sign_payload(self.forger.challenge, "root", payload, name_key=True), messages.ACTIVATION_OFFER
            )

    def _id(self) -> bytes:
        return formats.from_b64url(self.world.activation(self.world.citizen())["id"])

    def test_a_list_of_suites_that_was_shortened_on_its_way(self) -> None:
        """The server answers what it received: its offer is honest, signed, and for other bytes."""
        world = World(suite2=True)
        try:
            phone = Phone(world.root)
            link = world.activation(world.citizen())["text"]

            def in_between(_: bytes) -> bytes:
                opening = messages.ACTIVATION_OPEN.from_bytes(phone.transport.sent[-1][1])
                opening.suites = [Suite.P256]
                phone.transport.tamper = None
                return phone.transport.post("activation/open", messages.ACTIVATION_OPEN.to_bytes(opening))

            phone.key_set()
            self.between(phone, "activation/open", in_between)
            with self.assertRaises(Untrusted):
                phone.activate(link)

            # A server that chooses less than both could speak, and signs that.
            older = next(key.public for key in phone.key_set().hpke_keys if key.suite == Suite.P256)
            forger = Forger(world)

            def downgraded(body: bytes) -> bytes:
                return forger.resign(
                    body,
                    messages.ACTIVATION_OFFER,
                    lambda offer: offer.__dict__.update(suite=Suite.P256, hpke_key=older),
                )

            self.between(phone, "activation/open", downgraded)
            with self.assertRaisesRegex(Untrusted, "suite"):
                phone.activate(link)
        finally:
            world.stop()

    def test_replies(self) -> None:
        def changed(body: bytes) -> bytes:
            reply = messages.SEALED_REPLY.from_bytes(body)
            reply.ciphertext = flip(reply.ciphertext, 40)
            return messages.SEALED_REPLY.to_bytes(reply)

        phone = Phone(self.world.root)
        self.between(phone, "activation/enrol", changed)
        with self.assertRaises(Untrusted):
            phone.activate(self.world.activation(self.world.citizen())["text"])
        self.assertIsNone(phone.identity)

    def test_a_link_of_another_root(self) -> None:
        link = self.world.activation(self.world.citizen())["text"]
        phone = Phone(
            messages.ROOT.new(environment="test", url=self.world.root.url, key=p256.PrivateKey.generate().point)
        )
        with self.assertRaises(Untrusted):
            phone.activate(link)
        self.assertEqual(phone.transport.sent, [])

    def test_links_in_another_form(self) -> None:
        link = self.world.activation(self.world.citizen())["text"]
        formats.parse_link(link)
        for name, text in {
            "another order": link.replace("?e=test&i=", "?i="),
            "something left over": link + "&y=1",
            "a key twice": link + "&x=1",
            "leading zero": link.replace("&x=", "&x=0"),
            "a sign": link.replace("&x=", "&x=+"),
            "padding": link.replace("&s=", "&s=="),
            "escaped": link.replace("e=test", "e=%74est"),
            "no scheme": link[1:],
            "another host": link.replace("activate", "activated"),
            "a fragment": link + "#",
            "a line feed": link + "\n",
            "too long": link + "0" * formats.MAX_LINK,
        }.items():
            with self.subTest(name), self.assertRaises(Malformed):
                formats.parse_link(text)
        with self.assertRaises(UpdateNeeded):
            formats.parse_link(link.replace("/1?", "/2?"))

    def test_pins_that_anybody_would_try(self) -> None:
        for pin in ("111111", "121212", "123123", "123456", "654321", "123321", "112233", "12345", "12345a", "٣٤٥٦٧٨"):
            self.assertTrue(too_simple(pin), pin)
        for pin in ("730915", "204816", "000918", "490317", "135791", "890123"):
            self.assertFalse(too_simple(pin), pin)


class Challenges(Suspicions):
    """Section 12, check by check."""

    def setUp(self) -> None:
        self.phone = self.world.phone()
        self.login = Login(self.world)
        self.login.scanned_by(self.phone)
        # Its frame may be old by now: the phone that scanned one of this session may send it again.
        self.frame = self.login.last_frame

    def refuses(
        self,
        edit_challenge: Edit = lambda _: None,
        edit: Edit = lambda _: None,
        error: type[Exception] | tuple[type[Exception], ...] = Untrusted,
    ) -> None:
        before = self.phone.me.log
        self.between(self.phone, "challenge", lambda body: self.forger.fetched(body, edit_challenge, edit))
        with self.assertRaises(error):
            self.phone.scan(self.frame)
        self.assertEqual(self.phone.me.log, before)

    def accepts(self, edit_challenge: Edit) -> Record:
        self.between(self.phone, "challenge", lambda body: self.forger.fetched(body, edit_challenge))
        return self.phone.scan(self.frame).challenge

    def test_every_byte_counts(self) -> None:
        answers: list[bytes] = []
        known = self.phone.me.log
        self.between(self.phone, "challenge", lambda body: answers.append(body) or body)
        self.phone.scan(self.frame)
        nonce = cose.open_message(self.phone.transport.sent[-1][1], messages.FETCH, "test").body.nonce

        def verify(data: bytes) -> None:
            self.phone.me.log = known
            self.phone.verify_fetched(data, nonce, 0.0)

        verify(answers[0])
        fetched = messages.FETCHED.from_bytes(answers[0])
        refused = 0
        for place in range(0, len(answers[0]), 5):
            data = flip(answers[0], place)
            try:
                changed = messages.FETCHED.from_bytes(data)
                if vars(changed) != vars(fetched) and all(
                    getattr(changed, name) == getattr(fetched, name)
                    for name in ("challenge", "checkpoint", "consistency")
                ):
                    continue  # the policy and the PIN's state are vouched for by TLS alone
            except REFUSED:
                pass
            with self.assertRaises(REFUSED, msg=f"byte {place}"):
                verify(data)
            refused += 1
        self.assertGreater(refused, 100)

    def test_a_challenge_by_another_key(self) -> None:
        stranger = p256.PrivateKey.generate()

        def change(body: bytes) -> bytes:
            fetched = messages.FETCHED.from_bytes(body)
            fetched.challenge = self.forger.resign(fetched.challenge, messages.CHALLENGE, lambda _: None, stranger)
            return messages.FETCHED.to_bytes(fetched)

        self.between(self.phone, "challenge", change)
        with self.assertRaises(SignatureInvalid):
            self.phone.scan(self.frame)

    def test_a_signature_with_the_larger_s(self) -> None:
        def high(body: bytes) -> bytes:
            fetched = messages.FETCHED.from_bytes(body)
            fetched.challenge = fetched.challenge[:-64] + p256.other_s(fetched.challenge[-64:])
            return messages.FETCHED.to_bytes(fetched)

        self.between(self.phone, "challenge", high)
        with self.assertRaises(SignatureInvalid):
            self.phone.scan(self.frame)

    def test_whose_it_is(self) -> None:
        for field, size in (("account", 16), ("device", 16), ("nonce", 32), ("transaction", 16)):
            with self.subTest(field):
                self.refuses(lambda challenge: setattr(challenge, field, bytes(size)))

    def test_its_life(self) -> None:
        for seconds in (-1, 0, 181, 2**40):
            with self.subTest(seconds):
                self.refuses(lambda challenge: setattr(challenge, "expires", challenge.issued + seconds))
        for seconds in (1, 180):
            self.accepts(lambda challenge: setattr(challenge, "expires", challenge.issued + seconds))

    def test_action_and_operation(self) -> None:
        self.refuses(lambda challenge: setattr(challenge, "action", Action.CHANGE_PIN))
        self.refuses(lambda challenge: setattr(challenge, "operation", Choice("change_pin")))

        def change_pin(challenge: Record) -> None:
            challenge.operation, challenge.action = Choice("change_pin"), Action.ROTATE_KEYS

        self.refuses(change_pin)
        self.between(
            self.phone,
            "manage",
            lambda body: self.forger.fetched(
                body,
                lambda challenge: (
                    setattr(challenge, "operation", Choice("rotate_keys")),
                    setattr(challenge, "action", Action.ROTATE_KEYS),
                ),
            ),
        )
        with self.assertRaises(Untrusted):
            self.phone.manage(Choice("change_pin"))

    def test_texts(self) -> None:
        bad = {
            "bidi override": "Bet\u202eal 1 kr",
            "bidi isolate": "\u2066a",
            "zero width": "Net\u200bbank",
            "a line feed": "a\nb",
            "not composed": "Bla\u030abaer",
            "a combining mark": "x\u0336",
            "mixed scripts": "Nor\u0501ea",
            "full width": "\uff21\uff22",
            "mathematical": "\U0001d400",
            "no-break space": "a\u00a0b",
            "private use": "\ue000",
            "blank": "   ",
            "empty": "",
            "too long": "a" * 131,
            "enclosed": "a\u0488",
            "an Arabic sign before numbers": "\u0600a",
            "no character": "a\U0001fffe",
            "a mark first": "\u0e31a",
            "three marks": "\u0e01\u0e31\u0e49\u0e49",
            "a Cyrillic word that looks Latin": "\u0412\u0430\u0440\u0430",
            "a Greek word that looks Latin": "\u0391\u0392\u0395",
            "two directions": "\u05d0\u05d1 Bank",
            "right to left with a number": "\u05d0\u05d1 100",
            "right to left with its own numbers": "\u0627\u0628 \u0661",
        }
        for name, text in bad.items():
            with self.subTest(name):
                self.refuses(lambda challenge: setattr(challenge, "text", text))
        self.refuses(lambda challenge: setattr(challenge.relying_party, "name", "a" * 65))
        self.refuses(lambda challenge: setattr(challenge, "place", "\u202e"))
        self.refuses(lambda challenge: setattr(challenge, "browser", "a" * 65))
        for currency in ("dkk", "DK", "DKKK", "D K"):
            payment = messages.PAYMENT.new(amount_minor=1, currency=currency, payee="Bager")
            self.refuses(lambda challenge: setattr(challenge, "payment", payment))
        payment = messages.PAYMENT.new(amount_minor=1, currency="DKK", payee="Ba\u202eger")
        self.refuses(lambda challenge: setattr(challenge, "payment", payment))
        for text in (
            "a" * 130,
            "Køb på Æblegården: 1.250,00 kr.",
            "Ελλάδα og Москва",
            "日本",
            "é",
            "\u05d0\u05d1 \u05d2",
            "\u0e01\u0e31\u0e49",
            "\u0430\u0435",
        ):
            self.assertEqual(self.accepts(lambda challenge: setattr(challenge, "text", text)).text, text)

    def test_the_server_says_the_binding(self) -> None:
        found = self.accepts(lambda challenge: setattr(challenge, "binding", Binding.SAME_DEVICE))
        self.assertEqual(found.binding, Binding.SAME_DEVICE)
        for elsewhere in (Binding.TYPED, Binding.ORIGIN):
            self.refuses(lambda challenge, elsewhere=elsewhere: setattr(challenge, "binding", elsewhere))

    def test_extensions(self) -> None:
        def extended(key: int) -> Callable[[bytes], bytes]:
            def change(body: bytes) -> bytes:
                fetched = messages.FETCHED.from_bytes(body)
                parts: Any = cbor.decode(cose.split(fetched.challenge)[2])
                parts[3][key] = {True: [None]}.get(False, "later")
                payload = cbor.encode(parts)
                fetched.challenge = cose.sign_payload(self.forger.challenge, "challenge", payload, name_key=True)
                return messages.FETCHED.to_bytes(fetched)

            return change

        self.between(self.phone, "challenge", extended(64))
        self.phone.scan(self.frame)
        for key, error in ((-1, UpdateNeeded), (63, Malformed)):
            self.between(self.phone, "challenge", extended(key))
            with self.assertRaises(error):
                self.phone.scan(self.frame)

    def test_the_log(self) -> None:
        """A log that forks, shrinks, goes back an epoch, or is not the one that the challenge names."""
        self.phone.scan(self.frame)
        known = self.phone.me.log
        edits: dict[str, Edit] = {
            "forked": lambda fetched: self._moved(fetched, size=known.size + 5, root=bytes(32)),
            "one root more": lambda fetched: self._moved(fetched, size=known.size, root=bytes(32)),
            "smaller": lambda fetched: self._moved(fetched, size=known.size - 1, root=bytes(32)),
            "an older epoch": lambda fetched: self._moved(fetched, epoch=known.epoch - 1),
            "not the challenge's": lambda fetched: setattr(
                fetched, "checkpoint", self.forger.note(fetched.checkpoint, size=known.size + 9, epoch=known.epoch + 1)
            ),
            "another environment": lambda fetched: setattr(
                fetched, "checkpoint", self.forger.note(fetched.checkpoint, environment="prod")
            ),
            "another key": lambda fetched: setattr(
                fetched, "checkpoint", self.forger.note(fetched.checkpoint, p256.PrivateKey.generate())
            ),
            "a needless proof": lambda fetched: fetched.consistency.append(bytes(32)),
        }
        for name, edit in edits.items():
            with self.subTest(name):
                self.refuses(edit=edit)
        # A new epoch is the server's admission that it lost its log; the phone goes on from there.
        self.between(
            self.phone,
            "challenge",
            lambda body: self.forger.fetched(body, edit=lambda fetched: self._moved(fetched, epoch=known.epoch + 1)),
        )
        self.phone.scan(self.frame)
        self.assertEqual(self.phone.me.log.epoch, known.epoch + 1)

    def _moved(self, fetched: Record, **position: Any) -> None:
        """Checkpoint and challenge agree, and both are signed: only the phone's memory can tell."""
        fetched.checkpoint = self.forger.note(fetched.checkpoint, **position)
        moved = checkpoint.parse(fetched.checkpoint).checkpoint.position
        fetched.consistency = []
        fetched.challenge = self.forger.resign(
            fetched.challenge, messages.CHALLENGE, lambda challenge: setattr(challenge, "log", moved)
        )

    def test_checkpoints_in_another_form(self) -> None:
        notes: list[str] = []
        self.between(
            self.phone,
            "challenge",
            lambda body: notes.append(messages.FETCHED.from_bytes(body).checkpoint) or body,
        )
        self.phone.scan(self.frame)
        note, keys = notes[0], self.phone.key_set().log_keys
        found = checkpoint.verify(note, "test", keys)
        witness = self.forger.line(found, p256.PrivateKey.generate(), "witness.example")
        checkpoint.verify(note + witness, "test", keys)
        checkpoint.verify(note.replace("\n\n", "\n\n" + witness), "test", keys)
        own = self.forger.line(found, self.forger.log)
        for name, text in {
            "twice the log's key": note + own,
            "no line": note.split("\n\n")[0] + "\n\n",
            "no line feed at the end": note[:-1],
            "a leading zero": note.replace("\n", "\n0", 1),
            "one line more": note.replace("\n\n", "\nmore\n\n"),
            "carriage returns": note.replace("\n", "\r\n"),
            "a hyphen": note.replace("\u2014", "-"),
            "too many lines": note + witness * 16,
            "a tab in the name": note + witness.replace(" witness", "\twitness"),
            "a plus in the name": note + witness.replace("witness", "wit+ness"),
            "another size": note.replace(f"\n{found.position.size}\n", f"\n{found.position.size + 1}\n"),
        }.items():
            with self.subTest(name), self.assertRaises((Untrusted, SignatureInvalid)):
                checkpoint.verify(text, "test", keys)

    def test_replies_to_an_answer(self) -> None:
        request = self.phone.scan(self.frame)
        answer = self.phone.sign_answer(request, messages.Decision.DENY)
        edits: list[Edit] = [
            lambda reply: setattr(reply, "answer", bytes(32)),
            lambda reply: setattr(reply, "ratchet_count", reply.ratchet_count + 1),
        ]
        ratchet = self.phone.me.ratchet
        for edit in edits:
            self.between(self.phone, "answer", lambda body: self.forger.resign(body, messages.ANSWER_REPLY, edit))
            with self.assertRaises(Untrusted):
                self.phone.send_answer(answer)
        self.between(self.phone, "answer", lambda body: flip(body, -1))
        with self.assertRaises(SignatureInvalid):
            self.phone.send_answer(answer)
        self.assertEqual(self.phone.me.ratchet, ratchet)
        # The same bytes again get the same reply, and now it arrives whole.
        self.phone.transport.tamper = None
        self.phone.send_answer(answer)
        self.login.wait_for("denied")

    def test_a_changed_ke2_looks_like_a_wrong_pin(self) -> None:
        request = self.phone.scan(self.frame)

        def change(body: bytes) -> bytes:
            started = messages.PIN_STARTED.from_bytes(body)
            started.ke2 = flip(started.ke2, 100)
            return messages.PIN_STARTED.to_bytes(started)

        self.between(self.phone, "pin/start", change)
        with self.assertRaises(PinWrong):
            self.phone.approve(request, PIN)
        self.assertNotIn("answer", [path for path, _ in self.phone.transport.sent[-1:]])
        self.phone.transport.tamper = None
        self.phone.approve(request, PIN)

    def test_links_that_came_the_wrong_way(self) -> None:
        sent = len(self.phone.transport.sent)
        with self.assertRaises(Untrusted):
            self.phone.opened_by(self.frame)
        with self.assertRaises(Untrusted):
            self.phone.scan(self.login.same_device_link)
        with self.assertRaises(Untrusted):
            self.phone.scan(self.frame.replace("e=test", "e=prod"))
        self.assertEqual(len(self.phone.transport.sent), sent)


class Offline(Suspicions):
    def test_challenges_for_offline_codes(self) -> None:
        user_id = self.world.citizen()
        phone = self.world.phone(user_id)
        phone.turn_biometrics_on(PIN)
        with self.world.bank("request-login", "--offline", "--user-id", user_id) as bank:
            text = bank.result()["offline"]
        link = formats.parse_link(text)
        assert isinstance(link, formats.OfflineLink)

        def changed(edit: Edit, key: p256.PrivateKey | None = None) -> str:
            data = self.forger.resign(link.challenge, messages.OFFLINE_CHALLENGE, edit, key)
            return "godkend://offline/1?c=" + formats.b64url(data)

        self.assertRegex(phone.offline_code(text), "^[0-9]{8}$")
        self.assertNotEqual(
            phone.offline_code(text), phone.offline_code(changed(lambda challenge: setattr(challenge, "issued", 1)))
        )
        for name, edit in {
            "for another's phone": lambda challenge: setattr(challenge, "account_hint", bytes(32)),
            "High": lambda challenge: setattr(challenge, "level", messages.Level.HIGH),
            "an operation": lambda challenge: setattr(challenge, "action", Action.CHANGE_PIN),
            "a text": lambda challenge: setattr(challenge, "text", "\u202e"),
        }.items():
            with self.subTest(name), self.assertRaises(Untrusted):
                phone.offline_code(changed(edit))
        with self.assertRaises(Untrusted):
            phone.offline_code(changed(lambda _: None, p256.PrivateKey.generate()))
        with self.assertRaises(Malformed):
            phone.offline_code(changed(lambda challenge: setattr(challenge, "ephemeral", b"\x04" + b"\x01" * 64)))
        with self.assertRaises(SignatureInvalid):
            phone.offline_code("godkend://offline/1?c=" + formats.b64url(flip(link.challenge, -1)))
        with self.assertRaises(Untrusted):
            self.world.phone().offline_code(text)
