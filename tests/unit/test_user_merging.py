"""Merging two users: the alias sends nothing more, names and claims move, a split undoes it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contracts.taxonomy import OPERATOR
from handlers.decision import Put
from tests.builders import OWNER, PLATFORM, STRANGER, command, issued, user, user_document
from tests.decider import Decider
from tests.unit.test_merging import NUMBERS, Counting, asked, codes, done, sent, state

THIRD = issued("USR", 6000)
VERIFIER = issued("USR", 6300)
HASH = "a" * 48
PERSON = {"kind": "person", "roles": ["owner"], "name": "Zebedee Quill"}


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


def registered(decider: Decider, sender: str = PLATFORM, **changes: Any) -> str:
    number = next(NUMBERS)
    data = user(name=f"Power {number} Ltd") | changes
    reference = {"onbehalfof": f"ours {number}"}
    delivery = command("user.register.v1", data, sender=sender, id=f"u-{number}", **reference)
    (outcome,) = decider.decide(delivery)
    assert outcome.kind == "accepted"
    return str(next(iter(w.document["_id"] for w in outcome.writes if w.collection == "users")))


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
    profile = {"profile": {"services": ["DC"]}}
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
    asset = issued("BAT", 9000)
    assert refusal(decider, survivor, survivor) == ["merge.same"]
    assert refusal(decider, survivor, asset) == ["merge.unfit"]
    assert refusal(decider, survivor, issued("USR", 9000)) == ["user.not-found"]
    assert refusal(decider, survivor, person) == ["merge.unfit", "merge.roles"]
    wish = {"id": survivor, "other": asset}
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
    if wanted["case"]:
        compared = {"id": pair[0], "other": pair[1], "verdict": "same", "score": 0.9}
        sent(decider, "duplicates.open.v1", {"pairs": [compared], "model": "m"})
    return pair[0], pair[1]


@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(histories())
def test_a_split_restores_every_document(wanted: Mapping[str, Any]) -> None:
    decider = world()
    survivor, other = _prepare(decider, wanted)
    before = state(decider)
    merge(decider, survivor, other)
    assert state(decider) != before
    split(decider, survivor, other)
    after = state(decider)
    assert after.keys() == before.keys()
    for key, document in before.items():
        assert after[key] == document, key
    assert decider.documents["merges", other]["state"] == "split"


def test_the_owner_of_the_builders_is_merged_only_with_a_user(decider: Decider) -> None:
    assert refusal(decider, OWNER, issued("BAT", 9000)) == ["merge.unfit"]
