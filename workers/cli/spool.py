"""What `send` has rendered before, so that sending a file again sends the same bytes."""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from contracts.envelope import USER_URN
from workers.cli.lines import Answers, Line, Rendered

PRIVATE: Final = 0o600


class SpoolError(Exception):
    """The spool cannot be used; the text says what to do."""


@dataclass(slots=True)
class _Book:
    """The spooled envelopes of one scope."""

    file: BinaryIO
    entries: dict[int, Mapping[str, Any]]


class Spool:
    """One file per scope, written before the message leaves; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Use the folder `spool`, made with the first message."""
        self._folder = folder / "spool"
        self._books: dict[str, _Book] = {}

    def __enter__(self) -> Self:
        """Open nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let other processes send these files."""
        for book in self._books.values():
            book.file.close()
        self._books.clear()

    def kept(self, line: Line, answers: Answers) -> Rendered | None:
        """The message as it was rendered before.

        None if it never was, or if a reference has another answer by now: then the register is
        another one, and the old bytes would speak of users that it does not know.
        """
        entry = self._book(line.scope).entries.get(line.number)
        if entry is None:
            return None
        references = dict(entry["references"])
        if any(answers.issued.get(name) != issued for name, issued in references.items()):
            return None
        body = str(entry["body"]).encode()
        envelope = json.loads(body)
        sender = str(envelope["source"]).removeprefix(USER_URN)
        command_id = str(entry["id"])
        return Rendered(line, sender, str(envelope["type"]), command_id, body, references)

    def keep(self, rendered: Rendered) -> None:
        """Write the message down; it may leave afterwards."""
        entry = {
            "number": rendered.line.number,
            "id": rendered.id,
            "references": dict(rendered.references),
            "body": rendered.body.decode(),
        }
        book = self._book(rendered.line.scope)
        book.file.write(json.dumps(entry).encode() + b"\n")
        book.file.flush()
        book.entries[rendered.line.number] = entry

    def _book(self, scope: str) -> _Book:
        if scope not in self._books:
            self._books[scope] = self._open(scope)
        return self._books[scope]

    def _open(self, scope: str) -> _Book:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{scope}.jsonl"
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise SpoolError(
                "expected this file to be sent once at a time, got another process that is "
                "sending it. Wait for it, or end it."
            ) from None
        entries: dict[int, Mapping[str, Any]] = {}
        end = 0
        for raw in file:
            # A line without its end was being written when the process died: it never left.
            if not raw.endswith(b"\n"):
                break
            entry = json.loads(raw)
            entries[int(entry["number"])] = entry
            end += len(raw)
        file.seek(end)
        file.truncate()
        return _Book(file, entries)
