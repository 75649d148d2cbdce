"""The promises of the architecture, looked for in what a run left behind."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from handlers.admission import Arrival, Delivery, Limits, Refusal, admit
from handlers.dead_letters import body_mark
from tests.builders import NOW
from tests.decider import VAULT
from tests.model import clock
from tests.model.found import CommandKey, Found, rows
from tests.model.play import Model
from tests.model.process import QUEUES, RULEBOOK, Sent
from topology import names
from workers.engine import Engine
from workers.store.memory import MemoryStore

USED_AGAIN = "message.id-reused"


class Promise(StrEnum):
    """What may be found broken."""

    KEPT = "kept"
    """Every confirmed command has exactly one outcome: in the inbox, or a dead letter."""
    ANSWERED = "answered"
    """It is answered, and always with the same bytes."""
    ONCE = "once"
    """Its effect happens once, and it is there if the answer says so."""
    ORDER = "order"
    """Commands take effect in the queue's order; an entity's events leave in its order."""
    EVENTS = "events"
    """No change without its event, no event without its change, never before it."""
    GUARDED = "guarded"
    """What a decision rested on was still true when it was committed."""
    FENCED = "fenced"
    """Only the owner of a lane commits, batch after batch."""
    QUIET = "quiet"
    """In the end nothing is left to do: queues, outbox and parking are empty."""
    ALIVE = "alive"
    """No process ends by an error of its own."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One promise that was not kept, and where."""

    promise: Promise
    words: str


def broken(model: Model) -> list[Broken]:
    """Every promise that the run did not keep."""
    found = Found.of(model)
    checks = (_kept, _answered, _once, _events, _order, _as_undisturbed, _guarded, _fenced, _quiet)
    return [b for check in checks for b in check(found)]


def promises(model: Model) -> set[Promise]:
    """Which promises the run did not keep."""
    return {b.promise for b in broken(model)}


def _kept(found: Found) -> Iterator[Broken]:
    dead = {row["mark"] for row in rows(found.model.shared, "dead_letters")}
    archived: dict[CommandKey, int] = defaultdict(int)
    for row in rows(found.model.shared, "commands"):
        for entry in row["entries"]:
            archived[entry["user"], entry["id"]] += 1
    for key, arrivals in found.of_command().items():
        held = any(body_mark(VAULT, a.delivery.body) in dead for a in arrivals)
        outcomes = (key in found.inbox) + held
        if outcomes != 1:
            yield Broken(Promise.KEPT, f"{key} has {outcomes} outcomes")
        if archived[key] != (key in found.inbox):
            yield Broken(Promise.ONCE, f"{key} was decided {archived[key]} times")
    for sent in found.arrivals.values():
        for refusal in sent:
            if not isinstance(refusal, Refusal) or not refusal.dead:
                continue
            if body_mark(VAULT, refusal.delivery.body) not in dead:
                yield Broken(Promise.KEPT, f"a {refusal.reason} message has no dead letter")


def _answered(found: Found) -> Iterator[Broken]:
    for key, arrivals in found.of_command().items():
        row = found.inbox.get(key)
        answers, again = _parted(found, key)
        if answers and row is not None and {sent.type for sent in answers} != {row["type"]}:
            yield Broken(Promise.ANSWERED, f"{key}: expected {row['type']}, got {answers}")
        if len({sent.body for sent in answers}) > 1 and row is not None:
            yield Broken(Promise.ANSWERED, f"{key} was answered differently: {answers}")
        if not answers:
            yield Broken(Promise.ANSWERED, f"{key} was told nothing")
        others = {a.digest for a in arrivals} - ({row["digest"]} if row is not None else set())
        if row is not None and len(others) != len(again):
            words = f"{key}: expected {len(others)} refusals of a used id, got {again}"
            yield Broken(Promise.ANSWERED, words)
    for sent in found.arrivals.values():
        for refusal in sent:
            if not isinstance(refusal, Refusal) or refusal.tell is None:
                continue
            if not found.replies.get((refusal.tell, str(refusal.correlation))):
                yield Broken(Promise.ANSWERED, f"{refusal.reason} was not told")


def _parted(found: Found, key: CommandKey) -> tuple[list[Sent], set[str]]:
    """Answers to the command of an id; what was said to others that came under the same id."""
    answers: list[Sent] = []
    again: set[str] = set()
    for envelope, sent in zip(found.replies.get(key, ()), found.bodies.get(key, ()), strict=True):
        if envelope["data"].get("code") == USED_AGAIN:
            again.add(json.dumps(envelope, sort_keys=True))
        else:
            answers.append(sent)
    return answers, again


def _once(found: Found) -> Iterator[Broken]:
    for mark, document in found.marks.items():
        log = document["log"]
        if len(set(log)) != len(log) or len(log) != document["revision"]:
            yield Broken(Promise.ONCE, f"{mark} has {log} at revision {document['revision']}")
    accepted = {
        f"{user}/{name}"
        for (user, name), row in found.inbox.items()
        if row["type"].endswith(".accepted.v1")
    }
    logged = {entry for document in found.marks.values() for entry in document["log"]}
    if accepted != logged:
        yield Broken(Promise.ONCE, f"accepted and effective differ by {accepted ^ logged}")


def _events(found: Found) -> Iterator[Broken]:
    for mark, events in found.events.items():
        log = found.marks[mark]["log"] if mark in found.marks else []
        for sent, envelope in events:
            revision = envelope["data"]["revision"]
            if revision > sent.revision:
                yield Broken(Promise.EVENTS, f"{mark} {revision} left before its change")
            if revision > len(log) or not log[revision - 1].endswith(f"/{envelope['causationid']}"):
                yield Broken(Promise.EVENTS, f"{mark} {revision} left without its change")
    for mark, document in found.marks.items():
        said = {envelope["data"]["revision"] for _, envelope in found.events.get(mark, ())}
        if said != set(range(1, document["revision"] + 1)):
            yield Broken(Promise.EVENTS, f"{mark}: of {document['revision']} changes left {said}")


def _order(found: Found) -> Iterator[Broken]:
    for mark, events in found.events.items():
        if len(found.queues_of(mark)) > 1:
            continue
        highest = 0
        for _, envelope in events:
            revision = envelope["data"]["revision"]
            if revision > highest + 1:
                yield Broken(Promise.ORDER, f"{mark} {revision} left before {highest + 1}")
            highest = max(highest, revision)


def _as_undisturbed(found: Found) -> Iterator[Broken]:
    """Marks that one queue alone writes and joins to nothing are as without any faults."""
    expected, inbox = _undisturbed(found)
    joined = {
        mark
        for arrivals in found.arrivals.values()
        for a in arrivals
        if isinstance(a, Arrival) and a.type == "mark.join.v1"
        for mark in (getattr(a.message, "id", ""), getattr(a.message, "into", ""))
    }
    shared = {m for m in expected.keys() | found.marks.keys() if len(found.queues_of(m)) > 1}
    for mark in expected.keys() | found.marks.keys():
        if mark in joined | shared or expected.get(mark) == found.marks.get(mark):
            continue
        want, got = (side[mark]["log"] if mark in side else [] for side in (expected, found.marks))
        promise = Promise.ORDER if sorted(want) == sorted(got) else Promise.ONCE
        yield Broken(promise, f"{mark}: expected the log {want}, got {got}")
    if not joined and not shared and inbox != _outcomes(found.inbox.values()):
        yield Broken(Promise.KEPT, "outcomes are not those of an undisturbed run")


def _undisturbed(found: Found) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[Any, Any]]:
    store = MemoryStore()
    store._documents["users"] = dict(found.model.shared._documents["users"])
    for name in QUEUES:
        both = (name, names.bulk_mailbox(name))
        sent = [found.model.queues[queue].published for queue in both]
        clock.run(_decide(store, name, [*sent[0], *sent[1]]))
    inbox = _outcomes(rows(store, "inbox"))
    return {row["_id"]: row for row in rows(store, "marks")}, inbox


async def _decide(store: MemoryStore, lane: str, deliveries: Sequence[Delivery]) -> None:
    lease = await store.acquire(lane, "undisturbed", 1e9)
    assert lease is not None
    engine = Engine(
        store=store,
        vault=VAULT,
        rulebook=RULEBOOK,
        admit=admit,
        limits=Limits(),
        clock=lambda: NOW + timedelta(seconds=1),
        lease=lease,
        version="tests",
    )
    if deliveries:
        await engine.run(deliveries)


def _outcomes(rows: Iterable[Mapping[str, Any]]) -> Mapping[Any, Any]:
    return {tuple(row["_id"].values()): (row["digest"], row["type"]) for row in rows}


def _guarded(found: Found) -> Iterator[Broken]:
    for mark, document in found.marks.items():
        other = found.marks.get(document["into"] or "")
        if other is not None and other["into"] == mark:
            yield Broken(Promise.GUARDED, f"{mark} and {other['_id']} are in each other")


def _fenced(found: Found) -> Iterator[Broken]:
    last: dict[str, tuple[int, int]] = {}
    for done in found.model.commits:
        lane, epoch, batch = done.commit.lane, done.commit.epoch, done.commit.batch
        before = last.get(lane, (0, 0))
        if epoch != done.epoch or epoch < before[0] or batch != before[1] + 1:
            words = f"{lane}: batch {batch} of epoch {epoch} came at {done.epoch} after {before}"
            yield Broken(Promise.FENCED, words)
        last[lane] = (epoch, batch)


def _quiet(found: Found) -> Iterator[Broken]:
    model = found.model
    if not model.is_quiet:
        left = {name: len(rows) for name, rows in model.shared._documents.items()}
        yield Broken(Promise.QUIET, f"something is left to do for ever: {left}")
    if any(queue.dead for queue in model.queues.values()):
        yield Broken(Promise.QUIET, "the broker gave a message up")
    for words in model.deaths:
        yield Broken(Promise.ALIVE, words)
