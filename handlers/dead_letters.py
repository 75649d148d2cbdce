"""Dead letters: what is kept of a message that could not be decided, and what becomes of it.

A letter is in clear and says what can be counted and listed; what may hold somebody's data is its
contents, sealed and written once for each failure that is kept.
"""

import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from contracts.dead import REPLAYED
from handlers.admission import Arrival, Delivery, Refusal
from handlers.bookkeeping import keeper
from handlers.case import Case, Outcome
from handlers.collection import is_internal
from handlers.decision import Document, NotLoadedError, Put, Secret, View
from handlers.senders import Issuer
from handlers.spans import Span

LETTERS: Final = "dead_letters"
CONTENTS: Final = "dead_contents"
BODY_BYTES_MAX: Final = 8 * 1024 * 1024
"""What is kept of a dead body; MongoDB takes 16 MiB a document, the broker passes on more."""
HISTORY_MAX: Final = 50
"""How many changes of its state a letter remembers: the first, and the last ones."""
FINGERPRINT: Final = 16
UNKNOWN: Final = "unknown-"
"""What stands before the fingerprint of a type that nobody knows."""
ENDED: Final = frozenset({"resolved", "discarded", "edited"})
SETTLED: Final = frozenset(
    {"accepted", "rejected", "duplicate", "reused", "refused", "handled", "idle"}
)
"""Kinds of outcome after which a message is done with, and its sender has been answered."""
_ID: Final = re.compile(r"[0-9]{8}T[0-9]{9}-[0-9a-f]{32}")
_MICROS: Final = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message is a dead letter: in clear what it is grouped by, and what is sealed."""

    reason: str
    exception: str
    """Type of the exception, or the code of the finding."""
    top: str
    """Where it was raised, as `folder/file.py:function`; empty where nothing was."""
    fault: Mapping[str, Any]
    """Sealed, since the words may quote the message."""

    @classmethod
    def of_error(cls, reason: str, error: Exception, characters_max: int) -> "Failure":
        """What an exception says, of message and stack the last characters."""
        stack = "".join(traceback.format_exception(error))[-characters_max:]
        name = type(error).__qualname__
        fault = {"type": name, "message": str(error)[:characters_max], "stack": stack}
        storable = {key: text.encode(errors="replace").decode() for key, text in fault.items()}
        return cls(reason, name, top_of(error), storable)

    @classmethod
    def of_refusal(cls, refusal: Refusal) -> "Failure":
        """What a finding says."""
        return cls(refusal.reason, refusal.finding.rule, "", refusal.finding.model_dump())

    def fingerprint(self, message_type: str) -> str:
        """The group of those that failed in the same way: without lines, values and addresses."""
        said = f"{self.reason}\x1f{self.exception}\x1f{self.top}\x1f{message_type}"
        return sha256(said.encode(errors="surrogatepass")).hexdigest()[:FINGERPRINT]


def top_of(error: Exception) -> str:
    """The innermost frame, so that neither a line nor a folder above it tells two groups apart."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    path = "/".join(frames[-1].filename.replace("\\", "/").split("/")[-2:])
    return f"{path}:{frames[-1].name}"


def moment_of(at: datetime) -> str:
    """A moment as the ids of letters begin with, so that they sort by it."""
    return f"{at:%Y%m%dT%H%M%S}{at.microsecond // _MICROS:03d}"


def terms_of(letter: Document) -> list[str]:
    """What a letter is found by, what few have first."""
    named = ("run", "fingerprint", "account", "type", "queue", "reason", "state")
    return [f"{name}:{letter[name]}" for name in named if letter[name] is not None]


def changed(letter: Document, at: datetime, by: str, **fields: Any) -> Put:
    """A letter with other fields; a state that is another one is added to its history."""
    new = {**letter, **fields, "revision": letter["revision"] + 1}
    if new["state"] != letter["state"]:
        past = [*letter["history"], {"at": at, "by": by, "state": new["state"]}]
        new["history"] = past[:1] + past[1:][-(HISTORY_MAX - 1) :]
        new["state_at"] = at
    return Put(LETTERS, {**new, "terms": terms_of(new)}, letter)


def dead_puts(case: Case, failure: Failure) -> tuple[Put, ...]:
    """The message as it came, for an operator; the same one again is counted, not kept.

    One that was replayed and failed is the same letter whatever it failed by this time.
    """
    digest = _digest(case, failure)
    replayed = letter_replayed(case)
    if replayed is not None:
        return _failed_again(case, failure, replayed)
    was = _same(case, digest)
    if was is not None:
        state = "open" if was["state"] in ENDED else was["state"]
        return (changed(was, case.now, "", state=state, **_counted(case, was)),)
    return _new(case, failure, digest)


def _digest(case: Case, failure: Failure) -> str:
    delivery = case.arrival.delivery
    said = (delivery.account, delivery.message_id, delivery.type, failure.reason)
    origin = "".join(f"{one}\x1f" for one in said)
    plain = sha256(origin.encode(errors="surrogatepass") + delivery.body).hexdigest()
    return case.rulebook.identity.fingerprint("dead-letter", plain)


def body_mark(identity: Issuer, body: bytes) -> str:
    """What a body is known again by: keyed, since a letter outlasts the erasure of its contents.

    Short bodies could be guessed from a plain digest.
    """
    return identity.fingerprint("dead-body", sha256(body).hexdigest())


def shown_type(case: Case) -> str:
    """The type, where it is one of ours; else a fingerprint of what may say anything.

    Whoever may publish chooses the words of a type that nobody takes. What was said is sealed.
    """
    given, rulebook = case.arrival.delivery.type, case.rulebook
    known = given in rulebook.handlers or given in rulebook.known
    if known or is_internal(case.arrival.delivery.user):
        return given
    plain = given.encode(errors="surrogatepass").hex()
    return f"{UNKNOWN}{rulebook.identity.fingerprint('dead-type', plain)[:FINGERPRINT]}"


def _same(case: Case, digest: str) -> Document | None:
    """The letter of the same message, of the last one where there are several."""
    found, _ = case.view.page(LETTERS, Span("digest", digest), always=True)
    return found[-1] if found else None


def _counted(case: Case, was: Document) -> dict[str, Any]:
    return {
        "times": was["times"] + 1,
        "attempts": was["attempts"] + _attempts(case),
        "last_at": case.now,
    }


def _attempts(case: Case) -> int:
    """How often it was tried, this time included."""
    arrival = case.arrival
    if isinstance(arrival, Refusal) and arrival.tries:
        return arrival.tries
    ticket = arrival.delivery.ticket
    return ticket.attempt + 1 if ticket is not None else 1


def _new(case: Case, failure: Failure, digest: str) -> tuple[Put, ...]:
    arrival, delivery = case.arrival, case.arrival.delivery
    key = f"{moment_of(case.now)}-{digest[:32]}"
    header = arrival.header if isinstance(arrival, Arrival) else None
    letter = {
        "_id": key,
        "revision": 1,
        "state": "open",
        "state_at": case.now,
        "digest": digest,
        "queue": (isinstance(arrival, Refusal) and arrival.died_in) or case.lane,
        "type": shown_type(case),
        "account": delivery.account,
        "first_at": case.now,
        "last_at": case.now,
        "made_at": header.time if header is not None else None,
        "times": 1,
        "attempts": _attempts(case),
        "size": len(delivery.body),
        "mark": body_mark(case.rulebook.identity, delivery.body),
        "notes": 0,
        "run": None,
        "outcome": None,
        "history": [{"at": case.now, "by": "", "state": "open"}],
        **_grouped(case, failure),
    }
    contents = {
        "_id": key,
        "revision": 1,
        "properties": Secret(_properties(arrival, keeper(arrival, case.now))),
        "body": Secret(delivery.body[:BODY_BYTES_MAX]),
        "fault": Secret(failure.fault),
    }
    return Put(LETTERS, {**letter, "terms": terms_of(letter)}), Put(CONTENTS, contents)


def _grouped(case: Case, failure: Failure) -> dict[str, Any]:
    return {
        "reason": failure.reason,
        "fingerprint": failure.fingerprint(shown_type(case)),
        "exception": failure.exception,
        "top": failure.top,
        "version": case.rulebook.version,
    }


def _properties(arrival: Arrival | Refusal, kept_for: str) -> dict[str, Any]:
    """What the broker said of it; `strings` are the headers that a replay can give it again."""
    delivery = arrival.delivery
    headers = delivery.headers or {}
    kept: dict[str, Any] = {
        "account": delivery.account,
        "keeper": kept_for,  # whose data key it has, for what takes its place
        "type": delivery.type,
        "message_id": delivery.message_id,
        "reply_to": delivery.reply_to,
        "content_encoding": delivery.content_encoding,
        "headers": [[_text(str(name)), _text(repr(value))] for name, value in headers.items()],
        "strings": {_text(n): _text(v) for n, v in headers.items() if isinstance(v, str)},
    }
    if delivery.cursor is not None:
        kept["cursor"] = delivery.cursor  # how far a fact has been told
    return kept


def _text(given: str) -> str:
    """What a sender writes in headers need not be storable as it is."""
    return given.encode(errors="replace").decode()


def _failed_again(case: Case, failure: Failure, letter: Document) -> tuple[Put, ...]:
    """Back to the operator, with what it failed by this time; how it first came stays as it is."""
    fields = {"state": "failed-again", **_counted(case, letter), **_grouped(case, failure)}
    put = changed(letter, case.now, "", **fields)
    was = readable(case.view, CONTENTS, letter["_id"])
    if was is None or was["properties"].value is None:
        return (put,)
    fault = {"revision": was["revision"] + 1, "fault": Secret(failure.fault)}
    return put, Put(CONTENTS, {**was, **fault}, was)


def settled(case: Case, outcome: Outcome) -> Iterator[Put]:
    """What was replayed has its outcome, and says so in the same commit."""
    if outcome.kind not in SETTLED or any(w.collection == LETTERS for w in outcome.writes):
        return
    letter = letter_replayed(case)
    if letter is not None:
        yield changed(letter, case.now, "", state="resolved", outcome=outcome.kind)


def letter_read(delivery: Delivery) -> Iterator[tuple[str, str]]:
    """The letter that a delivery says it replays; read with all else, not in a round of its own."""
    mark = (delivery.headers or {}).get(REPLAYED)
    if isinstance(mark, str) and _ID.fullmatch(mark):
        yield LETTERS, mark


def letter_replayed(case: Case) -> Document | None:
    """The letter that a delivery replays, where it is not settled; what a sender claims is not.

    Its account and its bytes are the letter's, so that at worst somebody sends again what it had
    sent: the outcome of that is the letter's as well.
    """
    delivery = case.arrival.delivery
    mark = next(letter_read(delivery), None)
    if mark is None:
        return None
    letter = case.view.get(*mark, always=True)
    if letter is None or letter["state"] in ENDED or letter["account"] != delivery.account:
        return None
    is_same = letter["mark"] == body_mark(case.rulebook.identity, delivery.body)
    return letter if is_same else None


def readable(view: View, collection: str, key: str) -> Document | None:
    """A document with something sealed in it; None where that cannot be opened.

    To fail here would make a dead letter of whoever looks at one.
    """
    try:
        return view.get(collection, key, always=True)
    except NotLoadedError:
        raise
    except Exception:  # noqa: BLE001  whatever it was, it is the fault of what was kept
        return None
