"""A rebuild gives the same documents, revisions and history, and tells what does not fit."""

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from handlers.archiving import UNREPEATED
from tests.boxes import readable
from tests.builders import asset, delivery, envelope
from tests.memory.crowd import Crowd, gather
from topology.catalog import build
from workers.backbone import MASTER_CHECK, rulebook
from workers.comparing import compare
from workers.differences import Difference, Report, fields_in_words, key_in_words
from workers.rebuild import NotEmpty, Rebuild
from workers.store.codec import decode, encode_row
from workers.store.memory import MemoryStore
from workers.store.protocol import InboxKey

COMMANDS = 500
FULL = 50_000
UNREPEATED_SENT = 7
"""Commands about dead letters that are sent by those who care for them."""


async def rebuilt(crowd: Crowd, source: MemoryStore | None = None) -> tuple[Report, MemoryStore]:
    register, target = crowd.register, MemoryStore()
    work = Rebuild(
        source=source or register.store,
        target=target,
        vault=register.vault,
        rulebook=lambda lane: rulebook(register.entries, lane, register.vault),
        owner="test",
    )
    return await work.run(), target


def lanes(crowd: Crowd) -> set[str]:
    return {str(place).rpartition("/")[0] for place in crowd.register.store._documents["commands"]}


async def shown(crowd: Crowd) -> Mapping[str, Any]:
    """Rebuild, and say how much of it was looked at; asserts that nothing differs."""
    report, target = await rebuilt(crowd)
    assert [str(one) for one in report.differences] == []
    unlike = [one async for one in compare(crowd.register.store, target, crowd.register.vault)]
    assert [str(one) for one in unlike] == []
    assert min(report.entries["verified"], report.entries["erased"]) > 0
    assert report.entries["different"] == 0
    history = {len(s._documents["history"]) for s in (crowd.register.store, target)}
    assert len(history) == 1
    return {"entries": report.entries, "writes": report.writes, "history": history.pop()}


@pytest.fixture(scope="module")
async def crowd() -> Crowd:
    return await gather(3, COMMANDS)


async def test_the_same_documents_revisions_and_history(crowd: Crowd) -> None:
    assert {"mailbox.users.0", "mailbox.assets.0", "mailbox.notices.0"} <= lanes(crowd)
    assert crowd.erased
    await shown(crowd)


async def test_the_lanes_go_on_where_they_were(crowd: Crowd) -> None:
    _, target = await rebuilt(crowd)
    for lane in lanes(crowd):
        old = crowd.register.store._lanes[lane]
        lease = await target.acquire(lane, "worker", 60)
        assert lease is not None
        assert (lease.epoch, lease.batch) == (old.epoch + 1, old.batch)


async def test_an_altered_write_is_reported(crowd: Crowd) -> None:
    altered, place = _altered(crowd)
    report, target = await rebuilt(crowd, altered)
    assert ("write", "assets") in {(d.what, d.collection) for d in report.differences}
    assert report.differences[0].place.startswith(place)
    # What was archived is what is applied: somebody has to look at it.
    assert report.entries["different"] >= 1
    assert [one async for one in compare(crowd.register.store, target, crowd.register.vault)]


def _altered(crowd: Crowd) -> tuple[MemoryStore, str]:
    """The same store, but in one archived write of an asset the name is another."""
    stored = crowd.register.store._documents
    copy = MemoryStore()
    copy._documents = {name: dict(rows) for name, rows in stored.items()}
    gone = {str(key) for key, row in stored["keys"].items() if "destroyed_at" in decode(row)}
    for place, raw in sorted(stored["commands"].items(), key=lambda item: str(item[0])):
        row = decode(raw)
        for entry in row["entries"]:
            if entry["kind"] != "accepted" or entry["body"].key in gone:
                continue
            for write in entry["writes"]:
                if write["collection"] == "assets" and write["expected"] is None:
                    document = decode(write["document"])
                    if document.get("owner") is None:
                        write["document"] = encode_row({**document, "name": "Another"})
                        copy._documents["commands"][place] = encode_row(row)
                        return copy, str(place)
    raise AssertionError("no asset of an organisation was registered")


async def test_a_missing_batch_is_reported(crowd: Crowd) -> None:
    copy = MemoryStore()
    stored = crowd.register.store._documents
    copy._documents = {name: dict(rows) for name, rows in stored.items()}
    place = next(p for p in sorted(map(str, stored["commands"])) if p.startswith("mailbox.assets"))
    del copy._documents["commands"][place]
    report, _ = await rebuilt(crowd, copy)
    assert "revision" in {one.what for one in report.differences}


def _copied(crowd: Crowd) -> MemoryStore:
    copy = MemoryStore()
    copy._documents = {name: dict(rows) for name, rows in crowd.register.store._documents.items()}
    return copy


def _with_entry(crowd: Crowd, change: Callable[[dict[str, Any]], None]) -> MemoryStore:
    """The same store, but for one accepted entry of an asset whose bytes are still there."""
    copy = _copied(crowd)
    gone = {str(k) for k, row in copy._documents["keys"].items() if "destroyed_at" in decode(row)}
    for place, raw in sorted(copy._documents["commands"].items(), key=lambda item: str(item[0])):
        row = decode(raw)
        for entry in row["entries"]:
            is_open = entry["kind"] == "accepted" and entry["body"].key not in gone
            if is_open and entry["type"] == "asset.register.v1":
                change(entry)
                copy._documents["commands"][place] = encode_row(row)
                return copy
    raise AssertionError("no asset was registered")


async def test_a_key_that_is_lost_is_no_erasure(crowd: Crowd) -> None:
    copy = _copied(crowd)
    kept = copy._documents["keys"]
    used: Counter[str] = Counter(
        entry["body"].key
        for raw in copy._documents["commands"].values()
        for entry in decode(raw)["entries"]
        if entry["kind"] == "accepted"
    )
    there = [key for key, _ in used.most_common() if "destroyed_at" not in decode(kept[key])]
    del kept[there[0]]
    whole, _ = await rebuilt(crowd)
    report, _ = await rebuilt(crowd, copy)
    named = {(one.what, one.collection, one.key) for one in report.differences}
    assert ("unreadable", "keys", there[0]) in named
    assert report.entries["erased"] <= whole.entries["erased"]
    assert report.entries["different"] >= used[there[0]]


async def test_an_accepted_command_without_its_bytes_is_reported(crowd: Crowd) -> None:
    """Whoever alters what was written cannot make it an erasure by taking the command away."""
    report, _ = await rebuilt(crowd, _with_entry(crowd, lambda entry: entry.pop("body")))
    assert "decision" in {one.what for one in report.differences}
    assert report.entries["different"] >= 1


async def test_a_type_that_is_gone_is_reported_and_what_it_wrote_is_there(crowd: Crowd) -> None:
    def gone(entry: dict[str, Any]) -> None:
        entry["type"] = "asset.gone.v1"

    report, target = await rebuilt(crowd, _with_entry(crowd, gone))
    assert [one.what for one in report.differences] == ["decision"]
    unlike = [one async for one in compare(crowd.register.store, target, crowd.register.vault)]
    # All but the archive itself, which says another type, and the answer, which is not given again.
    assert {one.collection for one in unlike} <= {"commands", "inbox"}


async def test_what_a_start_looks_for_comes_last(crowd: Crowd) -> None:
    source, target = _copied(crowd), MemoryStore()
    vault = crowd.register.vault
    source._documents["keys"][MASTER_CHECK] = encode_row(vault.new_key(MASTER_CHECK))
    work = Rebuild(
        source=source,
        target=target,
        vault=vault,
        rulebook=lambda lane: rulebook(crowd.register.entries, lane, vault),
        owner="test",
    )
    seen: set[bool] = set()
    await work.run(lambda _done: seen.add(MASTER_CHECK in target._documents["keys"]))
    assert seen == {False}
    assert MASTER_CHECK in target._documents["keys"]


async def test_nothing_is_rebuilt_over_what_is_there(crowd: Crowd) -> None:
    register = crowd.register
    work = Rebuild(
        source=register.store,
        target=register.store,
        vault=register.vault,
        rulebook=lambda lane: rulebook(register.entries, lane, register.vault),
        owner="test",
    )
    before = {name: dict(rows) for name, rows in register.store._documents.items()}
    with pytest.raises(NotEmpty):
        await work.run()
    assert register.store._documents == before


async def test_what_an_erasure_took_is_in_no_archive(crowd: Crowd) -> None:
    """Neither in clear nor under a key that is still there."""
    stored = crowd.register.store._documents
    rows = {name: list(map(decode, stored[name].values())) for name in ("commands", "keys")}
    plain = b"".join(stored["commands"].values())
    text = plain + b"".join(readable(crowd.register.vault, rows).values())

    def found(number: int) -> bool:
        words = (f"{kind} {number}" for kind in ("Name", "Town", "Bank"))
        return any(f"{word}{end}".encode() in text for word in words for end in ("\x00", '"'))

    living = [crowd.numbers[one] for one in crowd.users]
    assert all(map(found, living))
    assert crowd.taken
    assert not [number for number in crowd.taken if found(number)]


async def cared_for() -> Crowd:
    """A crowd, and dead letters of one of it with which operators have done all there is to do."""
    crowd = await gather(5, 40)
    sender, register = crowd.users[0], crowd.register

    async def said(kind: str, data: dict[str, Any], by: str = "operator") -> None:
        crowd.now[0] += timedelta(seconds=1)
        answers = await register.deliver(crowd._message(by, kind, data))
        assert f"{kind[:-3]}.accepted.v1" in {one.type for one in answers}

    def letters() -> list[str]:
        return sorted(str(one) for one in register.store._documents["dead_letters"])

    for number in range(4):
        crowd.now[0] += timedelta(seconds=1)
        content = envelope("asset.register.v1", asset(name=f"Roof {number}"), sender=sender)
        await register.deliver(delivery({**content, "id": number}, account=sender))
    noted, replayed, discarded, edited = letters()
    for one in (noted, edited):
        await said("dead.note.v1", {"id": one, "note": "Asked."})
    await said("dead.replay.v1", {"which": {"id": replayed}, "why": "Again."})
    await said("dead.discard.v1", {"which": {"id": discarded}, "why": "Enough."})
    await said("dead.discard.v1", {"which": {"reason": "poisoned"}, "why": "There is none."})
    await said("dead.edit.v1", {"id": edited, "data": asset(name="Roof"), "why": "Mended."})
    await said("dead.replay.v1", {"which": {"reason": "undecodable"}, "why": "All."})
    return crowd


async def test_what_operators_did_with_dead_letters_is_no_difference() -> None:
    crowd = await cared_for()
    report, target = await rebuilt(crowd)
    assert [str(one) for one in report.differences] == []
    assert [one async for one in compare(crowd.register.store, target, crowd.register.vault)] == []
    assert report.entries["unrepeated"] == UNREPEATED_SENT
    assert report.entries["different"] == 0
    assert report.entries["verified"] > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda entry, other: entry["writes"].append(other),
            {"write: assets ", ": not of such a command"},
        ),
        (lambda entry, _: entry.update(digest="0" * 64), {"decision: dead.note.v1 operator/"}),
        (lambda entry, _: entry.update(type="dead.edit.v1"), {"its bytes are of another command"}),
        (lambda entry, _: entry.pop("body"), {"decision: dead.note.v1 operator/", "bytes"}),
    ],
)
async def test_an_altered_entry_of_care_for_a_dead_letter_is_reported(
    change: Callable[[dict[str, Any], dict[str, Any]], None], said: set[str]
) -> None:
    crowd = await cared_for()
    copy = _copied(crowd)
    rows = {place: decode(raw) for place, raw in copy._documents["commands"].items()}
    written = (w for row in rows.values() for e in row["entries"] for w in e.get("writes", ()))
    other = next(write for write in written if write["collection"] == "assets")
    first = {p: row["entries"][0] for p, row in rows.items() if row["entries"]}
    place = next(p for p, entry in first.items() if entry["type"] == "dead.note.v1")
    change(rows[place]["entries"][0], {**other, "expected": None})
    copy._documents["commands"][place] = encode_row(rows[place])
    report, _ = await rebuilt(crowd, copy)
    lines = [str(one) for one in report.differences]
    assert any(all(part in line for part in said) for line in lines), lines
    assert report.entries["different"] == 1
    assert report.entries["unrepeated"] == UNREPEATED_SENT - 1


async def test_a_digest_that_was_altered_differs_from_what_is_remembered() -> None:
    crowd = await cared_for()
    copy = _copied(crowd)
    for key, raw in copy._documents["inbox"].items():
        row = decode(raw)
        if row["type"] == "dead.note.accepted.v1":
            copy._documents["inbox"][key] = encode_row({**row, "digest": "0" * 64})
            break
    _, target = await rebuilt(crowd, copy)
    unlike = [str(one) async for one in compare(copy, target, crowd.register.vault)]
    assert len(unlike) == 1
    assert re.fullmatch(r"document: inbox operator/c-[0-9]+: other digest, reply", unlike[0])


def test_every_command_about_dead_letters_is_taken_as_archived() -> None:
    commands = {name for name, entry in build().items() if entry.kind == "command"}
    assert {name for name in commands if name.startswith("dead.")} == UNREPEATED


def test_a_difference_is_a_line_that_can_be_read() -> None:
    report = Report()
    report.differ("mailbox.a/1/00000", "decision", ("x.y.v1", InboxKey("u", "c")), "rejected now")
    assert str(report.differences[0]) == "mailbox.a/1/00000: decision: x.y.v1 u/c: rejected now"
    one = Difference("", "document", "inbox", key_in_words({"user": "u", "id": "c"}), "other at")
    assert str(one) == "document: inbox u/c: other at"
    assert fields_in_words({"a": 1, "b": 2, "c": None}, {"a": 1, "b": 3}) == "other b, c"


if __name__ == "__main__":
    started = time.perf_counter()
    big = asyncio.run(gather(7, int(sys.argv[1]) if len(sys.argv) > 1 else FULL))
    played_s = time.perf_counter() - started
    found = asyncio.run(shown(big))
    print(f"{big.outcomes}, {len(lanes(big))} mailboxes, {len(big.erased)} erased")  # noqa: T201
    print(f"{found}: nothing differs")  # noqa: T201
    print(f"played {played_s:.0f} s, rebuilt {time.perf_counter() - started - played_s:.0f} s")  # noqa: T201
