"""What `send` has rendered and mapped before: a line that is sent again leaves as its bytes."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from contracts.envelope import USER_URN
from workers.cli.lines import Answers, Line, Rendered, written

PRIVATE: Final = 0o600
BUSY_S: Final = 10.0
"""How long another process may hold the file; it does so for one message at a time."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS messages (key TEXT PRIMARY KEY, refs TEXT, body BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tables (key TEXT PRIMARY KEY, content TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID;
"""


class SpoolError(Exception):
    """The spool cannot be used; the text says what to do."""


class Spool:
    """One database file, in which a message is before it leaves; use it as a context manager.

    A message belongs to the line as it was written, not to its file: correcting one line of a file
    leaves the others what they were. Several processes may use the spool at the same time.
    """

    def __init__(self, folder: Path) -> None:
        """Use the file `spool.sqlite` of the folder, made with the first use."""
        self._path = folder / "spool.sqlite"
        self._opened: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        """Open nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def kept(self, line: Line, answers: Answers) -> Rendered | None:
        """The message as it was rendered before.

        None if it never was, or if a reference has another answer by now: then the register is
        another one, and the old bytes would speak of users that it does not know.
        """
        if line.envelope is None:
            return None
        with self._reading() as file:
            found = _found(file, line)
        if found is None:
            return None
        issued = answers.issued
        return found if all(issued.get(k) == v for k, v in found.references.items()) else None

    def keep(self, rendered: Rendered) -> Rendered:
        """Write the message down and give what may leave afterwards.

        That is the message of another process where one has been faster with the same line.
        """
        with self._reading() as file:
            file.execute("BEGIN IMMEDIATE")
            found = _found(file, rendered.line)
            if found is None or found.references != rendered.references:
                file.execute(
                    "INSERT OR REPLACE INTO messages VALUES (?, ?, ?)",
                    (_key(rendered.line), json.dumps(dict(rendered.references)), rendered.body),
                )
                found = rendered
            file.execute("COMMIT")
        return found

    def answered(self, line: Line, reply: bytes) -> bool:
        """Whether this very reply has come for the line before; it is known from now on.

        A query that is sent again gets a reply of today, which is another one.
        """
        key, digest = _key(line), sha256(reply).hexdigest()
        with self._reading() as file:
            row = file.execute("SELECT reply FROM answers WHERE key = ?", (key,)).fetchone()
            if row == (digest,):
                return True
            file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, digest))
        return False

    def table(self, key: str) -> Any:
        """What was kept under the key, None if nothing was."""
        with self._reading() as file:
            row = file.execute("SELECT content FROM tables WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def keep_table(self, key: str, content: Any) -> None:
        """Remember what a table was turned into."""
        with self._reading() as file:
            file.execute("INSERT OR REPLACE INTO tables VALUES (?, ?)", (key, json.dumps(content)))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._opened is None:
                self._opened = self._open()
            yield self._opened
        except (sqlite3.Error, OSError) as error:
            why = getattr(error, "strerror", None) or error
            raise SpoolError(
                f"expected to keep what is sent in {self._path}, got: {why}. Make room or "
                "correct its rights; without the file, lines without `time` are other commands."
            ) from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made here, because the library would let everybody read it.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE))
        file = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        file.execute("PRAGMA journal_mode = WAL")
        # Survives the end of the process at any moment, without waiting for the disk each time.
        file.execute("PRAGMA synchronous = NORMAL")
        file.executescript(SCHEMA)
        return file


def _key(line: Line) -> str:
    """Sender, id and the line as it was written; where it has no id, the one derived for it."""
    envelope: Mapping[str, Any] = line.envelope or {}
    raw = line.raw if line.raw is not None else written(envelope)
    command_id = envelope.get("id", line.derived())
    return json.dumps([envelope.get("source"), command_id, sha256(raw).hexdigest()])


def _found(file: sqlite3.Connection, line: Line) -> Rendered | None:
    statement = "SELECT refs, body FROM messages WHERE key = ?"
    row = file.execute(statement, (_key(line),)).fetchone()
    if row is None:
        return None
    references, body = dict(json.loads(row[0])), bytes(row[1])
    envelope = json.loads(body)
    sender = str(envelope["source"]).removeprefix(USER_URN)
    command_id = envelope["id"]
    if not isinstance(command_id, str):
        command_id = line.derived()
    return Rendered(line, sender, str(envelope["type"]), command_id, body, references)
