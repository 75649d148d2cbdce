"""The invariants, checked on what was seen and stored; it knows nothing of how the spine works."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.chaos.observed import (
    EXPECTED,
    ID_REUSED,
    UNRECORDED,
    UNREMEMBERED,
    DeadLetter,
    Event,
    Known,
    Observed,
    Remembered,
    Reply,
    Sent,
)

Fault = Literal["lost", "twice", "out of order", "unexplained"]
FAULTS: Final[tuple[Fault, ...]] = ("lost", "twice", "out of order", "unexplained")
HOLDING: Final = frozenset(
    {
        "poisoned", "unencodable", "exhausted", "delivery-limit", "expired", "dropped", "rejected",
        "dead-lettered",
    }
)  # fmt: skip
"""Reasons of dead letters whose outcome is still to come: the sender is told `held`."""
REGISTERED: Final = ("asset.register.accepted.v1", "user.register.accepted.v1")


@dataclass(frozen=True, slots=True)
class Report:
    """How much there was, and every fault in a sentence."""

    counts: Mapping[str, int]
    faults: Mapping[Fault, list[str]]

    @property
    def is_clean(self) -> bool:
        return not any(self.faults.values())


@dataclass(slots=True)
class _Case:
    """Everything about one command, whoever saw it."""

    sent: list[Sent] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)

    @property
    def first(self) -> Sent:
        return self.sent[0]

    @property
    def same(self) -> list[Sent]:
        """The messages with the bytes of the first."""
        return [sent for sent in self.sent if sent.digest == self.first.digest]

    @property
    def outcomes(self) -> list[Reply]:
        """Answers to those."""
        return [r for r in self.replies if r.outcome != "held" and r.code != ID_REUSED]

    @property
    def held(self) -> list[DeadLetter]:
        return [letter for letter in self.dead if letter.reason in HOLDING]

    @property
    def accepted(self) -> Reply | None:
        return next((r for r in self.outcomes if r.outcome == "accepted"), None)


def check(seen: Observed) -> Report:
    """Count everything and find what breaks a promise."""
    cases, strangers = _cases(seen)
    faults: dict[Fault, list[str]] = {fault: [] for fault in FAULTS}
    found = (
        *((("unexplained", text)) for text in strangers),
        *_outcomes(cases),
        *_effects(seen, cases),
        *_orders(seen, cases),
        *_explanations(seen, cases),
    )
    for fault, text in found:
        faults[fault].append(text)
    return Report(_counts(seen, cases), faults)


Found = Iterator[tuple[Fault, str]]
Cases = Mapping[Known, _Case]


def _cases(seen: Observed) -> tuple[Cases, list[str]]:
    """Put everything to the command that it is about, and name what is about none."""
    cases: dict[Known, _Case] = defaultdict(_Case)
    owners: dict[tuple[str | None, bytes], Known] = {}
    for sent in seen.sent:
        cases[sent.known].sent.append(sent)
        owners[sent.user, sent.digest] = sent.known
    strangers = []
    for reply in seen.replies:
        if reply.known in cases:
            cases[reply.known].replies.append(reply)
        else:
            strangers.append(f"{reply.type} to {reply.known}, who sent nothing of that id")
    for letter in seen.stored.dead:
        owner = owners.get((letter.account, letter.digest))
        if owner is not None:
            cases[owner].dead.append(letter)
        else:
            strangers.append(f"a dead letter ({letter.reason}) that {letter.account} never sent")
    return dict(cases), strangers


def _outcomes(cases: Cases) -> Found:
    """One outcome for each command, and always the same answer."""
    for known, case in cases.items():
        yield from _lost(known, case)
        dead = case.held
        if len({_content(case, reply) for reply in case.outcomes}) > 1:
            yield "twice", f"{known}: answers that differ"
        if case.outcomes and any(d.digest == case.first.digest for d in dead):
            yield "twice", f"{known}: both an outcome and a dead letter"
        notices = [reply for reply in case.replies if reply.outcome == "held"]
        if bool(dead) != bool(notices):
            yield "unexplained", f"{known}: {len(dead)} dead letters, {len(notices)} held notices"
        expected = EXPECTED[case.first.kind]
        if surprise := next((r for r in case.outcomes if r.outcome != expected), None):
            yield (
                "unexplained",
                f"{known}: expected {expected}, got {surprise.type} {surprise.code}",
            )
        if case.first.kind == "undecodable" and case.outcomes and not case.dead:
            yield "unexplained", f"{known}: unreadable, and no dead letter is kept"


def _lost(known: Known, case: _Case) -> Found:
    """Each confirmed message is answered or a dead letter, resent ones again.

    Answers are counted and may be repeated by the relay, so that a repeat of the first can stand
    for a second that was lost: what is surely found is a command without any answer.
    """
    others = [sent for sent in case.sent if sent.digest != case.first.digest]
    reused = [reply for reply in case.replies if reply.code == ID_REUSED]
    for name, group, answers in (
        ("command", case.same, case.outcomes),
        ("reuse of the id", others, reused),
    ):
        digests = {sent.digest for sent in group}
        dead = sum(letter.times for letter in case.held if letter.digest in digests)
        confirmed = sum(sent.confirmed for sent in group)
        if len(answers) + dead < confirmed:
            told = f"{len(answers)} answers, {dead} dead letters"
            yield "lost", f"{known} {case.first.type}: {confirmed} times confirmed {name}, {told}"
    if len({reply.message for reply in reused}) > len({sent.digest for sent in others}):
        yield "unexplained", f"{known}: more refusals of a used id than other bytes"


def _content(case: _Case, reply: Reply) -> bytes:
    """What may not differ: all of it, or all but the time where no answer is remembered."""
    return reply.timeless if case.first.kind in UNREMEMBERED else reply.digest


def _effects(seen: Observed, cases: Cases) -> Found:
    """Each accepted command has one effect, and the rest have none."""
    changes = Counter((change.by, change.command) for change in seen.stored.history)
    decided = Counter(seen.stored.archive)
    serials = Counter(asset.serial for asset in seen.stored.assets.values() if asset.serial)
    for what, counter in (("changes", changes), ("decisions", decided), ("assets", serials)):
        for name, times in counter.items():
            if times > 1:
                yield "twice", f"{name}: {times} {what}"
    for known, case in cases.items():
        accepted = case.accepted is not None
        if accepted and not changes[known] and case.first.kind not in UNRECORDED:
            yield "unexplained", f"{known}: accepted, and nothing changed"
        if not accepted and changes[known] and case.outcomes:
            yield "unexplained", f"{known}: not accepted, and something changed"
        yield from _memory(known, case, seen.stored.inbox.get(known))


def _memory(known: Known, case: _Case, remembered: Remembered | None) -> Found:
    """The inbox holds the first bytes and the answer that was given, of all but what is refused."""
    if case.first.kind in UNREMEMBERED:
        if remembered is not None:
            yield "unexplained", f"{known}: unreadable, and in the inbox"
    elif remembered is None:
        if case.outcomes:
            yield "unexplained", f"{known}: decided, and not in the inbox"
    elif remembered.command != case.first.digest:
        yield "twice", f"{known}: the inbox remembers other bytes than came first"
    elif any(reply.digest != remembered.reply for reply in case.outcomes):
        yield "twice", f"{known}: answered otherwise than the inbox remembers"


def _orders(seen: Observed, cases: Cases) -> Found:
    """An entity's events never skip a revision; its last update in order of sending stands."""
    highest: dict[str, int] = defaultdict(int)
    for event in seen.events:
        if event.revision > highest[event.entity] + 1:
            yield (
                "out of order",
                f"{event.entity}: event of revision {event.revision} after {highest[event.entity]}",
            )
        highest[event.entity] = max(highest[event.entity], event.revision)
    updates: dict[str, list[tuple[int | None, Reply]]] = defaultdict(list)
    for case in cases.values():
        if case.first.kind == "update" and case.accepted is not None:
            updates[str(case.first.entity)].append((case.first.value, case.accepted))
    for entity, accepted in updates.items():
        revisions = [reply.revision for _, reply in accepted]
        if wrong := [n for n, revision in enumerate(revisions) if revision != n + 2]:
            found = revisions[max(wrong[0] - 1, 0) : wrong[0] + 9]
            yield "out of order", f"{entity}: revisions … {found} … in order of sending"
        stored = seen.stored.assets.get(entity)
        last = accepted[-1][0]
        if stored is not None and stored.value != last:
            yield "out of order", f"{entity}: {stored.value} is stored, {last} was the last update"


def _explanations(seen: Observed, cases: Cases) -> Found:
    """No event without its change, no change without its event, nothing that nobody asked for."""
    stored = seen.stored
    yield from _events(seen, {(c.entity, c.revision): (c.by, c.command) for c in stored.history})
    yield from _documents(seen)
    senders = {(change.by, change.command) for change in stored.history}
    for known in (senders | stored.inbox.keys() | set(stored.archive)) - cases.keys():
        yield "unexplained", f"{known}: decided, and nobody sent it"
    for place, count in stored.waiting.items():
        if count:
            yield "unexplained", f"{place}: {count} left"


def _documents(seen: Observed) -> Found:
    """What is stored is what was issued, and where its history leads."""
    stored = seen.stored
    revisions: dict[str, list[int]] = defaultdict(list)
    for change in stored.history:
        revisions[change.entity].append(change.revision)
    documents = {name: asset.revision for name, asset in stored.assets.items()}
    documents.update(stored.users)
    for entity in documents.keys() | revisions.keys():
        if sorted(revisions[entity]) != list(range(1, documents.get(entity, 0) + 1)):
            yield "unexplained", f"{entity}: its history does not lead to what is stored"
    issued = {reply.entity for reply in seen.replies if reply.type in REGISTERED}
    for entity in documents.keys() - issued:
        yield "unexplained", f"{entity}: stored, and nobody was told of it"
    for gone in issued - documents.keys():
        yield "unexplained", f"{gone}: issued, and not stored"
    devices = {name for name, asset in stored.assets.items() if asset.serial is not None}
    for holder in Counter(stored.claims) - Counter(devices):
        yield "unexplained", f"{holder}: a claim too many"
    for holder in devices - set(stored.claims):
        yield "unexplained", f"{holder}: a device without its claim"


def _events(seen: Observed, changes: Mapping[tuple[str, int], Known]) -> Found:
    contents: dict[str, Event] = {}
    told: dict[tuple[str, int], set[str]] = defaultdict(set)
    for event in seen.events:
        told[event.entity, event.revision].add(event.id)
        if contents.setdefault(event.id, event).digest != event.digest:
            yield "twice", f"{event.entity}: event {event.id} with other content"
        if changes.get((event.entity, event.revision)) != (event.by, event.command):
            yield (
                "unexplained",
                f"{event.entity}: {event.type} of revision {event.revision} without its change",
            )
    for place, ids in told.items():
        if len(ids) > 1:
            yield "twice", f"{place}: {len(ids)} different events"
    for entity, revision in changes.keys() - told.keys():
        yield "unexplained", f"{entity}: revision {revision} without its event"


def _counts(seen: Observed, cases: Cases) -> dict[str, int]:
    found = Counter(sent.kind for sent in seen.sent)
    replies = {reply.message for reply in seen.replies}
    events = {event.id for event in seen.events}
    return {
        "sent": len(seen.sent),
        **{f"sent {kind}": count for kind, count in sorted(found.items())},
        "confirmed": sum(sent.confirmed for sent in seen.sent),
        "commands": len(cases),
        "accepted": sum(case.accepted is not None for case in cases.values()),
        "rejected": sum(_is_rejected(case) for case in cases.values()),
        "dead": sum(bool(case.held) for case in cases.values()),
        "replies": len(seen.replies),
        "replies repeated": len(seen.replies) - len(replies),
        "events": len(seen.events),
        "events repeated": len(seen.events) - len(events),
        "assets": len(seen.stored.assets),
        "users": len(seen.stored.users),
        "changes": len(seen.stored.history),
        "inbox rows": len(seen.stored.inbox),
        "dead letters": len(seen.stored.dead),
    }


def _is_rejected(case: _Case) -> bool:
    return any(reply.outcome == "rejected" for reply in case.outcomes)
