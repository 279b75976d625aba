"""What can go wrong, told apart by who noticed it."""

from __future__ import annotations


class Malformed(ValueError):
    """Bytes that are not what the document says (section 1 and the message tables)."""


class UpdateNeeded(ValueError):
    """A critical extension or a later version: this program is too old for the message."""


class WrongEnvironment(ValueError):
    """A signed message of another environment."""


class SignatureInvalid(ValueError):
    """A signature that does not verify, or that is not in its one form."""


class Untrusted(ValueError):
    """Correctly signed, and still not to be acted on: the phone refuses."""


class PinWrong(Exception):
    """KE2 showed that the PIN was wrong; `status` is what the server says is left."""

    def __init__(self, status: object) -> None:
        super().__init__("wrong PIN")
        self.status = status


class Refused(Exception):
    """The server's ErrorReply (section 25)."""

    def __init__(self, status: int, code: str, retry_after: int | None = None, tries_left: int | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.tries_left = tries_left


class NoAnswer(Exception):
    """An answer that the protocol did not make: a proxy's, or none (section 7)."""

    def __init__(self, status: int, retry_after: int | None = None) -> None:
        super().__init__(f"HTTP status {status}")
        self.status = status
        self.retry_after = retry_after
