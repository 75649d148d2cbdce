"""Keys and what they do: derived secrets, data keys per subject, sealed values, fingerprints."""

import base64
import hmac
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
BLOCK_BYTES: Final = 64
NONCE_BYTES: Final = 12
SALT_BYTES: Final = 16
ID_BITS: Final = 60

# How many opened keys are remembered, so that a batch does not unwrap the same keys again.
CACHE_MAX: Final = 4096

# Random nonces are safe for 2**32 boxes under one key; a fresh salt starts long before that.
TRANSIT_BOXES_MAX: Final = 2**30


def sandbox_master(master: bytes) -> bytes:
    """The master key of the sandbox of whoever has this one; it tells nothing about it."""
    return HKDF(SHA256(), KEY_BYTES, None, b"flexspine/sandbox").derive(master)


class KeyDestroyed(Exception):
    """The data key of a subject is gone, and with it everything sealed under it."""

    def __init__(self, subject: str) -> None:
        """Keep the subject, so that a caller can say whose data it was."""
        self.subject = subject
        super().__init__(
            f"Expected the data key of {subject} in `keys`, found none: it was destroyed by "
            f"erasure, or it was never made or loaded. Load the key row with the document, or "
            f"make one with new_key; a destroyed key does not come back."
        )


class Undecipherable(Exception):
    """A box that does not open under the key that should fit."""

    def __init__(self, what: str) -> None:
        """Say what was to be opened; the box itself is of no use to a reader."""
        super().__init__(
            f"Expected {what} to open, but the key does not fit: another master key, or a box "
            f"moved to another place or changed. Check FLEXSPINE_MASTER_KEY first."
        )


@dataclass(frozen=True, slots=True)
class Sealed:
    """Ciphertext as it is stored: the subject whose key opens it, and the box."""

    key: str
    box: bytes


class Keyring:
    """The opened data keys of the subjects that one batch deals with."""

    def __init__(self, keys: Mapping[str, AESGCM] | None = None) -> None:
        """Start with `keys`; more are added as subjects get theirs."""
        self._keys = dict(keys or {})
        self._offers: dict[str, Callable[[], AESGCM]] = {}

    def __contains__(self, subject: str) -> bool:
        """Say whether values of `subject` can be sealed and opened."""
        return subject in self._keys or subject in self._offers

    def add(self, subject: str, key: AESGCM) -> None:
        """Hold the opened key of one more subject."""
        self._keys[subject] = key

    def offer(self, subject: str, make: Callable[[], AESGCM]) -> None:
        """Have a key made as soon as one of the subject is needed, which is seldom."""
        self._offers[subject] = make

    def copy(self) -> "Keyring":
        """Give a keyring of its own to somebody who adds keys that may never be stored."""
        mine = Keyring(self._keys)
        mine._offers.update(self._offers)
        return mine

    def seal(self, subject: str, plaintext: bytes, aad: bytes) -> Sealed:
        """Encrypt for `subject`, bound to `aad`: the place that the box belongs to."""
        return Sealed(subject, _lock(self._key(subject), plaintext, aad))

    def open(self, sealed: Sealed, aad: bytes) -> bytes:
        """Decrypt what was sealed under the same `aad`."""
        return _unlock(self._key(sealed.key), sealed.box, aad, f"a value of {sealed.key}")

    def _key(self, subject: str) -> AESGCM:
        key = self._keys.get(subject)
        if key is None:
            make = self._offers.get(subject)
            if make is None:
                raise KeyDestroyed(subject)
            key = self._keys[subject] = make()
        return key


class Vault:
    """Everything that is derived from the one master key."""

    def __init__(self, master: bytes) -> None:
        """Derive one key per purpose from the master key of 32 bytes."""
        if len(master) != KEY_BYTES:
            message = (
                f"Expected a master key of {KEY_BYTES} bytes, got {len(master)}: set "
                f"FLEXSPINE_MASTER_KEY to {2 * KEY_BYTES} hexadecimal digits."
            )
            raise ValueError(message)
        self._master = master
        self._wrapping = AESGCM(self._derive("key-wrapping"))
        self._claims = Mac(self._derive("claims"))
        self._ids = Mac(self._derive("ids"))
        self._fingerprint = lru_cache(CACHE_MAX)(self._claims.of)
        self._number = lru_cache(CACHE_MAX)(self._ids.of)
        self._answers = self._derive("answers")
        self._transit = self._derive("transit")
        self._unwrap = lru_cache(CACHE_MAX)(self._unwrap_now)
        self._transit_key = lru_cache(CACHE_MAX)(self._transit_key_now)
        self._salt = b""
        self._boxes_left = 0

    def fingerprint(self, scheme: str, value: str) -> str:
        """Name a claim by an HMAC, so that the row tells nothing about the value."""
        return self._fingerprint(scheme, value).hex()

    def password(self, account: str) -> str:
        """Give the password of an internal account of the broker."""
        return base64.urlsafe_b64encode(self._derive("password", account)).decode().rstrip("=")

    def id_number(self, *parts: str) -> int:
        """Derive the number of an id, 60 bits, the same for the same parts."""
        return int.from_bytes(self._number(*parts)[:8], "big") >> (64 - ID_BITS)

    def new_key(self, subject: str) -> dict[str, Any]:
        """Make the key row of a new subject, for the collection `keys`."""
        key = AESGCM.generate_key(8 * KEY_BYTES)
        return {"_id": subject, "wrapped": _lock(self._wrapping, key, subject.encode())}

    def keyring(self, rows: Iterable[Mapping[str, Any]] = ()) -> Keyring:
        """Open the data keys of key rows as they were loaded."""
        return Keyring({row["_id"]: self.opened(row) for row in rows if not is_destroyed(row)})

    def key_of_bytes(self, body: bytes) -> AESGCM:
        """The key of what only who has the same bytes may open; it is stored nowhere."""
        return AESGCM(hmac.digest(self._answers, body, "sha256"))

    def opened(self, row: Mapping[str, Any]) -> AESGCM:
        """Open one key row, to be added to a keyring."""
        return self._unwrap(row["_id"], row["wrapped"])

    def seal_transit(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt a body that waits in the outbox, which no key row opens."""
        if self._boxes_left == 0:
            self._salt = os.urandom(SALT_BYTES)
            self._boxes_left = TRANSIT_BOXES_MAX
        self._boxes_left -= 1
        return self._salt + _lock(self._transit_key(self._salt), plaintext, aad)

    def open_transit(self, box: bytes, aad: bytes) -> bytes:
        """Decrypt a body from the outbox, whichever process sealed it."""
        salt, locked = box[:SALT_BYTES], box[SALT_BYTES:]
        return _unlock(self._transit_key(salt), locked, aad, "an outbox body")

    def backup_seal(self, manifest: bytes) -> str:
        """Say that a copy is of a backbone with this master key, as it was taken."""
        return hmac.digest(self._derive("backup"), manifest, "sha256").hex()

    def _derive(self, *purpose: str, salt: bytes | None = None) -> bytes:
        info = "/".join(("flexspine", *purpose)).encode()
        return HKDF(SHA256(), KEY_BYTES, salt, info).derive(self._master)

    def _unwrap_now(self, subject: str, wrapped: bytes) -> AESGCM:
        key = _unlock(self._wrapping, wrapped, subject.encode(), f"the data key of {subject}")
        return AESGCM(key)

    def _transit_key_now(self, salt: bytes) -> AESGCM:
        return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"box").derive(self._transit))


def destroyed_key(subject: str, at: datetime) -> dict[str, Any]:
    """What stands in the place of a data key that was destroyed, so that no new one is made.

    Under a new key of the same name, what was sealed under the old one would look spoilt.
    """
    return {"_id": subject, "destroyed_at": at}


def is_destroyed(row: Mapping[str, Any]) -> bool:
    """Whether a key row says that the key is gone."""
    return "destroyed_at" in row


class Mac:
    """HMAC-SHA256 (RFC 2104) under one key, whose two blocks are hashed once and not each time."""

    def __init__(self, key: bytes) -> None:
        """Take a key of at most one block of the hash."""
        block = key.ljust(BLOCK_BYTES, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def of(self, *parts: str) -> bytes:
        """Authenticate texts in their order."""
        inner, outer = self._inner.copy(), self._outer.copy()
        # Lengths go first: otherwise ("ab", "c") and ("a", "bc") would be the same message.
        encoded = [part.encode() for part in parts]
        inner.update(b"".join([len(part).to_bytes(4, "big") + part for part in encoded]))
        outer.update(inner.digest())
        return outer.digest()


def _lock(key: AESGCM, plaintext: bytes, aad: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plaintext, aad)


def _unlock(key: AESGCM, box: bytes, aad: bytes, what: str) -> bytes:
    # A box too short to hold a tag makes ValueError instead of InvalidTag.
    try:
        return key.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], aad)
    except (InvalidTag, ValueError):
        raise Undecipherable(what) from None
