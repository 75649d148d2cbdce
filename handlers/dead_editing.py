"""Another message in the place of a dead letter's: proposed, approved by a second one, sent."""

import json
from collections.abc import Mapping
from typing import Any, Final

from contracts.dead_edits import ApproveDead, DeadEdited, DeadEditSent, EditDead
from contracts.envelope import Finding
from contracts.messages import register_of_entity
from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery
from handlers.bookkeeping import unattributed
from handlers.dead import letter_not_found
from handlers.dead_letters import CONTENTS, LETTERS, changed, readable
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Handled,
    Put,
    Reads,
    Secret,
    View,
)
from handlers.edit_refusals import edit_not_found, own_edit
from handlers.edits import body_of, encoded
from handlers.resending import is_question
from handlers.resent import Resent
from handlers.rules import finding, reject
from handlers.signature import reads

EDITS: Final = "dead_edits"
EDITABLE: Final = frozenset({"open", "failed-again"})
ANOTHER_EDIT: Final = "Mend it by another `dead.edit.v1`, which takes its place."
ANOTHER_TYPE: Final = (
    "Send `dead.edit.v1` with the type that was meant as its `type`; on the command line, `--type`."
)
ID_MAX: Final = 200
"""How long an envelope's `causationid` may be."""


def _edit_reads(command: EditDead, context: Context) -> Reads:
    yield LETTERS, command.id
    yield CONTENTS, command.id


@reads(_edit_reads)
def edit_dead(command: EditDead, view: View, context: Context) -> Decision:
    """Send another message in the place of a letter's, or propose it to a second operator.

    What it says is sealed under the key of the user whose message it was, so that an erasure
    reaches it.
    Rejects: dead.not-found, dead.not-editable
    Source: promise 1 of the architecture.
    """
    letter, by = view.get(LETTERS, command.id), context.sender.user
    if letter is None:
        return letter_not_found("id", command.id)
    contents = readable(view, CONTENTS, command.id)
    if (wrong := _shared(context) or _uneditable("id", letter, contents)) or contents is None:
        return reject(*wrong)
    edit = _proposed(command, letter, contents, context)
    if wrong := _unsendable(edit, command.data, context):
        return reject(*wrong)
    edit["data"] = Secret(encoded(command.data))
    owner = _owner(contents, command.data, view, context)
    if context.edits.need_approval:
        proposed = changed(letter, context.now, by, edit=edit["_id"])
        return Accepted(command.id, _told(edit), owner, (Put(EDITS, edit), proposed))
    return _sent(edit, None, letter, owner, context)


def _proposed(
    command: EditDead, letter: Document, contents: Document, context: Context
) -> dict[str, Any]:
    """An edit as it is kept, but for the data, which may be none that can be kept."""
    by = context.sender.user
    key = context.identity.fingerprint("dead-edit", f"{by}\x1f{context.command_id}")[:32]
    return {
        "_id": key,
        "revision": 1,
        "letter": command.id,
        "state": "proposed" if context.edits.need_approval else "sent",
        "by": by,
        "at": context.now,
        "approved_by": None,
        "message": context.identity.fingerprint("dead-edited", key)[:32],
        "type": command.type or contents["properties"].value["type"],
        "original": Secret(_origin(letter, contents)),
        "why": Secret(command.why),
    }


def _approve_reads(command: ApproveDead, context: Context) -> Reads:
    yield EDITS, command.id


@reads(_approve_reads)
def approve_dead(command: ApproveDead, view: View, context: Context) -> Decision:
    """Send what another operator has proposed; what is sent already is not sent again.

    Rejects: dead.not-found, dead.not-editable, dead.approve-own
    Source: promise 1 of the architecture.
    """
    was, by = readable(view, EDITS, command.id), context.sender.user
    letter = view.get(LETTERS, was["letter"]) if was is not None else None
    if was is None or letter is None:
        return edit_not_found(command.id)
    if was["state"] == "sent":
        return Accepted(subject=was["letter"], reply=_told(was), keyed_to=unattributed(context.now))
    if was["by"] == by:
        return own_edit(command.id)
    contents = readable(view, CONTENTS, was["letter"])
    wrong = _shared(context) or _uneditable("id", letter, contents) or _replaced(was, letter)
    if wrong or contents is None:
        return reject(*wrong)
    data = json.loads(was["data"].value)
    if wrong := _unsendable(was, data, context, "id"):
        return reject(*wrong)
    edit = {
        **was,
        "revision": was["revision"] + 1,
        "state": "sent",
        "approved_by": by,
        "approved_at": context.now,
        "approved_why": Secret(command.why),
    }
    owner = _owner(contents, data, view, context)
    return _sent(edit, was, letter, owner, context)


def _sent(
    edit: Document, was: Document | None, letter: Document, owner: str, context: Context
) -> Accepted:
    """The letter has its end with what is sent in its place, in one commit."""
    by = context.sender.user
    ended = changed(
        letter, context.now, by, state="edited", edit=edit["_id"], edited_to=edit["message"]
    )
    return Accepted(
        subject=edit["letter"],
        reply=_told(edit),
        keyed_to=owner,
        writes=(Put(EDITS, edit, was), ended),
        events=(DeadEditSent(id=edit["_id"]),),
    )


def _told(edit: Document) -> DeadEdited:
    names = ("letter", "state", "message")
    return DeadEdited(id=edit["_id"], **{name: edit[name] for name in names})


def _shared(context: Context) -> tuple[Finding, ...]:
    """Where two have to agree: why the account that both may have says nothing."""
    if not context.edits.need_approval or context.sender.user != OPERATOR:
        return ()
    return (
        finding(
            "dead.not-editable",
            "id",
            expected="an operator with an account of its own, since two have to agree",
            got=OPERATOR,
            advice="Send it as a user with the role `operator`; on the command line, `--as`.",
        ),
    )


def _uneditable(field: str, letter: Document, contents: Document | None) -> tuple[Finding, ...]:
    """Why no other message can take the place of a letter's; nothing where one can."""
    # One that is stuck in a replay may arrive yet, and would be decided beside its edit.
    if letter["state"] not in EDITABLE:
        expected, got = "a letter that is open or failed again", letter["state"]
    elif is_question(letter):
        expected, got = "no question, whose asker waits no more", letter["queue"]
    elif letter["account"] == BACKBONE:
        expected, got = "a message of a user", letter["account"]
    elif contents is None or contents["body"].value is None:
        expected, got = "a letter whose contents are there", "an erased one"
    else:
        return ()
    advice = "Look at it with `dead.get.v1`; what has its end or is erased stays as it is."
    return (finding("dead.not-editable", field, expected=expected, got=got, advice=advice),)


def _unsendable(
    edit: Document, data: Mapping[str, Any], context: Context, field: str = ""
) -> tuple[Finding, ...]:
    """Why the backbone would not read what is to be sent; nothing where it would.

    Looked at now, since with its end the letter has nothing else to send. Said of the fields of an
    edit, or of the one field that an approval has.
    """
    try:
        body = body_of(edit, data, context.now)
    except (ValueError, RecursionError) as error:
        return (
            finding(
                "dead.not-editable",
                field or "data",
                expected="finite numbers and whole characters, as JSON in UTF-8 has them",
                got=str(error),
                advice="Write it in another way.",
            ),
        )
    return tuple(
        finding(
            "dead.not-editable",
            field or fault.field or "data",
            expected=f"what the backbone would read: {fault.expected} ({fault.rule})",
            got=fault.got,
            advice=ANOTHER_TYPE if fault.field == "type" else ANOTHER_EDIT,
        )
        for fault in context.edits.read(Delivery(body, edit["type"], edit["by"]))
    )


def _replaced(edit: Document, letter: Document) -> tuple[Finding, ...]:
    if letter.get("edit") == edit["_id"] and edit["data"].value is not None:
        return ()
    return (
        finding(
            "dead.not-editable",
            "id",
            expected="the last edit of its letter, not erased",
            got=edit["_id"],
            advice="Ask `dead.get.v1` which one that is.",
        ),
    )


def _origin(letter: Document, contents: Document) -> str:
    """What the letter's message is known by: its own id, as far as it can be read."""
    try:
        raw = json.loads(contents["body"].value)
    except (ValueError, RecursionError):
        raw = None
    own = raw.get("id") if isinstance(raw, dict) else None
    for given in (own, contents["properties"].value["message_id"]):
        if isinstance(given, str) and 0 < len(given) <= ID_MAX:
            return given
    return str(letter["_id"])


def _owner(contents: Document, data: Mapping[str, Any], view: View, context: Context) -> str:
    """Under whose data key it is kept: of the user whom it is about, else whose key the letter has.

    Not the operator's, who would keep what the erasure of the other takes; nor that of a user whom
    nobody knows or who is erased, since no erasure would reach what is kept for those.
    """
    user = data.get("id")
    if isinstance(user, str) and register_of_entity(user) == "users":
        row = view.get("users", user)
        if row is not None and row.get("erased_at") is None:
            return user
    kept: str | None = contents["properties"].value.get("keeper")
    return kept if kept is not None else unattributed(context.now)


def sent_reads(fact: DeadEditSent, context: Context) -> Reads:
    """What is to be sent."""
    yield EDITS, fact.id


def send_edit(fact: DeadEditSent, view: View, context: Context) -> Handled:
    """Hand the message to the hop that sends in others' names; the same bytes however often.

    Without the letter's mark: it is another message, whose outcome is not the letter's. Nothing is
    sent of what was erased meanwhile; what cannot be opened otherwise is a bug, and fails, so that
    the fact is a dead letter: the edited one has its end, and nobody would look for it.
    Source: promise 1 of the architecture.
    """
    keyed_to, edit = unattributed(context.now), view.get(EDITS, fact.id)
    if edit is None or edit["state"] != "sent":
        raise LookupError(f"expected the edit {fact.id} to be sent, got {edit and edit['state']}")
    if edit["data"].value is None:
        return Handled(keyed_to)
    resent = Resent(
        letter=edit["letter"],
        type=edit["type"],
        account=edit["by"],
        body=body_of(edit, json.loads(edit["data"].value), context.at or context.now),
        message_id=edit["message"],
    )
    return Handled(keyed_to, resent=(resent,))
