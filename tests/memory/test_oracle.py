"""A hidden thing costs as many reads as one that there is not, and nothing of it is opened."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from handlers.admission import Limits
from handlers.case import Rulebook
from handlers.decision import Secret
from tests.builders import MASTER, NOW, OWNER, PLATFORM, STRANGER, command, issued, user_document
from topology import catalog
from workers.queries import Desk
from workers.rows import sealing_place
from workers.store.codec import encode, encode_row, secret_bytes
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit
from workers.vault import Keyring, Sealed, Vault

ASSET: Final = issued("BAT", 1000)
MISSING: Final = issued("BAT", 9000)
NOBODY: Final = issued("USR", 9000)
HANDLERS: Final = {name: entry.handler for name, entry in catalog.build().items()}


class CountingStore(MemoryStore):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, set[Any]]] = []

    async def load(self, keys: Mapping[str, Any]) -> Mapping[str, Mapping[Any, Mapping[str, Any]]]:
        self.asked.append({name: set(wanted) for name, wanted in keys.items()})
        return await super().load(keys)


class Fixture:
    """A register with a person and its asset, sealed under the person's key."""

    def __init__(self) -> None:
        self.store, self.vault, self.keyring = CountingStore(), Vault(MASTER), Keyring()
        rulebook = Rulebook(HANDLERS, self.vault)
        self.desk = Desk(self.store, self.vault, rulebook, Limits(), lambda: NOW)

    def sealed(self, collection: str, document: dict[str, Any]) -> bytes:
        aad = sealing_place(collection, document["_id"])
        return encode(
            document, lambda s: Sealed(OWNER, self.keyring.seal(OWNER, secret_bytes(s), aad).box)
        )

    async def fill(self) -> None:
        row = self.vault.new_key(OWNER)
        self.keyring.add(OWNER, self.vault.opened(row))
        owner = user_document(OWNER, kind="person", name=Secret("Ada Example"))
        asset = {"_id": ASSET, "revision": 1, "status": "provisional", "lifecycle": "operating"}
        asset |= {"asset_type": "BAT", "registrant": PLATFORM, "owner": OWNER, "registered_at": NOW}
        asset |= {"name": Secret("Home"), "location": Secret({"postcode": "SW1A 1AA"})}
        inserts = {
            "keys": [encode_row(row)],
            "users": [
                self.sealed("users", owner),
                *(self.sealed("users", dict(user_document(u))) for u in (PLATFORM, STRANGER)),
            ],
            "assets": [self.sealed("assets", asset)],
        }
        lease = await self.store.acquire("lane", "test", 60)
        assert lease is not None
        commit = Commit(lease.lane, lease.epoch, lease.batch + 1, inserts=inserts)
        await self.store.commit(commit)

    async def ask(self, kind: str, key: str, sender: str) -> tuple[dict[str, Any], list[str]]:
        """The answer, and what was read for it with the id left out."""
        self.store.asked.clear()
        letter = await self.desk.answer(command(kind, {"id": key}, sender=sender))
        assert letter is not None
        reads = [
            str(sorted((name, sorted(str(k).replace(key, "…") for k in keys))
            for name, keys in asked.items()))
            for asked in self.store.asked
        ]  # fmt: skip
        return json.loads(letter.body), reads


@pytest.fixture
async def register() -> Fixture:
    made = Fixture()
    await made.fill()
    return made


@pytest.mark.parametrize(
    ("kind", "hidden", "missing"),
    [("asset.get.v1", ASSET, MISSING), ("user.get.v1", OWNER, NOBODY)],
)
async def test_as_much_is_read_for_what_is_hidden_as_for_what_is_missing(
    register: Fixture, kind: str, hidden: str, missing: str
) -> None:
    answers = [await register.ask(kind, key, STRANGER) for key in (hidden, missing)]
    (first, reads), (second, others) = answers
    # Of an asset's owner it is looked whether there is a mandate; for none, whether of nobody.
    spelt = [[r.replace(OWNER, "nobody") for r in listed] for listed in (reads, others)]
    assert first["data"]["code"] == second["data"]["code"] == kind.replace("get.v1", "not-found")
    assert spelt[0] == spelt[1]
    assert not any("'keys'" in read for read in reads)


@pytest.mark.parametrize("kind", ["asset.get.v1", "user.get.v1"])
async def test_who_may_see_it_is_shown_it(register: Fixture, kind: str) -> None:
    key = ASSET if kind.startswith("asset") else OWNER
    answer, reads = await register.ask(kind, key, OWNER)
    assert answer["data"]["name"] in {"Home", "Ada Example"}
    assert sum("'keys'" in read for read in reads) == 1
