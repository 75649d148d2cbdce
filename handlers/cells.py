"""The cells of a register that may be sharded: which one a command belongs to, and who decides it.

A cell is `<GSP group>.<asset type>.<hash nibble>`. An asset keeps the one of its registration.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from typing import Any, Final

from contracts.assets import RegisterAsset
from contracts.shards import NO_GROUP
from contracts.taxonomy import ASSET_TYPES, GSP_GROUPS

ANY: Final = "*"
NIBBLES: Final = "0123456789abcdef"
GROUPS: Final = (*sorted(GSP_GROUPS.values()), NO_GROUP)
TYPES: Final = tuple(sorted(ASSET_TYPES))
NO_TYPE: Final = "OTH"
"""Of a command that is about no asset, and of one whose asset's type cannot be read."""
CELLS: Final = tuple(map(".".join, product(GROUPS, TYPES, NIBBLES)))
FIRST: Final = 0
"""The shard that decides what nobody has placed."""
ENTITIES: Final = ("id", "ids")
"""Fields of a command's data that name what it is about; of several ids the first one counts."""

Placed = Mapping[str, int]
"""Cell -> the shard that decides it."""
Rules = Sequence[Mapping[str, Any]]
"""The same as few lines, as it is stored: `cells` with `*`, and `shard`."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """What a command is about, as far as its order and its shard depend on it."""

    entity: str | None
    """The asset whose home cell says where it goes; None where `cell` does."""
    cell: str
    """Where it goes if there is no such asset."""
    key: str
    """Commands of one key keep their order."""
    made: str = ""
    """When it says that it was made."""


def home(asset_type: str, group: str | None, user: str, command_id: str) -> str:
    """The cell of a new asset; its nibble is that of the command which registers it."""
    return cell(asset_type, group, f"{user}/{command_id}")


def cell(asset_type: str, group: str | None, name: str) -> str:
    """The cell of what has this type, lies in this GSP group and is called so."""
    nibble = sha256(name.encode(errors="replace")).hexdigest()[0]
    return ".".join(
        (
            group if group in GROUPS else NO_GROUP,
            asset_type if asset_type in ASSET_TYPES else NO_TYPE,
            nibble,
        )
    )


def home_of(asset: Mapping[str, Any]) -> str:
    """The cell of an asset that is stored; one from before there were cells has that of its id."""
    return str(asset.get("home") or cell_of_id(asset["_id"]))


def cell_of_id(entity: str) -> str:
    """The cell of an id that is no asset's, or of one whose asset has none of its own."""
    return cell(entity.partition("-")[0], None, entity)


def addressed(message_type: str, user: str, body: bytes) -> Addressed:
    """Read as much of a command as its way takes; never raises for anything that can be sent.

    What cannot be read, and what is about no asset, goes by its sender.
    """
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        envelope = None
    if not isinstance(envelope, dict):
        return Addressed(None, cell(NO_TYPE, None, user), user)
    command_id, data, made = (envelope.get(name) for name in ("id", "data", "time"))
    if not isinstance(data, dict):
        data = {}
    key, said = f"{user}/{command_id}", made if isinstance(made, str) else ""
    if message_type == RegisterAsset.message_type:
        connection = data.get("connection")
        group = connection.get("gsp_group") if isinstance(connection, dict) else None
        own = home(_text(data.get("asset_type")), _text(group), user, _text(command_id))
        return Addressed(None, own, key, said)
    entity = _entity(data)
    if entity is None:
        return Addressed(None, cell(NO_TYPE, None, user), user, said)
    return Addressed(entity, cell_of_id(entity), entity, said)


def _entity(data: Mapping[str, Any]) -> str | None:
    for name in ENTITIES:
        named = data.get(name)
        if isinstance(named, list):
            named = named[0] if named else None
        if isinstance(named, str):
            return named
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def placed_by(rules: Rules) -> dict[str, int]:
    """Who decides each cell: the line with fewer `*` counts, and what no line names is the first's.

    Of two that match with as many, the later one.
    """
    lines = sorted(rules, key=lambda rule: -rule["cells"].count(ANY))
    placed = dict.fromkeys(CELLS, FIRST)
    for line in lines:
        placed |= dict.fromkeys(matching(line["cells"]), int(line["shard"]))
    return placed


def matching(pattern: str) -> Iterator[str]:
    """The cells that a pattern names."""
    words = pattern.split(".")
    every = (GROUPS, TYPES, tuple(NIBBLES))
    choices = (
        all_of if word == ANY else (word,) for word, all_of in zip(words, every, strict=True)
    )
    return map(".".join, product(*choices))


def as_rules(placed: Placed) -> list[dict[str, Any]]:
    """The fewest lines by nibble, then GSP group, then type; the same for the same placing."""
    rules: list[dict[str, Any]] = []
    for nibble in NIBBLES:
        usual = _most(placed[f"{g}.{t}.{nibble}"] for g, t in product(GROUPS, TYPES))
        rules.append({"cells": f"{ANY}.{ANY}.{nibble}", "shard": usual})
        for group in GROUPS:
            here = _most(placed[f"{group}.{t}.{nibble}"] for t in TYPES)
            if here != usual:
                rules.append({"cells": f"{group}.{ANY}.{nibble}", "shard": here})
            rules += (
                {"cells": f"{group}.{t}.{nibble}", "shard": shard}
                for t in TYPES
                if (shard := placed[f"{group}.{t}.{nibble}"]) != here
            )
    return rules


def _most(shards: Iterable[int]) -> int:
    counted = Counter(shards)
    return min(counted, key=lambda shard: (-counted[shard], shard))


def split(placed: Placed, shard: int, into: Sequence[int]) -> dict[str, int]:
    """Deal a shard's cells evenly: whole nibbles, or finer where it has too few of them."""
    mine = [one for one, owner in placed.items() if owner == shard]
    part = next((by for by in PARTS if len(set(map(by, mine))) >= len(into)), PARTS[-1])
    ordered = {name: n for n, name in enumerate(sorted(set(map(part, mine))))}
    return {**placed, **{one: into[ordered[part(one)] % len(into)] for one in mine}}


def _nibble(one: str) -> str:
    return one[-1]


def _nibble_and_group(one: str) -> str:
    group, _, nibble = one.split(".")
    return f"{nibble}.{group}"


PARTS: Final[Sequence[Callable[[str], str]]] = (_nibble, _nibble_and_group, str)
"""How finely a shard may be divided, the coarsest first."""


def moved(placed: Placed, cells: Iterable[str], to: int) -> dict[str, int]:
    """Give some cells to one shard."""
    return {**placed, **dict.fromkeys(cells, to)}


def sources(placed: Placed, becoming: Placed) -> frozenset[int]:
    """The shards that something leaves."""
    return frozenset(placed[one] for one in CELLS if placed[one] != becoming[one])
