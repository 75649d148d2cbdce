"""The checker of the storm finds each fault in made-up observations with one thing wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.chaos.checker import FAULTS, Fault, check
from tests.chaos.load import Record
from tests.chaos.observed import (
    ID_REUSED,
    Asset,
    Change,
    DeadLetter,
    Event,
    Observed,
    Remembered,
    Reply,
    Sent,
    Stored,
)

USER: Final = "USR-1"
ASSET: Final = "BAT-1"
FORGED: Final = b"something else"


def sent(command: str, **changes: Any) -> Sent:
    made = Sent(USER, command, "asset.update.v1", "update", command.encode(), confirmed=True)
    return replace(made, **changes)


def reply(command: str, revision: int | None = None, **changes: Any) -> Reply:
    made = Reply(
        user=USER,
        id=command,
        message=f"reply to {command}",
        type="asset.update.accepted.v1",
        code=None,
        entity=ASSET,
        revision=revision,
        digest=f"reply to {command}".encode(),
        timeless=f"reply to {command}".encode(),
    )
    return replace(made, **changes)


def event(command: str, revision: int, **changes: Any) -> Event:
    made = Event(
        id=f"event of {command}",
        type="asset.updated.v1",
        entity=ASSET,
        revision=revision,
        by=USER,
        command=command,
        digest=command.encode(),
    )
    return replace(made, **changes)


def rejected(command: str, **changes: Any) -> Reply:
    given = {"type": "asset.update.rejected.v1", "entity": None, "revision": None} | changes
    return reply(command, **given)


def seen() -> Observed:
    """A register of one asset, updated twice, and one of each message that is refused.

    What may be repeated is repeated: an event, a reply, and a command that was sent again.
    """
    register = "asset.register.v1"
    remembered = ("c1", "c2", "c3", "c4")
    return Observed(
        sent=[
            sent("c1", kind="register", type=register, serial="S1"),
            sent("c2", entity=ASSET, value=1),
            sent("c3", entity=ASSET, value=2),
            sent("c4", kind="broken", type=register),
            sent("c5", kind="undecodable", type=register),
            sent("c6", kind="unknown", type="asset.paint.v1"),
            sent("c2", kind="again"),
            sent("c3", kind="reuse", digest=b"other bytes"),
            sent("c7", entity=ASSET, value=3, confirmed=False),
        ],
        replies=[
            reply("c1", 1, type="asset.register.accepted.v1"),
            reply("c2", 2),
            reply("c3", 3),
            rejected("c4"),
            rejected("c5"),
            rejected("c5", digest=b"the same at another time"),
            rejected("c6"),
            reply("c2", 2),
            rejected("c3", code=ID_REUSED, message="refusal", digest=b"a", timeless=b"a"),
            rejected("c3", code=ID_REUSED, message="refusal", digest=b"b", timeless=b"a"),
        ],
        events=[event("c1", 1), event("c2", 2), event("c1", 1), event("c2", 2), event("c3", 3)],
        stored=Stored(
            assets={ASSET: Asset(3, USER, "S1", 2)},
            claims=[ASSET],
            history=[Change(ASSET, n, USER, f"c{n}") for n in (1, 2, 3)],
            inbox={(USER, c): Remembered(c.encode(), f"reply to {c}".encode()) for c in remembered},
            archive=[(USER, c) for c in remembered],
            dead=[DeadLetter(USER, b"c5", "undecodable", 2)],
            waiting={"outbox": 0, "mailbox.assets.0": 0},
        ),
    )


def held(observed: Observed, command: str) -> None:
    """The command became a dead letter in place of an outcome, and its sender was told."""
    observed.replies = [r for r in observed.replies if r.id != command]
    observed.replies.append(reply(command, type="asset.update.held.v1", revision=None))
    observed.stored = replace(
        observed.stored,
        dead=[*observed.stored.dead, DeadLetter(USER, command.encode(), "dead-lettered", 1)],
        inbox={k: v for k, v in observed.stored.inbox.items() if k != (USER, command)},
        archive=[known for known in observed.stored.archive if known != (USER, command)],
    )


def stored(**changes: Any) -> Callable[[Observed], None]:
    def change(observed: Observed) -> None:
        observed.stored = replace(observed.stored, **changes)

    return change


def told(*replies: Reply) -> Callable[[Observed], None]:
    return lambda observed: observed.replies.extend(replies)


def happened(*events: Event) -> Callable[[Observed], None]:
    return lambda observed: observed.events.extend(events)


def without_reply(command: str) -> Callable[[Observed], None]:
    def change(observed: Observed) -> None:
        observed.replies = [r for r in observed.replies if r.id != command]

    return change


def without_event(command: str) -> Callable[[Observed], None]:
    def change(observed: Observed) -> None:
        observed.events = [e for e in observed.events if e.command != command]

    return change


def swapped(observed: Observed) -> None:
    """The register decided the second update before the first."""
    observed.replies[1], observed.replies[2] = reply("c2", 3), reply("c3", 2)
    observed.replies[7] = reply("c2", 3)


def late_event(observed: Observed) -> None:
    observed.events.sort(key=lambda one: one.revision == 2)


def one_answer_less(observed: Observed) -> None:
    del observed.replies[7]


def unanswered_reuse(observed: Observed) -> None:
    observed.replies = [r for r in observed.replies if r.code != ID_REUSED]


def unnoticed_death(observed: Observed) -> None:
    held(observed, "c3")
    observed.replies.pop()


def _stored(**changes: Any) -> Stored:
    return replace(seen().stored, **changes)


HISTORY: Final = list(seen().stored.history)
INBOX: Final = dict(seen().stored.inbox)
WRONG: Final[dict[str, tuple[Fault, Callable[[Observed], None]]]] = {
    "a command without an answer": ("lost", without_reply("c4")),
    "a resent command without its second answer": ("lost", one_answer_less),
    "a used id without its refusal": ("lost", unanswered_reuse),
    "another answer": ("twice", told(reply("c2", 2, digest=FORGED))),
    "another refusal": ("twice", told(rejected("c6", timeless=FORGED))),
    "both outcomes": ("twice", told(rejected("c2", message="other", digest=FORGED))),
    "two changes by one command": (
        "twice",
        stored(
            history=[*HISTORY, Change(ASSET, 4, USER, "c2")],
            assets={ASSET: Asset(4, USER, "S1", 2)},
        ),
    ),
    "decided twice": ("twice", stored(archive=[*seen().stored.archive, (USER, "c2")])),
    "two assets of one device": (
        "twice",
        stored(assets={ASSET: Asset(3, USER, "S1", 2), "BAT-2": Asset(1, USER, "S1", 2)}),
    ),
    "two events of one change": ("twice", happened(event("c3", 3, id="another"))),
    "an event with other content": ("twice", happened(event("c3", 3, digest=FORGED))),
    "an outcome and a dead letter": (
        "twice",
        stored(dead=[*seen().stored.dead, DeadLetter(USER, b"c3", "dead-lettered", 1)]),
    ),
    "other bytes remembered": (
        "twice",
        stored(inbox=INBOX | {(USER, "c3"): Remembered(b"other bytes", b"reply to c3")}),
    ),
    "another answer remembered": (
        "twice",
        stored(inbox=INBOX | {(USER, "c3"): Remembered(b"c3", FORGED)}),
    ),
    "a gap in the events": ("out of order", late_event),
    "updates decided in another order": ("out of order", swapped),
    "an earlier update stands": ("out of order", stored(assets={ASSET: Asset(3, USER, "S1", 1)})),
    "an event without a change": ("unexplained", happened(event("c7", 4))),
    "an event of another command": ("unexplained", happened(event("c4", 3))),
    "a change without an event": ("unexplained", without_event("c3")),
    "a change without a command": (
        "unexplained",
        stored(
            history=[*HISTORY, Change(ASSET, 4, USER, "c9")],
            assets={ASSET: Asset(4, USER, "S1", 2)},
        ),
    ),
    "a document behind its history": (
        "unexplained",
        stored(assets={ASSET: Asset(2, USER, "S1", 2)}),
    ),
    "a document without history": (
        "unexplained",
        stored(history=[change for change in HISTORY if change.revision != 2]),
    ),
    "a document that nobody registered": ("unexplained", stored(users={"USR-9": 1})),
    "an issued id without its document": (
        "unexplained",
        told(reply("c1", 1, type="asset.register.accepted.v1", entity="BAT-9")),
    ),
    "accepted without effect": ("unexplained", stored(history=HISTORY[:2])),
    "rejected with effect": (
        "unexplained",
        stored(history=[*HISTORY, Change(ASSET, 4, USER, "c4")]),
    ),
    "accepted what is broken": (
        "unexplained",
        told(reply("c4", 4, digest=b"reply to c4", timeless=b"reply to c4")),
    ),
    "decided and forgotten": (
        "unexplained",
        stored(inbox={k: v for k, v in INBOX.items() if k != (USER, "c3")}),
    ),
    "an inbox row that nobody sent": (
        "unexplained",
        stored(inbox=INBOX | {(USER, "c9"): Remembered(b"c9", b"reply to c9")}),
    ),
    "an archived command that nobody sent": (
        "unexplained",
        stored(archive=[*seen().stored.archive, (USER, "c9")]),
    ),
    "an unreadable command in the inbox": (
        "unexplained",
        stored(inbox=INBOX | {(USER, "c5"): Remembered(b"c5", b"reply to c5")}),
    ),
    "an unreadable command not kept": ("unexplained", stored(dead=[])),
    "an answer to nothing": ("unexplained", told(reply("c9", 9))),
    "a refusal too many": (
        "unexplained",
        told(rejected("c2", code=ID_REUSED, message="second refusal")),
    ),
    "a dead letter that nobody sent": (
        "unexplained",
        stored(dead=[*seen().stored.dead, DeadLetter(USER, FORGED, "poisoned", 1)]),
    ),
    "a notice without a dead letter": (
        "unexplained",
        told(reply("c3", type="asset.update.held.v1")),
    ),
    "a dead letter without a notice": ("unexplained", unnoticed_death),
    "a claim of nobody": ("unexplained", stored(claims=[ASSET, "BAT-9"])),
    "a claim twice": ("unexplained", stored(claims=[ASSET, ASSET])),
    "a device without its claim": ("unexplained", stored(claims=[])),
    "messages left in a queue": ("unexplained", stored(waiting={"mailbox.assets.0": 1})),
    "rows left in the outbox": ("unexplained", stored(waiting={"outbox": 1})),
}
WORDS: Final = {
    "accepted without effect": "accepted, and nothing changed",
    "rejected with effect": "not accepted, and something changed",
    "a document that nobody registered": "nobody was told of it",
}
"""What is said of a fault that more than one check finds."""


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    report = check(seen())

    assert {fault: report.faults[fault] for fault in FAULTS} == {fault: [] for fault in FAULTS}
    assert report.is_clean
    counts = {name: report.counts[name] for name in ("sent", "confirmed", "accepted", "rejected")}
    assert counts == {"sent": 9, "confirmed": 8, "accepted": 3, "rejected": 3}
    assert (report.counts["commands"], report.counts["dead"]) == (7, 0)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(name: str) -> None:
    fault, change = WRONG[name]
    observed = seen()
    change(observed)

    report = check(observed)

    assert report.faults[fault], report.faults
    assert any(WORDS.get(name, "") in text for text in report.faults[fault])
    assert not report.is_clean


def test_a_dead_letter_of_which_the_sender_was_told_is_counted() -> None:
    observed = seen()
    observed.sent.append(sent("c8", entity=ASSET, value=4))
    held(observed, "c8")

    report = check(observed)

    assert report.is_clean, report.faults
    assert report.counts["dead"] == 1


def test_an_unconfirmed_command_may_have_been_decided() -> None:
    observed = seen()
    observed.replies.append(reply("c7", 4))
    observed.events.append(event("c7", 4))
    observed.stored = _stored(
        assets={ASSET: Asset(4, USER, "S1", 3)},
        history=[*HISTORY, Change(ASSET, 4, USER, "c7")],
        inbox=INBOX | {(USER, "c7"): Remembered(b"c7", b"reply to c7")},
        archive=[*seen().stored.archive, (USER, "c7")],
    )

    assert check(observed).is_clean, check(observed).faults


def test_a_fact_that_is_no_change_is_not_taken_for_one() -> None:
    record = Record()
    envelope = {"id": "1", "type": "asset.duplicate-attempted.v1", "causationid": "c"}
    said = {"id": ASSET, "roles": ["fsp"], "by": USER}
    record.hear_event(json.dumps(envelope | {"data": said}).encode())
    record.hear_event(json.dumps(envelope | {"data": said | {"revision": 1}}).encode())

    assert [one.revision for one in record.observed.events] == [1]
