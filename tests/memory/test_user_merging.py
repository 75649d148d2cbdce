"""Two users in the store: each under its own key, brought back, rebuilt, and erased together."""

from random import Random
from typing import Any, Final

import pytest

from tests.boxes import readable
from tests.builders import NOW, user
from tests.memory.crowd import Crowd
from tests.memory.test_rebuild import rebuilt
from workers.comparing import compare
from workers.local import open_register
from workers.store.codec import decode

WORDS: Final = ("Zebedee", "Marmalade", "Barnaby", "our 7", "our 8", "nickname")
PERSON: Final = user(kind="person", roles=["owner"])


@pytest.fixture
async def crowd() -> Crowd:
    now = [NOW]
    register = await open_register("merging", lambda: now[0])
    return Crowd(register, Random(1), now, 20)  # noqa: S311  nothing is left to chance here


async def done(crowd: Crowd, sender: str, kind: str, data: Any, **more: Any) -> Any:
    found = await crowd._send(sender, (kind, data), **more)
    assert found is not None, kind
    return found


async def platform(crowd: Crowd) -> str:
    found = await done(crowd, "operator", "user.register.v1", user())
    return str(found["id"])


async def person(crowd: Crowd, sender: str, name: str, reference: str) -> str:
    data = PERSON | {"name": name, "address": {"town": "Marmalade"}}
    found = await done(crowd, sender, "user.register.v1", data, onbehalfof=reference)
    return str(found["id"])


async def pair(crowd: Crowd) -> tuple[str, str]:
    sender = await platform(crowd)
    survivor = await person(crowd, sender, "Zebedee", "our 7")
    other = await person(crowd, sender, "Barnaby", "our 8")
    name = {"id": other, "scheme": "own", "value": "nickname"}
    await done(crowd, "operator", "user.link-id.v1", name)
    return survivor, other


def found(crowd: Crowd) -> set[str]:
    """The words that somebody with the database and the master key can read."""
    stored = {n: r for n, r in crowd.register.store._documents.items() if n != "outbox"}
    rows = {name: list(map(decode, held.values())) for name, held in stored.items()}
    plain = b"".join(row for held in stored.values() for row in held.values())
    text = plain + b"".join(readable(crowd.register.vault, rows).values())
    return {word for word in WORDS if word.encode() in text}


async def shown(crowd: Crowd) -> None:
    """Rebuild, and assert that nothing differs."""
    report, target = await rebuilt(crowd)
    assert [str(one) for one in report.differences] == []
    unlike = [one async for one in compare(crowd.register.store, target, crowd.register.vault)]
    assert [str(one) for one in unlike] == []


async def test_a_merge_and_its_split_are_rebuilt_under_both_keys(crowd: Crowd) -> None:
    survivor, other = await pair(crowd)
    both = {"id": survivor, "other": other}
    await done(crowd, "operator", "duplicates.merge.v1", both)
    await shown(crowd)
    await done(crowd, "operator", "duplicates.split.v1", both)
    await done(crowd, "operator", "duplicates.merge.v1", both)
    await shown(crowd)


async def test_with_the_survivor_goes_all_of_its_aliases(crowd: Crowd) -> None:
    survivor, other = await pair(crowd)
    assert found(crowd) == set(WORDS)
    await done(crowd, "operator", "duplicates.merge.v1", {"id": survivor, "other": other})
    assert found(crowd) == set(WORDS)
    await done(crowd, "operator", "user.retire.v1", {"id": survivor})
    wish = {"id": survivor, "confirm_id": survivor}
    await done(crowd, "operator", "user.erase.v1", wish)
    assert found(crowd) == set()
    keys = {str(key): decode(row) for key, row in crowd.register.store._documents["keys"].items()}
    assert {survivor, other} == {key for key, row in keys.items() if "destroyed_at" in row}
    erasures = map(decode, crowd.register.store._documents["erasures"].values())
    assert {(row["_id"], row["state"]) for row in erasures} == {(survivor, "done"), (other, "done")}
    await shown(crowd)


@pytest.mark.parametrize(
    ("which", "left"),
    [(0, {"Barnaby", "Marmalade", "our 8", "nickname"}), (1, {"Zebedee", "Marmalade", "our 7"})],
)
async def test_who_was_split_is_erased_alone(crowd: Crowd, which: int, left: set[str]) -> None:
    """What came to the survivor and went back is the other's, in the archive too."""
    both = await pair(crowd)
    wish = dict(zip(("id", "other"), both, strict=True))
    await done(crowd, "operator", "duplicates.merge.v1", wish)
    await done(crowd, "operator", "duplicates.split.v1", wish)
    await done(crowd, "operator", "user.retire.v1", {"id": both[which]})
    erased = {"id": both[which], "confirm_id": both[which]}
    await done(crowd, "operator", "user.erase.v1", erased)
    assert found(crowd) == left
    await shown(crowd)
