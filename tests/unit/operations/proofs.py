"""What is said of an asset by others: evidence, and confirmation."""

from typing import Final

from tests.builders import STRANGER, issued
from tests.unit.operations.assets import BATTERY, RETIRED, UNKNOWN, battery
from tests.unit.operations.table import (
    Operation,
    Otherwise,
    confirmed,
    tied,
)

VERIFIER: Final = issued("USR", 6100)
BUYER: Final = issued("USR", 6200)
"""A market operator that buys DC from the battery."""
WHOLE: Final = battery(service={"DC": {"power_up_kw": 5}}, capability={"power_kw": 5})
PEOPLE: Final = (
    ("users", confirmed(VERIFIER, roles=["verifier"])),
    ("users", confirmed(BUYER, roles=["mo"])),
    ("users", confirmed(STRANGER, roles=["mo", "verifier"])),
)
AS_VERIFIER: Final = tied(BATTERY, VERIFIER, "verifier")

ATTEST: Final = Operation(
    "asset.attest.v1",
    {
        "id": BATTERY,
        "expected_revision": 1,
        "scheme": "identity",
        "verdict": "match",
        "source": "An archive",
        "evidence_at": "2026-02-28T12:00:00Z",
    },
    {
        "asset.not-found": UNKNOWN,
        "asset.not-yours": Otherwise(
            {"service": "DC"},
            sender=STRANGER,
            given=[
                tied(BATTERY, STRANGER, "verifier", service="DFS"),
            ],
        ),
        "asset.retired": RETIRED,
        "asset.stale": Otherwise({"expected_revision": 9}),
        "evidence.no-value": Otherwise({"scheme": "location"}),
        "evidence.no-service": Otherwise({"scheme": "test"}),
        "evidence.from-future": Otherwise({"evidence_at": "2026-03-02T12:00:00Z"}),
    },
    given=[WHOLE, *PEOPLE, AS_VERIFIER],
    sender=VERIFIER,
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not="asset.not-yours",
    events=("asset.attested.v1",),
)
CONFIRM: Final = Operation(
    "asset.confirm.v1",
    {"id": BATTERY, "service": "DC"},
    {
        "asset.not-found": UNKNOWN,
        "asset.not-yours": Otherwise({"service": "DFS"}),
        "asset.retired": RETIRED,
        "asset.not-operating": Otherwise(given=[battery(lifecycle="planned")]),
        "asset.stale": Otherwise({"expected_revision": 9}),
    },
    given=[WHOLE, *PEOPLE, tied(BATTERY, BUYER, "mo", service="DC")],
    sender=BUYER,
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not="asset.not-yours",
    events=("asset.confirmed.v1",),
)
OPERATIONS: Final = (ATTEST, CONFIRM)
