"""A made-up register of organisations, of which one of every hundred is there twice.

No two companies have one name but for its legal form, as the law wants it; farms and schools share
theirs. Half of them say where they are, and more than half their number.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from bench.crowd import FORMS, TRADES, WORDS, word

DOUBLED: Final = 100
"""Of so many organisations one is there twice."""
ADDRESSED: Final = 0.5
NUMBERED: Final = 0.6
COMMON: Final = 0.05
"""The share whose name is that of many others elsewhere."""
FAMILIES: Final = (
    "Smith", "Jones", "Taylor", "Brown", "Williams", "Wilson", "Johnson", "Davies", "Patel", "Khan",
    "Robinson", "Wright", "Thompson", "Evans", "Walker", "White", "Roberts", "Green", "Hall",
    "Jackson", "Clarke", "Hughes", "Turner", "Cooper", "Ward", "Morris", "Watson", "Baker",
    "Harrison", "Morgan", "Allen", "Scott", "Phillips", "Parker", "Bennett", "Mitchell", "Kelly",
    "Cook", "Carter", "Shaw", "Richardson", "Collins", "Marshall", "Simpson", "Fletcher",
    "Hargreaves", "Ashworth", "Pemberton", "Lockwood", "Cavendish", "Trelawny", "Blackwood",
)  # fmt: skip
THINGS: Final = (
    "Amber", "Anchor", "Arrow", "Aspen", "Atlas", "Aurora", "Badger", "Beacon", "Birch", "Bramble",
    "Breeze", "Bridge", "Cedar", "Chalk", "Clover", "Cobalt", "Comet", "Compass", "Copper", "Coral",
    "Crystal", "Curlew", "Dolphin", "Eagle", "Echo", "Ember", "Falcon", "Fern", "Forge", "Foxglove",
    "Garnet", "Glacier", "Granite", "Gull", "Harbour", "Harvest", "Hawthorn", "Hazel", "Heather",
    "Horizon", "Iris", "Ivory", "Jasper", "Juniper", "Kestrel", "Kite", "Lantern", "Lark", "Laurel",
    "Lighthouse", "Linden", "Lotus", "Magnet", "Maple", "Meadow", "Mercury", "Meridian", "Nettle",
    "Nimbus", "Northern", "Oak", "Onyx", "Orchard", "Osprey", "Otter", "Pebble", "Pioneer",
    "Plover", "Poplar", "Prism", "Quarry", "Quartz", "Raven", "Ridge", "Robin", "Rowan", "Saffron",
    "Sapphire", "Silver", "Skylark", "Slate", "Spark", "Spruce", "Summit", "Swallow", "Swift",
    "Thistle", "Tide", "Topaz", "Triton", "Umber", "Valley", "Vertex", "Viaduct", "Vine", "Vista",
    "Willow", "Yarrow", "Zenith", "Zephyr",
)  # fmt: skip
TOWNS: Final = (
    ("Leeds", "LS"), ("Truro", "TR"), ("Norwich", "NR"), ("Exeter", "EX"), ("Derby", "DE"),
    ("York", "YO"), ("Oxford", "OX"), ("Reading", "RG"), ("Ipswich", "IP"), ("Swansea", "SA"),
    ("Dundee", "DD"), ("Perth", "PH"), ("Carlisle", "CA"), ("Lincoln", "LN"), ("Hull", "HU"),
    ("Bristol", "BS"), ("Cardiff", "CF"), ("Preston", "PR"), ("Durham", "DH"), ("Slough", "SL"),
)  # fmt: skip
STREETS: Final = (
    "High Street", "Station Road", "Church Lane", "Mill Lane", "Park Road", "London Road",
    "Victoria Road", "Manor Way", "Bridge Street", "Queens Avenue", "Kings Court", "Green Lane",
)  # fmt: skip
KINDS: Final = ("Street", "Road", "Lane", "Avenue", "Close", "Way")
EVERYWHERE: Final = 0.2
"""The share of houses in a street whose name is in every town."""
WORKS: Final = ("Farms", "Estates", "Engineering", "Properties", "Services", "Electrical", "Group")
SHAPES: Final = {"brand": 40, "two": 20, "family": 20, "place": 20}
PLACED: Final = ("Community Energy", "Solar Park", "Wind Farm", "Battery Storage", "Biogas", "Heat")
SHARED: Final = (
    "Manor Farm", "Church Farm", "Home Farm", "Grange Farm", "St Mary's Primary School",
    "All Saints Academy", "Hill Top Farm", "St John's Church", "Village Hall", "Lodge Farm",
)  # fmt: skip
LETTERS: Final = "ABDEFGHJLNPQRSTUWXYZ"


def register(users: int) -> Iterator[dict[str, Any]]:
    """Everything that is in it, doubles right behind what they are of."""
    chance, taken = Random(1), set[str]()  # noqa: S311  the same for all runs
    for number in range(users):
        one = _made(number, taken)
        yield one
        if number % DOUBLED == 0:
            yield again(one, chance)


def _made(number: int, taken: set[str]) -> dict[str, Any]:
    """One organisation, always the same of one number and of those before it."""
    chance = Random(number)  # noqa: S311  the same for all runs
    is_common = chance.random() < COMMON
    name = chance.choice(SHARED) if is_common else _name(chance)
    while not is_common and name in taken:
        name = f"{_word(chance)} {name}"
    taken.add(name)
    user: dict[str, Any] = {
        "_id": f"USR-{number:09d}-A",
        "revision": 1,
        "kind": "organisation",
        "status": "confirmed",
        "name": name if is_common else f"{name} {chance.choice(FORMS)}",
    }
    if is_common or chance.random() < ADDRESSED:
        user["address"] = _address(chance)
    if not is_common and chance.random() < NUMBERED:
        user["claims"] = {"company_number": f"{10_000_000 + number}"}
    return user


def _name(chance: Random) -> str:
    """As companies are called: by words of their own, a family, or what they have in a place."""
    (shape,) = chance.choices(tuple(SHAPES), tuple(SHAPES.values()))
    one, other = _word(chance), _word(chance)
    if shape == "brand":
        return f"{one} {chance.choice(TRADES)}"
    if shape == "two":
        return f"{one} {other} {chance.choice(WORKS)}"
    if shape == "family":
        return f"{chance.choice(FAMILIES)} & {chance.choice(FAMILIES)} {chance.choice(WORKS)}"
    return f"{one} {chance.choice(TOWNS)[0]} {chance.choice(PLACED)}"


def _word(chance: Random) -> str:
    """A thing, a family, or a word that is made up."""
    return chance.choice((chance.choice(THINGS), chance.choice(FAMILIES), word(chance).title()))


def _address(chance: Random) -> dict[str, str]:
    town, area = chance.choice(TOWNS)
    is_everywhere = chance.random() < EVERYWHERE
    own = f"{chance.choice(WORDS).title()} {chance.choice(KINDS)}"
    inward = f"{chance.randrange(10)}{chance.choice(LETTERS)}{chance.choice(LETTERS)}"
    return {
        "line_1": f"{chance.randrange(1, 200)} {chance.choice(STREETS) if is_everywhere else own}",
        "town": town,
        "postcode": f"{area}{chance.randrange(1, 30)} {inward}",
    }


def again(user: dict[str, Any], chance: Random) -> dict[str, Any]:
    """The same as somebody else registers it: retyped, another legal form, no postcode, no number.

    Of the address the town stays, or house and town, or nothing.
    """
    form = next((one for one in FORMS if user["name"].endswith(f" {one}")), "")
    name = _retyped(user["name"].removesuffix(form).strip(), chance)
    told = user.get("address", {})
    kept = chance.choice((("town",), ("line_1", "town"), ()))
    double = {name: value for name, value in user.items() if name not in {"address", "claims"}}
    double |= {
        "_id": f"{user['_id'][:-1]}B",
        "name": f"{name} {chance.choice(FORMS)}" if form else name,
    }
    address = {part: told[part] for part in kept if part in told}
    return double | ({"address": address} if address else {})


def _retyped(name: str, chance: Random) -> str:
    """With two letters exchanged, one lost, or another one."""
    at = chance.randrange(1, len(name) - 2)
    own = name[at : at + 2]
    slip = chance.choice((own[::-1], own[0], f"e{own[1]}"))
    return name[:at] + slip + name[at + 2 :]
