"""The other side, as a process: a real server, its desk, and citizens. Only what the documents describe is used."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Iterator

from godkend_phone import formats, trust
from godkend_phone.phone import Phone
from godkend_phone.schema import Record

PIN = "730915"


def binary() -> str:
    """The program that plays server and desk; `run` builds it and names it."""
    path = os.environ.get("GODKEND_BINARY")
    if not path:
        raise RuntimeError("GODKEND_BINARY is not set: start the tests with tests/python/run")
    return path


class CommandFailed(Exception):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("code"))
        self.code = error.get("code")


class BankCommand:
    """A running command: its results in order, and what is typed into it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def result(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        return line

    def type(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()


class World:
    """A server on a free port of the loopback, with its files in a temporary folder."""

    _shared: World | None = None

    def __init__(self, settings: dict[str, str] | None = None, *, suite2: bool = False) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="godkend-python-"))
        self.log = open(self.home / "server.log", "wb")
        # So that each browser of a test has an address of its own: a refusal slows its source down.
        settings = {"GODKEND_SERVER_TRUSTED_PROXIES": '["127.0.0.1", "::1"]', **(settings or {})}
        own = {name: value for name, value in os.environ.items() if not name.startswith("GODKEND_")}
        self._environment = {**own, **settings, "GODKEND_HOME": str(self.home), "NO_COLOR": "1"}
        self.process = subprocess.Popen(
            [binary(), "--json", "serve", "--test", "--listen", "127.0.0.1:0", *(["--hybrid"] if suite2 else [])],
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=self._environment,
        )
        atexit.register(self.stop)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError((self.home / "server.log").read_text())
        self.serving = json.loads(line)
        self.root: Record = trust.root_from_json(Path(self.serving["root"]).read_text())
        self.bank_file = json.loads(Path(self.serving["relying_party"]).read_text())
        self._numbers = itertools.count(1)

    @classmethod
    def shared(cls) -> World:
        """One server for all tests that leave each other alone: each uses its own citizen."""
        if cls._shared is None:
            # One machine plays every citizen, bank and browser: the limits for a source would stop it.
            limits = ("REQUESTS_PER_SOURCE_MINUTE", "LOGINS_PER_SOURCE_MINUTE", "UNKNOWN_NAMES_PER_SOURCE_MINUTE")
            settings = {f"GODKEND_LIMITS_{name}": "100000" for name in limits}
            cls._shared = cls(settings)
        return cls._shared

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def command(self, *arguments: str, secrets: str = "") -> dict[str, Any]:
        """One command of the desk or the operator, and its result."""
        done = subprocess.run(
            [binary(), "--json", *arguments], input=secrets, capture_output=True, text=True, env=self._environment
        )
        result = json.loads(done.stdout.splitlines()[-1])
        if result["type"] == "error":
            raise CommandFailed(result)
        return result

    def evidence(self, transaction: bytes) -> bytes:
        """The evidence of a decision, as soon as the log's next checkpoint has it."""
        program, file = Path(binary()).parent / "godkend-server", self.home / f"{transaction.hex()}.cbor"
        config = Path(self.serving["directory"]) / "godkend.toml"
        for _ in range(30):
            command = [program, "evidence", "export", "--config", config, formats.b64url(transaction), file]
            done = subprocess.run(command, capture_output=True, text=True, env=self._environment)
            if done.returncode == 0:
                return file.read_bytes()
            time.sleep(0.5)
        raise RuntimeError(done.stderr)

    @contextlib.contextmanager
    def bank(self, *arguments: str) -> Iterator[BankCommand]:
        """The bank as a command (`request-login` and the like), which verifies its answer's signature itself."""
        process = subprocess.Popen(
            [binary(), "--json", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=self._environment,
        )
        try:
            yield BankCommand(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def citizen(self, *, tell_uses: bool = False) -> str:
        """A new citizen's user id."""
        user_id = f"citizen.{next(self._numbers)}"
        more = ["--tell-uses"] if tell_uses else []
        self.command("create-citizen", "--name", "Anna Andersen", "--user-id", user_id, "--born", "1990-05-17", *more)
        return user_id

    def activation(self, user_id: str, *, code: bool = False) -> dict[str, Any]:
        return self.command("activation", user_id, *(["--code"] if code else []))

    def confirm(self, digits: str, activation: str) -> dict[str, Any]:
        return self.command("confirm-digits", activation, secrets=digits + "\n")

    def phone(self, user_id: str | None = None, *, pin: str = PIN, code: bool = False) -> Phone:
        """A phone in use."""
        handed_out = self.activation(user_id or self.citizen(), code=code)
        phone = Phone(self.root)
        self.confirm(phone.activate(handed_out["text"]), handed_out["id"])
        phone.choose_pin(pin)
        phone.finish(pin)
        return phone
