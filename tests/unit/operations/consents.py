"""An owner's consent, who represents an asset, and whose assets there are."""

from typing import Any, Final

from handlers.decision import Document
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, issued
from tests.unit.operations.assets import AS_FSP, BATTERY, UNKNOWN, battery
from tests.unit.operations.table import (
    ABSENT,
    CURSOR,
    EVERY_SENDER,
    NOBODY,
    QUERY,
    Operation,
    Otherwise,
    Said,
)

TO_STRANGER: Final = {"id": BATTERY, "party": STRANGER, "method": "signature"}
PARTY: Final = {"id": BATTERY, "party": STRANGER}
OWNERLESS: Final = battery(owner=None)


def said(count: int = 1) -> tuple[str, Document]:
    """The ties of the stranger, with as many consents as that."""
    word: dict[str, Any] = {"service": None, "state": "verified", "at": NOW, "by": OWNER}
    collection, row = AS_FSP
    return collection, {**row, "consents": [{**word, "method": "by-owner"}] * count}


CONSENT: Final = Operation(
    "asset.consent.v1",
    TO_STRANGER,
    {
        "asset.not-found": UNKNOWN,
        "consent.no-owner": Otherwise(given=[OWNERLESS]),
        "consent.not-yours": Otherwise({"party": PLATFORM}, given=[AS_FSP], sender=STRANGER),
        "consent.withdrawn": Otherwise(
            given=[AS_FSP], first=[Said("asset.withdraw-consent.v1", PARTY, OWNER)]
        ),
        "consent.from-future": Otherwise({"given_at": "2030-01-01T00:00:00Z"}),
        "consent.too-many": Otherwise({"sha256": "0" * 64}, given=[said(200)], sender=OWNER),
        "relation.party-unknown": Otherwise({"party": NOBODY}),
    },
    given=[battery()],
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not="consent.not-yours",
    events=("asset.consented.v1",),
)
WITHDRAW: Final = Operation(
    "asset.withdraw-consent.v1",
    PARTY,
    {
        "asset.not-found": UNKNOWN,
        "consent.no-owner": Otherwise(given=[OWNERLESS], sender=PLATFORM),
        "consent.not-yours": Otherwise(sender=PLATFORM),
        "consent.none": Otherwise({"party": NOBODY}),
        "consent.too-many": Otherwise(given=[said(200)]),
    },
    sender=OWNER,
    given=[battery(), said()],
    unknown="asset.not-found",
    hidden=Otherwise(given=[battery(owner=PLATFORM)], sender=OWNER),
    may_not="consent.not-yours",
    events=("asset.consent-withdrawn.v1",),
)
REPRESENTATION: Final = Operation(
    "asset.representation.v1",
    {"id": BATTERY},
    {
        "asset.not-found": UNKNOWN,
        "relation.not-yours": Otherwise(given=[AS_FSP], sender=STRANGER),
        "cursor.foreign": Otherwise({"id": ABSENT, "cursor": "any~where"}),
    },
    given=[battery()],
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not="relation.not-yours",
    again=QUERY,
)
LIST: Final = Operation(
    "asset.list.v1",
    {"of": OWNER},
    {
        **CURSOR,
        "user.not-found": Otherwise({"of": NOBODY}),
        "asset.not-found": Otherwise({"of": None, "portfolio": issued("PFL", 9)}),
        "portfolio.type": Otherwise({"of": None, "portfolio": BATTERY}),
    },
    sender=OWNER,
    given=[battery()],
    unknown="user.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not=EVERY_SENDER,
    again=QUERY,
)
OPERATIONS: Final = (CONSENT, WITHDRAW, REPRESENTATION, LIST)
