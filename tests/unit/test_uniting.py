"""What a split does to the ties of the alias: nothing, where nothing of them has changed."""

from datetime import timedelta
from typing import Any, Final

from handlers.decision import Context, Document, Put, View
from handlers.edges import RELATIONS, edge, recorded
from handlers.senders import Sender
from handlers.uniting import VIA, untied
from tests.builders import NOW, PLATFORM, issued
from tests.decider import VAULT

SURVIVOR, ALIAS = issued("BAT", 1), issued("BAT", 2)
CONTEXT: Final = Context(NOW, Sender("operator", frozenset({"operator"}), "confirmed"), "c", VAULT)
SINCE: Final = NOW - timedelta(days=2)


def tie(relation: str, **more: Any) -> dict[str, Any]:
    return {"as": relation, "from": SINCE - timedelta(days=9), "until": None, **more}


def untied_of(alias: Document) -> list[Any]:
    """What is written where the survivor's copy of an `fsp` has ended since the merge."""
    ended = tie("fsp", until=NOW - timedelta(days=1), ended_at=NOW - timedelta(days=1))
    survivor = recorded(SURVIVOR, PLATFORM, [{**ended, VIA: ALIAS}])
    rows = {survivor["_id"]: survivor, alias["_id"]: alias}
    view = View({RELATIONS: rows, "assets": {SURVIVOR: {"lifecycle": "active"}}})
    record = {"_id": ALIAS, "survivor": SURVIVOR, "at": SINCE, "parties": [PLATFORM]}
    return [w for w in untied(record, view, CONTEXT) if isinstance(w, Put)]


def test_a_tie_that_has_ended_at_the_survivor_ends_at_the_alias() -> None:
    alias = recorded(ALIAS, PLATFORM, [tie("fsp"), tie("aggregator")])
    (put,) = untied_of(alias)
    assert put.document["_id"] == edge(ALIAS, PLATFORM)
    assert [one["until"] for one in put.document["ties"]] == [NOW, None]


def test_where_the_alias_has_none_of_the_like_nothing_is_written() -> None:
    assert untied_of(recorded(ALIAS, PLATFORM, [tie("aggregator")])) == []
    over = tie("fsp", until=SINCE)
    assert untied_of(recorded(ALIAS, PLATFORM, [over])) == []
