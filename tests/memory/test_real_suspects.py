"""Of doubles put into real registers, how many level one finds at their registration."""

import random
from collections.abc import Mapping
from typing import Final

import pytest

from handlers.decision import Put, View
from handlers.neighbours import TOKENS, token_writes
from handlers.suspecting import ASSETS, suspects, tokens_of
from tests.builders import NOW
from tests.decider import VAULT
from tests.given import data
from tests.memory.test_real_doubles import Document, capacity, charger, doubled, table

DOUBLES: Final = 300
SEED: Final = 20261129
Rows = dict[str, Document]


def stored(documents: Mapping[str, Document]) -> dict[str, Document]:
    """By their ids, as the register holds them."""
    given = {"lifecycle": "operating"}
    return {f"AST-{key}": {**one, **given, "_id": f"AST-{key}"} for key, one in documents.items()}


def rows_of(documents: Mapping[str, Document]) -> Rows:
    """The rows of tokens when all of them have been registered, one after the other."""
    rows: Rows = {}
    for one in documents.values():
        view = View({TOKENS: {key: rows.get(key) for key in tokens_of(one, VAULT)}})
        for write in token_writes([Put("assets", one, None)], ASSETS, view, VAULT, NOW):
            assert isinstance(write, Put)
            rows[write.document["_id"]] = dict(write.document)
    return rows


def is_seen(original: str, double: Document, rows: Rows, register: Mapping[str, Document]) -> bool:
    """Whether the original is among those whom a person is asked about, or as whose part it is."""
    keys = tokens_of(double, VAULT, around=True)
    view = View({TOKENS: {key: rows.get(key) for key in keys}, "assets": dict(register)})
    return original in {one for one, _ in suspects(double, view, VAULT)}


def chargers() -> dict[str, Document]:
    """Those of which the registry gives the id."""
    rows = table(data("ncr_full/ncr_full_3968.csv.gz"))
    return {row["chargeDeviceID"]: charger(row) for row in rows if len(row["chargeDeviceID"]) > 1}


@pytest.mark.parametrize(
    ("register", "metres", "least"),
    [
        (capacity, 30, 290),
        (capacity, 100, 290),
        (capacity, 200, 290),
        (chargers, 30, 260),
        (chargers, 100, 260),
        (chargers, 200, 250),
    ],
)
def test_level_one_finds_what_is_registered_again_a_little_away(
    register: object, metres: float, least: int
) -> None:
    assert callable(register)
    documents = stored(register())
    rows, chance = rows_of(documents), random.Random(SEED)  # noqa: S311  the same each time
    chosen = chance.sample(sorted(documents), DOUBLES)
    doubles = {one: doubled(documents[one], chance, metres) for one in chosen}
    found = sum(is_seen(one, doubles[one], rows, documents) for one in chosen)
    asked = sum(len(tokens_of(one, VAULT, around=True)) for one in doubles.values()) / DOUBLES
    print(f"{metres} m away: {found} of {DOUBLES} found by {asked:.1f} rows each")  # noqa: T201
    assert found >= least
