"""The page on notices says of every kind what the table says."""

import re
from typing import Final

from handlers.kinds import KINDS
from tests.given import ROOT

PAGE: Final = ROOT / "docs" / "registers" / "notices.md"
ROW: Final = re.compile(r"^\| (`[a-z.-]+\.v\d+`) \| (yes|no) \|.*$", re.MULTILINE)


def test_the_page_lists_every_kind_as_it_is() -> None:
    wanted = []
    for event, kind in KINDS.items():
        span = f"{kind.once_in.total_seconds() / 60:.0f} min" if kind.once_in else "no"
        cells = (
            f"`{event.message_type}`",
            "yes" if kind.mandatory else "no",
            kind.usual,
            span,
            "yes" if kind.asks else "no",
            ", ".join(f"`{name}`" for name in kind.hidden),
        )
        wanted.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    found = [match[0] for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    assert found == sorted(wanted)
