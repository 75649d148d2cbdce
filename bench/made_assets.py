"""A made-up register of assets, of which one of every hundred is there twice.

Some are of houses, many of which stand close together with devices of the same few powers; the
others have names.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from bench.crowd import TRADES, WORDS
from bench.sites import site
from handlers.matching.folding import folded

HOUSES: Final = 0.7
"""The share that stands at houses and has no name."""
KNOWN: Final = 0.7
"""The share of these that says its serial."""
DOUBLED: Final = 100
"""Of so many assets one is there twice."""
HOUSE_TYPES: Final = ("BAT", "SOL", "EVC", "HPA")
HOUSE_POWERS: Final = (3.6, 3.68, 4.0, 5.0, 7.0, 7.4, 8.0, 11.0)
TYPES: Final = ("SOL", "WND", "BAT", "GEN", "HYD")
METRES_PER_DEGREE: Final = 111_320


def made(number: int) -> dict[str, Any]:
    """One asset of the register, always the same of one number."""
    chance = Random(number)  # noqa: S311  the same for all runs
    latitude, longitude = site(f"analysed-{number}")
    of_house = chance.random() < HOUSES
    power = chance.choice(HOUSE_POWERS) if of_house else round(chance.lognormvariate(6, 1.5), 1)
    asset = {
        "_id": f"AST-{number:09d}-A",
        "revision": 1,
        "asset_type": chance.choice(HOUSE_TYPES if of_house else TYPES),
        "registrant": f"USR-{number % 50}",
        "owner": f"USR-{chance.randrange(200_000)}",
        "lifecycle": "operating",
        "location": {
            "point": {"latitude": latitude, "longitude": longitude},
            "postcode": _postcode(latitude, longitude),
        },
        "capability": {"power_kw": power},
        "commissioned_on": f"{chance.randrange(2005, 2026)}-06-01",
    }
    if of_house and chance.random() < KNOWN:
        asset["identity"] = {"make": "Acme", "serial": f"SN-{number:09d}"}
    if not of_house:
        first, second = (chance.choice(WORDS[: 1 + chance.randrange(3_000)]) for _ in range(2))
        asset["name"] = f"{first} {second} {chance.choice(TRADES)}".title()
    return asset


def again(asset: dict[str, Any], chance: Random) -> dict[str, Any]:
    """The same as somebody else registers it: retyped, moved by 30 m, its power by heart."""
    point = asset["location"]["point"]
    moved = point | {"latitude": point["latitude"] + 30 / METRES_PER_DEGREE}
    power = float(f"{asset['capability']['power_kw']:.2g}")
    double = asset | {
        "_id": f"{asset['_id'][:-1]}B",
        "registrant": "USR-other",
        "location": asset["location"] | {"point": moved},
        "capability": {"power_kw": power},
    }
    double.pop("identity", None)
    if name := asset.get("name"):
        at = chance.randrange(1, len(name) - 1)
        double["name"] = folded(name[:at] + name[at + 1 :])
    return double


def _postcode(latitude: float, longitude: float) -> str:
    """That of a cell of about 200 m, which neighbours share; it is like real ones in form only."""
    north, east = int(latitude * 500), int(longitude * 300)
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    end = f"{letters[north % 20]}{letters[east % 20]}"
    area = f"{letters[north // 400 % 20]}{letters[abs(east) // 400 % 20]}"
    return f"{area}{north // 20 % 20} {abs(east) // 20 % 10}{end}"


def register(assets: int) -> Iterator[dict[str, Any]]:
    """Everything that is in it, doubles right behind what they are of."""
    chance = Random(1)  # noqa: S311  the same for all runs
    for number in range(assets):
        one = made(number)
        yield one
        if number % DOUBLED == 0:
            yield again(one, chance)
