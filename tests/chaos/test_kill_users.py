"""A worker that dies amid registrations, changes of shared data and erasures loses none of them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from tests.boxes import readable
from tests.spine import Platform, Received, Spine, eventually, user
from topology import names
from workers.store.codec import decode

pytestmark = [pytest.mark.connected, pytest.mark.chaos, pytest.mark.timeout(400)]

USERS: Final = names.mailbox("users")
NOTICES: Final = names.mailbox("notices")
PERSONS: Final = 60
UPDATES: Final = 40
WORD: Final = "Quillfeather"
"""In everything that the persons say of themselves."""


async def killed(spine: Spine, sender: Platform, *decided: int) -> None:
    """Run a worker until so many commands of the sender are decided, and kill it; several times."""
    for wanted in decided:

        async def reached(wanted: int = wanted) -> bool:
            return await spine.count("inbox", **{"_id.user": sender.user}) >= wanted

        async with spine.process(lease_s=1, batch_size_max=10, prefetch_max=30) as process:
            await eventually(reached, 60)
            process.kill()
            await process.wait()


async def settled(spine: Spine) -> bool:
    waits = await spine.count("parked") + await spine.count("timers", kind="sharing")
    return not waits and await spine.settled(USERS) and await spine.settled(NOTICES)


def one_answer(party: Platform, ids: Sequence[str]) -> list[Received]:
    """The answer to each command, which is the same however often it came."""
    found = [party.answers(one) for one in ids]
    assert all(len({answer.body for answer in answers}) == 1 for answers in found)
    return [answers[0] for answers in found]


def told(party: Platform, kind: str) -> list[Received]:
    """The events of a type in their order, each once."""
    by_id = {r.envelope["id"]: r for r in party.received if r.type == kind}
    return sorted(by_id.values(), key=lambda r: int(r.envelope["sequence"]))


async def opened(spine: Spine) -> bytes:
    """All that the database and the master key give back."""
    options = CodecOptions(document_class=RawBSONDocument)
    rows: dict[str, list[Any]] = {}
    for name in await spine.database.list_collection_names():
        if name not in {"lanes", "present"}:
            collection = spine.database.get_collection(name).with_options(options)
            rows[name] = [decode(bytes(document.raw)) async for document in collection.find()]
    return repr(rows).encode() + b"\n".join(readable(spine.vault, rows).values())


async def heard(reader: Platform, last: int) -> None:
    """Wait until a reader was told of the change that led to this revision."""

    def is_told() -> bool:
        return any(r.data["revision"] == last for r in told(reader, "user.updated.v1"))

    await reader.until(is_told)


async def test_registrations_end_once_and_erasures_end(lone: Spine) -> None:
    async with lone.running():
        operator = await lone.operator()
    before = await lone.count("inbox", **{"_id.user": operator.user})
    data = [user(kind="person", name=f"{WORD} {n}", roles=["owner"]) for n in range(PERSONS)]
    registered = [await operator.send("user.register.v1", one) for one in data]
    await killed(lone, operator, before + 11, before + 35)
    async with lone.running(lease_s=1):
        await operator.answered(registered, 40)
    persons = [r.data["id"] for r in one_answer(operator, registered)]
    assert await lone.count("users") == len(set(persons)) == PERSONS
    assert WORD.encode() in await opened(lone)

    erasing = []
    for person in persons:
        await operator.send("user.retire.v1", {"id": person})
        both = {"id": person, "confirm_id": person}
        erasing.append(await operator.send("user.erase.v1", both))
    so_far = before + PERSONS
    await killed(lone, operator, so_far + 5, so_far + 45, so_far + 2 * PERSONS)
    async with lone.running(lease_s=1):
        await operator.answered(erasing, 40)
        await eventually(lambda: _done(lone), 60)
        await eventually(lambda: settled(lone))

    assert {r.type for r in one_answer(operator, erasing)} == {"user.erase.accepted.v1"}
    assert await lone.count("dead_letters") == 0
    assert WORD.encode() not in await opened(lone)
    ended = {r.data["id"] for r in operator.received if r.type == "user.erased.v1"}
    assert ended == set(persons)


async def _done(spine: Spine) -> bool:
    return await spine.count("erasures", state="done") == PERSONS


async def test_each_reader_hears_of_each_change_once_and_in_order(lone: Spine) -> None:
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
        readers = [await lone.platform(name=f"Reader {n} Ltd") for n in range(3)]
        for reader in readers:
            await operator.ask("user.confirm.v1", {"id": reader.user})
            await sender.ask("sharing.grant.v1", {"party": reader.user, "groups": ["address"]})
    before = await lone.count("inbox", **{"_id.user": sender.user})
    ids = [
        await sender.send("user.update.v1", {"id": sender.user, "address": {"line_1": f"{n} Row"}})
        for n in range(UPDATES)
    ]
    await killed(lone, sender, before + 7, before + 25)
    async with lone.running(lease_s=1):
        await sender.answered(ids, 40)
        await eventually(lambda: settled(lone))
        last = max(r.data["revision"] for r in one_answer(sender, ids))
        for reader in readers:
            await heard(reader, last)
        pending = await sender.ask("change.pending.v1", {})

    for reader in readers:
        revisions = [r.data["revision"] for r in told(reader, "user.updated.v1")]
        assert revisions == list(range(last - UPDATES + 1, last + 1))
        every = {r.envelope["id"]: int(r.envelope.get("sequence", 0)) for r in reader.received}
        numbers = sorted(number for number in every.values() if number)
        assert all(after == number + 1 for number, after in pairwise(numbers))
    assert {one["party"] for one in pending.data["pending"]} == {r.user for r in readers}
    assert {one["revision"] for one in pending.data["pending"]} == {last}


async def test_of_two_that_have_seen_the_same_revision_one_is_accepted(lone: Spine) -> None:
    async with lone.running():
        sender, operator = await lone.platform(), await lone.operator()
        revision = (await sender.ask("user.get.v1", {"id": sender.user})).data["revision"]
        for _ in range(20):
            change = {"id": sender.user, "expected_revision": revision}
            asked = [
                (party, await party.send("user.update.v1", change | {"address": {"town": name}}))
                for party, name in ((sender, f"Mine {revision}"), (operator, f"Theirs {revision}"))
            ]
            answers = [await party.answer(one) for party, one in asked]
            kinds = sorted(answer.type for answer in answers)
            assert kinds == ["user.update.accepted.v1", "user.update.rejected.v1"]
            revision += 1
        stored = await sender.ask("user.get.v1", {"id": sender.user})
        assert stored.data["revision"] == revision
