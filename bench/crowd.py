"""A made-up market: users whose names, roles, areas and services are drawn by their numbers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from zlib import crc32

from bench.load import envelope
from contracts.taxonomy import GSP_GROUPS, OPERATOR
from contracts.users import RegisterUser
from handlers.admission import Delivery

PERSONS: Final = 12
"""Every so many of the users are persons, which nobody but their platform finds."""
CONFIRMED: Final = 0.7
"""The share of those who are confirmed."""
SYLLABLES: Final = (
    "al", "bor", "cas", "den", "el", "fal", "gor", "har", "in", "jur", "kel", "lan", "mor", "nor",
    "or", "pen", "quar", "ros", "sten", "tor", "ul", "ver", "wes", "yar", "zen",
)  # fmt: skip
WORDS: Final = sorted(
    (a + b + c for a in SYLLABLES for b in SYLLABLES for c in ("", *SYLLABLES[:4])),
    key=lambda made: crc32(made.encode()),
)
"""Made-up words of names; the first are in many names, the last in few, as in any language."""
TRADES: Final = ("Power", "Energy", "Solar", "Wind", "Renewables", "Storage", "Flex", "Networks")
FORMS: Final = ("Limited", "Ltd", "PLC", "LLP")
ROLES: Final = {"owner": 60, "aggregator": 12, "fsp": 20, "mpp": 4, "special": 2, "so": 1, "mo": 1}
SERVICES: Final = ("DC", "DM", "DR", "DFS", "PR", "SU", "LCM", "BM")
AREAS: Final = tuple(sorted(GSP_GROUPS.values()))


@dataclass(frozen=True, slots=True)
class Somebody:
    """One user of the made-up market, always the same of one number."""

    name: str
    roles: Sequence[str]
    areas: Sequence[str]
    services: Sequence[str]
    is_confirmed: bool

    @classmethod
    def of(cls, number: int) -> "Somebody":
        """Drawn by the number alone."""
        chance = Random(number)  # noqa: S311  the same for all runs
        words = [word(chance).capitalize() for _ in range(chance.choice((1, 2, 2, 3)))]
        roles = sorted(set(chance.choices(tuple(ROLES), tuple(ROLES.values()), k=2)))
        return cls(
            name=" ".join((*words, chance.choice(TRADES), chance.choice(FORMS))),
            roles=roles,
            areas=sorted(chance.sample(AREAS, chance.choice((1, 1, 1, 2, 3, 14)))),
            services=sorted(chance.sample(SERVICES, chance.choice((0, 1, 1, 2, 3)))),
            is_confirmed=chance.random() < CONFIRMED,
        )


def word(chance: Random) -> str:
    """A word, the n-th of them about as often as 1/n of the first (Zipf)."""
    return WORDS[min(int(len(WORDS) ** chance.random()) - 1, len(WORDS) - 1)]


def registration(number: int, platform: str) -> Delivery:
    """The command that brings one user in; a person is registered by a platform."""
    one = Somebody.of(number)
    is_person = number % PERSONS == 0
    data: dict[str, Any] = {"name": one.name, "roles": list(one.roles), "kind": "organisation"}
    sender, more = OPERATOR, {}
    if is_person:
        data |= {"kind": "person", "roles": ["owner"]}
        sender, more = platform, {"onbehalfof": f"customer {number}"}
    kind = RegisterUser.message_type
    made = envelope(sender, kind, data, f"bench-user-{number:09d}") | more
    return Delivery(body=json.dumps(made).encode(), type=kind, account=sender)


def queries(count: int, users: int) -> Iterator[Mapping[str, Any]]:
    """Different questions, of every shape: words, filters, several of each, some that none fits."""
    chance, told = Random(5), set[str]()  # noqa: S311  the same for all runs
    while len(told) < count:
        asked = _question(chance, users)
        if (text := json.dumps(asked, sort_keys=True)) not in told:
            told.add(text)
            yield asked


def _question(chance: Random, users: int) -> dict[str, Any]:
    one, asked = Somebody.of(chance.randint(1, users)), dict[str, Any]()
    shape = chance.choice(("name", "name", "begin", "words", "mixed", "filter", "filter", "few"))
    own = one.name.split()
    if shape == "name":
        asked["text"] = " ".join(own)
    elif shape == "begin":
        asked["text"] = own[0][: chance.randint(3, 5)]
    elif shape == "words":
        asked["text"] = " ".join(chance.sample(own, min(2, len(own))))
    elif shape == "mixed":
        asked["text"] = chance.choice((own[0], own[-1], own[-2], word(chance)))
    if shape in {"mixed", "filter", "few"}:
        filters = {
            "role": chance.choice(tuple(ROLES)),
            "area": chance.choice(AREAS),
            "service": chance.choice(SERVICES),
            "status": chance.choice(("provisional", "confirmed")),
        }
        some = chance.sample(tuple(filters), chance.randint(3 if shape == "few" else 1, 4))
        asked |= {name: filters[name] for name in some}
    return asked | {"limit": chance.choice((20, 50, 50, 100))}
