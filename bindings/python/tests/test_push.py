"""A phone that is woken: the server, through a push service of this test's own, and the binding."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import hmac
import http.server
import ipaddress
import json
import queue
import secrets
import shutil
import ssl
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any

import godkend
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from godkend import PhoneError, PushAddress
from support import PIN, phone
from tests.bank import Login
from tests.world import World

WAIT = 60


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class PushService:
    """RFC 8030 over TLS: takes messages for any endpoint below it."""

    def __init__(self, folder: Path) -> None:
        self.messages: queue.Queue[tuple[str, dict[str, str], bytes]] = queue.Queue()
        key, self.certificate = ec.generate_private_key(ec.SECP256R1()), folder / "push.pem"
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Push")]), datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=9))
            .add_extension(x509.SubjectAlternativeName(names), False)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / "push.key").write_bytes(pem(key))
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.messages.put((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, folder / "push.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Subscription:
    """What a UnifiedPush distributor hands to an app: an endpoint, and the keys to what arrives there."""

    def __init__(self, service: PushService) -> None:
        self._service, self._key, self._auth = service, ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        self.path = f"/up/{secrets.token_hex(8)}"
        self.address = PushAddress.web_push(
            f"https://{service.host}{self.path}", b64url(point(self._key.public_key())), b64url(self._auth)
        )

    def opened(self, body: bytes) -> str:
        """RFC 8188 and RFC 8291, section 3.4: one record."""
        salt, length, sender, record = body[:16], body[20], body[21:86], body[86:]
        assert length == 65, length

        def mac(key: bytes, *data: bytes) -> bytes:
            return hmac.new(key, b"".join(data), hashlib.sha256).digest()

        shared = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        own = point(self._key.public_key())
        material = mac(mac(self._auth, shared), b"WebPush: info\0", own, sender, b"\1")
        root = mac(salt, material)
        key, nonce = mac(root, b"Content-Encoding: aes128gcm\0\1"), mac(root, b"Content-Encoding: nonce\0\1")
        text = AESGCM(key[:16]).decrypt(nonce[:12], record, None)
        assert text.endswith(b"\2"), text
        return text[:-1].decode()


class Push(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="godkend-push-"))
        self.addCleanup(shutil.rmtree, folder)
        self.service, self.key = PushService(folder), ec.generate_private_key(ec.SECP256R1())
        self.addCleanup(self.service.stop)
        (folder / "vapid.pem").touch(mode=0o600)
        (folder / "vapid.pem").write_bytes(pem(self.key))
        self.world = World({
            "GODKEND_PUSH_WEB_PUSH_HOSTS": json.dumps([self.service.host]),
            "GODKEND_PUSH_WEB_PUSH_KEY": str(folder / "vapid.pem"),
            "GODKEND_PUSH_WEB_PUSH_CONTACT": "mailto:drift@godkend.example",
            "GODKEND_PUSH_WEB_PUSH_PRIVATE": "true",
            "GODKEND_PUSH_AUTHORITIES": str(self.service.certificate),
            "GODKEND_PUSH_COALESCE_SECONDS": "0",
        })  # fmt: skip
        self.addCleanup(self.world.stop)

    async def woken(self, subscription: Subscription) -> str:
        """The handle of the next wake-up, which must be this subscription's and signed as RFC 8292 has it."""
        path, headers, body = await asyncio.to_thread(self.service.messages.get, timeout=WAIT)
        self.assertEqual((path, headers["content-encoding"]), (subscription.path, "aes128gcm"))
        self.assertTrue(int(headers["ttl"]) > 0)
        scheme, _, rest = headers["authorization"].partition(" ")
        signed = dict(part.strip().split("=", 1) for part in rest.split(","))
        self.assertEqual((scheme, unb64url(signed["k"])), ("vapid", point(self.key.public_key())))
        head, claims, signature = signed["t"].split(".")
        raw = unb64url(signature)
        encoded = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        self.key.public_key().verify(encoded, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
        self.assertEqual(json.loads(unb64url(claims))["aud"], f"https://{self.service.host}")
        return subscription.opened(body)

    async def test_a_sleeping_phone_is_woken_and_approves(self) -> None:
        citizen = await asyncio.to_thread(self.world.citizen)
        async with phone(self.world, citizen=citizen) as one:
            before = await one.push_services()
            self.assertEqual((before.registered, before.fcm, before.apns), (False, False, False))
            self.assertEqual(unb64url(before.web_push), point(self.key.public_key()))
            first = Subscription(self.service)
            self.assertTrue((await one.register_push(first.address)).registered)
            asked = await asyncio.to_thread(Login, self.world)
            number = await asyncio.to_thread(asked.number_for, citizen)
            handle = await self.woken(first)
            (person,) = [known.id for known in one.state().people]
            self.assertEqual(one.woken(handle), person)
            self.assertIsNone(one.woken("A" * 22), "somebody else's")
            (item,) = await one.waiting(person)
            self.assertTrue(item.locked, "a push from a user id that anybody may type says nothing")
            request = await one.type_number(number)
            await one.approve_with_pin(request, PIN)
            await asyncio.to_thread(asked.wait_for, "approved")
            # A new address has a handle of its own; a wake-up with the one before may still be on its way.
            second = Subscription(self.service)
            await one.register_push(second.address)
            self.assertEqual(one.woken(handle), person)
            asked = await asyncio.to_thread(Login, self.world)
            await asyncio.to_thread(asked.number_for, citizen)
            newer = await self.woken(second)
            self.assertNotEqual(newer, handle)
            self.assertEqual(one.woken(newer), person)
            self.assertFalse((await one.remove_push()).registered)
            self.assertTrue(self.service.messages.empty())

    async def test_what_the_server_may_not_send_to_is_refused_and_nothing_prints_an_address(self) -> None:
        async with phone(self.world) as one:
            good = Subscription(self.service)
            self.assertNotIn(good.path, repr(good.address) + str(good.address))
            key = b64url(point(self.key.public_key()))
            elsewhere = PushAddress.web_push("https://elsewhere.example/up", key, b64url(bytes(16)))
            for address in (elsewhere, PushAddress.fcm("token"), PushAddress.apns(b"\1" * 32, False)):
                with self.assertRaises(PhoneError.Refused) as refused:
                    await one.register_push(address)
                self.assertEqual(refused.exception.code, "push_refused")
            for endpoint, p256dh, auth in (
                ("http://push.example/up", key, b64url(bytes(16))),
                ("https://push.example/up", "AAAA", b64url(bytes(16))),
                ("https://push.example/up", key, "short"),
            ):
                with self.assertRaises(PhoneError.NotACode):
                    PushAddress.web_push(endpoint, p256dh, auth)
            self.assertFalse((await one.push_services()).registered)
