"""Agreements: publishing, signing, taking back, reading."""

from hashlib import sha256
from typing import Any, Final

from handlers.conditions import CONDITIONS, NEEDED_MAX
from tests.builders import PLATFORM, STRANGER, issued
from tests.unit.operations.table import (
    CURSOR,
    EVERY_SENDER,
    NO_ID,
    OPERATOR,
    PUBLIC,
    Because,
    Operation,
    Otherwise,
    Said,
    confirmed,
    crowded,
)

MARKET: Final = issued("USR", 5000)
MARKETS: Final = [("users", confirmed(MARKET, roles=["mo"]))]
NAME: Final = "market-terms"
TEXT: Final = "Be honest."
HASH: Final = sha256(TEXT.encode()).hexdigest()
TERMS: Final[dict[str, Any]] = {"id": NAME, "title": "Terms", "text": TEXT, "sha256": HASH}
PUBLISHED: Final = Said("agreement.publish.v1", TERMS, MARKET)
WITHDRAWN: Final = Said("agreement.revoke.v1", {"id": NAME, "what": "agreement"}, MARKET)
SIGNED: Final = Said("agreement.sign.v1", {"id": NAME, "sha256": HASH})
UNKNOWN: Final = Otherwise({"id": "no-such-terms"})
NEEDS: Final = {
    "_id": "interest.express",
    "revision": 1,
    "needs": [{"name": f"terms-{number}"} for number in range(NEEDED_MAX)],
}

PUBLISH: Final = Operation(
    "agreement.publish.v1",
    TERMS,
    {
        "agreement.not-yours": Otherwise(
            first=[Said("agreement.publish.v1", TERMS | {"title": "Ours"}, OPERATOR)]
        ),
        "agreement.text-hash": Otherwise({"sha256": "0" * 64}),
        "agreement.not-gateable": Otherwise({"needed_for": ["user.get.v1"]}),
        "agreement.gate-full": Otherwise(
            {"needed_for": ["interest.express.v1"]}, given=[(CONDITIONS, NEEDS)]
        ),
    },
    sender=MARKET,
    given=MARKETS,
    unknown=Because("A name that nobody has published becomes the sender's."),
    hidden=PUBLIC,
    may_not="agreement.not-yours",
    events=("agreement.published.v1",),
)
SIGN: Final = Operation(
    "agreement.sign.v1",
    {"id": NAME, "sha256": HASH},
    {
        "agreement.not-found": UNKNOWN,
        "agreement.withdrawn": Otherwise(first=[WITHDRAWN]),
        "agreement.other-hash": Otherwise({"sha256": "0" * 64}),
        "tie.too-many": Otherwise(
            given=[crowded(NAME, PLATFORM, "signatory", version=1, sha256=HASH)]
        ),
    },
    given=MARKETS,
    first=[PUBLISHED],
    unknown="agreement.not-found",
    hidden=PUBLIC,
    may_not=EVERY_SENDER,
    events=("agreement.signed.v1",),
)
REVOKE: Final = Operation(
    "agreement.revoke.v1",
    {"id": NAME},
    {
        "agreement.not-found": UNKNOWN,
        "agreement.not-signed": Otherwise(sender=STRANGER),
        "agreement.not-yours": Otherwise({"what": "agreement"}, sender=STRANGER),
    },
    given=MARKETS,
    first=[PUBLISHED, SIGNED],
    unknown="agreement.not-found",
    hidden=PUBLIC,
    may_not="agreement.not-yours",
    events=("agreement.revoked.v1",),
)
GET: Final = Operation(
    "agreement.get.v1",
    {"id": NAME},
    {"agreement.not-found": UNKNOWN},
    given=MARKETS,
    first=[PUBLISHED],
    unknown="agreement.not-found",
    hidden=PUBLIC,
    may_not=PUBLIC,
)
LIST: Final = Operation(
    "agreement.list.v1", {}, CURSOR, unknown=NO_ID, hidden=PUBLIC, may_not=PUBLIC
)
OPERATIONS: Final = (PUBLISH, SIGN, REVOKE, GET, LIST)
