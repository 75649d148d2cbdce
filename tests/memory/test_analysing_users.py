"""The analysis of the users: which organisations are in the register twice, and who is left out."""

import csv
import gzip
import io
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest

from handlers.decision import Secret
from handlers.duplicates import CASES
from handlers.matching.organisations import compare_organisations
from handlers.matching.reading import known_as
from handlers.matching.trial import clustered
from tests.builders import PLATFORM, command, issued, user, user_document
from tests.decider import Decider, reply
from tests.given import data
from tests.memory.analysed import analysed, in_small_pages, learned
from tests.memory.test_analysing import (
    SPACED,
    Killed,
    cases,
    found,
    opened,
    register_of,
    twins,
    written,
)
from tests.memory.test_real_doubles import SEED, retyped
from workers.analysis import judging
from workers.analysis.options import AnalysisStopped
from workers.cli.profiling import Sight
from workers.store.codec import encode, encode_row
from workers.store.memory import MemoryStore
from workers.vault import Sealed

pytestmark = pytest.mark.timeout(240)

NAMES: Final = (
    "Meadow", "Harbour", "Quarry", "Orchard", "Viaduct", "Lighthouse", "Foundry", "Abbey",
    "Kestrel", "Juniper", "Bramble", "Cobalt", "Drumlin", "Elder", "Falcon", "Garnet",
    "Heron", "Ivory", "Jackdaw", "Kingfisher", "Lantern", "Marlow", "Nettle", "Osprey",
    "Pebble", "Quartz", "Raven", "Saffron", "Thistle", "Umber", "Vesper", "Willow",
    "Yarrow", "Zephyr", "Anchor", "Beacon", "Copper", "Damson", "Ember", "Fennel",
)  # fmt: skip
Pair = tuple[str, str]


def user_id(number: int) -> str:
    return issued("USR", 10_000 + number * SPACED)


def organisation(number: int, **changes: Any) -> dict[str, Any]:
    """A company as the register keeps it, alike in nothing but its trade to another number's."""
    given: dict[str, Any] = {
        "name": f"{NAMES[number]} Energy Ltd",
        "address": {"line_1": f"{number + 3} Mill Lane", "postcode": f"LS{number % 20 + 1} 4AB"},
        "claims": {"company_number": f"{12_000_000 + 137 * number}"},
        "status": "confirmed",
    }
    return user_document(user_id(number), **(given | changes))


def again(number: int, **changes: Any) -> dict[str, Any]:
    """The same as somebody else writes it: two letters exchanged, no address, no number."""
    name = NAMES[number]
    given = {
        "_id": user_id(number + 1_000),
        "name": f"{name[0]}{name[2]}{name[1]}{name[3:]} Energy PLC",
        "address": None,
        "claims": None,
    }
    return organisation(number, **(given | changes))


def couples(count: int = 40) -> list[dict[str, Any]]:
    """Organisations, and of every fourth another registration."""
    return [organisation(n) for n in range(count)] + [again(n) for n in range(0, count, 4)]


def paired(count: int = 40) -> set[Pair]:
    """The pairs that are one."""
    return {ordered(user_id(n), user_id(n + 1_000)) for n in range(0, count, 4)}


def ordered(one: str, other: str) -> Pair:
    return min(one, other), max(one, other)


async def users_of(*documents: dict[str, Any]) -> MemoryStore:
    """A register of these users alone."""
    store = await register_of(*documents, collection="users")
    for one in set(store._documents["users"]) - {document["_id"] for document in documents}:
        del store._documents["users"][one]
    return store


async def sought(store: Any, folder: Path, *more: Any, **options: Any) -> dict[str, Any]:
    return await analysed(store, folder, *more, register="users", **options)


async def test_what_level_one_does_not_see_becomes_a_case_with_its_verdict(tmp_path: Path) -> None:
    documents = couples()
    by_id = {one["_id"]: one for one in documents}
    store = await users_of(*documents)
    summary = await sought(store, tmp_path, await opened(store))
    kept = cases(store)
    assert paired() <= kept.keys()
    for (one, other), case in kept.items():
        said = compare_organisations(known_as(by_id[one]), known_as(by_id[other]))
        assert (case["verdict"], case["score"]) == (said.verdict, said.score)
        assert (case["kind"], case["found_by"], case["model"]) == (
            "users",
            "analysis",
            judging.MODEL,
        )
    assert (summary["register"], summary["records"]) == ("users", len(documents))
    assert summary["sent"]["opened"] == len(kept) < 2 * len(paired())
    assert summary["candidates"] == sum(summary["verdicts"].values())


async def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    store = await users_of(*couples())
    operator = await opened(store)
    first = await sought(store, tmp_path, operator)
    before = cases(store)
    second = await sought(store, tmp_path, operator)
    assert second["sent"] == {"opened": 0, "unchanged": first["sent"]["opened"], "left": 0}
    assert cases(store) == before


async def test_the_same_register_gives_the_same_pairs_scores_and_model(tmp_path: Path) -> None:
    store = await users_of(*couples())
    for name in ("first", "second"):
        await sought(store, tmp_path / name)
    first, second = found(tmp_path / "first"), found(tmp_path / "second")
    assert first == second
    assert len(first) >= len(paired())
    assert learned(tmp_path / "first") == learned(tmp_path / "second")


@pytest.mark.parametrize("stage", ["export", "train", "find", "judge", "send"])
async def test_a_run_that_was_ended_goes_on(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small pages, ended behind the first of a stage: found is what an unbroken run finds."""
    in_small_pages(monkeypatch)
    store = await users_of(*couples())
    await sought(store, tmp_path / "unbroken")
    operator, seen = await opened(store), list[str]()

    def until(now: str, done: int, total: int | None) -> None:
        if now == stage:
            raise Killed

    with pytest.raises(Killed):
        await sought(store, tmp_path / "broken", operator, until)
    noted = await sought(store, tmp_path / "broken", operator, lambda now, *_: seen.append(now))
    assert found(tmp_path / "broken") == found(tmp_path / "unbroken")
    assert paired() <= cases(store).keys()
    assert sum(noted["sent"].values()) == len(cases(store))
    stages = ["export", "train", "find", "judge", "send"]
    assert not set(stages[: stages.index(stage)]) & set(seen)


async def both() -> MemoryStore:
    """Assets and users, of either some twice."""
    store = await users_of(*couples())
    store._documents["assets"] = {one["_id"]: encode_row(one) for one in twins()}
    return store


async def test_runs_of_both_registers_in_one_tree_leave_each_other_alone(tmp_path: Path) -> None:
    """One is broken off, the other done meanwhile: each finds what it finds by itself."""
    store = await both()
    await sought(store, tmp_path / "by-itself" / "users")
    await analysed(store, tmp_path / "by-itself" / "assets")

    def until(now: str, done: int, total: int | None) -> None:
        if now == "judge":
            raise Killed

    with pytest.raises(Killed):
        await sought(store, tmp_path / "users", None, until)
    assets = await analysed(store, tmp_path / "assets")
    users = await sought(store, tmp_path / "users")
    assert (assets["register"], users["register"]) == ("assets", "users")
    for name in ("assets", "users"):
        assert found(tmp_path / name) == found(tmp_path / "by-itself" / name)
    assert found(tmp_path / "assets") != found(tmp_path / "users")


async def test_a_run_is_never_gone_on_with_for_the_other_register(tmp_path: Path) -> None:
    store = await both()
    await analysed(store, tmp_path)
    operator = await opened(store)
    with pytest.raises(AnalysisStopped, match=r"\(register assets, .*got register users"):
        await sought(store, tmp_path, operator)
    assert operator.sent == []
    assert (await sought(store, tmp_path, anew=True))["records"] == len(couples())


async def test_persons_aliases_and_who_takes_no_part_are_left_out(tmp_path: Path) -> None:
    """And of who is compared nothing is opened that is sealed."""

    def sealed(number: int, **changes: Any) -> bytes:
        return encode(organisation(number, **changes), lambda _: Sealed(PLATFORM, b"box"))

    contacts = Secret([{"phone": "01134960000"}])
    store = await users_of(organisation(0), organisation(1, status="provisional"))
    out = {
        user_id(2): sealed(2, kind="person", name=Secret("Rosebud Kane"), address=Secret({})),
        user_id(3): sealed(3, status="suspended"),
        user_id(4): sealed(4, status="retired"),
        user_id(5): sealed(5, status="rejected"),
        user_id(6): sealed(6, merged_into=user_id(0)),
    }
    store._documents["users"].update(out | {user_id(7): sealed(7, contacts=contacts)})
    summary = await sought(store, tmp_path)
    assert (summary["records"], summary["left_out"]) == (3, len(out))
    content = written(tmp_path)
    assert all(user_id(number).encode() in content for number in (0, 1, 7))
    assert [one for one in out if one.encode() in content] == []
    assert b"contacts" not in content


async def test_who_shares_a_telephone_alone_is_not_compared(tmp_path: Path) -> None:
    contacts = [{"phone": "01134960000", "email": "desk@example.org"}]
    store = await users_of(*(organisation(n, contacts=contacts) for n in (0, 1, 2)))
    assert (await sought(store, tmp_path))["candidates"] == 0


async def test_another_number_of_one_scheme_is_another_organisation(tmp_path: Path) -> None:
    store = await users_of(organisation(0), again(0, claims={"company_number": "12777777"}))
    assert (await sought(store, tmp_path))["cases"] == 0


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_hardly_anybody_to_compare_is_no_fault(count: int, tmp_path: Path) -> None:
    store = await users_of(*map(organisation, range(count)))
    summary = await sought(store, tmp_path, await opened(store))
    assert (summary["records"], summary["sent"]["opened"]) == (count, 0)


def rows_of(mapping: str, path: str) -> Iterable[tuple[str, dict[str, str], dict[str, Any]]]:
    """Of a table each row with its label, and as a user by the shipped mapping."""
    sight = Sight.open(mapping)
    text = data(path).read_text(encoding="utf-8-sig")
    for number, row in enumerate(csv.DictReader(io.StringIO(text, newline=""))):
        said = sight.expression.evaluate(row)["user"]
        yield row[sight.label] if sight.label else str(number), row, said


async def verdicts_of(real: Mapping[str, dict[str, Any]], folder: Path) -> dict[Pair, str]:
    """By pair of labels the verdicts of the cases that an analysis of these users finds."""
    ids = {label: user_id(number) for number, label in enumerate(sorted(real))}
    labels = {one: label for label, one in ids.items()}
    told = {label: {n: v for n, v in said.items() if n in TOLD} for label, said in real.items()}
    documents = [user_document(ids[one], status="confirmed") | told[one] for one in ids]
    await sought(await users_of(*documents), folder)
    return {ordered(labels[one], labels[other]): v for one, other, v, *_ in found(folder)}


TOLD: Final = ("name", "address")
"""What of a row is registered: contacts are not compared."""


def doubtful(verdicts: Mapping[Pair, str], pairs: Iterable[Pair]) -> int:
    """How many of these pairs are cases, or would be."""
    return sum(verdicts.get(pair) in {"same", "unsure"} for pair in pairs)


def judged(real: Mapping[str, dict[str, Any]], pairs: Iterable[Pair]) -> dict[Pair, str]:
    """What the scorer says of these pairs, whoever would look at them."""
    profiles = {label: known_as(said) for label, said in real.items()}
    return {
        pair: compare_organisations(profiles[pair[0]], profiles[pair[1]]).verdict for pair in pairs
    }


@pytest.mark.timeout(600)
async def test_of_real_sites_nearly_all_that_the_scorer_knows_are_cases(tmp_path: Path) -> None:
    """Of 6,608 true pairs: as many as if every pair were judged, but for one in a hundred."""
    rows = list(rows_of("orgs_chicago", "orgs_chicago/chicago_orgs_with_true_ids.csv"))
    real = {label: said for label, _, said in rows}
    true = clustered({label: row["True Id"] for label, row, _ in rows}).same
    known = doubtful(judged(real, true), true)
    verdicts = await verdicts_of(real, tmp_path)
    seen = doubtful(verdicts, true)
    said = f"{seen} of {known} of {len(true)} pairs, {len(verdicts)} cases"
    sys.stdout.write(f"orgs_chicago: {said}\n")
    assert len(true) == 6608
    assert seen >= 0.98 * known, said
    assert len(verdicts) <= 1.1 * len(true), said


@pytest.mark.timeout(600)
async def test_of_two_guides_all_that_the_scorer_knows_are_cases(tmp_path: Path) -> None:
    real = {
        f"{guide}-{label}": said
        for guide in ("fodors", "zagats")
        for label, _, said in rows_of("orgs_restaurants", f"orgs_restaurants/{guide}.csv")
    }
    text = data("orgs_restaurants/matches_fodors_zagats.csv").read_text(encoding="utf-8")
    matches = csv.DictReader(io.StringIO(text, newline=""))
    true = [(f"fodors-{one['fodors_id']}", f"zagats-{one['zagats_id']}") for one in matches]
    verdicts = await verdicts_of(real, tmp_path)
    seen, known = doubtful(verdicts, true), doubtful(judged(real, true), true)
    sys.stdout.write(f"orgs_restaurants: {seen} of {known} of {len(true)}, {len(verdicts)} cases\n")
    assert (seen, len(true)) == (known, 112)


def customers() -> dict[str, dict[str, Any]]:
    """The customers of the capacity register, of which none has an address or a number."""
    text = data("ecr_ukpn_epn/ecr_ukpn_epn.csv").read_text(encoding="utf-8-sig")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    names = dict.fromkeys(row["Customer Name"].strip() for row in rows)
    return {f"{nth:03d}": {"name": name} for nth, name in enumerate(names) if name}


@pytest.mark.timeout(600)
async def test_of_customers_with_a_name_alone_what_is_the_same_is_a_case(tmp_path: Path) -> None:
    real = customers()
    every = judged(real, combinations(sorted(real), 2))
    same = {pair for pair, verdict in every.items() if verdict == "same"}
    verdicts = await verdicts_of(real, tmp_path)
    counts = Counter(verdicts.values())
    sys.stdout.write(f"ecr_ukpn_epn: {len(real)} customers, {dict(counts)}, {len(same)} the same\n")
    assert len(real) > 480
    # One is called so for its beginning alone, `AGR` and `Agrivert`: no block is as wide as that.
    assert sum(verdicts.get(pair) != "same" for pair in same) <= 1
    assert len(verdicts) < len(real)


@pytest.mark.timeout(600)
async def test_what_registrations_make_cases_of_the_analysis_finds_too(tmp_path: Path) -> None:
    decider, real, labels = Decider(), customers(), dict[str, str]()
    for label, said in real.items():
        given = user(name=said["name"], claims={})
        (outcome,) = decider.decide(command("user.register.v1", given, sender="operator", id=label))
        labels[reply(outcome)[1]["id"]] = label
    first = {ordered(*(labels[one] for one in case["records"])) for case in decider.of(CASES)}
    verdicts = await verdicts_of(real, tmp_path)
    missed = first - verdicts.keys()
    sys.stdout.write(f"ecr_ukpn_epn: {len(first)} by registrations, {len(missed)} of them missed\n")
    assert len(first) > 150
    assert len(missed) <= 0.01 * len(first)


FORMS: Final = ("Ltd", "Limited", "PLC", "LLP")


def told_again(said: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    """As another clerk writes it: mistyped, in another legal form, without house and postcode."""
    name = f"{retyped(str(said['name']).strip(), chance)} {chance.choice(FORMS)}"
    town = (said.get("address") or {}).get("town")
    return {"name": name} | ({"address": {"town": town}} if town and chance.random() < 0.5 else {})


def operators() -> dict[str, dict[str, Any]]:
    """The operators of the planning database, each where the first of its projects is."""
    found: dict[str, dict[str, Any]] = {}
    text = gzip.decompress(data("repd_2021/repd_2021-q1.csv.gz").read_bytes()).decode("utf-8-sig")
    for row in csv.DictReader(io.StringIO(text, newline="")):
        if name := row["Operator (or Applicant)"].strip():
            place = {"postcode": row["Post Code"].strip(), "town": row["County"].strip()}
            address = {part: said for part, said in place.items() if said}
            found.setdefault(name, {"name": name} | ({"address": address} if address else {}))
    return {f"{nth:04d}": said for nth, said in enumerate(found.values())}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("of", [customers, operators])
async def test_of_a_hundred_organisations_registered_twice_ninety_five_are_found(
    of: Callable[[], dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    chance = random.Random(SEED)  # noqa: S311  a choice that can be repeated
    real = of()
    chosen = chance.sample(sorted(real), 100)
    doubles = {f"{one}-again": told_again(real[one], chance) for one in chosen}
    verdicts = await verdicts_of(real | doubles, tmp_path)
    pairs = [(one, f"{one}-again") for one in chosen]
    counts = Counter(verdicts.get(pair, "no case") for pair in pairs)
    sys.stdout.write(f"{of.__name__}: {len(real)}, {dict(counts)}, {len(verdicts)} cases\n")
    assert doubtful(verdicts, pairs) >= 95, counts
