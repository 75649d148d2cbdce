"""External ids: linking and translating, of users and of assets."""

from typing import Any, Final

from handlers.links import LINKS_MAX
from tests.builders import OWNER, PLATFORM, STRANGER, issued
from tests.unit.operations.assets import BATTERY, battery
from tests.unit.operations.table import (
    EVERY_SENDER,
    NOBODY,
    NOTHING,
    Because,
    Documents,
    Operation,
    Otherwise,
    Said,
    confirmed,
)

OTHER_BATTERY: Final = issued("BAT", 5000)
AS_NOT_KNOWN: Final = Because("What the sender has not linked is answered as not known.")
ASSERTER: Final = Because("Naming another's list is refused with `link.not-yours`.")


def link(register: str, entity: str, other: str, nobody: str, given: Documents) -> Operation:
    """What a user calls an entity that it may see; it may see another one, too."""
    kind = f"{register}.link-id.v1"
    data: dict[str, Any] = {"id": entity, "scheme": "own", "value": "customer 7"}
    many = [Said(kind, data | {"value": f"customer {n}"}) for n in range(10, 10 + LINKS_MAX)]
    return Operation(
        kind,
        data,
        {
            f"{register}.not-found": Otherwise({"id": nobody}),
            "link.taken": Otherwise(first=[Said(kind, data | {"id": other})]),
            "link.too-many": Otherwise(first=many),
            "link.none": Otherwise({"unlink": True}, at="value"),
        },
        given=given,
        unknown=f"{register}.not-found",
        hidden=Otherwise(sender=STRANGER),
        may_not=EVERY_SENDER,
        events=(f"{register}.id-linked.v1",),
    )


def translate(register: str, entity: str) -> Operation:
    """What the sender calls an entity."""
    return Operation(
        f"{register}.translate.v1",
        {"ids": [entity]},
        {
            "link.not-yours": Otherwise({"asserter": STRANGER}),
            "link.how-many": Otherwise({"ids": []}),
        },
        unknown=AS_NOT_KNOWN,
        hidden=AS_NOT_KNOWN,
        may_not=ASSERTER,
    )


USERS: Final = [("users", confirmed(OWNER, roles=["owner"], registrant=PLATFORM))]
OPERATIONS: Final = (
    link("user", OWNER, PLATFORM, NOBODY, USERS),
    link("asset", BATTERY, OTHER_BATTERY, NOTHING, [battery(), battery(OTHER_BATTERY)]),
    translate("user", OWNER),
    translate("asset", BATTERY),
)
