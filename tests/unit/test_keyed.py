"""One query for many collections: which parts it falls into where it would be too large."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from workers.store import keyed
from workers.store.protocol import InboxKey


def asked(wanted: Mapping[str, Sequence[Any]]) -> list[list[tuple[str, list[Any]]]]:
    """The collections of each query with the keys that it names."""
    return [
        [(first, ids(stages[0])), *(union(stage) for stage in stages[1:])]
        for first, stages in keyed.queries(wanted)
    ]


def union(stage: Mapping[str, Any]) -> tuple[str, list[Any]]:
    within = stage["$unionWith"]
    match, mark = within["pipeline"]
    assert mark == {"$set": {keyed.COLLECTION: within["coll"]}}
    return within["coll"], ids(match)


def ids(stage: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = stage["$match"]["_id"]["$in"]
    return found


@pytest.mark.parametrize(
    ("wanted", "queries"),
    [
        ({}, []),
        ({"users": [], "assets": []}, []),
        ({"users": [], "assets": ["a"]}, [[("assets", ["a"])]]),
        ({"users": ["u"], "assets": ["a", "b"]}, [[("users", ["u"]), ("assets", ["a", "b"])]]),
        (
            {"users": ["u"], "assets": ["a", "b", "c"], "keys": ["k"]},
            [[("users", ["u"]), ("assets", ["a", "b"])], [("assets", ["c"]), ("keys", ["k"])]],
        ),
        (
            {"assets": list("abcdefg")},
            [[("assets", list("abc"))], [("assets", list("def"))], [("assets", ["g"])]],
        ),
        ({"assets": list("abc"), "keys": ["k"]}, [[("assets", list("abc"))], [("keys", ["k"])]]),
    ],
)
def test_every_key_is_named_once_and_no_more_than_fit(
    monkeypatch: pytest.MonkeyPatch, wanted: Mapping[str, Sequence[str]], queries: object
) -> None:
    monkeypatch.setattr(keyed, "KEYS_MAX", 3)
    assert asked(wanted) == queries


def test_a_key_of_two_parts_is_asked_for_as_it_is_stored() -> None:
    wanted: dict[str, list[Any]] = {"users": ["u"], "inbox": [InboxKey("u", "1")]}
    assert asked(wanted) == [[("users", ["u"]), ("inbox", [{"user": "u", "id": "1"}])]]
