"""HTTPS with pinned keys (section 7)."""

from __future__ import annotations

import http.client
import ssl
from typing import Callable
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .cbor import MAX_BYTES
from .derivations import sha256
from .errors import NoAnswer, Refused, Untrusted
from .messages import ERROR_REPLY

CBOR = "application/cbor"
TIMEOUT = 40
"""Seconds; above the longest poll (25)."""

Tamper = Callable[[str, bytes], bytes]


class NotPinned(Untrusted):
    """TLS showed a key that the key set does not pin."""


class Transport:
    """One server, and a connection for each request. `pins` are those of the key set in use.

    `sent` keeps every request, and `tamper` may change an answer on its way: both for tests.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise Untrusted("not an https origin")
        self.host, self.port = parts.hostname, parts.port or 443
        self.sent: list[tuple[str, bytes]] = []
        self.tamper: Tamper | None = None
        self.pins: list[bytes] = []

    def _connect(self) -> http.client.HTTPSConnection:
        # The certificate's names, dates and issuers are not looked at: the key is pinned below.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT, context=context)
        connection.connect()
        return connection

    @staticmethod
    def server_pin(connection: http.client.HTTPSConnection) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo that TLS showed."""
        assert isinstance(connection.sock, ssl.SSLSocket)
        der = connection.sock.getpeercert(binary_form=True)
        assert der is not None
        key = x509.load_der_x509_certificate(der).public_key()
        return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def get_keys(self) -> bytes:
        """The SignedKeySet, not verified: over any certificate."""
        connection = self._connect()
        try:
            connection.request("GET", "/phone/v1/keys")
            return self._answer("keys", connection)
        finally:
            connection.close()

    def post(self, path: str, body: bytes) -> bytes:
        """The reply's bytes. Raises `Refused`, `NoAnswer` or `NotPinned`: then nothing was sent."""
        connection = self._connect()
        try:
            if self.server_pin(connection) not in self.pins:
                raise NotPinned("TLS showed a key that is not pinned")
            self.sent.append((path, body))
            connection.request("POST", f"/phone/v1/{path}", body, {"Content-Type": CBOR})
            return self._answer(path, connection)
        finally:
            connection.close()

    def _answer(self, path: str, connection: http.client.HTTPSConnection) -> bytes:
        response = connection.getresponse()
        body = response.read(MAX_BYTES + 1)
        kind = response.headers.get("Content-Type", "")
        if len(body) > MAX_BYTES:
            raise Untrusted("an answer that is too large")
        if kind != CBOR:
            wait = response.headers.get("Retry-After", "")
            raise NoAnswer(response.status, int(wait) if wait.isdigit() else None)
        if self.tamper is not None:
            body = self.tamper(path, body)
        if response.status == 200:
            return body
        error = ERROR_REPLY.from_bytes(body)
        raise Refused(response.status, error.code, error.retry_after, error.tries_left)
