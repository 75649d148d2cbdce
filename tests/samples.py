"""Data of every type that the backbone takes, with nothing wrong in it: the role alone decides."""

from collections.abc import Mapping
from typing import Any, Final

from tests.builders import OWNER, PLATFORM, asset, issued, user

ASSET: Final = issued("BAT", 5000)
KEY_HASH: Final = "A" * 48
SQUARE: Final = ((-0.2, 51.4), (-0.1, 51.4), (-0.1, 51.5), (-0.2, 51.5), (-0.2, 51.4))
TIE: Final[Mapping[str, Any]] = {"id": ASSET, "party": PLATFORM, "relation": "fsp"}

SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "account.end.v1": {"account": PLATFORM},
    "account.set.v1": {"account": PLATFORM, "key_hash": KEY_HASH},
    "asset.get.v1": {"id": ASSET},
    "asset.register.v1": asset(),
    "asset.relate.v1": TIE,
    "asset.unrelate.v1": TIE,
    "asset.update.v1": {"id": ASSET},
    "channel.send.v1": {"to": OWNER, "text": "Hello"},
    "event.replay.v1": {"from_sequence": 1},
    "mandate.end.v1": {"delegate": OWNER},
    "mandate.give.v1": {"delegate": OWNER},
    "notice.broadcast.v1": {
        "polygon": {"type": "Polygon", "coordinates": (SQUARE,)},
        "text": "Works on the line",
    },
    "notice.close.v1": {"id": f"{PLATFORM}/000000000001"},
    "notice.list.v1": {},
    "subscription.set.v1": {},
    "user.get.v1": {"id": OWNER},
    "user.register.v1": user(),
    "user.reinstate.v1": {"id": OWNER},
    "user.retire.v1": {"id": OWNER},
    "user.suspend.v1": {"id": OWNER, "reason": "other"},
}
"""By the type of the command or query; a check takes what its command takes."""
