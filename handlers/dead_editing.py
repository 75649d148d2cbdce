"""Another message in the place of a dead letter's: proposed, approved by a second one, sent."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from contracts.dead_edits import ApproveDead, DeadEdited, DeadEditSent, EditDead
from contracts.envelope import SPEC_VERSION, Finding, user_urn
from contracts.messages import register_of_entity
from contracts.taxonomy import BACKBONE
from contracts.values import user_of
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
    Rejected,
    Secret,
    View,
)
from handlers.resending import is_open, is_question
from handlers.resent import Resent
from handlers.rules import finding, reject
from handlers.signature import reads

EDITS: Final = "dead_edits"
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
    if (wrong := _uneditable("id", letter, contents, context.now)) or contents is None:
        return reject(*wrong)
    key = context.identity.fingerprint("dead-edit", f"{by}\x1f{context.command_id}")[:32]
    edit = {
        "_id": key,
        "revision": 1,
        "letter": command.id,
        "state": "proposed" if context.edits_need_approval else "sent",
        "by": by,
        "at": context.now,
        "approved_by": None,
        "message": context.identity.fingerprint("dead-edited", key)[:32],
        "type": command.type or contents["properties"].value["type"],
        "original": Secret(_origin(letter, contents)),
        "data": Secret(json.dumps(command.data).encode()),
        "why": Secret(command.why),
    }
    owner = _owner(letter, command.data, context)
    if context.edits_need_approval:
        proposed = changed(letter, context.now, by, edit=key)
        return Accepted(command.id, _told(edit), owner, (Put(EDITS, edit), proposed))
    return _sent(edit, None, letter, owner, context)


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
        return _edit_not_found(command.id)
    if was["state"] == "sent":
        return Accepted(subject=was["letter"], reply=_told(was), keyed_to=unattributed(context.now))
    if was["by"] == by:
        return reject(
            finding(
                "dead.approve-own",
                "id",
                expected="an edit of another operator",
                got=command.id,
                advice="Let a second operator look at it and approve it.",
            )
        )
    contents = readable(view, CONTENTS, was["letter"])
    wrong = _uneditable("id", letter, contents, context.now) or _replaced(was, letter)
    if wrong:
        return reject(*wrong)
    edit = {
        **was,
        "revision": was["revision"] + 1,
        "state": "sent",
        "approved_by": by,
        "approved_at": context.now,
        "approved_why": Secret(command.why),
    }
    owner = _owner(letter, json.loads(was["data"].value), context)
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


def _uneditable(
    field: str, letter: Document, contents: Document | None, now: datetime
) -> tuple[Finding, ...]:
    """Why no other message can take the place of a letter's; nothing where one can."""
    if not is_open(letter, now):
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


def _edit_not_found(key: str) -> Rejected:
    return reject(
        finding(
            "dead.not-found",
            "id",
            expected="the id of an edit",
            got=key,
            advice="Ask `dead.get.v1` of the letter which it is.",
        )
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


def _owner(letter: Document, data: Mapping[str, Any], context: Context) -> str:
    """Under whose data key it is kept: of the user whom it is about, else of the letter's sender.

    Not the operator's, who would keep what the erasure of the other takes.
    """
    account = letter["account"]
    for user in (data.get("id"), user_of(account) if account else None):
        if isinstance(user, str) and register_of_entity(user) == "users":
            return user
    return unattributed(context.now)


def sent_reads(fact: DeadEditSent, context: Context) -> Reads:
    """What is to be sent."""
    yield EDITS, fact.id


def send_edit(fact: DeadEditSent, view: View, context: Context) -> Handled:
    """Hand the message to the hop that sends in others' names; the same bytes however often.

    Without the letter's mark: it is another message, whose outcome is not the letter's.
    Source: promise 1 of the architecture.
    """
    keyed_to, edit = unattributed(context.now), readable(view, EDITS, fact.id)
    if edit is None or edit["state"] != "sent" or edit["data"].value is None:
        return Handled(keyed_to)
    envelope = {
        "specversion": SPEC_VERSION,
        "id": edit["message"],
        "source": user_urn(edit["by"]),
        "type": edit["type"],
        "time": (context.at or context.now).isoformat(timespec="milliseconds"),
        "datacontenttype": "application/json",
        "causationid": edit["original"].value,
        "data": json.loads(edit["data"].value),
    }
    resent = Resent(
        letter=edit["letter"],
        type=edit["type"],
        account=edit["by"],
        body=json.dumps(envelope).encode(),
        message_id=edit["message"],
    )
    return Handled(keyed_to, resent=(resent,))
