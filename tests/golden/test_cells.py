"""Each cell of the rights is what was written down by hand, tried from outside."""

from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import uuid4

import pytest
from pydantic import ValidationError

from contracts.assets import UpdateAsset
from contracts.messages import check_type
from contracts.taxonomy import FRONT_DESK
from contracts.updates import UpdateUser
from handlers import visibility
from handlers.decision import Document
from handlers.edges import edge, recorded
from handlers.groups import opened
from handlers.provisional import PROVISIONAL
from handlers.rights import GROUPS, RECORDED, RIGHTS, USER_GROUPS, strongest
from tests import registers
from tests.builders import NOW, OWNER, command, issued, user_document
from tests.decider import ENTRIES, Decider, reply, rules, said
from tests.golden.cells import (
    AGAIN,
    AGAIN_USER,
    BATTERY,
    CHANGED,
    CHANGED_USER,
    GROUP_COLUMNS,
    GROUP_ROWS,
    PROVISIONAL_ROWS,
    ROLE_COLUMNS,
    ROLE_ROWS,
    STORED,
    THIRD,
    group_cells,
    role_cells,
)
from tests.golden.coverage import Tables, cells, group_cell, role_cell
from tests.samples import PORTFOLIO, sample
from topology.catalog import REGISTER_MODULES, build

VIEWER: Final = issued("USR", 7000)
"""Whose rights are tried; it has the one relation of the cell and no other."""
SUBJECT: Final = issued("USR", 8000)
"""The user whose data is looked at."""
NOT_FOUND: Final = {"users": "user.not-found", "assets": "asset.not-found"}
ALL_ROLES: Final = ["aggregator", "fsp", "mo", "owner", "so", "verifier"]


def decider(roles: list[str]) -> Decider:
    found = Decider()
    found.documents["users", VIEWER] = user_document(VIEWER, roles=roles, status="confirmed")
    found.documents["users", THIRD] = user_document(THIRD, roles=ALL_ROLES)
    return found


def ask(given: Decider, kind: str, data: Mapping[str, Any], sender: str = VIEWER) -> Any:
    """Type and data of the answer, and what users are told."""
    message = command(kind, data, sender=sender, id=str(uuid4()))
    if ENTRIES[kind].kind != "command":
        return *said(given.ask(message)), ()
    (outcome,) = given.decide(message)
    return *reply(outcome), given.consequences([outcome])


def said_against(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    return rules(data) if "findings" in data else []


@pytest.mark.parametrize(
    ("message_type", "role", "mark"),
    [pytest.param(*cell, id=role_cell(*cell[:2])) for cell in role_cells()],
)
def test_role(message_type: str, role: str, mark: str) -> None:
    sender = FRONT_DESK if role == FRONT_DESK else VIEWER
    _, data, _ = ask(decider([role]), message_type, sample(message_type), sender)
    denied = ("sender.role", "type") in said_against(data)
    assert denied is (mark == "-")
    if denied:
        assert said_against(data) == [("sender.role", "type")]


def user_with(relation: str) -> tuple[Decider, str]:
    """A register with a user to whom the viewer is this and nothing else, and that user."""
    given = decider([relation] if relation in {"operator", "verifier"} else ["fsp"])
    subject = VIEWER if relation == "self" else SUBJECT
    # Of an organisation with a profile everybody is something to it.
    kind = "organisation" if relation in {"verifier", "registered"} else "person"
    document = {**user_document(subject, roles=["owner", "fsp"], kind=kind), **STORED["users"]}
    if relation == "registrant":
        document["registrant"] = VIEWER
    given.documents["users", subject] = document
    tie(given, subject, THIRD, "delegate")
    if relation == "delegate":
        tie(given, subject, VIEWER, "delegate")
    if relation == "reader":
        tie(given, subject, VIEWER, "reader", *USER_GROUPS)
    return given, subject


def asset_with(relation: str, group: str) -> tuple[Decider, str]:
    """A register with an asset to which the viewer is this and nothing else, and that asset."""
    given = decider(["operator"] if relation == "operator" else ["fsp"])
    is_planned = group == "expected_on"
    absent = "commissioned_on" if is_planned else "expected_on"
    document: dict[str, Any] = {
        "_id": BATTERY,
        "revision": 1,
        "status": "provisional",
        "status_at": NOW,
        "registered_at": NOW,
        "asset_type": "BAT",
        "lifecycle": "planned" if is_planned else "operating",
        **{name: value for name, value in STORED["assets"].items() if name != absent},
    }
    if relation in {"registrant", "owner"}:
        document[relation] = VIEWER
    given.documents["assets", BATTERY] = document
    if relation == "delegate":
        tie(given, OWNER, VIEWER, "delegate")
    elif relation in {"aggregator", "fsp", "so", "mo", "verifier"}:
        tie(given, BATTERY, VIEWER, relation)
    return given, BATTERY


def tie(given: Decider, entity: str, party: str, relation: str, *groups: str) -> None:
    """A tie that holds; a reader's names every group, so that only the table is in its way."""
    one = {"as": relation, "from": NOW, "until": None}
    ties = [{**one, "group": group, "via": "grant"} for group in groups] or [one]
    row = recorded(entity, party, ties)
    given.documents["relations", row["_id"]] = row


def can(right: str, wanted: str) -> bool:
    order = ("none", "masked", "read", "write")
    return order.index(right) >= order.index(wanted)


@pytest.mark.parametrize(
    ("collection", "group", "relation", "right"),
    [pytest.param(*cell, id=group_cell(*cell[:3])) for cell in group_cells()],
)
def test_group(collection: str, group: str, relation: str, right: str) -> None:
    if group == "relations":
        (mandates if collection == "users" else parties)(relation, right)
        return
    if group in {"members", "portfolios"}:
        (inside if group == "members" else placed)(relation, right)
        return
    given, key = user_with(relation) if collection == "users" else asset_with(relation, group)
    is_shown(given, (collection, key), group, relation, right)
    is_told(given, (collection, key), group, relation, right)
    is_written(given, (collection, key), group, relation, right)


def is_shown(given: Decider, key: tuple[str, str], group: str, relation: str, right: str) -> None:
    """A question shows the group whole, masked or not at all."""
    collection, name = key
    kind, data, _ = ask(given, f"{collection[:-1]}.get.v1", {"id": name})
    if relation == "others":
        assert said_against(data) == [(NOT_FOUND[collection], "data.id")]
        return
    assert kind == f"{collection[:-1]}.get.accepted.v1"
    stored: Document = given.documents[key]
    assert (group in data.get("masked", ())) is (right == "masked")
    if right == "none":
        assert group not in data
    elif right == "masked":
        assert data.get(group) == {"account_name": "********ple", "account_number": "*****678"}
    else:
        assert data.get(group) == stored[group]


CHANGES: Final = {"users": CHANGED_USER, "assets": CHANGED}
WISHES: Final = {"users": AGAIN_USER, "assets": AGAIN}
UNTIED: Final = {
    "users": {"operator", "verifier", "registered", "others"},
    "assets": {"operator", "delegate", "others"},
}
"""Who has no tie to the entity itself, and is told of nothing."""


def is_told(given: Decider, key: tuple[str, str], group: str, relation: str, right: str) -> None:
    """An event names the changed group to whom may read it."""
    collection, name = key
    if group not in CHANGES[collection]:
        return
    kind = f"{collection[:-1]}.update"
    update = {"id": name, group: CHANGES[collection][group]}
    sender = sender_for(given, key, group)
    answer, data, letters = ask(given, f"{kind}.v1", update, sender=sender)
    assert answer == f"{kind}.accepted.v1", data
    changed = [one for one in letters if one.type == f"{kind}d.v1"]
    told = [said(one)[1]["changed"] for one in changed if one.recipient == VIEWER]
    if relation in UNTIED[collection] or sender == VIEWER:
        assert told == []
        return
    assert [bool(names) for names in told] == ([True] if can(right, "read") else [])
    assert all(name.partition(".")[0] == group for names in told for name in names)


def sender_for(given: Decider, key: tuple[str, str], group: str) -> str:
    """Who may write the group whatever is being tried: an operator, or the user itself."""
    if key[0] == "assets" or GROUP_ROWS["users"][group][3] == "w":
        return "operator"
    return key[1]


def is_written(given: Decider, key: tuple[str, str], group: str, relation: str, right: str) -> None:
    """An update writes the group, or is rejected and says which group it may not write."""
    collection, name = key
    prefix = collection[:-1]
    if group not in (UpdateUser if collection == "users" else UpdateAsset).model_fields:
        assert right != "write", "no update can name this group"
        return
    before = given.documents[key]
    wish = WISHES[collection][group]
    kind, data, _ = ask(given, f"{prefix}.update.v1", {"id": name, group: wish})
    after = given.documents[key]
    if right == "write":
        assert kind == f"{prefix}.update.accepted.v1"
        assert opened(after)[group] != opened(before)[group]
    else:
        # Of what is kept by service, it is the service that is refused.
        path = "service.DC" if group == "service" else group
        denied = [(f"{prefix}.not-yours", f"data.{path}")]
        assert said_against(data) == (
            denied if relation != "others" else [(NOT_FOUND[collection], "data.id")]
        )
        assert after == before


@pytest.mark.parametrize(("message_type", "mark"), PROVISIONAL_ROWS.items())
def test_provisional(message_type: str, mark: str) -> None:
    """A provisional user with every role: what it may not send is refused, and its check too."""
    for kind in (message_type, check_type(message_type)):
        if kind not in ENTRIES:
            continue
        given = decider([role for role in ROLE_COLUMNS if role != FRONT_DESK])
        given.documents["users", VIEWER] = {
            **(given.documents["users", VIEWER] or {}),
            "status": "provisional",
        }
        _, data, _ = ask(given, kind, sample(kind))
        denied = said_against(data) == [("sender.provisional", "source")]
        assert denied is (mark == "-")
        assert denied or "sender.provisional" not in dict(said_against(data))


def test_every_type_says_whether_a_provisional_user_may_send_it() -> None:
    types = {entry.contract.message_type for entry in build().values()}
    assert types == PROVISIONAL_ROWS.keys() == PROVISIONAL.keys(), "write a row into each"
    assert {t: "+" if may else "-" for t, may in PROVISIONAL.items()} == PROVISIONAL_ROWS


def parties(relation: str, right: str) -> None:
    """Who is what to an asset: told to whom may read it, recorded by whom may write it."""
    given, _ = asset_with(relation, "name")
    wish = {"id": BATTERY, "party": THIRD, "relation": "fsp"}
    _, _, letters = ask(given, "asset.relate.v1", {**wish, "service": "DC"}, sender="operator")
    told = {one.recipient for one in letters}
    assert THIRD in told
    if relation in {"registrant", "owner"}:
        assert VIEWER in told
    elif not can(right, "read"):
        assert VIEWER not in told
    kind, data, _ = ask(given, "asset.relate.v1", wish)
    if right == "write":
        assert kind == "asset.relate.accepted.v1"
    else:
        hidden = [("asset.not-found", "data.id")]
        denied = [("relation.not-yours", "data.party")]
        assert said_against(data) == (hidden if relation == "others" else denied)


def own_asset(given: Decider, number: int, kind: str) -> str:
    """Another asset, which the viewer has registered."""
    key, like = issued(kind, number), given.documents["assets", BATTERY] or {}
    own = {"_id": key, "registrant": VIEWER, "owner": VIEWER, "asset_type": kind}
    given.documents["assets", key] = {**like, **own}
    return key


def inside(relation: str, right: str) -> None:
    """What is in a portfolio: shown and told to whom may read it, changed by whom may write it."""
    given, _ = asset_with(relation, "name")
    mine, more = own_asset(given, 4100, "SOL"), own_asset(given, 4200, "SOL")
    portfolio = {**(given.documents["assets", BATTERY] or {}), "_id": PORTFOLIO}
    given.documents["assets", PORTFOLIO] = {**portfolio, "asset_type": "PFL"}
    if relation in RECORDED:
        tie(given, PORTFOLIO, VIEWER, relation)
    _, shown, _ = ask(given, "asset.get.v1", {"id": PORTFOLIO})
    assert ("members" in shown) is can(right, "read")
    wish = {"id": PORTFOLIO, "members": [mine]}
    _, _, letters = ask(given, "portfolio.add.v1", wish, sender="operator")
    kinds = [one.type for one in letters if one.recipient == VIEWER]
    is_told = can(right, "read") and relation not in UNTIED["assets"]
    assert ("portfolio.changed.v1" in kinds) is is_told
    listed, _, _ = ask(given, "portfolio.members.v1", {"id": PORTFOLIO})
    assert (listed == "portfolio.members.accepted.v1") is can(right, "read")
    _, data, _ = ask(given, "portfolio.add.v1", {"id": PORTFOLIO, "members": [more]})
    hidden, denied = [("asset.not-found", "data.id")], [("portfolio.not-yours", "data.id")]
    if right == "write":
        assert said_against(data) == []
    else:
        assert said_against(data) == (hidden if relation == "others" else denied)


def placed(relation: str, right: str) -> None:
    """Which portfolios an asset is in: nobody is shown; who may write puts it into its own."""
    given, _ = asset_with(relation, "name")
    wish = {"id": own_asset(given, 4500, "PFL"), "members": [BATTERY]}
    _, data, _ = ask(given, "portfolio.add.v1", wish)
    where = "data.members.0"
    hidden, denied = [("asset.not-found", where)], [("portfolio.member-not-yours", where)]
    if right == "write":
        assert said_against(data) == []
    else:
        assert said_against(data) == (hidden if relation == "others" else denied)
    _, shown, _ = ask(given, "asset.get.v1", {"id": BATTERY})
    assert "portfolios" not in shown


def mandates(relation: str, right: str) -> None:
    """Who acts for a user: told to whom may read it, ended by whom may write it."""
    given, subject = user_with(relation)
    row = edge(subject, THIRD)
    before = given.documents["relations", row]
    _, _, letters = ask(given, "mandate.end.v1", {"user": subject}, sender=THIRD)
    assert (VIEWER in {one.recipient for one in letters}) is can(right, "read")
    given.documents["relations", row] = before
    ask(given, "mandate.end.v1", {"delegate": THIRD})
    assert (given.documents["relations", row] != before) is (right == "write")


def covered() -> set[str]:
    roles = {role_cell(*cell[:2]) for cell in role_cells()}
    return roles | {group_cell(*cell[:3]) for cell in group_cells()}


def test_every_cell_has_its_test_and_every_test_its_cell() -> None:
    wanted = set(cells(build(), GROUPS))
    assert wanted - covered() == set(), "write their rows into tests/golden/cells.py"
    assert covered() - wanted == set(), "no such cell any more: delete the row"


def test_a_command_without_a_row_is_found_by_its_name() -> None:
    more = build((*REGISTER_MODULES, registers))
    missing = set(cells(more, GROUPS)) - covered()
    trials = {name for name in more if name.startswith("trial.")}
    assert missing == {role_cell(name, role) for name in trials for role in ROLE_COLUMNS}


def test_a_group_and_a_relation_without_a_row_are_found_by_their_names() -> None:
    tables: Tables = {"users": {**USER_GROUPS, "hobbies": {"self": "read", "mo": "read"}}}
    missing = set(cells({}, tables)) - covered()
    relations = (*GROUP_COLUMNS["users"][:-1], "mo", "others")
    assert missing == {
        *(group_cell("users", "hobbies", relation) for relation in relations),
        *(group_cell("users", group, "mo") for group in USER_GROUPS),
    }


def test_a_changed_table_fails_the_test_of_the_changed_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The expectations are not read from the table: every other right is put into every cell."""
    missed: list[tuple[str, str]] = []
    tried = 0
    for collection, group, relation, right in group_cells():
        is_seen = behaviour(collection, group, relation, right)
        for other in RIGHTS if relation != "others" else ():
            if behaviour(collection, group, relation, other) == is_seen:
                continue
            tried += 1
            with monkeypatch.context() as patch:
                patch.setitem(cells_of(collection, group), relation, other)
                # What was looked up in the table as it should be is remembered.
                patch.setattr(visibility, "strongest", strongest.__wrapped__)
                if not fails(collection, group, relation, right):
                    missed.append((group_cell(collection, group, relation), other))
    assert missed == []
    assert tried > 300


def cells_of(collection: str, group: str) -> dict[str, str]:
    """A row of the tables, to be changed."""
    return cast("dict[str, str]", GROUPS[collection][group])


def fails(*cell: str) -> bool:
    """Whether the test of a cell fails; a masked text may also not fit what is answered."""
    try:
        test_group(*cell)
    except (AssertionError, ValidationError):
        return True
    return False


def behaviour(collection: str, group: str, relation: str, right: str) -> object:
    """What can be seen of a right from outside."""
    if group == "relations":
        has_ties = relation not in {"operator", "delegate"} or collection == "users"
        is_told = has_ties and relation not in {"operator", "registered"} and can(right, "read")
        if collection == "users" and relation == "verifier":
            is_told = False
        return is_told, collection == "assets" and right == "write"
    if group == "members":
        return can(right, "read"), right == "write"
    if group == "portfolios":
        return right == "write"
    return "read" if right == "write" and group not in CHANGES[collection] else right


def test_all_rows_are_as_wide_as_their_heads() -> None:
    assert {len(row) for row in ROLE_ROWS.values()} == {len(ROLE_COLUMNS)}
    assert GROUP_ROWS.keys() == GROUPS.keys()
