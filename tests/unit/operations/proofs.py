"""What verifiers say of assets, and what confirms them."""

from typing import Any, Final

from tests.builders import STRANGER, issued
from tests.samples import SAMPLES
from tests.unit.operations.assets import BATTERY, UNKNOWN, battery
from tests.unit.operations.table import OPERATOR, Operation, Otherwise, confirmed, tied

VERIFIER: Final = issued("USR", 5000)
BUYER: Final = issued("USR", 5500)
STALE: Final = Otherwise({"expected_revision": 9})
RETIRED: Final = Otherwise(given=[battery(lifecycle="retired")])
ATTESTED: Final[dict[str, Any]] = {**SAMPLES["asset.attest"], "id": BATTERY}

ATTEST: Final = Operation(
    "asset.attest.v1",
    ATTESTED,
    {
        "asset.not-found": UNKNOWN,
        "asset.not-yours": Otherwise(
            given=[tied(BATTERY, VERIFIER, "fsp")],
        ),
        "asset.retired": RETIRED,
        "asset.stale": STALE,
        "evidence.no-value": Otherwise({"scheme": "connection"}),
        "evidence.no-service": Otherwise(
            {"scheme": "test"}, given=[battery(capability={"power_kw": 5})]
        ),
        "evidence.from-future": Otherwise({"evidence_at": "2030-01-01T00:00:00Z"}),
    },
    sender=VERIFIER,
    given=[
        battery(),
        ("users", confirmed(VERIFIER, roles=["verifier"])),
        tied(BATTERY, VERIFIER, "verifier"),
    ],
    unknown="asset.not-found",
    hidden=Otherwise(given=[("users", confirmed(STRANGER, roles=["verifier"]))], sender=STRANGER),
    may_not="asset.not-yours",
    events=("asset.attested.v1",),
)
CONFIRM: Final = Operation(
    "asset.confirm.v1",
    {"id": BATTERY},
    {
        "asset.not-found": UNKNOWN,
        "asset.not-yours": Otherwise(sender=BUYER),
        "asset.retired": RETIRED,
        "asset.not-operating": Otherwise(given=[battery(lifecycle="planned")]),
        "asset.stale": STALE,
    },
    sender=OPERATOR,
    given=[
        battery(),
        ("users", confirmed(BUYER, roles=["so"])),
        tied(BATTERY, BUYER, "so"),
    ],
    unknown="asset.not-found",
    hidden=Otherwise(
        given=[("users", confirmed(STRANGER, roles=["so"])), tied(BATTERY, BUYER, "so")],
        sender=STRANGER,
    ),
    may_not="asset.not-yours",
    events=("asset.confirmed.v1",),
)
OPERATIONS: Final = (ATTEST, CONFIRM)
