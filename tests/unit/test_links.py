"""External ids: one mechanism for users and assets, both ways, and by one's own links alone."""

from typing import Any
from uuid import uuid4

import pytest

from contracts.links import TRANSLATED_MAX
from handlers.decision import Secret
from handlers.links import LINKS_MAX
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued, user, user_document
from tests.decider import Decider, events, reply, rules, said

OTHER = issued("USR", 5000)
BATTERY = issued("BAT", 4000)
BATTERIES = tuple(issued("BAT", 4000 + 100 * n) for n in range(LINKS_MAX + 2))
SIDES = [("user", OWNER, OTHER), ("asset", BATTERIES[0], BATTERIES[1])]


@pytest.fixture
def decider() -> Decider:
    found = Decider()
    owner = user_document(OWNER, roles=["owner"], registrant=PLATFORM)
    found.documents["users", OWNER] = owner
    found.documents["users", OTHER] = user_document(OTHER, registrant=PLATFORM)
    for battery in BATTERIES:
        found.documents["assets", battery] = {
            "_id": battery, "revision": 1, "registrant": PLATFORM, "owner": OWNER,
        }  # fmt: skip
    return found


def link(
    kind: str, entity: str, value: str = "customer 7", *, sender: str = PLATFORM, **more: Any
) -> Any:
    data = {"id": entity, "scheme": "own", "value": value} | more
    return command(f"{kind}.link-id.v1", data, sender=sender, id=str(uuid4()))


def linked(decider: Decider, given: Any) -> tuple[str, Any]:
    (outcome,) = decider.decide(given)
    return reply(outcome)


def refused(decider: Decider, given: Any) -> list[tuple[str, str]]:
    (outcome,) = decider.decide(given)
    assert [w.collection for w in outcome.writes] == ["inbox"]
    return rules(reply(outcome)[1])


def translate(decider: Decider, kind: str, *, sender: str = PLATFORM, **data: Any) -> Any:
    asked = command(f"{kind}.translate.v1", data, sender=sender, id=str(uuid4()))
    return said(decider.ask(asked))[1]


def own(*values: str) -> list[dict[str, str]]:
    return [{"scheme": "own", "value": value} for value in values]


@pytest.mark.parametrize(("kind", "entity", "other"), SIDES)
def test_a_link_is_translated_both_ways_and_the_rest_is_not_known(
    decider: Decider, kind: str, entity: str, other: str
) -> None:
    (outcome,) = decider.decide(link(kind, entity))
    assert reply(outcome) == (
        f"{kind}.link-id.accepted.v1",
        {"id": entity, "scheme": "own", "asserter": PLATFORM, "state": "linked", "revision": 1},
    )
    assert events(outcome) == [
        (f"{kind}.id-linked.v1", {"id": entity, "by": PLATFORM, "scheme": "own"})
    ]
    found = translate(decider, kind, external=own("customer 7", "8"), ids=[other, entity])
    assert found == {
        "external": [
            {"scheme": "own", "value": "customer 7", "id": entity},
            {"scheme": "own", "value": "8"},
        ],
        "ids": [{"id": other, "external": []}, {"id": entity, "external": own("customer 7")}],
    }


@pytest.mark.parametrize(("kind", "entity", "other"), SIDES)
def test_what_is_kept_tells_no_value_and_ends_with_whom_it_is_about(
    decider: Decider, kind: str, entity: str, other: str
) -> None:
    (outcome,) = decider.decide(link(kind, entity, "Ada Example"))
    (row,) = decider.of("links")
    assert row["value"] == Secret("Ada Example")
    assert "Ada" not in str({**row, "value": None})
    assert outcome.keyed_to == OWNER
    assert "Ada" not in str(events(outcome))


@pytest.mark.parametrize(("kind", "entity", "other"), SIDES)
def test_an_external_id_of_another_is_taken_unless_it_is_to_be_replaced(
    decider: Decider, kind: str, entity: str, other: str
) -> None:
    linked(decider, link(kind, entity))
    assert refused(decider, link(kind, other)) == [("link.taken", "data.value")]
    (outcome,) = decider.decide(link(kind, other, replace=True))
    assert (reply(outcome)[1]["id"], reply(outcome)[1]["revision"]) == (other, 2)
    assert events(outcome)[0][1]["replaced"] == entity
    found = translate(decider, kind, external=own("customer 7"), ids=[entity, other])
    assert found["external"][0]["id"] == other
    assert [len(one["external"]) for one in found["ids"]] == [0, 1]


@pytest.mark.parametrize(("kind", "entity", "other"), SIDES)
def test_a_link_is_taken_back_by_its_asserter_whatever_it_may_still_see(
    decider: Decider, kind: str, entity: str, other: str
) -> None:
    linked(decider, link(kind, entity))
    assert refused(decider, link(kind, other, unlink=True)) == [("link.none", "data.value")]
    key = ("users" if kind == "user" else "assets", entity)
    decider.documents[key] = {**decider.documents[key], "registrant": STRANGER}
    (outcome,) = decider.decide(link(kind, entity, unlink=True))
    assert reply(outcome)[1]["state"] == "unlinked"
    assert [kind for kind, _ in events(outcome)] == [f"{kind}.id-unlinked.v1"]
    assert decider.of("links") == []
    assert refused(decider, link(kind, entity, unlink=True)) == [("link.none", "data.value")]


@pytest.mark.parametrize(("kind", "entity", "other"), SIDES)
def test_who_may_not_see_it_is_answered_as_for_an_id_that_does_not_exist(
    decider: Decider, kind: str, entity: str, other: str
) -> None:
    unknown = issued("USR" if kind == "user" else "BAT", 9_000_000)
    code = f"{kind}.not-found"
    hidden = decider.decide(link(kind, entity, sender=STRANGER))
    missing = decider.decide(link(kind, unknown, sender=STRANGER))
    answers = [reply(outcome)[1] for outcome in (*hidden, *missing)]
    assert [rules(answer) for answer in answers] == [[(code, "data.id")]] * 2
    texts = {str(a).replace(i, "") for a, i in zip(answers, (entity, unknown), strict=True)}
    assert len(texts) == 1
    assert linked(decider, link(kind, entity, "x", sender="operator"))[1]["state"] == "linked"


@pytest.mark.parametrize(("kind", "entity", "other"), SIDES)
def test_each_asserts_for_itself_and_learns_of_nobody_else_s_links(
    decider: Decider, kind: str, entity: str, other: str
) -> None:
    linked(decider, link(kind, entity))
    linked(decider, link(kind, other, sender="operator"))
    asked: dict[str, Any] = {"external": own("customer 7"), "ids": [entity]}
    nothing = translate(decider, kind, sender=STRANGER, **asked)
    assert "id" not in nothing["external"][0]
    assert nothing["ids"] == [{"id": entity, "external": []}]
    assert rules(translate(decider, kind, sender=STRANGER, asserter=PLATFORM, **asked)) == [
        ("link.not-yours", "data.asserter")
    ]
    assert translate(decider, kind, sender="operator", **asked)["external"][0]["id"] == other
    named = translate(decider, kind, sender="operator", asserter=PLATFORM, **asked)
    assert named["external"][0]["id"] == entity
    assert translate(decider, kind, asserter=PLATFORM, **asked) == named


def test_one_asserter_has_a_few_names_for_one_id(decider: Decider) -> None:
    for number in range(LINKS_MAX):
        linked(decider, link("user", OWNER, f"name {number}"))
    assert refused(decider, link("user", OWNER, "one more")) == [("link.too-many", "data.id")]
    assert linked(decider, link("user", OTHER, "one more"))[1]["state"] == "linked"
    found = translate(decider, "user", ids=[OWNER])
    assert len(found["ids"][0]["external"]) == LINKS_MAX


def test_a_scheme_says_which_of_the_names(decider: Decider) -> None:
    linked(decider, link("asset", BATTERY, "B-1"))
    linked(decider, link("asset", BATTERY, "2000000000015", scheme="mpan"))
    found = translate(decider, "asset", ids=[BATTERY], scheme="mpan")
    assert found["ids"][0]["external"] == [{"scheme": "mpan", "value": "2000000000015"}]
    both = translate(decider, "asset", ids=[BATTERY])["ids"][0]["external"]
    assert [one["scheme"] for one in both] == ["mpan", "own"]


@pytest.mark.parametrize("kind", ["user", "asset"])
@pytest.mark.parametrize("count", [0, TRANSLATED_MAX + 1])
def test_a_question_is_for_one_to_a_thousand(decider: Decider, kind: str, count: int) -> None:
    ids = {"user": OWNER, "asset": BATTERY}
    half = count // 2
    found = translate(
        decider, kind, external=own(*map(str, range(half))), ids=[ids[kind]] * (count - half)
    )
    assert rules(found) == [("link.how-many", "")]


def test_a_thousand_are_translated_at_once(decider: Decider) -> None:
    values = [f"c{number}" for number in range(TRANSLATED_MAX - 1)]
    linked(decider, link("user", OWNER, "c500"))
    found = translate(decider, "user", external=own(*values), ids=[OWNER])
    assert [one["value"] for one in found["external"]] == values
    assert [one["value"] for one in found["external"] if "id" in one] == ["c500"]
    assert found["ids"] == [{"id": OWNER, "external": own("c500")}]


@pytest.mark.parametrize(
    "wrong", [{"scheme": "Own"}, {"scheme": ""}, {"value": ""}, {"replace": True, "unlink": True}]
)
def test_what_is_no_external_id_is_refused(decider: Decider, wrong: dict[str, Any]) -> None:
    assert refused(decider, link("user", OWNER, **wrong)) != []


def test_unknown_users_and_the_front_desk_link_nothing(decider: Decider) -> None:
    unknown = issued("USR", 9_100_000)
    assert refused(decider, link("user", OWNER, sender=unknown)) == [("sender.unknown", "source")]
    assert refused(decider, link("user", OWNER, sender="front-desk")) == [("sender.role", "type")]


# The reference of a registration.


def register(sender: str = PLATFORM, reference: str = "customer 7", **data: Any) -> Any:
    return command(
        "user.register.v1", user(**data), sender=sender, id=str(uuid4()), onbehalfof=reference
    )


def test_the_reference_of_a_registration_is_a_link(decider: Decider) -> None:
    _, data = linked(decider, register(reference=" Ada Example "))
    assert "registrant_reference" not in decider.documents["users", data["id"]]
    found = translate(decider, "user", external=own("Ada Example"), ids=[data["id"]])
    assert found["external"][0]["id"] == data["id"]
    assert found["ids"][0]["external"] == own("Ada Example")
    assert refused(decider, link("user", OTHER, "Ada Example")) == [("link.taken", "data.value")]


@pytest.mark.parametrize(
    ("reference", "code"),
    [("a\u0000b", "text.control"), ("\u202e7", "text.control"), (" ", "text.empty")],
)
def test_a_reference_is_what_a_translation_can_give_back(
    decider: Decider, reference: str, code: str
) -> None:
    assert refused(decider, register(reference=reference)) == [(code, "onbehalfof")]


def test_a_reference_is_found_however_it_is_spaced(decider: Decider) -> None:
    _, data = linked(decider, register(reference="customer  7"))
    for value in ("customer  7", "customer 7", " customer\t7"):
        assert translate(decider, "user", external=own(value))["external"][0]["id"] == data["id"]
    assert refused(decider, register(reference="customer 7")) == [("link.taken", "onbehalfof")]


def test_a_reference_stands_for_one_user(decider: Decider) -> None:
    _, first = linked(decider, register(claims={"mpid": "EELC"}))
    again = register()
    assert refused(decider, again) == [("link.taken", "onbehalfof")]
    # Who is registered already is told so first, and its incumbent is.
    (outcome,) = decider.decide(register(claims={"mpid": "EELC"}))
    assert rules(reply(outcome)[1]) == [("user.duplicate", "data.claims.mpid")]
    assert [kind for kind, _ in events(outcome)] == ["user.duplicate-attempted.v1"]
    _, another = linked(decider, register(STRANGER))
    assert another["id"] != first["id"]


def test_the_reference_of_a_rejected_user_passes_on(decider: Decider) -> None:
    """Nothing leads out of rejected: the platform registers its customer anew, as it calls it."""
    _, first = linked(decider, register(claims={"mpid": "EELC"}))
    wish = {"id": first["id"], "reason": "incomplete"}
    reject = command("user.reject.v1", wish, sender="operator", id="reject")
    outcomes = decider.decide(reject, register(claims={"mpid": "EELC"}))
    assert [outcome.kind for outcome in outcomes] == ["accepted", "accepted"]
    second = reply(outcomes[1])[1]["id"]
    found = translate(decider, "user", external=own("customer 7"), ids=[first["id"], second])
    assert found["external"][0]["id"] == second
    assert [one["external"] for one in found["ids"]] == [[], own("customer 7")]
    assert refused(decider, register()) == [("link.taken", "onbehalfof")]


def test_two_registrations_of_one_reference_in_one_batch_make_one_user(decider: Decider) -> None:
    outcomes = decider.decide(register(), register())
    assert [outcome.kind for outcome in outcomes] == ["accepted", "rejected"]


def test_the_front_desk_has_no_list_of_its_own(decider: Decider) -> None:
    """Everybody may use it: a taken reference would tell one visitor of another."""
    kind, refused = linked(decider, register("front-desk"))
    assert (kind, refused["code"]) == ("user.register.rejected.v1", "envelope.unsupported")
    assert decider.of("links") == []


def test_of_who_was_erased_no_command_with_an_external_id_is_kept(decider: Decider) -> None:
    """It would outlast the erasure in the archive, which has another key for it by then."""
    linked(decider, link("user", OWNER, "Ada Example"))
    unlink = link("user", OWNER, "Ada Example", unlink=True)
    decider.documents["users", OWNER] |= {"erased_at": NOW}  # type: ignore[operator]
    assert refused(decider, unlink) == [("link.none", "data.value")]


def register_asset(reference: str = "pump 7", **data: Any) -> Any:
    given = {"asset_type": "SOL", "reference": reference, "location": {"postcode": "SW1A 1AA"}}
    return command("asset.register.v1", given | data, sender=PLATFORM, id=str(uuid4()))


def test_the_reference_of_an_asset_s_registration_is_a_link(decider: Decider) -> None:
    """It is found under the scheme `own`, and is no part of the asset that others may read."""
    _, data = linked(decider, register_asset())
    assert "reference" not in decider.documents["assets", data["id"]]
    assert translate(decider, "asset", external=own("pump 7"))["external"][0]["id"] == data["id"]
    assert refused(decider, register_asset()) == [("link.taken", "data.reference")]
    # What is a user's is no asset's.
    linked(decider, register(reference="pump 7"))


def test_the_reference_of_a_retired_asset_passes_on(decider: Decider) -> None:
    _, first = linked(decider, register_asset())
    wish = {"id": first["id"], "reason": "wrong-type"}
    linked(decider, command("asset.retire.v1", wish, sender=PLATFORM, id=str(uuid4())))
    _, second = linked(decider, register_asset(asset_type="WND"))
    found = translate(decider, "asset", external=own("pump 7"), ids=[first["id"], second["id"]])
    assert found["external"][0]["id"] == second["id"]
    assert [one["external"] for one in found["ids"]] == [[], own("pump 7")]
