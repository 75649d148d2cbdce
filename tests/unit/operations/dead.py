"""Dead letters: what operators ask of them and do with them."""

from typing import Any, Final

from handlers.dead_editing import EDITS
from handlers.dead_letters import CONTENTS, LETTERS
from handlers.decision import Secret
from tests.builders import NOW, PLATFORM
from tests.unit.operations.table import (
    CURSOR,
    EVERY_SENDER,
    NO_ID,
    OPERATOR,
    OPERATORS,
    QUERY,
    Because,
    Documents,
    Operation,
    Otherwise,
)

KEY: Final = "20261129T170000000-0123456789abcdef0123456789abcdef"
MISSING: Final = "20261129T170000000-00000000000000000000000000000000"
PORTIONS: Final = Because("It begins a run of its own, which finds what the one before has left.")


def letter(**changes: Any) -> Documents:
    """A letter of a bug; without its contents, as after an erasure."""
    document = {
        "_id": KEY,
        "revision": 1,
        "state": "open",
        "state_at": NOW,
        "digest": "d",
        "queue": "mailbox.assets.0",
        "type": "asset.register.v1",
        "account": PLATFORM,
        "first_at": NOW,
        "last_at": NOW,
        "made_at": NOW,
        "times": 1,
        "attempts": 1,
        "size": 7,
        "mark": "m",
        "notes": 0,
        "run": None,
        "outcome": None,
        "history": [{"at": NOW, "by": "", "state": "open"}],
        "reason": "poisoned",
        "fingerprint": "0123456789abcdef",
        "exception": "RuntimeError",
        "top": "handlers/assets.py:register_asset",
        "version": "1.0",
        "terms": ["state:open", "reason:poisoned", "fingerprint:0123456789abcdef"],
    }
    return ((LETTERS, {**document, **changes}),)


def run(verb: str) -> Operation:
    """What goes through letters; of a group there may be none, of one letter there must be one."""
    return Operation(
        f"dead.{verb}.v1",
        {"which": {"id": KEY}, "why": "The bug is mended."},
        {"dead.not-found": Otherwise({"which": {"id": MISSING}})},
        sender=OPERATOR,
        given=letter(),
        unknown="dead.not-found",
        hidden=OPERATORS,
        may_not=OPERATORS,
        again=PORTIONS,
        events=("dead.run-asked.v1",),
    )


EDIT: Final = "0123456789abcdef" * 2


def contents(**changes: Any) -> Documents:
    """What is sealed of the letter."""
    properties = {"type": "asset.register.v1", "message_id": "m"}
    body = b'{"id": "command-1"}'
    document = {"_id": KEY, "revision": 1, "fault": Secret({})}
    sealed = {"properties": Secret(properties), "body": Secret(body)}
    return ((CONTENTS, {**document, **sealed, **changes}),)


def edit(**changes: Any) -> Documents:
    """What another operator has proposed."""
    document = {
        "_id": EDIT,
        "revision": 1,
        "letter": KEY,
        "state": "proposed",
        "by": PLATFORM,
        "at": NOW,
        "approved_by": None,
        "message": "f" * 32,
        "type": "asset.register.v1",
        "original": Secret("command-1"),
        "data": Secret(b'{"asset_type": "BAT"}'),
        "why": Secret("A typo."),
    }
    return ((EDITS, {**document, **changes}),)


OPERATIONS: Final = (
    Operation(
        "dead.edit.v1",
        {"id": KEY, "data": {"asset_type": "BAT"}, "why": "The sender has asked for it."},
        {
            "dead.not-found": Otherwise({"id": MISSING}),
            "dead.not-editable": Otherwise(given=letter(state="resolved"), at="id"),
        },
        sender=OPERATOR,
        given=(*letter(), *contents()),
        unknown="dead.not-found",
        hidden=OPERATORS,
        may_not=OPERATORS,
        again=Because("The letter has its end then: there is nothing to take the place of."),
        events=("dead.edit-sent.v1",),
    ),
    Operation(
        "dead.approve.v1",
        {"id": EDIT, "why": "Looked at both."},
        {
            "dead.not-found": Otherwise({"id": "1" * 32}),
            "dead.not-editable": Otherwise(given=letter(edit="2" * 32), at="id"),
            "dead.approve-own": Otherwise(given=edit(by=OPERATOR), at="id"),
        },
        sender=OPERATOR,
        given=(*letter(edit=EDIT), *contents(), *edit()),
        unknown="dead.not-found",
        hidden=OPERATORS,
        may_not=OPERATORS,
        events=("dead.edit-sent.v1",),
    ),
    run("replay"),
    run("discard"),
    Operation(
        "dead.note.v1",
        {"id": KEY, "note": "Asked the sender."},
        {
            "dead.not-found": Otherwise({"id": MISSING}),
            "dead.notes-full": Otherwise(given=letter(notes=1000), at="note"),
        },
        sender=OPERATOR,
        given=letter(),
        unknown="dead.not-found",
        hidden=OPERATORS,
        may_not=OPERATORS,
        again=Because("It is one note more."),
    ),
    Operation(
        "dead.list.v1",
        {"which": {"state": "open"}},
        {**CURSOR},
        sender=OPERATOR,
        given=letter(),
        unknown=NO_ID,
        hidden=OPERATORS,
        may_not=EVERY_SENDER,
        again=QUERY,
    ),
    Operation(
        "dead.groups.v1",
        {"which": {"state": "open"}},
        {},
        sender=OPERATOR,
        given=letter(),
        unknown=NO_ID,
        hidden=OPERATORS,
        may_not=EVERY_SENDER,
        again=QUERY,
    ),
    Operation(
        "dead.get.v1",
        {"id": KEY},
        {"dead.not-found": Otherwise({"id": MISSING})},
        sender=OPERATOR,
        given=letter(),
        unknown="dead.not-found",
        hidden=OPERATORS,
        may_not=EVERY_SENDER,
        again=QUERY,
    ),
)
