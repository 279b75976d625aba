"""The keys of one phone, in software: what hardware would hold."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from . import p256
from .derivations import hmac
from .messages import ALGORITHMS, DEVICE_KEY, SOFTWARE, KeyPurpose
from .schema import Record


@dataclass
class DeviceKeys:
    """`possession` and the pepper always; `biometric` and `offline` when the person turned them on."""

    possession: p256.PrivateKey = field(default_factory=p256.PrivateKey.generate)
    pepper: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    biometric: p256.PrivateKey | None = None
    offline: p256.PrivateKey | None = None

    def derive(self, data: bytes) -> bytes:
        """The pepper's keyed function of 32 bytes."""
        return hmac(self.pepper, data)


def device_key(purpose: KeyPurpose, key: p256.PrivateKey) -> Record:
    """How a key is enrolled; software attests nothing."""
    return DEVICE_KEY.new(purpose=purpose, algorithm=ALGORITHMS[purpose], public=key.point, attestation=SOFTWARE)
