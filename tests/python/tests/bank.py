"""The bank and its customer's browser: OpenID Connect, and the login page as a browser sees it."""

from __future__ import annotations

import base64
import hashlib
import html
import http.client
import itertools
import json
import re
import secrets
import ssl
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from godkend_phone.approval import Request
from godkend_phone.errors import Refused
from godkend_phone.phone import Phone

from . import qr
from .world import World


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_addresses = itertools.count(1)


class Browser:
    """Cookies and an address of its own, and nothing else that a server could know it by."""

    def __init__(self, world: World) -> None:
        parts = urlsplit(world.serving["url"])
        assert parts.hostname and parts.port
        self._place = (parts.hostname, parts.port)
        self.cookies: dict[str, str] = {}
        number = next(_addresses)
        self.address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def ask(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(*self._place, context=context, timeout=40)
        sent = {"X-Forwarded-For": self.address, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        data = response.read()
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        connection.close()
        return response.status, response.headers, data


class Login:
    """One login or approval that the bank has asked for, in one browser."""

    def __init__(self, world: World, browser: Browser | None = None, **parameters: str) -> None:
        self.world = world
        self.browser = browser or Browser(world)
        bank, self._verifier = world.bank_file, b64url(secrets.token_bytes(32))
        self._authorization = (
            "Basic " + base64.b64encode(f"{bank['client_id']}:{bank['client_secret']}".encode()).decode()
        )
        form = {
            "response_type": "code",
            "client_id": bank["client_id"],
            "redirect_uri": bank["redirect_uri"],
            "scope": "openid",
            "state": b64url(secrets.token_bytes(16)),
            "nonce": b64url(secrets.token_bytes(16)),
            "code_challenge": b64url(hashlib.sha256(self._verifier.encode()).digest()),
            "code_challenge_method": "S256",
            **parameters,
        }
        status, _, body = self._bank("/par", form)
        assert status == 201, body
        query = urlencode({"client_id": bank["client_id"], "request_uri": json.loads(body)["request_uri"]})
        status, headers, body = self.browser.ask("GET", f"/authorize?{query}")
        assert status == 303, body
        self.path = headers["Location"]
        status, _, body = self.browser.ask("GET", self.path)
        assert status == 200, body
        self.last_frame = ""
        found = re.search(r'data-state="([^"]*)"', body.decode())
        assert found, body
        self.state = json.loads(html.unescape(found[1]))

    def _bank(self, path: str, form: dict[str, str]) -> tuple[int, http.client.HTTPMessage, bytes]:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": self._authorization}
        return Browser(self.world).ask("POST", path, urlencode(form), headers)

    def _page(self, path: str, body: Any = None) -> Any:
        if body is None:
            status, _, data = self.browser.ask("GET", self.path + path)
        else:
            headers = {"Content-Type": "application/json"}
            status, _, data = self.browser.ask("POST", self.path + path, json.dumps(body), headers)
        assert status == 200, data
        return json.loads(data)

    @property
    def same_device_link(self) -> str:
        return self.state["same_device_link"]

    def frame(self, *, ahead: int = 0) -> str:
        """What the moving QR code says in this second, read off the code that is drawn."""
        reply = self._page("/frames")
        second = reply["now_ms"] // 1000 + ahead
        frame = next(frame for frame in reply["frames"] if frame["second"] == second)
        self.last_frame = qr.read(qr.from_bits(frame["code"]["modules"], frame["code"]["size"]))
        # The page is told the text as well; what counts is what a camera sees.
        assert self.last_frame == frame["text"]
        return self.last_frame

    def scanned_by(self, phone: Phone) -> Request:
        """The phone scans the code; where this machine was too slow for a frame's three seconds, the next one."""
        for _ in range(5):
            try:
                return phone.scan(self.frame())
            except Refused as refused:
                if refused.code != "qr_stale":
                    raise
        return phone.scan(self.frame())

    def number_for(self, user_id: str) -> str:
        """The number that the page shows to who typed this user id."""
        return self._page("/user-id", {"user_id": user_id})["number"]

    def wait_for(self, *states: str) -> str:
        """Until the page shows one of these states."""
        end = time.monotonic() + 30
        while self.state["state"] not in states:
            assert time.monotonic() < end, self.state
            known, needs = self.state["state"], str(self.state["needs_return"]).lower()
            self.state = self._page(f"/state?wait=5&known={known}&needs_return={needs}")
        return str(self.state["state"])

    def finish(self) -> dict[str, str]:
        """What the browser brings back to the bank: a code, or an error."""
        status, headers, body = self.browser.ask("GET", self.state["finish"])
        assert status == 303, body
        return {name: values[0] for name, values in parse_qs(urlsplit(headers["Location"]).query).items()}

    def return_to(self, url: str) -> None:
        """A same-device login: the phone opens this address in the browser."""
        parts = urlsplit(url)
        self.browser.ask("GET", f"{parts.path}?{parts.query}")

    def claims(self) -> dict[str, Any]:
        """The ID token's claims. Its signature is the relying party's to verify; the bank's tests do that."""
        back = self.finish()
        form = {
            "grant_type": "authorization_code",
            "code": back["code"],
            "redirect_uri": self.world.bank_file["redirect_uri"],
            "code_verifier": self._verifier,
        }
        status, _, body = self._bank("/token", form)
        assert status == 200, body
        payload = json.loads(body)["id_token"].split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims
