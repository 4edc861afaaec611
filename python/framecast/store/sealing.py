"""Secrets as they are kept: sealed with AES-256-GCM under one key of a ring, and bound to the place that they are of.

A sealed secret names its key, so that a ring can hold the keys of before beside the one that seals. Taken from one data
source to another, or from one key of it to another, it opens no more: whoever can write the database cannot have a
password sent to an address of his choice. What opens, and what a key is, is never logged or part of a message.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
ID_BYTES = 8
_FORM = b"\x01"
"""The first byte of what is sealed: how the rest is to be read."""

_NONCE_BYTES = 12
"""Random ones: by NIST SP 800-38D good for 2³² secrets under one key."""

_TAG_BYTES = 16
_HEAD_BYTES = len(_FORM) + ID_BYTES + _NONCE_BYTES


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Which secret it is."""

    org_id: int
    uid: str
    key: str

    def bytes(self) -> bytes:
        """No two places are the same bytes."""
        parts = [str(self.org_id).encode(), self.uid.encode(), self.key.encode()]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class UnreadableSecretError(Exception):
    """What is kept is no secret of this place under any key that there is."""


class KeyRing:
    """The first key seals, all of them open."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a ring takes keys of {KEY_BYTES} bytes, one at least")
        self._id = id_of(keys[0])
        self._ciphers = {id_of(key): AESGCM(key) for key in keys}

    @property
    def ids(self) -> frozenset[bytes]:
        """Those of all keys."""
        return frozenset(self._ciphers)

    def seal(self, secret: str, place: SecretPlace) -> bytes:
        """The secret as it may be kept; the same one is other bytes each time."""
        nonce = os.urandom(_NONCE_BYTES)
        head = _FORM + self._id
        return head + nonce + self._ciphers[self._id].encrypt(nonce, secret.encode(), head + place.bytes())

    def open(self, sealed: bytes, place: SecretPlace) -> str:
        """The secret of that place. UnreadableSecretError when it is none, or its key is not in the ring."""
        cipher = self._ciphers.get(key_id_of(sealed) or b"")
        if cipher is None:
            raise UnreadableSecretError("its key is not here")
        nonce_at = _HEAD_BYTES - _NONCE_BYTES
        head, nonce, text = sealed[:nonce_at], sealed[nonce_at:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        try:
            return cipher.decrypt(nonce, text, head + place.bytes()).decode()
        except (InvalidTag, UnicodeDecodeError):
            raise UnreadableSecretError("it was changed, or is another one's") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the key that seals now has sealed it."""
        return key_id_of(sealed) == self._id


def id_of(key: bytes) -> bytes:
    """What a key goes by in all that it seals; it tells nothing of the key."""
    return hashlib.sha256(b"framecast key id\0" + key).digest()[:ID_BYTES]


def key_id_of(sealed: bytes) -> bytes | None:
    """The id of the key that sealed it; None for what is nothing sealed."""
    if not sealed.startswith(_FORM) or len(sealed) < _HEAD_BYTES + _TAG_BYTES:
        return None
    return sealed[len(_FORM) : len(_FORM) + ID_BYTES]
