"""After an erasure nothing gives a personal value back: no query, no replay, no byte, no key."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from handlers.groups import PERSONAL, SEALED
from tests.boxes import readable
from tests.broker.test_secrets import dumps, written_as
from tests.spine import Platform, Spine, asset, eventually, user
from topology import names
from workers.store.codec import decode

pytestmark = pytest.mark.connected

SAID: Final[Mapping[str, Mapping[str, str]]] = {
    "person": {
        "name": "Zebedee Quillfeather", "street": "77 Marmalade Yard",
        "email": "zebedee.quillfeather@example.org", "phone": "+442079460999",
        "account": "31926819", "vat": "GB980780684", "reference": "kunde-quagga-11",
        "link": "konto-okapi-12", "text": "my dog Bartholomew is loud",
        "asset": "Periwinkle Cottage", "letter": "unparseable Umbrage", "note": "owes Xanthippe",
    },
    "organisation": {
        "name": "Brambleshanks Widgetry", "street": "9 Custard Parade",
        "email": "desk@brambleshanks.example", "phone": "+442079460888",
        "account": "47110815", "vat": "GB123456782", "reference": "kunde-tapir-21",
        "link": "konto-dingo-22", "text": "our Esmeralda is ill",
        "letter": "unreadable Oblomov", "note": "sued by Yolanda",
    },
}  # fmt: skip
"""What each of the two says, by where: in every group, in a link, on a channel, in an asset, in
what cannot be read, and in an operator's note. The name of an organisation's asset is no secret,
and stays with the asset."""
REFUSED: Final = {"person": "Gooseberry Mews", "organisation": "Thistledown Alley"}
"""What is in commands that are refused alone, once of the platform and once of the user."""
ERASED: Final = "user.erased.v1"


class Played(NamedTuple):
    """Who has done what, and what could be read before the erasure."""

    platform: Platform
    operator: Platform
    ids: Mapping[str, str]
    before: Mapping[str, set[str]]
    marks: Mapping[str, int]
    """How much each had received before the erasures were over."""


def registration(kind: str, key: str, **changes: Any) -> dict[str, Any]:
    """Every group with something of its own."""
    said = SAID[kind]
    return (
        user(
            key,
            kind=kind,
            name=said["name"],
            roles=["owner"],
            claims={"vat_number": said["vat"]},
            address={"line_1": said["street"]},
            contacts=[{"name": said["name"], "email": said["email"], "phone": said["phone"]}],
            bank={
                "account_name": said["name"],
                "sort_code": "20-20-15",
                "account_number": said["account"],
            },
        )
        | changes
    )


async def accepted(party: Platform, kind: str, data: Any, **attributes: Any) -> Any:
    reply = await party.ask(kind, data, **attributes)
    assert ".accepted." in reply.type, reply.envelope
    return reply.data


async def rejected(party: Platform, kind: str, data: Any, **attributes: Any) -> None:
    reply = await party.ask(kind, data, **attributes)
    assert ".rejected." in reply.type, reply.envelope


async def lived(spine: Spine, kind: str, platform: Platform, operator: Platform) -> str:
    """All that a user may leave behind, until it has retired."""
    said, key = SAID[kind], f"the key of the {kind}"
    reference = {"onbehalfof": said["reference"]}
    wrong = registration(kind, key, address={"postcode": REFUSED[kind]})
    await rejected(platform, "user.register.v1", wrong, **reference)
    data = registration(kind, key)
    who = str((await accepted(platform, "user.register.v1", data, **reference))["id"])
    link = {"id": who, "scheme": "crm", "value": said["link"]}
    await accepted(platform, "user.link-id.v1", link)
    await eventually(lambda: spine.has_account(who))
    itself = await spine.connect(who, key)
    await accepted(itself, "channel.send.v1", {"to": platform.user, "text": said["text"]})
    await accepted(itself, "asset.register.v1", asset(owner=who, name=said.get("asset", "A depot")))
    await rejected(itself, "asset.register.v1", asset(location={"postcode": REFUSED[kind]}))
    await itself.publish(said["letter"].encode(), "asset.register.v1", message_id="letter")
    await itself.answer("letter")
    note = {"id": who, "reason": "other", "note": said["note"]}
    await accepted(operator, "user.suspend.v1", note)
    await accepted(operator, "user.reinstate.v1", {"id": who})
    await accepted(operator, "user.suspend.v1", {"id": who, "reason": "request"})
    await accepted(operator, "user.retire.v1", {"id": who})
    return who


async def found(spine: Spine) -> dict[str, set[str]]:
    """What somebody with the database and the master key can read of each of the two."""
    options = CodecOptions(document_class=RawBSONDocument)
    rows = {}
    for name in await spine.database.list_collection_names():
        collection = spine.database.get_collection(name).with_options(options)
        rows[name] = [decode(bytes(document.raw)) async for document in collection.find()]
    opened = readable(spine.vault, {n: r for n, r in rows.items() if n not in {"lanes", "present"}})
    text = b"\n".join([*(await dumps(spine)).values(), *opened.values()])
    return {kind: words_in(text, kind) for kind in SAID}


def words_in(text: bytes, kind: str) -> set[str]:
    words = {**SAID[kind], "refused": REFUSED[kind]}
    return {name for name, word in words.items() if any(way in text for way in written_as(word))}


@pytest.fixture(scope="module")
async def played(working: Spine) -> Played:
    """Both live, leave and are erased; meanwhile everything has been sent."""
    platform = await working.platform(roles=["aggregator", "mpp"])
    operator = await working.operator()
    ids = {kind: await lived(working, kind, platform, operator) for kind in SAID}
    await eventually(lambda: _is_sent(working))
    before = await found(working)
    for who in ids.values():
        state = await accepted(operator, "user.erase.v1", {"id": who, "confirm_id": who})
        assert state["state"] in {"running", "done"}
    await operator.until(lambda: len(ends(operator)) == len(ids))
    await platform.until(lambda: [r for r in platform.received if r.type == ERASED][1:])
    await eventually(lambda: _is_sent(working))
    marks = {party.user: len(party.received) for party in (platform, operator)}
    return Played(platform, operator, ids, before, marks)


def ends(operator: Platform) -> list[Any]:
    queue = names.domain_queue(operator.user)
    return [r for r in operator.received if r.queue == queue and r.type == ERASED]


async def _is_sent(spine: Spine) -> bool:
    return await spine.count("outbox") == 0 and await spine.count("parked") == 0


def test_before_it_everything_can_be_read_but_what_was_refused(played: Played) -> None:
    """So that this looks at the right thing; a refused command opens to its sender alone."""
    assert played.before == {kind: set(words) for kind, words in SAID.items()}


async def test_no_byte_and_no_key_gives_a_value_back(working: Spine, played: Played) -> None:
    assert await found(working) == {"person": set(), "organisation": set()}
    keys = {row["_id"]: row for row in await working.raw("keys")}
    for who in played.ids.values():
        assert keys[who].keys() == {"_id", "destroyed_at"}
    assert await working.count("events", recipient=played.ids["person"]) == 0


async def test_no_answer_gives_a_value_back(working: Spine, played: Played) -> None:
    """Of every question that there is, by whoever knew the most, with a replay of all."""
    platform, operator = played.platform, played.operator
    for kind, who in played.ids.items():
        externals = [
            {"scheme": "own", "value": SAID[kind]["reference"]},
            {"scheme": "crm", "value": SAID[kind]["link"]},
        ]
        for party in (platform, operator):
            shown = await accepted(party, "user.get.v1", {"id": who})
            assert shown["status"] == "retired"
            for moments in ({}, {"as_of": "2100-01-01T00:00:00Z"}):
                history = await accepted(party, "user.history.v1", {"id": who} | moments)
                assert history["changes"][0]["by"] == platform.user
                told = [name for one in history["changes"] for name in one["values"]]
                assert not {*PERSONAL, *SEALED} & {*told}
                assert [one for one in history["changes"] if "name" in one["changed"]]
            asked = {"ids": [who], "asserter": platform.user}
            translated = await accepted(party, "user.translate.v1", asked)
            assert translated["ids"] == [{"id": who, "external": []}]
        (asset_row,) = await working.raw("assets", owner=who)
        await accepted(operator, "asset.get.v1", {"id": asset_row["_id"]})
        known = await platform.ask("user.translate.v1", {"external": externals})
        assert [one.get("id") for one in known.data["external"]] == [None, None]
    await accepted(platform, "event.replay.v1", {"from_sequence": 1})
    await platform.until(
        lambda: [r for r in platform.received if r.type == "event.replay-ended.v1"]
    )
    for party in (platform, operator):
        received = party.received[played.marks[party.user] :]
        # What the platform asks by its own words comes back with them, and is not looked at.
        answers = [r for r in received if '"value"' not in r.body.decode()]
        assert len(answers) >= 10
        text = b"\n".join(json.dumps(r.envelope).encode() for r in answers)
        assert {kind: words_in(text, kind) for kind in SAID} == {k: set() for k in SAID}


async def test_the_events_say_that_it_was_and_whom(played: Played) -> None:
    for event in ends(played.operator):
        assert event.data["by"] == "operator"
        assert event.data["id"] in played.ids.values()
    told = [r for r in played.platform.received if r.type == ERASED]
    assert {r.data["id"] for r in told} == set(played.ids.values())


async def test_who_was_erased_comes_back_as_a_new_user(working: Spine, played: Played) -> None:
    """With the same identifiers and the same reference."""
    for kind, who in played.ids.items():
        data = registration(kind, "another key")
        reply = await played.platform.ask(
            "user.register.v1", data, onbehalfof=SAID[kind]["reference"]
        )
        assert reply.type == "user.register.accepted.v1", reply.envelope
        assert reply.data["id"] != who
