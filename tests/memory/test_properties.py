"""What holds of every list of commands, however it is cut into batches and however often sent."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.envelope import user_urn
from handlers.admission import Delivery
from handlers.case import Outcome
from handlers.decision import Context
from handlers.rules import candidate_ids
from handlers.senders import Sender
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, delivery, envelope, user
from tests.decider import VAULT, Decider
from tests.memory.workshop import Workshop, open_workshop

ROLES = {"first": "fsp", "second": "fsp", "third": "owner"}
IDS = ["1", "2", "3", "4"]


def issued(sender: str, command_id: str, prefix: str) -> str:
    """The id that a registration gets, if no other has it."""
    context = Context(NOW, Sender(sender, frozenset(), ""), command_id, VAULT)
    return next(candidate_ids(prefix, context))


FIRST, SECOND, THIRD = (issued("operator", name, "USR") for name in ROLES)
SETTING = [
    command("user.register.v1", user(roles=[role]), sender="operator", id=name)
    for name, role in ROLES.items()
]
SENDERS = [FIRST, SECOND, "operator"]
BASE: dict[str, dict[str, Any]] = {
    "base-1": {"identity": {"make": "Acme", "serial": "SN-1"}},
    "base-2": {"identity": None, "connection": {"mpan_import": "2000000000015"}},
}
SETTING += [
    command("asset.register.v1", asset(**data), sender=FIRST, id=name)
    for name, data in BASE.items()
]
ASSETS = [issued(FIRST, name, "BAT") for name in (*BASE, "1")]

senders = st.sampled_from(SENDERS)
ids = st.sampled_from(IDS)
makes = st.sampled_from(["Acme", "ACME", "Zenith", "N/A"])
serials = st.sampled_from(["SN-1", "sn 1", "SN-2", "TBC"])
registrations = st.builds(
    lambda sender, command_id, make, serial, more: command(
        "asset.register.v1",
        asset(identity={"make": make, "serial": serial}, **more),
        sender=sender,
        id=command_id,
    ),
    senders,
    ids,
    makes,
    serials,
    st.sampled_from([{}, {"owner": THIRD}, {"connection": {"mpan_import": "2000000000015"}}]),
)
patches = st.one_of(
    st.builds(lambda make, serial: {"identity": {"make": make, "serial": serial}}, makes, serials),
    st.builds(lambda make: {"identity": {"make": make}}, makes | st.none()),
    st.builds(lambda serial: {"identity": {"serial": serial}}, serials | st.none()),
    st.sampled_from(
        [
            {"name": "One"},
            {"name": None},
            {"capability": {"power_kw": 3.6}},
            {"technologies": [{"source": "sun", "conversion": "N/A"}]},
            {"location": {"point": {"latitude": 51.5, "longitude": -0.12}}},
            {"connection": {"mpan_import": "2000000000015"}},
            {"expected_revision": 1, "name": "Two"},
            {"expected_on": "2027-01-01"},
        ]
    ),
)
updates = st.builds(
    lambda sender, command_id, asset_id, patch: command(
        "asset.update.v1",
        {"id": asset_id} | patch,
        sender=sender,
        id=f"update-{command_id}",
    ),
    st.sampled_from([FIRST, FIRST, "operator", SECOND]),
    st.sampled_from([*IDS, "5", "6", "7", "8", "9"]),
    st.sampled_from(ASSETS),
    patches,
)
users = st.builds(
    lambda sender, command_id, mpid, kind: command(
        "user.register.v1",
        user(kind=kind, claims={"mpid": mpid}),
        sender=sender,
        id=f"user-{command_id}",
        onbehalfof="customer 7",
    ),
    senders,
    ids,
    st.sampled_from(["EELC", "eelc", "ABCD", "n/a"]),
    st.sampled_from(["person", "organisation"]),
)
trials = st.builds(
    lambda sender, command_id, data: command(
        "trial.keep.v1", data, sender=sender, id=f"trial-{command_id}"
    ),
    senders,
    ids,
    st.fixed_dictionaries(
        {"id": st.sampled_from(["a", "b"])},
        optional={
            "unstorable": st.sampled_from(["integer", "surrogate", "digits"]),
            "guarded_by": st.sampled_from(["a", "b"]),
            "colour": st.just("red"),
        },
    ),
)
poison = st.sampled_from(
    [
        command("trial.crash.v1", {"words": "x"}, sender=FIRST, id="poison-1"),
        command("trial.crash.v1", {"words": "y"}, sender=FIRST, id="poison-1"),
        command("trial.chase.v1", {"steps": 2}, sender=FIRST, id="chase"),
        delivery(b"no JSON", account=FIRST, message_id="transport-1"),
        delivery(envelope(source=user_urn(SECOND)), account=FIRST),
        delivery(account=None),
        delivery(type="asset.explode.v1", account=SECOND),
        command("asset.register.v1", sender=STRANGER),
        command("asset.register.v1", sender=THIRD, id="by-owner"),
    ]
)
deliveries = st.lists(
    st.one_of(registrations, updates, updates, users, trials, poison), min_size=1, max_size=9
)
cuts = st.sets(st.integers(1, 8), max_size=4)


def parts(whole: Sequence[Delivery], at: set[int]) -> list[Sequence[Delivery]]:
    """The list cut at these places."""
    places = [0, *sorted(place for place in at if place < len(whole)), len(whole)]
    return [whole[start:end] for start, end in pairwise(places)]


async def folded(batches: Sequence[Sequence[Delivery]]) -> Workshop:
    """Decide batch by batch, after the users are registered."""
    workshop = await open_workshop()
    await workshop.run(*SETTING)
    for batch in batches:
        await workshop.run(*batch)
    return workshop


def said(outcomes: Sequence[Outcome]) -> list[Any]:
    """What became of each delivery, and what was said about it."""
    return [(outcome.kind, outcome.letters) for outcome in outcomes]


def archived(workshop: Workshop) -> list[Any]:
    """The archive's entries in order, without the places that depend on the batches."""

    def writes(entry: Mapping[str, Any]) -> list[Any]:
        found = entry.get("writes", ())
        return [(write["collection"], write["key"], write["expected"]) for write in found]

    return [
        (
            entry["kind"],
            entry["user"],
            entry["id"],
            entry["type"],
            entry["digest"],
            writes(entry),
        )
        for row in workshop.rows("commands")
        for entry in row["entries"]
    ]


def outbox(workshop: Workshop) -> list[Any]:
    """What waits to be sent, in the order of sending."""
    return [
        (row["entity"], row["exchange"], row["key"], row["fallback"], row["type"])
        for row in workshop.rows("outbox")
    ]


async def _compare(whole: Sequence[Delivery], at: set[int]) -> None:
    together, apart = await folded([whole]), await folded(parts(whole, at))
    assert said(together.outcomes) == said(apart.outcomes)
    assert await together.documents() == await apart.documents()
    for letters in ("dead_letters", "dead_contents"):
        assert await together.opened(letters) == await apart.opened(letters)
    assert archived(together) == archived(apart)
    assert outbox(together) == outbox(apart)
    assert len(together.outcomes) == len(SETTING) + len(whole)


@settings(max_examples=120, deadline=None)
@given(deliveries, cuts)
@example([command("trial.chase.v1", {}, sender=FIRST, id="poison-2")], set())
def test_batches_do_not_matter(whole: list[Delivery], at: set[int]) -> None:
    """One batch or many: the same documents, answers, letters, archive and outcomes."""
    asyncio.run(_compare(whole, at))


async def _replay(whole: Sequence[Delivery], length: int) -> None:
    workshop = await folded([whole])
    first = workshop.outcomes[len(SETTING) :][:length]
    before = await workshop.documents()
    dead = set(await workshop.opened("dead_letters"))
    again = await workshop.run(*whole[:length])
    assert await workshop.documents() == before
    assert set(await workshop.opened("dead_letters")) == dead
    assert [o.letters[-1:] for o in again] == [o.letters[-1:] for o in first]
    assert {o.kind for o in again}.isdisjoint({"accepted", "rejected"})


@settings(max_examples=80, deadline=None)
@given(deliveries, st.integers(0, 9))
def test_sending_again_changes_nothing(whole: list[Delivery], length: int) -> None:
    """Any prefix, sent again, is answered as before and leaves every document as it was."""
    asyncio.run(_replay(whole, length))


@settings(max_examples=60, deadline=None)
@given(deliveries)
def test_deciding_twice_says_the_same(whole: list[Delivery]) -> None:
    """The same commands on the same documents: the same writes, letters and guards."""
    first, second = Decider(), Decider()
    assert [o for o, _ in first.fold(whole)] == [o for o, _ in second.fold(whole)]
    assert {PLATFORM, OWNER} <= {document["_id"] for document in first.of("users")}
