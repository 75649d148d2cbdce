"""Notices: choices, replays, what waits, words from one to another, to an area, to everybody."""

from typing import Any, Final

from handlers.kinds import KINDS
from handlers.watching import WATCHERS_MAX, WATCHES
from tests.builders import NOW, PLATFORM, STRANGER, issued
from tests.samples import SAMPLES
from tests.unit.operations.assets import BATTERY, battery
from tests.unit.operations.table import (
    CURSOR,
    NO_ID,
    NOBODY,
    NOTHING,
    OPERATOR,
    OWN,
    PUBLIC,
    Because,
    Operation,
    Otherwise,
    confirmed,
    tied,
)

SYSTEM: Final = issued("USR", 5000)
OPERATED: Final = [("users", confirmed(SYSTEM, roles=["so"]))]
MANDATORY: Final = min(kind.message_type for kind, rule in KINDS.items() if rule.mandatory)
WATCHERS: Final = [issued("USR", 10_000 + 100 * number) for number in range(WATCHERS_MAX)]
CROWD: Final = [
    battery(),
    (WATCHES, {"_id": BATTERY, "revision": 1, "watchers": WATCHERS}),
    *(tied(BATTERY, watcher, "fsp") for watcher in WATCHERS),
]
CHOSEN: Final = {
    "_id": PLATFORM,
    "revision": 1,
    "kinds": {},
    "assets": {issued("BAT", 10_000 + 100 * number): "off" for number in range(1000)},
    "areas": {},
    "digest_minutes": 60,
    "access": [],
    "broadcasts": False,
}
"""As many choices as one may have."""
NOTICE: Final = {
    "_id": "one",
    "revision": 1,
    "recipient": PLATFORM,
    "shelf": f"{PLATFORM}/open",
    "state": "open",
}
NOT_OTHERS: Final = Because("That of another is answered as for what there is not.")
FAR: Final = [[-4.0, 51.0], [1.0, 51.0], [1.0, 55.0], [-4.0, 55.0], [-4.0, 51.0]]
CROSSED: Final = [[-2.1, 52.0], [-2.0, 52.1], [-2.0, 52.0], [-2.1, 52.1], [-2.1, 52.0]]


def polygon(ring: list[list[float]]) -> dict[str, Any]:
    """The data's polygon."""
    return {"polygon": {"type": "Polygon", "coordinates": [ring]}}


def close(major: int, data: Any, unknown: Any) -> Operation:
    """Closing in each of its majors."""
    return Operation(
        f"notice.close.v{major}",
        data,
        {"notice.not-found": Otherwise(unknown)},
        given=[("notices", NOTICE)],
        unknown="notice.not-found",
        hidden=Otherwise(sender=STRANGER),
        may_not=NOT_OTHERS,
    )


def replayed(state: str) -> Otherwise:
    """After another replay."""
    row = {"_id": PLATFORM, "revision": 1, "run": 1, "state": state, "at": NOW}
    return Otherwise(given=[("replays", row)])


SUBSCRIBE: Final = Operation(
    "subscription.set.v1",
    {"broadcasts": True},
    {
        "notice.kind-unknown": Otherwise({"kinds": {"no.such.v1": "off"}}),
        "notice.mandatory": Otherwise({"kinds": {MANDATORY: "off"}}),
        "subscription.too-many": Otherwise(
            {"assets": {NOTHING: "off"}}, given=[("subscriptions", CHOSEN)]
        ),
        "subscription.access-unknown": Otherwise({"access": [NOTHING]}),
        "subscription.access-crowded": Otherwise({"access": [BATTERY]}, given=CROWD),
    },
    unknown="subscription.access-unknown",
    hidden=Otherwise({"access": [BATTERY]}, given=[battery()], sender=STRANGER),
    may_not=NOT_OTHERS,
)
REPLAY: Final = Operation(
    "event.replay.v1",
    {"from_sequence": 1},
    {
        "event.replay-running": replayed("running"),
        "event.replay-too-soon": replayed("ended"),
        "event.replay-range": Otherwise({"from_sequence": 9}),
    },
    given=[("sequences", {"_id": PLATFORM, "revision": 1, "last": 5, "days": {}})],
    unknown=OWN,
    hidden=OWN,
    may_not=OWN,
    again=Because("One replay at a time: `event.replay-running`."),
    events=("event.replay-asked.v1",),
)
LIST: Final = Operation("notice.list.v1", {}, CURSOR, unknown=OWN, hidden=OWN, may_not=OWN)
SEND: Final = Operation(
    "channel.send.v1",
    {"to": SYSTEM, "text": "Good morning."},
    {"channel.closed": Otherwise({"to": NOBODY})},
    given=OPERATED,
    unknown="channel.closed",
    hidden=Otherwise({"to": STRANGER}),
    may_not=Because("Whom one may not address is answered as whom there is not."),
    again=Because("Each is a word of its own."),
)
BROADCAST: Final = Operation(
    "notice.broadcast.v1",
    SAMPLES["notice.broadcast"],
    {
        "notice.polygon-invalid": Otherwise(polygon(CROSSED)),
        "notice.polygon-large": Otherwise(polygon(FAR)),
        "notice.power-range": Otherwise({"min_power_kw": 5, "max_power_kw": 4}),
        "notice.broadcast-limit": Otherwise(
            given=[
                ("broadcasters", {"_id": SYSTEM, "revision": 1, "day": "2026-03-01", "count": 10})
            ]
        ),
    },
    sender=SYSTEM,
    given=OPERATED,
    unknown=NO_ID,
    hidden=NO_ID,
    may_not=NO_ID,
    again=Because("Each is a broadcast of its own."),
    events=("notice.broadcast-asked.v1",),
)
ANNOUNCE: Final = Operation(
    "interface.announce.v1",
    SAMPLES["interface.announce"],
    {
        "interface.type-unknown": Otherwise({"id": "no.such.v1"}),
        "interface.past": Otherwise({"effective": "2026-01-01T00:00:00Z"}),
    },
    sender=OPERATOR,
    unknown="interface.type-unknown",
    hidden=PUBLIC,
    may_not=PUBLIC,
    events=("interface.announced.v1",),
)
OPERATIONS: Final = (
    SUBSCRIBE,
    REPLAY,
    LIST,
    close(1, {"id": "one"}, {"id": "none"}),
    close(2, {"ids": ["one"]}, {"ids": ["none"]}),
    SEND,
    BROADCAST,
    ANNOUNCE,
)
