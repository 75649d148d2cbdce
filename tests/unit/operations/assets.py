"""Assets: registering, changing, reading, and who is what to them."""

from typing import Any, Final

from handlers.decision import Document
from handlers.edges import recorded
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, issued
from tests.unit.operations.table import (
    ABSENT,
    CURSOR,
    EVERY_SENDER,
    NOBODY,
    NOTHING,
    PARTY,
    Because,
    Operation,
    Otherwise,
    Said,
    confirmed,
    crowded,
    tied,
)

BATTERY: Final = issued("BAT", 4000)
THIRD: Final = issued("USR", 6000)
"""A platform that is nothing to the battery."""
OTHER_DEVICE: Final = {"make": "Acme", "serial": "SN-4712"}
OFFER: Final = {"power_up_kw": 1}
UNTOLD: Final = "Whether a stranger holds a device is said by the command alone."


def battery(name: str = BATTERY, **changes: Any) -> tuple[str, Document]:
    """A battery that the platform has registered for its owner."""
    return "assets", {
        "_id": name,
        "revision": 1,
        "status": "provisional",
        "status_at": NOW,
        "registrant": PLATFORM,
        "registered_at": NOW,
        "owner": OWNER,
        "lifecycle": "operating",
        **asset(),
        **changes,
    }


FAULTS: Final = {
    "connection.gsp-group": Otherwise(
        {"connection": {"mpan_import": "2000000000015", "gsp_group": "_A"}}
    ),
    "location.outside": Otherwise({"location": {"point": {"latitude": 50.95, "longitude": 1.85}}}),
    "lifecycle.dates": Otherwise({"expected_on": "2030-01-01"}),
    "asset-type.unknown": Otherwise({"technologies": [{"source": "sun", "asset_type": "QQQ"}]}),
    "details.invalid": Otherwise({"details": {"usable_kwh": -1}}),
}
"""What is wrong with an asset whether it is registered or changed."""
UNKNOWN: Final = Otherwise({"id": NOTHING})
RETIRED: Final = Otherwise(given=[battery(lifecycle="retired")])
AS_FSP: Final = tied(BATTERY, STRANGER, "fsp")
UNWANTED: Final = (
    "relations",
    {
        **recorded(BATTERY, STRANGER, []),
        "consents": [{"service": None, "state": "withdrawn", "at": NOW, "by": OWNER}],
    },
)
"""The owner has taken back what the stranger might do."""
TO_STRANGER: Final = {"id": BATTERY, "party": STRANGER, "relation": "fsp"}

REGISTER: Final = Operation(
    "asset.register.v1",
    asset(owner=OWNER),
    {
        "asset.unidentifiable": Otherwise({"identity": ABSENT}),
        "asset.owner-unknown": Otherwise({"owner": NOBODY}),
        "asset.not-replaceable": Otherwise({"replaces": NOTHING}),
        "link.taken": Otherwise(
            {"reference": "B-1"},
            first=[Said("asset.register.v1", asset(identity=OTHER_DEVICE, reference="B-1"))],
        ),
        "details.undefined": Otherwise({"asset_type": "OTH", "details": {"any": 1}}),
        "asset.duplicate": Otherwise(
            first=[Said("asset.register.v1", asset(), STRANGER)], unchecked=UNTOLD
        ),
        **FAULTS,
    },
    unknown="asset.owner-unknown",
    hidden=PARTY,
    may_not=Because("Whoever has the role may register an asset."),
    again=Because("The device is an asset's by then: `asset.duplicate`."),
    events=("asset.registered.v1",),
)
UPDATE: Final = Operation(
    "asset.update.v1",
    {"id": BATTERY, "name": "Two"},
    {
        "asset.not-found": UNKNOWN,
        "asset.not-yours": Otherwise(given=[AS_FSP], sender=STRANGER),
        "asset.stale": Otherwise({"expected_revision": 9}),
        "asset.retired": RETIRED,
        "service.too-many": Otherwise(
            {"service": {f"S{n}": OFFER for n in range(50)}}, given=[battery(service={"DC": OFFER})]
        ),
        "asset.unidentifiable": Otherwise({"identity": None}),
        "details.undefined": Otherwise({"details": {"any": 1}}, given=[battery(asset_type="OTH")]),
        "asset.duplicate": Otherwise(
            {"identity": OTHER_DEVICE},
            first=[Said("asset.register.v1", asset(identity=OTHER_DEVICE), STRANGER)],
            unchecked=UNTOLD,
        ),
        **FAULTS,
    },
    given=[battery()],
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not="asset.not-yours",
    events=("asset.updated.v1",),
)
GET: Final = Operation(
    "asset.get.v1",
    {"id": BATTERY},
    {"asset.not-found": UNKNOWN},
    given=[battery()],
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not=EVERY_SENDER,
)
GET_MANY: Final = Operation(
    "asset.get.v2",
    {"ids": [BATTERY]},
    {"asset.not-found": Otherwise({"ids": [NOTHING]})},
    given=[battery()],
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not=EVERY_SENDER,
)
HISTORY: Final = Operation(
    "asset.history.v1",
    {"id": BATTERY},
    {
        "asset.not-found": UNKNOWN,
        **CURSOR,
        "asset.history-too-long": Otherwise(
            {"as_of": "2026-02-01T00:00:00Z"}, given=[battery(revision=5001)]
        ),
    },
    given=[battery()],
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not=EVERY_SENDER,
)
RELATE: Final = Operation(
    "asset.relate.v1",
    TO_STRANGER,
    {
        "asset.not-found": UNKNOWN,
        "asset.retired": RETIRED,
        "relation.not-yours": Otherwise({"party": PLATFORM}, given=[AS_FSP], sender=STRANGER),
        "relation.party-unknown": Otherwise({"party": NOBODY}),
        "consent.withdrawn": Otherwise(given=[UNWANTED]),
        "tie.period": Otherwise({"until": "2026-01-01T00:00:00Z"}),
        "tie.too-many": Otherwise(given=[crowded(BATTERY, STRANGER, "fsp")]),
    },
    given=[battery()],
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not="relation.not-yours",
    events=("asset.related.v1",),
)
UNRELATE: Final = Operation(
    "asset.unrelate.v1",
    TO_STRANGER,
    {
        "asset.not-found": UNKNOWN,
        "relation.not-yours": Otherwise({"party": OWNER}, sender=STRANGER),
        "relation.none": Otherwise({"relation": "so"}, at="party"),
    },
    given=[battery(), AS_FSP, ("users", confirmed(THIRD))],
    unknown="asset.not-found",
    hidden=Otherwise(sender=THIRD),
    may_not="relation.not-yours",
    events=("asset.unrelated.v1",),
)
OPERATIONS: Final = (REGISTER, UPDATE, GET, GET_MANY, HISTORY, RELATE, UNRELATE)
