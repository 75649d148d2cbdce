"""The account keys that the command line has made, in one file that nobody else may read."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from topology.apply import password_hash

KEY_BYTES: Final = 24
PRIVATE: Final = 0o600


class KeyringError(Exception):
    """The keyring cannot be used; the text says what to do."""


class AccountKeys:
    """Keys by registration, and by user once the registration is answered.

    Two processes may use the file at the same time: each change is made under a lock.
    """

    def __init__(self, folder: Path) -> None:
        """Use `keyring.json` of the folder, made with the first key."""
        self._path = folder / "keyring.json"

    def key_hash(self, sender: str, command_id: str) -> str:
        """The hash to register with; the same registration keeps its key."""
        name = _registration(sender, command_id)
        with self._changing() as keys:
            key = keys.setdefault(name, secrets.token_urlsafe(KEY_BYTES))
        return password_hash(key)

    def issued(self, sender: str, command_id: str, user: str) -> None:
        """File the registration's key under the user that it has become."""
        name = _registration(sender, command_id)
        if name in (known := self._read()) and known.get(user) != known[name]:
            with self._changing() as keys:
                keys[user] = keys[name]

    def password(self, user: str) -> str | None:
        """The user's key, None if it is not kept here."""
        return self._read().get(user)

    def users(self) -> list[str]:
        """Users whose key is kept here."""
        return sorted(name for name in self._read() if "/" not in name)

    def _read(self) -> dict[str, str]:
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return {}
        try:
            return dict(json.loads(text))
        except (ValueError, TypeError) as error:
            raise KeyringError(
                f"expected names and keys as JSON in {self._path}, got {error}. "
                "Restore the file: without its keys nobody can log in as those users."
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _private(self._path.with_suffix(".lock")) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = self._read()
            yield keys
            draft = self._path.with_suffix(".new")
            with os.fdopen(_private_descriptor(draft), "w") as file:
                json.dump(keys, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)


def _registration(sender: str, command_id: str) -> str:
    return f"{sender}/{command_id}"


def _private_descriptor(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)


@contextmanager
def _private(path: Path) -> Iterator[int]:
    descriptor = _private_descriptor(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
