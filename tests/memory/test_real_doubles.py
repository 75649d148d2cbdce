"""Real registers, and doubles put into them: what is found again, and what is left apart."""

import csv
import gzip
import io
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest

from handlers.matching.comparing import compare
from handlers.matching.profiles import Asset, Profile
from handlers.matching.reading import of_asset
from handlers.matching.tokens import tokens, wide_tokens
from tests.given import data
from workers.cli.profiling import Sight

Document = dict[str, Any]
SEED: Final = 20261129
DOUBLES: Final = 100
MOVED_M: Final = 30.0
FOUND: Final = {"same", "unsure"}
_METRES_PER_DEGREE: Final = 111_320
_TECHNOLOGIES: Final = (
    ("photovoltaics", "SOL"), ("wind", "WND"), ("battery", "BAT"), ("hydro", "HYD"),
    ("tidal", "TID"), ("wave", "TID"), ("gas", "BIO"), ("biomass", "BIO"), ("digestion", "BIO"),
    ("efw", "BIO"), ("conversion", "BIO"),
)  # fmt: skip


def table(path: Path) -> Iterator[dict[str, str]]:
    content = path.read_bytes()
    plain = gzip.decompress(content) if path.suffix == ".gz" else content
    yield from csv.DictReader(io.StringIO(plain.decode("utf-8"), newline=""))


def number(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return 0.0


def retyped(name: str, chance: random.Random) -> str:
    """A name as another clerk writes it: two letters exchanged, one lost, or other capitals."""
    letters = list(name)
    at = chance.randrange(1, max(2, len(letters) - 2))
    slip = chance.choice(("exchanged", "lost", "capitals"))
    if slip == "exchanged" and len(letters) > at + 1:
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
    elif slip == "lost":
        del letters[at]
    return "".join(letters).title() if slip == "capitals" else "".join(letters)


def rounded(power_kw: float) -> float:
    """In two figures, as one tells a power by heart."""
    return float(f"{power_kw:.2g}")


def doubled(asset: Document, chance: random.Random, metres: float = MOVED_M) -> Document:
    """The same asset registered by somebody else: see the issue's words."""
    kept = {n: v for n, v in asset.items() if n not in {"reference", "connection", "registrant"}}
    location = dict(asset["location"])
    if (point := location.get("point")) is not None:
        shift = metres / _METRES_PER_DEGREE
        location["point"] = point | {"latitude": point["latitude"] + shift}
    elif (grid := location.get("grid")) is not None:
        location["grid"] = grid | {"northing_m": grid["northing_m"] + metres}
    capability = dict(asset.get("capability") or {})
    if power := capability.get("power_kw"):
        capability["power_kw"] = rounded(power)
    name = retyped(str(asset["name"]), chance) if asset.get("name") else None
    return kept | {"location": location, "capability": capability, "name": name}


def searched(
    originals: Mapping[str, Profile],
    doubles: Mapping[str, Profile],
    tokens_of: Callable[[Profile], Sequence[Any]],
) -> Counter[str]:
    """What each double is to its original: the verdict, or `unseen` if no token leads to it."""
    found: Counter[str] = Counter()
    for record, double in doubles.items():
        met = set(tokens_of(double)) & set(tokens_of(originals[record]))
        found[compare(originals[record], double).verdict if met else "unseen"] += 1
    return found


def capacity() -> dict[str, Document]:
    """The capacity register's rows as documents, by the shipped mapping."""
    sight = Sight.open("ecr")
    path = data("ecr_ukpn_epn/ecr_ukpn_epn.csv")
    return {row["source_row"]: sight.expression.evaluate(row)["asset"] for row in table(path)}


def charger(row: Mapping[str, str]) -> Document:
    powers = [number(row[f"connector{nth}RatedOutputKW"]) for nth in (1, 2, 3, 4)]
    return {
        "asset_type": "EVC",
        "reference": row["chargeDeviceID"],
        "name": row["name"],
        "identity": {"make": row["deviceManufacturer"], "model": row["deviceModel"]},
        "capability": {"power_kw": max(powers)},
        "location": {
            "address": f"{row['buildingNumber']} {row['thoroughfare']}",
            "town": row["town"],
            "postcode": row["postcode"],
            "point": {
                "latitude": number(row["latitude"]),
                "longitude": number(row["longitude"]),
            },
        },
    }


def project(row: Mapping[str, str]) -> Document:
    """A project without its reference, so that it must be known by what is told of it."""
    technology = row["Technology Type"]
    folded = technology.casefold()
    kind = next((code for part, code in _TECHNOLOGIES if part in folded), "OTH")
    postcode = row["Post Code"].strip()
    return {
        "asset_type": kind,
        "name": row["Site Name"],
        "owner": row["Operator (or Applicant)"],
        "technologies": [{"source": technology}],
        "commissioned_on": row["Operational"][-4:],
        "capability": {"power_kw": number(row["Installed Capacity (MWelec)"]) * 1000},
        "location": {
            "address": row["Address"],
            "county": row["County"],
            "postcode": postcode if " " in postcode else "",
            "grid": {
                "easting_m": number(row["X-coordinate"]),
                "northing_m": number(row["Y-coordinate"]),
            },
        },
    }


@pytest.fixture(scope="module")
def assets() -> dict[str, Document]:
    return capacity()


def test_assets_behind_one_connection_are_never_the_same(assets: dict[str, Document]) -> None:
    """Nine connections of this register are shared by two generators each."""
    behind: dict[str, list[Asset]] = defaultdict(list)
    for document in assets.values():
        profile = of_asset(document)
        for mpan in profile.mpans:
            behind[mpan].append(profile)
    shared = [found for found in behind.values() if len(found) > 1]
    verdicts = [compare(*pair).verdict for found in shared for pair in combinations(found, 2)]
    assert len(shared) == 9
    assert "same" not in verdicts


@pytest.mark.parametrize("tokens_of", [tokens, wide_tokens])
def test_of_a_hundred_assets_registered_twice_ninety_five_are_found(
    assets: dict[str, Document],
    tokens_of: Callable[[Profile], Sequence[Any]],
) -> None:
    chance = random.Random(SEED)  # noqa: S311  a choice that can be repeated
    chosen = chance.sample(sorted(assets), DOUBLES)
    originals = {one: of_asset(assets[one]) for one in chosen}
    doubles = {one: of_asset(doubled(assets[one], chance)) for one in chosen}
    found = searched(originals, doubles, tokens_of)
    assert sum(found[verdict] for verdict in FOUND) >= 95, found


def test_charge_points_of_one_place_stay_apart_and_doubles_are_found() -> None:
    rows = list(table(data("ncr_full/ncr_full_3968.csv.gz")))
    whole = [charger(row) for row in rows if len(row["chargeDeviceID"]) > 1]
    groups: dict[tuple[str, float, float], list[Asset]] = defaultdict(list)
    for document in whole:
        point = document["location"]["point"]
        groups[document["name"], point["latitude"], point["longitude"]].append(of_asset(document))
    neighbours = [pair for found in groups.values() for pair in combinations(found, 2)]
    verdicts = Counter(compare(one, other).verdict for one, other in neighbours)
    assert len(neighbours) > 500
    assert verdicts["same"] <= len(neighbours) / 100, verdicts
    chance = random.Random(SEED)  # noqa: S311  a choice that can be repeated
    chosen = chance.sample(whole, DOUBLES)
    originals = {one["reference"]: of_asset(one) for one in chosen}
    doubles = {one["reference"]: of_asset(doubled(one, chance)) for one in chosen}
    found = searched(originals, doubles, tokens)
    assert sum(found[verdict] for verdict in FOUND) >= 95, found


def test_projects_are_recognised_a_quarter_later_without_their_references() -> None:
    """Of what changed in name, operator, power or place 95 of 100, and of the others all."""
    first, second = (
        {row["Ref ID"]: row for row in table(data(f"repd_2021/repd_2021-q{nth}.csv.gz"))}
        for nth in (1, 2)
    )
    found: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for reference in sorted(first.keys() & second.keys()):
        was, now = project(first[reference]), project(second[reference])
        one, other = of_asset(was), of_asset(now)
        met = set(wide_tokens(one)) & set(wide_tokens(other))
        verdict = compare(one, other).verdict if met else "unseen"
        told = ("name", "owner", "capability", "location")
        found[any(was[group] != now[group] for group in told)][verdict] += 1
    changed, kept = found[True], found[False]
    assert changed.total() > 50
    assert sum(changed[verdict] for verdict in FOUND) >= 0.95 * changed.total(), changed
    assert sum(kept[verdict] for verdict in FOUND) == kept.total(), kept
