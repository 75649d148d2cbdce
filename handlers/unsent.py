"""What becomes of a dead letter whose message could not be sent at all."""

from typing import Any, Final

from contracts.dead_edits import DeadUnsent
from handlers.bookkeeping import unattributed
from handlers.dead_letters import CONTENTS, LETTERS, Failure, changed, readable
from handlers.decision import Context, Document, Handled, Put, Reads, Secret, View

REASON: Final = "unsendable"
SAID: Final = "The hop could not write it to the broker; nothing of it was sent."


def unsent_reads(fact: DeadUnsent, context: Context) -> Reads:
    """The letter, and its contents."""
    yield LETTERS, fact.id
    yield CONTENTS, fact.id


def fail_again(fact: DeadUnsent, view: View, context: Context) -> Handled:
    """Give the letter back to the operators, with the reason, whether replayed or edited.

    Of an edit only the one that has ended the letter; a fact that comes late, or twice, finds the
    letter in another state and does nothing. How the letter first came stays as it is.
    Source: promise 1 of the architecture: an outcome follows a replay or an edit.
    """
    letter = view.get(LETTERS, fact.id)
    if letter is None or not _is_awaited(fact, letter):
        return Handled(unattributed(context.now))
    failure = Failure(
        REASON,
        fact.exception,
        fact.top,
        {"type": fact.exception, "message": SAID, "stack": fact.top},
    )
    fields: dict[str, Any] = {
        "reason": failure.reason,
        "fingerprint": failure.fingerprint(letter["type"]),
        "exception": failure.exception,
        "top": failure.top,
        "version": context.version,
        "last_at": context.now,
    }
    if fact.message is not None:
        fields["edited_to"] = None  # nothing has taken its place
    put = changed(letter, context.now, "", state="failed-again", **fields)
    was = readable(view, CONTENTS, fact.id)
    if was is None or was["properties"].value is None:
        return Handled(unattributed(context.now), (put,))
    # Under the key that the contents have, so that an erasure still takes them.
    keyed_to = was["properties"].value.get("keeper") or unattributed(context.now)
    contents = {**was, "revision": was["revision"] + 1, "fault": Secret(failure.fault)}
    return Handled(keyed_to, (put, Put(CONTENTS, contents, was)))


def _is_awaited(fact: DeadUnsent, letter: Document) -> bool:
    """Whether the letter still waits for what was to be sent."""
    if fact.message is None:
        return bool(letter["state"] == "replaying")
    return letter["state"] == "edited" and letter.get("edited_to") == fact.message
