"""The directory: who is listed to whom, by what one is found, and pages that stay in order."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.admission import Arrival, Limits, admit
from handlers.decision import Drop, Put, Secret, View
from handlers.listing import PARTIES_MAX, entry_of, folded, listing_puts, ties_span
from handlers.spans import PAGE, Span
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued, user, user_document
from tests.decider import RULEBOOK, VAULT, Decider, reply, rules, said
from topology.catalog import contracts_of

SOLAR: Final = issued("USR", 11_000)
PERSON: Final = issued("USR", 12_000)
LATER: Final = issued("USR", 13_000)
CHECKED: Final = {"id": "operator", "verdict": "acceptable"}
ASKED: Final[list[dict[str, Any]]] = [
    {}, {"text": "quillfeather"}, {"text": "zoe"}, {"role": "owner"},
]  # fmt: skip
CONFIRMED: Final = {"status": "confirmed"}


def profiled(areas: list[str], services: list[str]) -> dict[str, Any]:
    return {"profile": {"areas": areas, "services": services}}


@pytest.fixture
def decider() -> Decider:
    """The usual three, confirmed, and an organisation with a profile."""
    made = Decider()
    for key in (PLATFORM, STRANGER, OWNER):
        keep(made, user_document(key, **CONFIRMED, **NAMES[key]))
    keep(made, user_document(SOLAR, roles=["mo", "fsp"], name="Łódź Solar-Énergie PLC",
                             **profiled(["_A", "_B"], ["DC", "DM"])))  # fmt: skip
    return made


NAMES: Final[Mapping[str, dict[str, Any]]] = {
    PLATFORM: {"name": "Example Power Ltd"},
    STRANGER: {"name": "Stranger Ltd"} | profiled(["_A"], ["DC"]),
    OWNER: {"name": "O'Neill & Sons", "roles": ["owner"]},
}


def keep(decider: Decider, document: Mapping[str, Any]) -> None:
    """A user as if a decision had put it there, with the entry that follows."""
    decider.documents["users", document["_id"]] = document
    entry = entry_of(document, (), VAULT)
    decider.documents["directory", document["_id"]] = entry | {"revision": 1}


def search(decider: Decider, sender: str = PLATFORM, **data: Any) -> Mapping[str, Any]:
    message = command("directory.search.v1", data, sender=sender, id=str(uuid4()))
    return said(decider.ask(message))[1]


def found(decider: Decider, sender: str = PLATFORM, **data: Any) -> set[str]:
    return {entry["id"] for entry in search(decider, sender, **data)["entries"]}


def send(decider: Decider, kind: str, data: Mapping[str, Any], sender: str, **more: Any) -> Any:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=str(uuid4()), **more))
    told, answer = reply(outcome)
    assert "findings" not in answer, (told, answer)
    return answer


def person(decider: Decider, registrant: str = PLATFORM, name: str = "Zoë Quillfeather") -> str:
    """A person, registered by a platform for it."""
    data = {"kind": "person", "name": name, "roles": ["owner"]}
    answer = send(decider, "user.register.v1", data, registrant, onbehalfof=f"customer {name}")
    return str(answer["id"])


def test_an_organisation_is_listed_to_everybody_with_what_it_is(decider: Decider) -> None:
    answer = search(decider, OWNER, text="solar")
    assert answer == {
        "entries": [
            {
                "id": SOLAR,
                "kind": "organisation",
                "name": "Łódź Solar-Énergie PLC",
                "roles": ["mo", "fsp"],
                "status": "provisional",
                "areas": ["_A", "_B"],
                "services": ["DC", "DM"],
            }
        ]
    }


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {PLATFORM, STRANGER, OWNER, SOLAR}),
        ({"role": "mo"}, {SOLAR}),
        ({"role": "fsp"}, {PLATFORM, STRANGER, SOLAR}),
        ({"role": "so"}, set()),
        ({"area": "_A"}, {STRANGER, SOLAR}),
        ({"area": "_A", "service": "DM"}, {SOLAR}),
        ({"area": "_B", "service": "DC", "role": "fsp", "status": "provisional"}, {SOLAR}),
        ({"area": "_B", "status": "confirmed"}, set()),
        ({"status": "confirmed"}, {PLATFORM, STRANGER, OWNER}),
        ({"text": "ltd"}, {PLATFORM, STRANGER}),
        ({"text": "ltd", "area": "_A"}, {STRANGER}),
        ({"text": "POWER exam"}, {PLATFORM}),
        ({"text": "power stranger"}, set()),
        ({"text": "lodz"}, {SOLAR}),
        ({"text": "ENERGIE solar"}, {SOLAR}),
        ({"text": "sol"}, {SOLAR}),
        ({"text": "sola"}, {SOLAR}),
        ({"text": "energ"}, {SOLAR}),
        ({"text": "strange"}, {STRANGER}),
        ({"text": "strangers"}, set()),
        ({"text": "exampx"}, set()),
        ({"text": "exampler"}, set()),
        ({"text": "so"}, set()),
        ({"text": "oneill"}, {OWNER}),
        ({"text": "o’neill"}, {OWNER}),
        ({"text": "&ons"}, set()),
    ],
)  # fmt: skip
def test_whoever_is_listed_fits_all_that_is_asked_for(
    decider: Decider, asked: dict[str, Any], expected: set[str]
) -> None:
    assert found(decider, **asked) == expected


def test_what_few_have_is_looked_for_first(decider: Decider) -> None:
    """The store looks along one of the first two terms, and only at the rest."""
    data = {"text": "Limited Kelorbor Solar Kel", "area": "_A", "service": "DC", "role": "so"}
    (span, *_) = search_spans(decider, data)
    ordered = [
        "role:so",
        "word:kelor",
        "area:_A service:DC",
        "word:limit",
        "word:solar",
        "word:kel",
    ]
    assert span.all_of == tuple(f"confirmed/{one}" for one in ordered)
    data = {"text": "Kelorbor Kelorx", "role": "owner", "area": "_A"}
    (span, *_) = search_spans(decider, data)
    ordered = ["word:kelor", "area:_A service:", "role:owner"]
    assert span.all_of == tuple(f"confirmed/{one}" for one in ordered)


def search_spans(decider: Decider, data: Mapping[str, Any]) -> list[Span]:
    arrival = admit(command("directory.search.v1", data), contracts_of(RULEBOOK.handlers), Limits())
    assert isinstance(arrival, Arrival)
    return [key for _, key in RULEBOOK.reads(arrival, decider.now) if isinstance(key, Span)]


def test_words_are_folded() -> None:
    assert folded("  The Æther—Straße, O’Brien's (UK) 24/7 ltd. ") == [
        "the", "aether", "strasse", "obriens", "uk", "24", "7", "ltd",
    ]  # fmt: skip
    assert folded("İzmir ŁÓDŹ ŁÓDŹ") == ["izmir", "lodz"]
    assert folded("*** — !") == []
    assert folded("x" * 30) == ["x" * 24]


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"limit": 101}, "limit"), ({"limit": 0}, "limit"), ({"area": "A"}, "area"),
     ({"role": "king"}, "role"), ({"name": "x"}, "name")],
)  # fmt: skip
def test_what_is_asked_is_checked(decider: Decider, asked: dict[str, Any], field: str) -> None:
    assert [name for _, name in rules(search(decider, **asked))] == [f"data.{field}"]


def test_who_is_not_registered_finds_nobody(decider: Decider) -> None:
    assert rules(search(decider, issued("USR", 99_000))) == [("sender.unknown", "source")]


# Who is listed to whom


@pytest.mark.parametrize(
    "asked", [{}, {"text": "quillfeather"}, {"text": "zoe"}, {"role": "owner"}]
)
def test_a_person_is_listed_to_who_may_read_its_name(
    decider: Decider, asked: dict[str, Any]
) -> None:
    one = person(decider)
    assert one in found(decider, PLATFORM, **asked)
    assert one in found(decider, "operator", **asked)
    assert one not in found(decider, STRANGER, **asked)
    assert one not in found(decider, OWNER, **asked)
    entries = search(decider, PLATFORM, **asked)["entries"]
    assert [e["name"] for e in entries if e["id"] == one] == ["Zoë Quillfeather"]


def test_a_person_finds_itself_when_it_is_confirmed(decider: Decider) -> None:
    one = person(decider)
    assert found(decider, one, text="zoë") == set()
    document = decider.documents["users", one]
    assert document is not None
    keep(decider, {**document, **CONFIRMED})
    assert found(decider, one, text="zoë") == {one}


def test_who_is_provisional_sees_what_everybody_sees(decider: Decider) -> None:
    keep(decider, user_document(PLATFORM, **NAMES[PLATFORM]))
    person(decider)
    assert found(decider, PLATFORM) == {PLATFORM, STRANGER, OWNER, SOLAR}


def test_a_delegate_finds_a_person_from_its_mandate_on_until_its_end(decider: Decider) -> None:
    one = person(decider)
    begin = (decider.now + timedelta(hours=1)).isoformat()
    send(decider, "mandate.give.v1", {"delegate": STRANGER, "from_time": begin}, one)
    assert found(decider, STRANGER, text="zoe") == set()
    decider.now += timedelta(hours=2)
    assert found(decider, STRANGER, text="zoe") == {one}
    send(decider, "mandate.end.v1", {"delegate": STRANGER}, one)
    decider.now += timedelta(minutes=1)
    assert found(decider, STRANGER, text="zoe") == set()
    # It is nothing to the person any more, and a mandate of an organisation leaves no trace.
    send(decider, "mandate.give.v1", {"delegate": OWNER}, SOLAR)
    assert decider.documents["directory", SOLAR]["revision"] == 1


@pytest.mark.parametrize("until", [None, timedelta(hours=1)])
def test_whose_mandate_is_over_learns_no_new_name_by_trying(
    decider: Decider, until: timedelta | None
) -> None:
    """Whether there is a further page would say whether a word of the name was guessed."""
    one = person(decider)
    end = {} if until is None else {"until": (decider.now + until).isoformat()}
    send(decider, "mandate.give.v1", {"delegate": STRANGER} | end, one)
    assert search(decider, STRANGER, text="zoe", limit=1)["cursor"]
    if until is None:
        send(decider, "mandate.end.v1", {"delegate": STRANGER}, one)
    decider.now += timedelta(hours=2)
    send(decider, "user.update.v1", {"id": one, "name": "Bea Married"}, one)
    guesses = [search(decider, STRANGER, text=word, limit=1) for word in ("married", "single")]
    assert guesses == [{"entries": []}] * 2


def test_what_one_was_to_many_persons_ends_in_one_page(decider: Decider) -> None:
    """Their entries are read together: an erasure would else ask for ever more."""
    many = [person(decider, STRANGER, name=f"Ada {number}") for number in range(12)]
    for kind, data in (("retire", {}), ("erase", {"confirm_id": STRANGER})):
        message = command(f"user.{kind}.v1", {"id": STRANGER} | data, sender="operator",
                          id=str(uuid4()))  # fmt: skip
        decider.consequences(decider.decide(message))
    (done,) = decider.of("erasures")
    assert done["state"] == "done"
    # Who has registered somebody stays its registrant, whatever becomes of the mandate.
    assert {STRANGER} <= set((decider.documents["directory", many[0]] or {})["parties"])
    assert decider.of("dead_letters") == []


def test_a_reader_of_other_groups_learns_no_name_by_trying(decider: Decider) -> None:
    one = person(decider)
    send(decider, "sharing.grant.v1", {"party": STRANGER, "groups": ["address"]}, one)
    guesses = [search(decider, STRANGER, text=word, limit=1) for word in ("zoe", "bea")]
    assert guesses == [{"entries": []}] * 2
    send(decider, "sharing.grant.v1", {"party": STRANGER, "groups": ["name"]}, one)
    assert found(decider, STRANGER, text="zoe") == {one}
    send(decider, "sharing.revoke.v1", {"party": STRANGER, "groups": ["name"]}, one)
    assert search(decider, STRANGER, text="zoe", limit=1) == {"entries": []}
    send(decider, "sharing.grant.v1", {"party": SOLAR, "groups": ["name"]}, one)
    assert STRANGER not in (decider.documents["directory", one] or {})["parties"]


def test_who_is_out_is_listed_to_operators_alone(decider: Decider) -> None:
    suspend = {"id": SOLAR, "reason": "request"}
    send(decider, "user.suspend.v1", suspend, "operator")
    for asked in ({}, {"text": "solar"}, {"status": "suspended"}, {"role": "mo"}):
        assert SOLAR not in found(decider, PLATFORM, **asked)
        assert SOLAR in found(decider, "operator", **asked)
    send(decider, "user.reinstate.v1", {"id": SOLAR}, "operator")
    assert found(decider, PLATFORM, text="solar") == {SOLAR}
    send(decider, "user.retire.v1", {"id": SOLAR}, "operator")
    assert found(decider, PLATFORM, text="solar") == set()
    (entry,) = search(decider, "operator", text="solar")["entries"]
    assert (entry["status"], entry["name"]) == ("retired", "Łódź Solar-Énergie PLC")


def test_a_suspended_person_is_listed_to_operators_alone(decider: Decider) -> None:
    one = person(decider)
    send(decider, "user.suspend.v1", {"id": one, "reason": "legal"}, "operator")
    assert found(decider, PLATFORM, text="zoe") == set()
    assert found(decider, "operator", text="zoe") == {one}


def test_no_part_of_a_person_s_name_stands_in_the_directory(decider: Decider) -> None:
    entry = decider.documents["directory", person(decider)]
    text = str(entry).casefold()
    for part in ("zo", "qui", "feather", "quillfeather"):
        assert part not in text.replace("owner", "")
    assert "Secret" not in str(entry)


# The entry follows its user


def test_an_entry_is_written_with_the_change_and_not_without_one(decider: Decider) -> None:
    (outcome,) = decider.decide(command("user.register.v1", user(name="New Wind Ltd"),
                                        sender="operator"))  # fmt: skip
    entries = [w for w in outcome.writes if w.collection == "directory"]
    assert [type(e) for e in entries] == [Put]
    assert found(decider, text="new wind") == {reply(outcome)[1]["id"]}
    was = decider.documents["users", SOLAR]
    assert was is not None
    changed = {**was, "revision": 2, "bank": Secret({"iban": "x"})}
    assert not list(listing_puts([Put("users", changed, was)], view(decider), VAULT, NOW))
    writes = [Put("users", {**changed, "roles": ["so"]}, was)]
    (put,) = listing_puts(writes, view(decider), VAULT, NOW)
    assert put.expected == 1
    assert put.document["roles"] == ["so"]


def test_the_last_of_several_changes_in_one_decision_counts(decider: Decider) -> None:
    was = decider.documents["users", SOLAR]
    assert was is not None
    one = {**was, "revision": 2, "name": "One"}
    two = {**one, "revision": 3, "name": "Two"}
    writes = [Put("users", one, was), Put("users", two, one)]
    (put,) = listing_puts(writes, view(decider), VAULT, NOW)
    assert (put.document["name"], put.document["revision"]) == ("Two", 2)


def test_an_erased_name_is_gone_from_the_entry(decider: Decider) -> None:
    one = person(decider)
    was = decider.documents["users", one]
    assert was is not None
    erased = {k: v for k, v in was.items() if k != "name"} | {"status": "retired", "revision": 2}
    (put,) = listing_puts([Put("users", erased, was)], view(decider, one), VAULT, NOW)
    assert not [t for t in put.document["terms"] if "/word:" in t or "/party:" in t]


def test_so_many_parties_find_a_person_and_no_more() -> None:
    many = [issued("USR", 50_000 + 100 * n) for n in range(PARTIES_MAX + 5)]
    document = user_document(PERSON, kind="person", name=Secret("Ada"), registrant=PLATFORM)
    entry = entry_of(document, many, VAULT)
    assert len(entry["parties"]) == PARTIES_MAX
    assert {PERSON, PLATFORM} <= set(entry["parties"])


def view(decider: Decider, *persons: str) -> Any:
    loaded: dict[str, dict[Any, Any]] = {"directory": {}, "users": {}, "relations": {}}
    for (collection, key), document in decider.documents.items():
        if collection in loaded:
            loaded[collection][key] = document
    for one in persons:
        loaded["relations"][ties_span(one)] = []
    return View(loaded)


# Pages


def pages(decider: Decider, between: Any = lambda: None, **data: Any) -> list[str]:
    """All ids of all pages in the order in which they come; `between` happens before each next."""
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = search(decider, **data, **cursor)
        assert len(answer["entries"]) <= data["limit"]
        ids += [entry["id"] for entry in answer["entries"]]
        if "cursor" not in answer:
            return ids
        cursor = {"cursor": answer["cursor"]}
        between()


@settings(max_examples=40, deadline=None)
@given(
    first=st.sets(st.integers(1, 60), min_size=1, max_size=40),
    comings=st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=30),
    persons=st.integers(2, 7),
    limit=st.integers(1, 9),
    sender=st.sampled_from([PLATFORM, "operator"]),
)  # fmt: skip
def test_pages_skip_nobody_and_repeat_nobody_while_users_come_and_go(
    first: set[int], comings: list[tuple[bool, int]], persons: int, limit: int, sender: str
) -> None:
    """Whoever was there all the time comes once; nobody comes twice; the order is that of ids."""
    decider = Decider(documents={})
    keep(decider, user_document(PLATFORM, **CONFIRMED))

    def come(number: int) -> str:
        key = issued("USR", 10_000 + 100 * number)
        kind = "person" if number % persons == 0 else "organisation"
        name: Any = Secret("Ada Moss") if kind == "person" else "Moss Ltd"
        keep(decider, user_document(key, kind=kind, name=name, registrant=PLATFORM))
        return key

    always = {come(number) for number in first}
    steps = iter(comings)

    def between() -> None:
        is_coming, number = next(steps, (True, 1))
        key = issued("USR", 10_000 + 100 * number)
        if is_coming:
            come(number)
        elif decider.documents.pop(("users", key), None) is not None:
            del decider.documents["directory", key]
            always.discard(key)

    ids = pages(decider, between, sender=sender, text="moss", limit=limit)
    assert ids == sorted(set(ids))
    assert always <= set(ids)


def test_a_cursor_is_of_its_asker_and_its_question(decider: Decider) -> None:
    cursor = search(decider, text="ltd", limit=1)["cursor"]
    foreign = [("cursor.foreign", "data.cursor")]
    assert rules(search(decider, STRANGER, text="ltd", limit=1, cursor=cursor)) == foreign
    assert rules(search(decider, text="plc", limit=1, cursor=cursor)) == foreign
    assert rules(search(decider, limit=1, cursor=cursor)) == foreign
    assert rules(search(decider, text="ltd", limit=1, cursor=f"x{cursor}")) == foreign
    # How much comes at once is no part of the question.
    assert len(search(decider, text="ltd", limit=9, cursor=cursor)["entries"]) == 1


# Made anew


def rebuild(decider: Decider, **data: Any) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = send(decider, "directory.rebuild.v1", data, "operator")
    return answer


def test_a_rebuild_makes_what_is_missing_and_mends_what_is_wrong(decider: Decider) -> None:
    one = person(decider)
    send(decider, "mandate.give.v1", {"delegate": STRANGER}, one)
    decider.now += timedelta(minutes=1)
    before = {key: document for key, document in decider.documents.items()
              if key[0] == "directory"}  # fmt: skip
    for key in before:
        del decider.documents[key]
    assert found(decider, text="solar") == set()
    assert rebuild(decider) == {"written": len(before)}
    assert {k: {**d, "revision": 1} for k, d in before.items()} == {
        k: {**d, "revision": 1} for k, d in decider.documents.items() if k[0] == "directory"
    }
    assert found(decider, STRANGER, text="zoe") == {one}
    assert rebuild(decider) == {"written": 0}
    wrong = decider.documents["directory", SOLAR]
    assert wrong is not None
    decider.documents["directory", SOLAR] = {**wrong, "terms": []}
    assert rebuild(decider) == {"written": 1}
    assert found(decider, text="solar") == {SOLAR}


def test_a_user_from_before_the_directory_gets_its_entry_with_its_next_change(
    decider: Decider,
) -> None:
    del decider.documents["directory", SOLAR]
    send(decider, "user.suspend.v1", {"id": SOLAR, "reason": "other"}, "operator")
    assert found(decider, "operator", text="solar") == {SOLAR}


def test_a_person_from_before_the_directory_is_found_by_all_of_its_parties(
    decider: Decider,
) -> None:
    one = person(decider)
    send(decider, "mandate.give.v1", {"delegate": STRANGER}, one)
    del decider.documents["directory", one]
    send(decider, "mandate.give.v1", {"delegate": OWNER}, one)
    decider.now += timedelta(minutes=1)
    for asker in (PLATFORM, STRANGER, OWNER):
        assert found(decider, asker, text="zoe") == {one}


def test_a_rebuild_goes_in_portions(decider: Decider) -> None:
    for number in range(PAGE + 3):
        key = issued("USR", 60_000 + 100 * number)
        decider.documents["users", key] = user_document(key)
    total = len(decider.of("users"))
    first = rebuild(decider)
    second = rebuild(decider, after=first["after"])
    assert "after" not in second
    assert first["written"] + second["written"] == total - 4
    assert len(decider.of("directory")) == total


def test_a_rebuild_guards_what_it_has_read_and_a_check_writes_nothing(decider: Decider) -> None:
    del decider.documents["directory", SOLAR]
    told = said(decider.ask(command("directory.rebuild.check.v1", {}, sender="operator")))
    assert told == ("directory.rebuild.check.accepted.v1", CHECKED)
    assert ("directory", SOLAR) not in decider.documents
    (outcome,) = decider.decide(command("directory.rebuild.v1", {}, sender="operator"))
    assert [guard.was["_id"] for guard in outcome.guards] == [SOLAR]
    assert not [write for write in outcome.writes if isinstance(write, Drop)]
