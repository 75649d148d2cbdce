"""Merging two assets: one answers for both, nothing counts twice, and a split undoes all of it."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery
from handlers.decision import Document
from tests.builders import OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import Decider, reply, said

NUMBERS = count()
THIRD = issued("USR", 6000)
PERSON = issued("USR", 6100)
BOOKKEEPING = {"revision", "updated_at", "asked", "settled", "as_of"}
"""What counts revisions and changes, and rises with every one."""
ASIDE = {"history", "merges", "notices", "sequences", "pots", "timers", "inbox", "events", "parked"}
"""What is on record of the changes themselves."""


@pytest.fixture
def decider() -> Decider:
    return world()


class Counting(Decider):
    """It counts what is read."""

    read = 0

    def _load(self, keys: Any, loaded: Any) -> None:
        self.read += len(keys)
        super()._load(keys, loaded)


def world() -> Decider:
    made = Decider()
    for user, kind in ((THIRD, "organisation"), (PERSON, "person")):
        roles = ["fsp", "owner"]
        document = user_document(user, roles=roles, kind=kind, status="confirmed")
        made.documents["users", user] = document
    return made


def sent(decider: Decider, kind: str, data: Mapping[str, Any], sender: str = OPERATOR) -> Any:
    """The answer, when everything that follows has followed."""
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=f"c-{next(NUMBERS)}"))
    follow(decider, [outcome])
    return reply(outcome)


def follow(decider: Decider, outcomes: Sequence[Any]) -> None:
    facts = [o for outcome in outcomes for o in outcome.letters if o.kind == "domain"]
    for fact in facts:
        done = decider.decide(Delivery(body=fact.body, type=fact.type, account=BACKBONE))
        assert all(one.kind != "continued" for one in done)
        follow(decider, done)


def done(decider: Decider, kind: str, data: Mapping[str, Any], sender: str = OPERATOR) -> Any:
    answered, content = sent(decider, kind, data, sender)
    assert answered.endswith(".accepted.v1"), content
    return content


def codes(decider: Decider, kind: str, data: Mapping[str, Any], sender: str = OPERATOR) -> Any:
    answered, content = sent(decider, kind, data, sender)
    assert answered.endswith(".rejected.v1"), content
    return [finding["rule"] for finding in content["findings"]]


def asked(decider: Decider, kind: str, data: Mapping[str, Any], sender: str) -> Any:
    return said(decider.ask(command(kind, data, sender=sender)))[1]


def register(decider: Decider, sender: str = PLATFORM, **changes: Any) -> str:
    number = next(NUMBERS)
    data = asset(identity={"make": "Acme", "serial": f"SN-{number}"}) | changes
    return str(done(decider, "asset.register.v1", data, sender)["id"])


def merge(decider: Decider, survivor: str, other: str) -> Any:
    return done(decider, "duplicates.merge.v1", {"id": survivor, "other": other})


def split(decider: Decider, survivor: str, other: str) -> Any:
    return done(decider, "duplicates.split.v1", {"id": survivor, "other": other})


def state(decider: Decider) -> dict[tuple[str, Any], Document]:
    """Every document of the register but for revisions and bookkeeping.

    That an asset is in no portfolio, and counted in none, is said by a row or by none.
    """
    return {
        key: {name: value for name, value in document.items() if name not in BOOKKEEPING}
        for key, document in decider.documents.items()
        if key[0] not in ASIDE and not (key[0] == "placements" and not document["in"])
    }


def test_a_translation_of_either_way_names_the_survivor(decider: Decider) -> None:
    survivor, other = register(decider), register(decider, STRANGER)
    external = {"scheme": "own", "value": "7"}
    done(decider, "asset.link-id.v1", {"id": other, **external}, STRANGER)
    ask = {"external": [external], "ids": [other, survivor]}
    before = asked(decider, "asset.translate.v1", ask, STRANGER)
    assert (before["external"][0]["id"], before["ids"][0]) == (
        other,
        {"id": other, "external": [external]},
    )
    merge(decider, survivor, other)
    found = asked(decider, "asset.translate.v1", ask, STRANGER)
    assert found["external"] == [{**external, "id": survivor}]
    alias, itself = found["ids"]
    assert alias == {"id": other, "external": [external], "survivor": survivor}
    assert itself == {"id": survivor, "external": [external]}
    split(decider, survivor, other)
    assert asked(decider, "asset.translate.v1", ask, STRANGER) == before


def test_a_translation_tells_no_stranger_that_an_id_is_an_alias(decider: Decider) -> None:
    survivor, other = register(decider), register(decider)
    merge(decider, survivor, other)
    nobodys = issued("BAT", 9000)
    found = asked(decider, "asset.translate.v1", {"ids": [other, nobodys]}, STRANGER)
    assert found["ids"] == [{"id": one, "external": []} for one in (other, nobodys)]
    named = asked(decider, "asset.translate.v1", {"ids": [other]}, PLATFORM)
    assert named["ids"][0]["survivor"] == survivor


def test_whoever_names_the_alias_is_told_the_survivor(decider: Decider) -> None:
    survivor, other = register(decider), register(decider, STRANGER)
    merge(decider, survivor, other)
    for sender in (STRANGER, OPERATOR):
        refused = asked(decider, "asset.get.v2", {"ids": [other]}, sender)
        assert refused["code"] == "asset.merged"
        (found,) = refused["findings"]
        assert found["field"] == "data.ids.0"
        assert survivor in found["expected"]
    assert codes(decider, "asset.update.v1", {"id": other, "name": "A"}, STRANGER) == [
        "asset.merged"
    ]
    seen = asked(decider, "asset.get.v2", {"ids": [survivor]}, STRANGER)
    assert [one["id"] for one in seen["assets"]] == [survivor]


def test_to_a_stranger_the_alias_is_what_is_not_there(decider: Decider) -> None:
    survivor, other = register(decider), register(decider, STRANGER)
    merge(decider, survivor, other)
    hidden = asked(decider, "asset.get.v2", {"ids": [other]}, THIRD)
    assert hidden["code"] == "asset.not-found"


def test_for_a_stranger_no_more_is_read_of_an_alias_than_of_nothing(decider: Decider) -> None:
    survivor, other = register(decider), register(decider, STRANGER)
    merge(decider, survivor, other)

    def read(asset_id: str) -> int:
        counted = Counting(decider.documents)
        asked(counted, "asset.get.v2", {"ids": [asset_id]}, THIRD)
        return counted.read

    assert read(other) == read(issued("BAT", 9000))


def test_relations_and_external_ids_are_the_survivors(decider: Decider) -> None:
    survivor, other = register(decider), register(decider, STRANGER, reference="mine")
    related = {"id": other, "party": THIRD, "relation": "fsp", "service": "DC"}
    done(decider, "asset.relate.v1", related, STRANGER)
    merge(decider, survivor, other)
    shown = asked(decider, "asset.representation.v1", {"id": survivor}, PLATFORM)
    assert [(p["party"], p["service"]) for p in shown["assets"][0]["parties"]] == [(THIRD, "DC")]
    wish = {"external": [{"scheme": "own", "value": "mine"}]}
    found = asked(decider, "asset.translate.v1", wish, STRANGER)
    assert survivor in str(found)
    listed = asked(decider, "asset.list.v1", {}, STRANGER)
    assert [row["id"] for row in listed["assets"]] == [survivor]


def test_the_device_of_the_alias_stays_taken(decider: Decider) -> None:
    device = {"make": "Acme", "serial": "TWIN-1"}
    survivor, other = register(decider), register(decider, STRANGER, identity=device)
    merge(decider, survivor, other)
    assert codes(decider, "asset.register.v1", asset(identity=device), THIRD) == ["asset.duplicate"]
    done(decider, "asset.retire.v1", {"id": survivor, "reason": "other"}, PLATFORM)
    done(decider, "asset.register.v1", asset(identity=device), THIRD)


def test_a_portfolio_counts_the_two_once(decider: Decider) -> None:
    power: dict[str, Any] = {"capability": {"power_kw": 10}}
    survivor, other = register(decider, **power), register(decider, **power)
    portfolio = register(decider, asset_type="PFL", identity=None)
    done(decider, "portfolio.add.v1", {"id": portfolio, "members": [survivor, other]}, PLATFORM)

    def counted() -> tuple[Any, Any]:
        sums = decider.documents["portfolios", portfolio]
        return sums["count"], sums["totals"]["power_kw"]["whole"]

    assert counted() == (2, 20)
    merge(decider, survivor, other)
    assert counted() == (1, 10)
    split(decider, survivor, other)
    assert counted() == (2, 20)


def test_what_was_said_since_stays_with_the_survivor(decider: Decider) -> None:
    survivor, other = register(decider), register(decider, STRANGER)
    tie = {"id": other, "party": THIRD, "relation": "fsp"}
    done(decider, "asset.relate.v1", tie, STRANGER)
    merge(decider, survivor, other)
    done(decider, "asset.update.v1", {"id": survivor, "name": "Later"}, STRANGER)
    done(decider, "asset.unrelate.v1", tie | {"id": survivor}, THIRD)
    split(decider, survivor, other)
    assert decider.documents["assets", survivor]["name"] == "Later"
    assert "name" not in decider.documents["assets", other]
    row = decider.documents["relations", f"{other}/{THIRD}"]
    assert all(one["until"] is not None for one in row["ties"])
    assert asked(decider, "asset.get.v2", {"ids": [survivor]}, STRANGER)["code"] == (
        "asset.not-found"
    )


def test_the_parties_of_both_are_told(decider: Decider) -> None:
    survivor, other = register(decider, owner=OWNER), register(decider, STRANGER)
    for kind, types in (
        ("merge", ("asset.absorbed.v1", "asset.merged.v1")),
        ("split", ("asset.divided.v1", "asset.restored.v1")),
    ):
        data = {"id": survivor, "other": other}
        (outcome,) = decider.decide(
            command(f"duplicates.{kind}.v1", data, sender=OPERATOR, id=kind)
        )
        told = {(o.recipient, o.type) for o in decider.consequences([outcome])}
        assert told >= {(PLATFORM, types[0]), (OWNER, types[0]), (STRANGER, types[1])}


def test_a_case_is_merged_and_open_again(decider: Decider) -> None:
    survivor, other = register(decider), register(decider, STRANGER)
    pair = {"id": other, "other": survivor, "verdict": "same", "score": 0.99}
    opened = done(decider, "duplicates.open.v1", {"pairs": [pair], "model": "m"})["opened"]
    merge(decider, survivor, other)

    def case() -> Any:
        return asked(decider, "duplicates.get.v1", {"id": opened[0]}, OPERATOR)

    assert (case()["status"], case()["survivor"]) == ("merged", survivor)
    again = {"pairs": [pair], "model": "n", "again": True}
    assert done(decider, "duplicates.open.v1", again)["left"] == [0]
    split(decider, survivor, other)
    assert case()["status"] == "open"


def test_what_cannot_be_one_is_not_merged(decider: Decider) -> None:
    one, other = register(decider, owner=OWNER), register(decider, owner=PERSON)

    def said_of(survivor: str, alias: str) -> Any:
        return codes(decider, "duplicates.merge.v1", {"id": survivor, "other": alias})

    assert said_of(one, one) == ["merge.same"]
    assert said_of(one, other) == ["merge.owner"]
    assert said_of(one, register(decider, asset_type="SOL")) == ["merge.unfit"]
    first, second = register(decider), register(decider)
    merge(decider, first, second)
    assert merge(decider, first, second)["revision"] == 2, "the same again changes nothing"
    assert said_of(one, first) == ["merge.unfit"]
    assert codes(decider, "duplicates.split.v1", {"id": one, "other": second}) == ["merge.none"]


def test_two_parts_are_put_into_one_portfolio(decider: Decider) -> None:
    one, other = register(decider), register(decider, STRANGER)
    portfolio = register(decider, asset_type="PFL", identity=None)
    pair = {"id": one, "other": other, "verdict": "part_of", "score": 0.6}
    (case,) = done(decider, "duplicates.open.v1", {"pairs": [pair], "model": "m"})["opened"]
    wish = {"id": portfolio, "case": case}
    assert codes(decider, "duplicates.part-of.v1", wish) == ["duplicates.not-parts"]
    done(decider, "portfolio.add.v1", {"id": portfolio, "members": [one, other]})
    assert done(decider, "duplicates.part-of.v1", wish)["status"] == "part-of"
    found = asked(decider, "duplicates.get.v1", {"id": case}, OPERATOR)
    assert (found["status"], found["survivor"]) == ("part-of", portfolio)


@st.composite
def histories(draw: st.DrawFn) -> dict[str, Any]:
    """What there may be of two assets before they are merged."""
    return {
        "owned": draw(
            st.sampled_from([(None, None), (OWNER, OWNER), (PERSON, PERSON), (OWNER, None)])
        ),
        "same_sender": draw(st.booleans()),
        "ties": draw(
            st.lists(
                st.tuples(
                    st.integers(0, 1),
                    st.sampled_from([THIRD, PLATFORM, STRANGER]),
                    st.sampled_from([None, "DC", "DM"]),
                    st.booleans(),
                ),
                max_size=6,
            )
        ),
        "names": draw(st.lists(st.integers(0, 1), max_size=4)),
        "inside": draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), max_size=5)),
        "place": draw(st.booleans()),
        "planned": draw(st.booleans()),
        "case": draw(st.booleans()),
    }


def _prepare(decider: Decider, wanted: Mapping[str, Any]) -> tuple[str, str]:
    senders = (PLATFORM, PLATFORM if wanted["same_sender"] else STRANGER)
    more: dict[str, Any] = {"capability": {"power_kw": 7}}
    if wanted["place"]:
        more["location"] = {"point": {"latitude": 52.2, "longitude": 0.1}}
    if wanted["planned"]:
        more |= {"lifecycle": "planned", "expected_on": "2027-01-01"}
    pair = tuple(
        register(decider, sender, **({"owner": owner} if owner else {}), **more)
        for sender, owner in zip(senders, wanted["owned"], strict=True)
    )
    for which, party, service, is_over in wanted["ties"]:
        tie = {"id": pair[which], "party": party, "relation": "fsp", "service": service}
        sent(decider, "asset.relate.v1", tie, senders[which])
        if is_over:
            sent(decider, "asset.unrelate.v1", tie, senders[which])
    for number, which in enumerate(wanted["names"]):
        name = {"id": pair[which], "scheme": "own", "value": f"name {number}"}
        done(decider, "asset.link-id.v1", name, senders[which])
    folders = [register(decider, asset_type="PFL", identity=None) for _ in range(3)]
    for folder, which in wanted["inside"]:
        data = {"id": folders[folder], "members": [pair[which]]}
        done(decider, "portfolio.add.v1", data, OPERATOR)
    if wanted["case"]:
        compared = {"id": pair[0], "other": pair[1], "verdict": "same", "score": 0.9}
        done(decider, "duplicates.open.v1", {"pairs": [compared], "model": "m"})
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


HOME = {"postcode": "SW1A 1AA", "point": {"latitude": 51.5, "longitude": -0.14}}


def test_who_takes_an_asset_over_has_its_aliases_for_good(decider: Decider) -> None:
    """What one person's asset was is not brought back under another's key."""
    buyer = issued("USR", 6200)
    decider.documents["users", buyer] = user_document(buyer, roles=["owner"], kind="person")
    one, other = (
        done(
            decider,
            "asset.register.v1",
            asset(owner=PERSON, identity={"make": "Acme", "serial": serial}, location=HOME),
            PLATFORM,
        )["id"]
        for serial in ("SN-4711", "SN-4712")
    )
    done(decider, "duplicates.merge.v1", {"id": one, "other": other})
    done(decider, "asset.transfer.v1", {"id": one, "owner": buyer})
    assert decider.of("merges") == []
    assert codes(decider, "duplicates.split.v1", {"id": one, "other": other}) == ["merge.none"]


def test_a_persons_asset_takes_in_none_that_stands_in_clear(decider: Decider) -> None:
    one = done(decider, "asset.register.v1", asset(owner=PERSON), PLATFORM)["id"]
    other = done(
        decider, "asset.register.v1", asset(identity={}, location=HOME, name="Flat 3"), PLATFORM
    )["id"]
    assert codes(decider, "duplicates.merge.v1", {"id": one, "other": other}) == ["merge.owner"]


def test_a_split_takes_back_what_the_alias_brought_behind_any_number_of_parties(
    decider: Decider,
) -> None:
    one, other = (
        done(
            decider,
            "asset.register.v1",
            asset(owner=OWNER, identity={"make": "Acme", "serial": serial}),
            PLATFORM,
        )["id"]
        for serial in ("SN-4711", "SN-4712")
    )
    parties = [issued("USR", 10_000 + n * 7) for n in range(205)]
    own = {"relation": "fsp", "service": "DC"}
    for party in parties:
        decider.documents["users", party] = user_document(party, status="confirmed")
    told = [
        *(("asset.relate.v1", {"id": one, "party": party, **own}) for party in parties),
        ("asset.relate.v1", {"id": other, "party": max(parties), "relation": "fsp"}),
        ("duplicates.merge.v1", {"id": one, "other": other}),
        ("duplicates.split.v1", {"id": one, "other": other}),
    ]
    for number, (kind, data) in enumerate(told):
        # What is told of it, to so many, comes in pages and plays no part here.
        (outcome,) = decider.decide(command(kind, data, sender=OPERATOR, id=f"many-{number}"))
        assert outcome.kind == "accepted"
    left = [r for r in decider.of("relations") if any(t.get("via") == other for t in r["ties"])]
    assert left == []
