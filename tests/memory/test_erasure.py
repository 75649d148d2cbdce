"""Erasure in the store: what a key opened is closed for good, and nobody else is in trouble."""

from typing import Any, Final

import pytest

from handlers.bookkeeping import unattributed
from tests.boxes import readable
from tests.builders import NOW, asset, command, user
from tests.decider import VAULT, reply, rules
from tests.memory.workshop import Workshop, open_workshop
from workers.rows import AFTERWARDS
from workers.store.codec import encode_row
from workers.vault import Vault

WORDS: Final = (b"Zebedee", b"Marmalade", b"zebedee@", b"31926819", b"our 7", b"Quince")
PERSON: Final[dict[str, Any]] = {
    "kind": "person",
    "roles": ["owner"],
    "name": "Zebedee Quillfeather",
    "address": {"line_1": "77 Marmalade Yard"},
    "contacts": [{"name": "Zebedee", "email": "zebedee@example.org"}],
    "bank": {"account_name": "Zebedee", "account_number": "31926819"},
}


@pytest.fixture
async def workshop() -> Workshop:
    return await open_workshop()


async def one(workshop: Workshop, given: Any) -> tuple[str, Any]:
    (outcome,) = await workshop.run(given)
    return reply(outcome)


async def platform(workshop: Workshop) -> str:
    given = command("user.register.v1", user(), sender="operator", id="platform")
    return str((await one(workshop, given))[1]["id"])


def registration(sender: str, name: str = "person", **data: Any) -> Any:
    return command("user.register.v1", PERSON | data, sender=sender, id=name, onbehalfof="our 7")


async def person(workshop: Workshop, sender: str) -> str:
    return str((await one(workshop, registration(sender)))[1]["id"])


def retire(who: str) -> Any:
    return command("user.retire.v1", {"id": who}, sender="operator", id=f"retire-{who}")


def erase(who: str, name: str = "erase") -> Any:
    data = {"id": who, "confirm_id": who}
    return command("user.erase.v1", data, sender="operator", id=f"{name}-{who}")


def found(workshop: Workshop, *, apart: tuple[str, ...] = ()) -> set[bytes]:
    """The words that somebody with the database and the master key can read."""
    collections = [name for name in workshop.store._documents if name not in apart]
    rows = {name: workshop.rows(name) for name in collections}
    stored = b"".join(d for name in collections for d in workshop.store._documents[name].values())
    text = stored + b"".join(readable(VAULT, rows).values())
    return {word for word in WORDS if word in text}


async def test_with_the_key_goes_all_that_was_said_of_it(workshop: Workshop) -> None:
    sender = await platform(workshop)
    who = await person(workshop, sender)
    data = asset(owner=who, name="Quince Cottage", location={"address": "Marmalade Yard"})
    await workshop.run(command(data=data, sender=sender, id="asset"))
    apart = ("outbox",)
    assert found(workshop, apart=apart) == set(WORDS)
    await workshop.run(retire(who), erase(who))
    assert found(workshop, apart=apart) == set()
    (key,) = [row for row in workshop.rows("keys") if row["_id"] == who]
    assert key == {"_id": who, "destroyed_at": NOW}


async def test_the_answer_of_before_is_erased_and_that_to_the_erasure_is_not(
    workshop: Workshop,
) -> None:
    sender = await platform(workshop)
    who = await person(workshop, sender)
    await workshop.run(retire(who))
    first = await one(workshop, erase(who))
    assert await one(workshop, erase(who)) == first
    assert rules((await one(workshop, registration(sender)))[1]) == [("message.erased", "id")]
    # With other bytes it is an id that was used before, erased or not.
    other = registration(sender, name="person", bank=None)
    assert rules((await one(workshop, other))[1]) == [("message.id-reused", "id")]


async def test_what_is_said_of_it_later_is_kept_and_spoils_nothing(workshop: Workshop) -> None:
    """A new key of the same name would open nothing of before, and whoever reads it would fail."""
    sender = await platform(workshop)
    who = await person(workshop, sender)
    ids = []
    for serial in ("SN-4711", "SN-4712"):
        data = asset(owner=who, name="Quince Cottage", identity={"make": "Acme", "serial": serial})
        given = command(data=data, sender=sender, id=f"asset-{serial}")
        ids.append((await one(workshop, given))[1]["id"])
    await workshop.run(retire(who), erase(who))
    for name, asset_id in zip(("Shed", "Barn"), ids, strict=True):
        update = {"id": asset_id, "name": name}
        given = command("asset.update.v1", update, sender=sender, id=f"update-{name}")
        assert (await one(workshop, given))[0] == "asset.update.accepted.v1"
    held = [row["name"].value for row in (await workshop.opened("assets")).values()]
    assert sorted(held) == ["Barn", "Shed"]
    keys = {row["_id"] for row in workshop.rows("keys")}
    assert f"{who}{AFTERWARDS}" in keys
    assert found(workshop, apart=("outbox",)) == set()
    kind, data = await one(workshop, erase(who, "again"))
    assert (kind, data["state"]) == ("user.erase.accepted.v1", "running")


async def test_an_asset_that_was_given_to_a_person_goes_with_its_new_owner(
    workshop: Workshop,
) -> None:
    """And what was said of it before, with whoever owned it then."""
    sender = await platform(workshop)
    first = await person(workshop, sender)
    again = {**PERSON, "name": "Barnaby Quillfeather"}
    given = command("user.register.v1", again, sender=sender, id="heir", onbehalfof="our 8")
    heir = str((await one(workshop, given))[1]["id"])
    data = asset(owner=first, name="Quince Cottage", location={"address": "Marmalade Yard"})
    (key,) = [(await one(workshop, command(data=data, sender=sender, id="asset")))[1]["id"]]
    update = {"id": key, "name": "Quince Lodge"}
    await workshop.run(command("asset.update.v1", update, sender=sender, id="update"))
    wish = {"id": key, "owner": heir}
    kind, _ = await one(workshop, command("asset.transfer.v1", wish, sender=first, id="transfer"))
    assert kind == "asset.transfer.accepted.v1"
    await workshop.run(retire(first), erase(first))
    rows = await workshop.opened("assets")
    assert rows[key]["name"].value == "Quince Lodge"
    assert rows[key]["location"].value == {"address": "Marmalade Yard"}
    await workshop.run(retire(heir), erase(heir))
    assert found(workshop, apart=("outbox",)) == set()


async def test_who_comes_and_goes_within_one_batch_leaves_nothing(workshop: Workshop) -> None:
    sender = await platform(workshop)
    issued = await person(await _twin(), sender)
    outcomes = await workshop.run(registration(sender), retire(issued), erase(issued))
    assert [outcome.kind for outcome in outcomes] == ["accepted"] * 3
    assert found(workshop, apart=("outbox",)) == set()
    (key,) = [row for row in workshop.rows("keys") if row["_id"] == issued]
    assert "wrapped" not in key


async def _twin() -> Workshop:
    """A register that is the same, to find out which id the person will get."""
    twin = await open_workshop()
    await platform(twin)
    return twin


# What was refused may be about somebody whom no erasure could reach.


async def test_a_refused_command_opens_to_nobody_but_its_sender(workshop: Workshop) -> None:
    sender = await platform(workshop)
    wrong = registration(sender, name="wrong", address={"postcode": "77 Marmalade Yard"})
    first = await one(workshop, wrong)
    assert rules(first[1]) == [("postcode.format", "data.address.postcode")]
    assert "Marmalade" in str(first[1])
    assert found(workshop, apart=("outbox",)) == set()
    (outcome,) = await workshop.run(wrong)
    assert (outcome.kind, reply(outcome)) == ("duplicate", first)
    other = registration(sender, name="wrong")
    assert rules((await one(workshop, other))[1]) == [("message.id-reused", "id")]


async def test_what_the_front_desk_refuses_is_no_different(workshop: Workshop) -> None:
    name = "8c5a7a4e-8f0f-4f3c-9e0a-4a4fd2b9f5d1"
    given = command("user.register.v1", PERSON | {"mood": "Quince"}, sender="front-desk", id=name)
    first = await one(workshop, given)
    assert first[0] == "user.register.rejected.v1"
    assert found(workshop, apart=("outbox",)) == set()
    assert await one(workshop, given) == first


async def test_the_archive_says_that_it_was_refused(workshop: Workshop) -> None:
    sender = await platform(workshop)
    await workshop.run(registration(sender, name="wrong", mood="Quince"))
    entry = workshop.rows("commands")[-1]["entries"][0]
    assert {"body", "writes"}.isdisjoint(entry)
    assert (entry["kind"], entry["user"], entry["id"]) == ("rejected", sender, "wrong")
    assert len(entry["digest"]) == 32


async def test_a_dead_letter_ends_with_its_sender(workshop: Workshop) -> None:
    sender = await platform(workshop)
    await workshop.run(command("trial.crash.v1", {"words": "Quince"}, sender=sender, id="crash"))
    assert found(workshop, apart=("outbox",)) == {b"Quince"}
    await workshop.run(retire(sender), erase(sender))
    assert found(workshop, apart=("outbox",)) == set()
    (letter,) = workshop.rows("dead_letters")
    assert (letter["account"], letter["reason"]) == (sender, "poisoned")
    (contents,) = (await workshop.opened("dead_contents")).values()
    assert contents["body"].value is None


async def test_a_key_that_does_not_open_is_not_in_the_way_of_a_dead_letter(
    workshop: Workshop,
) -> None:
    sender = await platform(workshop)
    locked = Vault(bytes(32)).new_key(sender)
    workshop.store._documents["keys"][sender] = encode_row(locked)
    crash = command("trial.crash.v1", {"words": "Quince"}, sender=sender, id="crash")
    (outcome,) = await workshop.run(crash)
    assert outcome.kind == "poisoned"
    (row,) = workshop.rows("dead_contents")
    assert row["body"].key == unattributed(NOW)
