"""The other side, as a process: a real server, its desk, and citizens. Only what the documents describe is used."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from godkend_phone import trust
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


class World:
    """A server on a free port of the loopback, with its files in a temporary folder."""

    _shared: World | None = None

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="godkend-python-"))
        self.log = open(self.home / "server.log", "wb")
        own = {name: value for name, value in os.environ.items() if not name.startswith("GODKEND_")}
        self._environment = {**own, **(settings or {}), "GODKEND_HOME": str(self.home), "NO_COLOR": "1"}
        self.process = subprocess.Popen(
            [binary(), "--json", "serve", "--test", "--listen", "127.0.0.1:0"],
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
            cls._shared = cls({f"GODKEND_LIMITS_{name}": "100000" for name in limits})
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

    def citizen(self) -> str:
        """A new citizen's user id."""
        user_id = f"citizen.{next(self._numbers)}"
        self.command("create-citizen", "--name", "Anna Andersen", "--user-id", user_id, "--born", "1990-05-17")
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
