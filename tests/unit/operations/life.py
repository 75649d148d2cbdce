"""An asset's life: commissioned, moved, given to another owner, retired."""

from typing import Final

from tests.builders import OWNER, PLATFORM, STRANGER
from tests.unit.operations.assets import AS_FSP, BATTERY, RETIRED, THIRD, UNKNOWN, battery
from tests.unit.operations.table import EVERY_SENDER, NOBODY, Operation, Otherwise, confirmed

FIRST_DAY: Final = "2026-02-28"
PLANNED: Final = battery(lifecycle="planned")
STALE: Final = Otherwise({"expected_revision": 9})
AS_STRANGER: Final = Otherwise(sender=STRANGER)
AS_SERVANT: Final = Otherwise(given=[AS_FSP], sender=STRANGER)
"""By whoever is related to the asset and has no say in what becomes of it."""
AT_HOME: Final = {"location": {"postcode": "M1 1AA"}}

COMMISSION: Final = Operation(
    "asset.commission.v1",
    {"id": BATTERY, "commissioned_on": FIRST_DAY},
    {
        "asset.not-found": UNKNOWN,
        "asset.not-yours": AS_SERVANT,
        "asset.stale": STALE,
        "asset.retired": RETIRED,
        "asset.not-planned": Otherwise(given=[battery(commissioned_on="2020-01-01")]),
        "lifecycle.dates": Otherwise({"commissioned_on": "2030-01-01"}),
    },
    given=[PLANNED],
    unknown="asset.not-found",
    hidden=AS_STRANGER,
    may_not="asset.not-yours",
    events=("asset.commissioned.v1",),
)
MOVE: Final = Operation(
    "asset.move.v1",
    {"id": BATTERY, **AT_HOME},
    {
        "asset.not-found": UNKNOWN,
        "asset.not-yours": AS_SERVANT,
        "asset.stale": STALE,
        "asset.retired": RETIRED,
        "move.nowhere": Otherwise({"location": {"town": "Exampleton"}}),
        "connection.gsp-group": Otherwise(
            {"connection": {"mpan_import": "2000000000015", "gsp_group": "_A"}}
        ),
        "location.outside": Otherwise(
            {"location": {"point": {"latitude": 50.95, "longitude": 1.85}}}
        ),
    },
    given=[battery()],
    unknown="asset.not-found",
    hidden=AS_STRANGER,
    may_not="asset.not-yours",
    events=("asset.moved.v1",),
)
RETIRE: Final = Operation(
    "asset.retire.v1",
    {"id": BATTERY, "reason": "decommissioned"},
    {"asset.not-found": UNKNOWN, "asset.not-yours": AS_SERVANT, "asset.stale": STALE},
    given=[battery()],
    unknown="asset.not-found",
    hidden=AS_STRANGER,
    may_not="asset.not-yours",
    events=("asset.retired.v1",),
)
TRANSFER: Final = Operation(
    "asset.transfer.v1",
    {"id": BATTERY, "owner": STRANGER},
    {
        "asset.not-found": UNKNOWN,
        "asset.not-yours": AS_SERVANT,
        "asset.stale": STALE,
        "asset.retired": RETIRED,
        "asset.owner-unknown": Otherwise({"owner": NOBODY}),
    },
    sender=OWNER,
    given=[battery()],
    unknown="asset.not-found",
    hidden=AS_STRANGER,
    may_not="asset.not-yours",
    again=Otherwise(sender=STRANGER),
    events=("asset.transferred.v1",),
)
REFRESH: Final = Operation(
    "asset.refresh.v1",
    {"id": BATTERY, "groups": ["identity"]},
    {
        "asset.not-found": UNKNOWN,
        "asset.retired": RETIRED,
        "refresh.unknown-group": Otherwise({"groups": ["capability"]}),
        "refresh.own": Otherwise(sender=PLATFORM),
        "refresh.nobody": Otherwise(given=[battery(registrant="operator", owner=None)]),
    },
    sender=STRANGER,
    given=[battery(), AS_FSP, ("users", confirmed(THIRD))],
    unknown="asset.not-found",
    hidden=Otherwise(sender=THIRD),
    may_not=EVERY_SENDER,
    events=("asset.refresh-asked.v1",),
)
OPERATIONS: Final = (COMMISSION, MOVE, RETIRE, TRANSFER, REFRESH)
