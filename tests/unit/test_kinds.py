"""The page on notices says of every kind what the table says."""

import re
from typing import Final

from handlers.kinds import ATTEMPT, KINDS, RESOLVES, Kind
from tests.given import ROOT

PAGE: Final = ROOT / "docs" / "registers" / "notices.md"
ROW: Final = re.compile(r"^\| (`[a-z.-]+\.v\d+`) \| (yes|no) \|.*$", re.MULTILINE)


RESOLUTION: Final = re.compile(
    r"^\| (`[a-z.-]+\.v\d+`) \| (`[a-z.-]+\.v\d+`) \| (`[a-z]+`) \| (`[a-z]+`) "
    r"\|(?: (`[a-z]+`))? \|$",
    re.MULTILINE,
)


def asks(kind: Kind) -> str:
    if kind.asks_of:
        return f"of a {', '.join(f'`{relation}`' for relation in kind.asks_of)}"
    if kind.asks_when is not None:
        return f"where `{kind.asks_when[0]}` is `{kind.asks_when[1]}`"
    return "yes" if kind.asks else "no"


def test_the_page_lists_everything_that_resolves_a_notice() -> None:
    wanted = [
        tuple(f"`{cell}`" if cell else "" for cell in cells)
        for event, resolutions in RESOLVES.items()
        for one in resolutions
        for cells in [
            (event.message_type, one.of.message_type, one.about, one.recipient, one.unless)
        ]
    ]
    assert RESOLUTION.findall(PAGE.read_text(encoding="utf-8")) == sorted(wanted)


def test_what_a_resolution_names_is_there() -> None:
    for event, resolutions in RESOLVES.items():
        for one in resolutions:
            names = {one.recipient, one.about} | ({one.unless} if one.unless else set())
            assert names <= event.model_fields.keys()
            assert KINDS[one.of].asks


def test_what_asks_for_action_has_an_end_but_for_attempts() -> None:
    """Only an attempted duplicate is a matter of its recipient's own judgement."""
    ends = {one.of for resolutions in RESOLVES.values() for one in resolutions}
    asking = {event for event, kind in KINDS.items() if kind.asks and kind is not ATTEMPT}
    assert asking == ends


def test_the_page_lists_every_kind_as_it_is() -> None:
    wanted = []
    for event, kind in KINDS.items():
        span = f"{kind.once_in.total_seconds() / 60:.0f} min" if kind.once_in else "no"
        cells = (
            f"`{event.message_type}`",
            "yes" if kind.mandatory else "no",
            kind.usual,
            span,
            asks(kind),
            ", ".join(f"`{name}`" for name in kind.hidden),
        )
        wanted.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    found = [match[0] for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    assert found == sorted(wanted)
