"""Merging two users: the alias sends nothing more, names and claims move, a split undoes it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery
from handlers.decision import Put
from tests.builders import (
    OWNER,
    PLATFORM,
    STRANGER,
    asset,
    command,
    issued,
    user,
    user_document,
)
from tests.decider import Decider, reply
from tests.unit.test_merging import NUMBERS, Counting, asked, state

THIRD = issued("USR", 6000)
VERIFIER = issued("USR", 6300)
HASH = "a" * 48
PERSON: dict[str, Any] = {"kind": "person", "roles": ["owner"], "name": "Zebedee Quill"}


@pytest.fixture
def decider() -> Decider:
    return world()


def world() -> Decider:
    made = Decider()
    for who, roles in (
        (PLATFORM, ["fsp"]), (STRANGER, ["fsp"]), (THIRD, ["fsp"]), (VERIFIER, ["verifier"]),
    ):  # fmt: skip
        made.documents["users", who] = user_document(who, roles=roles, status="confirmed")
    return made


def follow(decider: Decider, outcomes: Sequence[Any]) -> None:
    """All that follows, portion by portion, as the lane of the notices brings it in."""
    waiting = [
        Delivery(body=one.body, type=one.type, account=BACKBONE)
        for outcome in outcomes
        for one in outcome.letters
        if one.kind == "domain"
    ]
    while waiting:
        (outcome,) = decider.decide(waiting.pop(0))
        assert outcome.kind in {"handled", "continued", "idle"}, outcome
        again = [decider._again(outcome)] if outcome.kind == "continued" else []
        more = [one for one in outcome.letters if one.kind == "domain"]
        waiting = [
            *again,
            *(Delivery(body=one.body, type=one.type, account=BACKBONE) for one in more),
            *waiting,
        ]


def sent(decider: Decider, kind: str, data: Mapping[str, Any], sender: str = OPERATOR) -> Any:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=f"u-{next(NUMBERS)}"))
    follow(decider, [outcome])
    return reply(outcome)


def done(decider: Decider, kind: str, data: Mapping[str, Any], sender: str = OPERATOR) -> Any:
    answered, content = sent(decider, kind, data, sender)
    assert answered.endswith(".accepted.v1"), content
    return content


def codes(decider: Decider, kind: str, data: Mapping[str, Any], sender: str = OPERATOR) -> Any:
    answered, content = sent(decider, kind, data, sender)
    assert answered.endswith(".rejected.v1"), content
    return [finding["rule"] for finding in content["findings"]]


def battery(decider: Decider, sender: str, **changes: Any) -> str:
    serial = f"SN-{next(NUMBERS)}"
    data = asset(identity={"make": "Acme", "serial": serial}) | changes
    return str(done(decider, "asset.register.v1", data, sender)["id"])


def registered(decider: Decider, sender: str = PLATFORM, **changes: Any) -> str:
    number = next(NUMBERS)
    data = user(name=f"Power {number} Ltd") | changes
    reference = {"onbehalfof": f"ours {number}"}
    delivery = command("user.register.v1", data, sender=sender, id=f"u-{number}", **reference)
    (outcome,) = decider.decide(delivery)
    assert outcome.kind == "accepted"
    return str(reply(outcome)[1]["id"])


def two(decider: Decider, **changes: Any) -> tuple[str, str]:
    return registered(decider, **changes), registered(decider, STRANGER, **changes)


def merge(decider: Decider, survivor: str, other: str) -> Any:
    return done(decider, "duplicates.merge.v1", {"id": survivor, "other": other})


def split(decider: Decider, survivor: str, other: str) -> Any:
    return done(decider, "duplicates.split.v1", {"id": survivor, "other": other})


def refusal(decider: Decider, survivor: str, other: str) -> Any:
    return codes(decider, "duplicates.merge.v1", {"id": survivor, "other": other})


def test_the_alias_sends_nothing_more_and_is_told_who_it_is(decider: Decider) -> None:
    survivor, other = two(decider)
    merge(decider, survivor, other)
    for kind, data in (
        ("user.get.v1", {"id": other}),
        ("user.translate.v1", {"ids": [survivor]}),
    ):
        refused = asked(decider, kind, data, other)
        assert refused["code"] == "user.merged"
        assert survivor in refused["findings"][0]["expected"]
    for kind, data in (
        ("user.update.v1", {"id": other, "name": "A"}),
        ("user.retire.v1", {"id": other}),
        ("user.erase.v1", {"id": other, "confirm_id": other}),
        ("account.set.v1", {"account": other, "key_hash": HASH}),
    ):
        assert codes(decider, kind, data, other) == ["user.merged"]
    split(decider, survivor, other)
    done(decider, "user.update.v1", {"id": other, "name": "A"}, other)


def test_whoever_names_the_alias_is_told_the_survivor(decider: Decider) -> None:
    survivor, other = two(decider)
    done(decider, "mandate.give.v1", {"delegate": THIRD}, survivor)
    done(decider, "mandate.give.v1", {"delegate": THIRD}, other)
    merge(decider, survivor, other)
    for sender in (THIRD, OPERATOR):
        refused = asked(decider, "user.get.v1", {"id": other}, sender)
        assert refused["code"] == "user.merged"
        (found,) = refused["findings"]
        assert found["field"] == "data.id"
        assert survivor in found["expected"]
    assert codes(decider, "user.suspend.v1", {"id": other, "reason": "request"}) == ["user.merged"]
    # Its registrant may not see the survivor, and a stranger neither.
    for sender in (STRANGER, PLATFORM):
        assert asked(decider, "user.get.v1", {"id": other}, sender)["code"] == "user.not-found"


def test_of_a_public_alias_everybody_may_ask(decider: Decider) -> None:
    profile: dict[str, Any] = {"profile": {"services": ["DC"]}}
    survivor, other = two(decider, **profile)
    merge(decider, survivor, other)
    refused = asked(decider, "user.get.v1", {"id": other}, THIRD)
    assert refused["code"] == "user.merged"


def test_for_a_stranger_no_more_is_read_of_an_alias_than_of_nothing(decider: Decider) -> None:
    survivor, other = two(decider)
    merge(decider, survivor, other)

    def read(user_id: str) -> int:
        counted = Counting(decider.documents)
        asked(counted, "user.get.v1", {"id": user_id}, THIRD)
        return counted.read

    assert read(other) == read(issued("USR", 9000))


def test_a_translation_names_the_survivor(decider: Decider) -> None:
    survivor, other = two(decider)
    done(decider, "mandate.give.v1", {"delegate": THIRD}, survivor)
    done(decider, "mandate.give.v1", {"delegate": THIRD}, other)
    external = {"scheme": "own", "value": "7"}
    done(decider, "user.link-id.v1", {"id": other, **external}, THIRD)
    ask = {"external": [external], "ids": [other]}
    before = asked(decider, "user.translate.v1", ask, THIRD)
    merge(decider, survivor, other)
    found = asked(decider, "user.translate.v1", ask, THIRD)
    assert found["external"] == [{**external, "id": survivor}]
    assert found["ids"] == [{"id": other, "external": [external], "survivor": survivor}]
    split(decider, survivor, other)
    assert asked(decider, "user.translate.v1", ask, THIRD) == before


def test_identifiers_of_the_alias_are_the_survivors(decider: Decider) -> None:
    survivor = registered(decider)
    claims = {"claims": {"mpid": "EELC", "company_number": "01234567"}}
    other = registered(decider, STRANGER, **claims)
    merge(decider, survivor, other)
    taken = {row["holder"] for row in decider.of("claims") if row["scheme"] == "mpid"}
    assert taken == {survivor}
    again = command(
        "user.register.v1", user(claims={"mpid": "EELC"}), sender=THIRD, id="again",
        onbehalfof="x",
    )  # fmt: skip
    (outcome,) = decider.decide(again)
    assert outcome.kind == "rejected"
    # What the survivor gives as its own by then is its own.
    done(decider, "user.update.v1", {"id": survivor, "claims": {"mpid": "EELC"}}, survivor)
    split(decider, survivor, other)
    held = {row["scheme"]: row["holder"] for row in decider.of("claims")}
    assert held["mpid"] == survivor
    assert held["company_number"] == other


def test_each_is_written_under_its_own_key(decider: Decider) -> None:
    survivor, other = two(decider)
    done(decider, "user.link-id.v1", {"id": other, "scheme": "own", "value": "7"}, OPERATOR)
    data = {"id": survivor, "other": other}
    (merged,) = decider.decide(command("duplicates.merge.v1", data, sender=OPERATOR, id="m"))
    (back,) = decider.decide(command("duplicates.split.v1", data, sender=OPERATOR, id="s"))
    assert [keys(one) for one in (merged, back)] == [
        {survivor: {survivor}, other: {other}, "links": {other}},
        {survivor: {survivor}, other: {other}, "links": {other}},
    ]


def keys(outcome: Any) -> dict[str, set[str]]:
    """Of each of two users, and of the external ids, under which keys they are written."""
    found: dict[str, set[str]] = {}
    for put in outcome.writes:
        if isinstance(put, Put) and put.collection in {"users", "history", "links"}:
            of = put.document.get("entity", put.document["_id"])
            name = "links" if put.collection == "links" else of
            found.setdefault(name, set()).add(put.keyed_to or outcome.keyed_to)
    return found


def test_a_case_of_two_users_is_decided_and_open_again(decider: Decider) -> None:
    survivor, other = two(decider)
    pair = {"id": survivor, "other": other, "verdict": "same", "score": 0.9}
    (case,) = done(decider, "duplicates.open.v1", {"pairs": [pair], "model": "m"})["opened"]
    merge(decider, survivor, other)
    assert asked(decider, "duplicates.get.v1", {"id": case}, OPERATOR)["status"] == "merged"
    found = done(decider, "duplicates.open.v1", {"pairs": [pair], "model": "n", "again": True})
    assert found["left"] == [0]
    split(decider, survivor, other)
    assert asked(decider, "duplicates.get.v1", {"id": case}, OPERATOR)["status"] == "open"


def test_merging_again_changes_nothing_and_splitting_again_is_refused(decider: Decider) -> None:
    survivor, other = two(decider)
    first = merge(decider, survivor, other)
    assert merge(decider, survivor, other) == first
    assert refusal(decider, other, survivor)[0] == "merge.unfit"
    split(decider, survivor, other)
    wish = {"id": survivor, "other": other}
    assert codes(decider, "duplicates.split.v1", wish) == ["merge.none"]


def test_who_cannot_be_merged(decider: Decider) -> None:
    survivor, other = two(decider)
    person = registered(decider, **PERSON)
    thing = issued("BAT", 9000)
    assert refusal(decider, survivor, survivor) == ["merge.same"]
    assert refusal(decider, survivor, thing) == ["merge.unfit"]
    assert refusal(decider, survivor, issued("USR", 9000)) == ["user.not-found"]
    assert refusal(decider, survivor, person) == ["merge.unfit", "merge.roles"]
    wish = {"id": survivor, "other": thing}
    assert codes(decider, "duplicates.split.v1", wish) == ["merge.none"]
    done(decider, "user.confirm.v1", {"id": other})
    assert refusal(decider, survivor, other) == ["merge.unfit"]
    done(decider, "user.suspend.v1", {"id": other, "reason": "request"})
    assert refusal(decider, survivor, other) == ["merge.unfit"]


def test_one_with_aliases_is_the_survivor(decider: Decider) -> None:
    first, second = two(decider)
    third = registered(decider)
    merge(decider, first, second)
    assert refusal(decider, third, first) == ["merge.unfit"]
    merge(decider, first, third)
    assert decider.documents["users", first]["aliases"] == sorted([second, third])


def test_its_accounts_stay_until_the_survivor_leaves(decider: Decider) -> None:
    survivor, other = two(decider, account_key_hash=HASH)
    merge(decider, survivor, other)
    assert {row["state"] for row in decider.of("accounts")} == {"active"}
    (outcome,) = decider.decide(
        command("user.retire.v1", {"id": survivor}, sender=OPERATOR, id="retire")
    )
    ended = {row["_id"]: row["state"] for row in decider.of("accounts")}
    assert set(ended.values()) == {"ended"}
    told = [one.type for one in outcome.letters if one.kind == "domain"]
    assert told == ["user.retired.v1", "account.ended.v1", "account.ended.v1"]


def test_a_rejection_frees_what_is_held_by_aliases(decider: Decider) -> None:
    survivor = registered(decider)
    other = registered(decider, STRANGER, claims={"mpid": "EELC"})
    merge(decider, survivor, other)
    wish = {"id": survivor, "reason": "identity"}
    decider.decide(command("user.reject.v1", wish, sender=OPERATOR, id="reject"))
    assert [row for row in decider.of("claims") if row["scheme"] == "mpid"] == []


def test_an_operator_ends_an_account_of_an_alias(decider: Decider) -> None:
    survivor, other = two(decider, account_key_hash=HASH)
    merge(decider, survivor, other)
    done(decider, "account.end.v1", {"account": f"{other}/bulk"})
    done(decider, "account.end.v1", {"account": other})
    assert codes(decider, "account.set.v1", {"account": other, "key_hash": HASH}) == ["user.merged"]


def test_who_asks_for_its_erasure_loses_its_aliases_too(decider: Decider) -> None:
    survivor, other = two(decider)
    merge(decider, survivor, other)
    decider.decide(command("user.retire.v1", {"id": survivor}, sender=OPERATOR, id="retire"))
    wish = {"id": survivor, "confirm_id": survivor}
    (outcome,) = decider.decide(command("user.erase.v1", wish, sender=OPERATOR, id="erase"))
    assert set(outcome.erases) == {survivor, other}
    assert decider.of("merges") == []
    for who in (survivor, other):
        left = decider.documents["users", who]
        assert "name" not in left
        assert "merged_into" not in left
        assert left["status"] == "retired"
    told = [one.type for one in outcome.letters if one.kind == "domain"]
    assert told == ["user.erase-asked.v1"] * 2
    wish = {"id": survivor, "other": other}
    assert codes(decider, "duplicates.split.v1", wish) == ["merge.none"]


def relations(decider: Decider, entity: str, party: str) -> list[tuple[str, bool]]:
    """What a party is or was to an entity, and whether that holds."""
    row = decider.documents.get(("relations", f"{entity}/{party}"), {"ties": []})
    return [(one["as"], one["until"] is None) for one in row["ties"]]


def test_what_the_alias_owned_is_the_survivors(decider: Decider) -> None:
    survivor, other = two(decider)
    thing = battery(decider, STRANGER, owner=other)
    merge(decider, survivor, other)
    (shown,) = asked(decider, "asset.get.v2", {"ids": [thing]}, survivor)["assets"]
    assert shown["owner"] == survivor
    assert {row["named"]["owner"] for row in decider.of("claims")} == {survivor}
    done(decider, "asset.update.v1", {"id": thing, "name": "Mine"}, survivor)
    split(decider, survivor, other)
    (shown,) = asked(decider, "asset.get.v2", {"ids": [thing]}, other)["assets"]
    assert (shown["owner"], shown["name"]) == (other, "Mine")
    hidden = asked(decider, "asset.get.v2", {"ids": [thing]}, survivor)
    assert hidden["code"] == "asset.not-found"


def test_what_the_survivor_has_given_away_stays_given(decider: Decider) -> None:
    survivor, other = two(decider)
    thing = battery(decider, STRANGER, owner=other)
    merge(decider, survivor, other)
    done(decider, "asset.transfer.v1", {"id": thing, "owner": THIRD}, survivor)
    split(decider, survivor, other)
    assert decider.documents["assets", thing]["owner"] == THIRD
    assert relations(decider, thing, other) == []


def test_a_device_of_the_alias_is_not_confirmed_anew(decider: Decider) -> None:
    """It is the same party: what was proven of its asset holds on."""
    survivor, other = two(decider)
    thing = battery(decider, STRANGER, owner=other)
    document = decider.documents["assets", thing]
    decider.documents["assets", thing] = {**document, "status": "confirmed"}
    merge(decider, survivor, other)
    assert decider.documents["assets", thing]["status"] == "confirmed"


def test_relations_and_mandates_held_go_along_and_come_back(decider: Decider) -> None:
    survivor, other = two(decider, roles=["fsp"])
    customer = registered(decider)
    thing = battery(decider, PLATFORM)
    tie = {"id": thing, "party": other, "relation": "fsp", "service": "DC"}
    done(decider, "asset.relate.v1", tie, PLATFORM)
    done(decider, "mandate.give.v1", {"delegate": other}, customer)
    merge(decider, survivor, other)
    for entity, relation in ((thing, "fsp"), (customer, "delegate")):
        assert relations(decider, entity, survivor) == [(relation, True)]
        assert relations(decider, entity, other) == [(relation, False)]
    done(decider, "mandate.end.v1", {"delegate": survivor}, customer)
    split(decider, survivor, other)
    assert relations(decider, thing, survivor) == []
    assert relations(decider, thing, other) == [("fsp", True)]
    # What has ended since has ended for the restored user too.
    assert relations(decider, customer, survivor) == []
    assert relations(decider, customer, other) == [("delegate", False)]


def test_what_others_let_it_read_stays_with_the_alias(decider: Decider) -> None:
    survivor, other = two(decider)
    done(decider, "user.confirm.v1", {"id": survivor})
    done(decider, "user.confirm.v1", {"id": other})
    grant = {"party": other, "groups": ["bank"]}
    done(decider, "sharing.grant.v1", grant, THIRD)
    merge(decider, survivor, other)
    assert relations(decider, THIRD, survivor) == []
    assert relations(decider, THIRD, other) == [("reader", True)]


def test_what_one_has_shared_with_an_alias_can_be_ended(decider: Decider) -> None:
    """It would count again after a split."""
    survivor, other = two(decider, profile={"services": ["DC"]})
    done(decider, "user.confirm.v1", {"id": survivor})
    done(decider, "user.confirm.v1", {"id": other})
    grant = {"party": other, "groups": ["bank"]}
    done(decider, "sharing.grant.v1", grant, THIRD)
    merge(decider, survivor, other)
    assert codes(decider, "sharing.grant.v1", grant, THIRD) == ["user.merged"]
    done(decider, "sharing.revoke.v1", {"party": other}, THIRD)
    split(decider, survivor, other)
    assert relations(decider, THIRD, other) == [("reader", False)]


def test_whom_an_owner_does_not_want_comes_to_nothing_by_a_merge(decider: Decider) -> None:
    survivor, other = two(decider)
    owner = registered(decider, roles=["owner"])
    thing = battery(decider, PLATFORM, owner=owner)
    consent = {"id": thing, "party": survivor, "service": "DC"}
    tie = {"id": thing, "relation": "fsp", "service": "DC"}
    for party in (survivor, other):
        done(decider, "user.confirm.v1", {"id": party})
    done(decider, "asset.relate.v1", tie | {"party": other}, PLATFORM)
    done(decider, "asset.consent.v1", consent | {"method": "by-owner"}, owner)
    done(decider, "asset.withdraw-consent.v1", consent, owner)
    merge(decider, survivor, other)
    assert relations(decider, thing, survivor) == []
    split(decider, survivor, other)
    assert relations(decider, thing, other) == [("fsp", True)]


def test_who_registered_for_others_goes_on_as_the_survivor(decider: Decider) -> None:
    survivor, other = two(decider)
    thing = battery(decider, other)
    customer = registered(decider, other)
    done(decider, "mandate.end.v1", {"delegate": other}, customer)
    merge(decider, survivor, other)
    done(decider, "asset.update.v1", {"id": thing, "name": "Ours"}, survivor)
    assert asked(decider, "user.get.v1", {"id": customer}, survivor)["id"] == customer
    split(decider, survivor, other)
    assert relations(decider, thing, survivor) == relations(decider, customer, survivor) == []


def test_the_alias_is_told_that_it_is_one_and_nothing_more(decider: Decider) -> None:
    survivor, other = two(decider)
    thing = battery(decider, other)
    merge(decider, survivor, other)
    done(decider, "asset.update.v1", {"id": thing, "name": "Ours"}, OPERATOR)
    told = [row["type"] for row in decider.of("events") if row["recipient"] == other]
    assert told[-1] == "user.merged.v1"
    mine = [row["type"] for row in decider.of("events") if row["recipient"] == survivor]
    assert mine[-1] == "asset.updated.v1"
    split(decider, survivor, other)
    done(decider, "asset.update.v1", {"id": thing, "name": "Theirs"}, OPERATOR)
    told = [row["type"] for row in decider.of("events") if row["recipient"] == other]
    assert told[-2:] == ["user.restored.v1", "asset.updated.v1"]


def test_a_split_that_comes_first_leaves_what_was_not_carried(decider: Decider) -> None:
    """Both facts wait in the lane of the notices, and are decided in their order."""
    survivor, other = two(decider)
    thing = battery(decider, STRANGER, owner=other)
    wish = {"id": survivor, "other": other}
    (merged,) = decider.decide(command("duplicates.merge.v1", wish, sender=OPERATOR, id="m"))
    (back,) = decider.decide(command("duplicates.split.v1", wish, sender=OPERATOR, id="s"))
    before = state(decider)
    follow(decider, [merged])
    follow(decider, [back])
    assert decider.documents["assets", thing]["owner"] == other
    assert state(decider) == before


def test_an_asset_that_was_merged_meanwhile_is_split_in_its_turn(decider: Decider) -> None:
    survivor, other = two(decider)
    first, second = (battery(decider, STRANGER, owner=other) for _ in range(2))
    assets = {"id": first, "other": second}
    done(decider, "duplicates.merge.v1", assets)
    merge(decider, survivor, other)
    assert codes(decider, "duplicates.split.v1", assets) == ["merge.none"]
    split(decider, survivor, other)
    done(decider, "duplicates.split.v1", assets)
    assert decider.documents["assets", second]["owner"] == other


@st.composite
def histories(draw: st.DrawFn) -> dict[str, Any]:
    """What there may be of two users before they are merged."""
    claims = st.sampled_from([None, {"mpid": "EELC"}, {"mpid": "EDFE", "company_number": "01234"}])
    mine, theirs = draw(claims), draw(claims)
    return {
        "person": draw(st.booleans()),
        "same_sender": draw(st.booleans()),
        "claims": (mine, None if mine == theirs else theirs),
        "postcode": draw(st.booleans()),
        "names": draw(st.lists(st.integers(0, 1), max_size=4)),
        "given": draw(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=3)),
        "profile": draw(st.booleans()),
        "accounts": draw(st.booleans()),
        "confirmed": draw(st.sampled_from([(False, False), (True, False), (True, True)])),
        "case": draw(st.booleans()),
        "assets": draw(
            st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans()), max_size=4)
        ),
        "ties": draw(
            st.lists(
                st.tuples(st.integers(0, 1), st.sampled_from([None, "DC", "DM"]), st.booleans()),
                max_size=5,
            )
        ),
        "held": draw(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=3)),
        "shared": draw(st.lists(st.integers(0, 1), max_size=2)),
        "inside": draw(st.booleans()),
    }


def _prepare(decider: Decider, wanted: Mapping[str, Any]) -> tuple[str, str]:
    more: dict[str, Any] = dict(PERSON) if wanted["person"] else {}
    if wanted["postcode"]:
        more["address"] = {"line_1": "1 High Street", "postcode": "SW1A 1AA"}
    if wanted["profile"]:
        more["profile"] = {"services": ["DC"]}
    if wanted["accounts"]:
        more["account_key_hash"] = HASH
    senders = (PLATFORM, PLATFORM if wanted["same_sender"] else STRANGER)
    pair = tuple(
        registered(decider, sender, **more, **({"claims": claims} if claims else {}))
        for sender, claims in zip(senders, wanted["claims"], strict=True)
    )
    for number, which in enumerate(wanted["names"]):
        name = {"id": pair[which], "scheme": "own", "value": f"name {number}"}
        done(decider, "user.link-id.v1", name, senders[which])
    for which, is_over in wanted["given"]:
        sent(decider, "mandate.give.v1", {"delegate": THIRD}, pair[which])
        if is_over:
            sent(decider, "mandate.end.v1", {"delegate": THIRD}, pair[which])
    for who, is_confirmed in zip(pair, wanted["confirmed"], strict=True):
        if is_confirmed:
            done(decider, "user.confirm.v1", {"id": who})
    _entangle(decider, wanted, pair)
    if wanted["case"]:
        compared = {"id": pair[0], "other": pair[1], "verdict": "same", "score": 0.9}
        sent(decider, "duplicates.open.v1", {"pairs": [compared], "model": "m"})
    return pair[0], pair[1]


def _entangle(decider: Decider, wanted: Mapping[str, Any], pair: Sequence[str]) -> None:
    """What the two own, are to assets and users, and may read."""
    kind = {"location": {"point": {"latitude": 52.2, "longitude": 0.1}}}
    third = battery(decider, PLATFORM, **kind)
    made = [third]
    for owner, registrant, is_placed in wanted["assets"]:
        sender = (pair[0], pair[1], STRANGER)[registrant]
        if wanted["person"] and registrant < 2:
            sender = STRANGER
        of = {"owner": (*pair, THIRD)[owner]} if owner < 2 else {}
        made.append(battery(decider, sender, **of, **(kind if is_placed else {})))
    for which, service, is_over in wanted["ties"]:
        tie = {"id": third, "party": pair[which], "relation": "fsp", "service": service}
        sent(decider, "asset.relate.v1", tie, PLATFORM)
        if is_over:
            sent(decider, "asset.unrelate.v1", tie, PLATFORM)
    for which, is_over in wanted["held"]:
        sent(decider, "mandate.give.v1", {"delegate": pair[which]}, THIRD)
        if is_over:
            sent(decider, "mandate.end.v1", {"delegate": pair[which]}, THIRD)
    for which in wanted["shared"]:
        sent(decider, "sharing.grant.v1", {"party": pair[which], "groups": ["name"]}, THIRD)
    if wanted["inside"]:
        folder = battery(decider, PLATFORM, asset_type="PFL", identity=None)
        done(decider, "portfolio.add.v1", {"id": folder, "members": made}, OPERATOR)


def unviewed(documents: Mapping[Any, Any], survivor: str) -> dict[Any, Any]:
    """Documents, but for whom a place is found by: the answer asks again what one may see."""
    found = dict(documents)
    for key, row in documents.items():
        if key[0] == "places":
            viewers = [one for one in row["viewers"] if one != survivor]
            terms = [one for one in row.get("terms", ()) if not one.startswith(survivor)]
            found[key] = {**row, "viewers": viewers, "terms": terms}
    return found


@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(histories())
def test_a_split_restores_every_document(wanted: Mapping[str, Any]) -> None:
    decider = world()
    survivor, other = _prepare(decider, wanted)
    before = unviewed(state(decider), survivor)
    merge(decider, survivor, other)
    assert unviewed(state(decider), survivor) != before
    split(decider, survivor, other)
    after = unviewed(state(decider), survivor)
    assert after.keys() == before.keys()
    for key, document in before.items():
        assert after[key] == document, key
    assert decider.documents["merges", other]["state"] == "split"


def test_the_owner_of_the_builders_is_merged_only_with_a_user(decider: Decider) -> None:
    assert refusal(decider, OWNER, issued("BAT", 9000)) == ["merge.unfit"]
