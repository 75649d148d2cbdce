"""Lists of assets: all that one registered, owns or is related to, in order, and nothing else."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.edges import recorded
from tests.builders import OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import Decider, reply, rules, said

LIST: Final = "asset.list.v1"
TYPES: Final = ("BAT", "EVC", "WND")
THIRD: Final = issued("USR", 6000)


@pytest.fixture
def decider() -> Decider:
    return made()


def made() -> Decider:
    found = Decider()
    found.documents["users", THIRD] = user_document(THIRD, roles=["owner"])
    return found


def ask(decider: Decider, kind: str, sender: str, **data: Any) -> Any:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=str(uuid4())))
    return reply(outcome)[1]


def register(decider: Decider, sender: str = PLATFORM, **changes: Any) -> str:
    given = asset(identity={"make": "Acme", "serial": str(uuid4())}) | changes
    return str(ask(decider, "asset.register.v1", sender, **given)["id"])


def relate(decider: Decider, battery: str, party: str) -> None:
    ask(decider, "asset.relate.v1", PLATFORM, id=battery, party=party, relation="fsp")


def page(decider: Decider, sender: str, **data: Any) -> Any:
    return said(decider.ask(command(LIST, data, sender=sender, id=str(uuid4()))))[1]


def all_pages(decider: Decider, sender: str, **data: Any) -> Iterator[dict[str, Any]]:
    answer = page(decider, sender, **data)
    yield from answer["assets"]
    while "cursor" in answer:
        answer = page(decider, sender, **data, cursor=answer["cursor"])
        yield from answer["assets"]


def ids(decider: Decider, sender: str, **data: Any) -> list[str]:
    return [row["id"] for row in all_pages(decider, sender, **data)]


def test_one_finds_what_one_registered_owns_and_is_related_to(decider: Decider) -> None:
    owned = register(decider, owner=OWNER)
    related = register(decider)
    relate(decider, related, STRANGER)
    assert ids(decider, PLATFORM) == sorted([owned, related])
    assert ids(decider, OWNER) == [owned]
    (row,) = all_pages(decider, STRANGER)
    assert (row["id"], row["relations"]) == (related, ["fsp"])
    assert ids(decider, "operator") == sorted([owned, related])
    assert ids(decider, THIRD) == []


def test_what_one_was_related_to_is_not_listed(decider: Decider) -> None:
    battery = register(decider)
    relate(decider, battery, STRANGER)
    ask(decider, "asset.unrelate.v1", PLATFORM, id=battery, party=STRANGER, relation="fsp")
    assert ids(decider, STRANGER) == []


def test_it_is_narrowed_by_type_status_lifecycle_and_area(decider: Decider) -> None:
    there = register(decider, connection={"gsp_group": "_A"})
    planned = register(decider, asset_type="WND", lifecycle="planned")
    assert ids(decider, PLATFORM, asset_type="WND") == [planned]
    assert ids(decider, PLATFORM, asset_type="BAT") == [there]
    assert ids(decider, PLATFORM, asset_type="EVC") == []
    assert ids(decider, PLATFORM, lifecycle="planned") == [planned]
    assert ids(decider, PLATFORM, area="_A") == [there]
    assert ids(decider, PLATFORM, area="_B") == []
    assert ids(decider, PLATFORM, status="confirmed") == []


def test_another_s_are_for_its_delegate_and_for_operators(decider: Decider) -> None:
    owned = register(decider, owner=OWNER)
    register(decider)
    assert rules(page(decider, STRANGER, of=OWNER)) == [("user.not-found", "data.of")]
    assert rules(page(decider, STRANGER, of=issued("USR", 9000))) == [("user.not-found", "data.of")]
    ask(decider, "mandate.give.v1", OWNER, delegate=STRANGER)
    assert ids(decider, STRANGER, of=OWNER) == [owned]
    assert ids(decider, "operator", of=OWNER) == [owned]


def test_a_cursor_is_for_its_asker_and_question(decider: Decider) -> None:
    for _ in range(3):
        register(decider)
    cursor = page(decider, PLATFORM, limit=1)["cursor"]
    for sender, data in ((STRANGER, {}), (PLATFORM, {"asset_type": "BAT"})):
        assert rules(page(decider, sender, limit=1, cursor=cursor, **data)) == [
            ("cursor.foreign", "data.cursor")
        ]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(TYPES), st.sampled_from(["owner", "registrant", "fsp", "none"])),
        max_size=24,
    ),
    users=st.integers(0, 5),
    limit=st.integers(1, 7),
    asset_type=st.sampled_from([None, *TYPES]),
)
def test_pages_together_are_what_one_sees_once_each_and_in_order(
    rows: list[tuple[str, str]], users: int, limit: int, asset_type: str | None
) -> None:
    """Whatever one is to users besides, whose relations stand among those to assets."""
    decider = made()
    wanted: list[str] = []
    for kind, relation in rows:
        sender = STRANGER if relation == "registrant" else PLATFORM
        owner = {"owner": STRANGER} if relation == "owner" else {}
        one = register(decider, sender, asset_type=kind, **owner)
        if relation == "fsp":
            relate(decider, one, STRANGER)
        if relation != "none" and asset_type in {None, kind}:
            wanted.append(one)
    for number in range(users):
        user = issued("USR", 7000 + number * 100)
        decider.documents["users", user] = user_document(user)
        ask(decider, "mandate.give.v1", user, delegate=STRANGER)
    narrowed = {} if asset_type is None else {"asset_type": asset_type}
    assert ids(decider, STRANGER, limit=limit, **narrowed) == sorted(wanted)


def test_many_relations_to_users_do_not_hide_assets_behind_them(decider: Decider) -> None:
    windmill = register(decider, asset_type="WND")
    battery = register(decider)
    for one in (windmill, battery):
        relate(decider, one, STRANGER)
    for number in range(450):
        row = recorded(issued("USR", 7000 + number * 50), STRANGER, [])
        decider.documents["relations", row["_id"]] = row
    answer = page(decider, STRANGER)
    assert [row["id"] for row in answer["assets"]] == [battery, windmill]
    assert "cursor" not in answer
