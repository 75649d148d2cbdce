"""What a decision is made of: what it may see, and what it may say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from contracts.envelope import Finding
from contracts.messages import Contract, Event
from handlers.edits import Edits
from handlers.senders import Issuer, Sender
from handlers.spans import Around, Span, Tally

if TYPE_CHECKING:
    from handlers.resent import Resent
    from handlers.visibility import Visible

Document = Mapping[str, Any]
Page = tuple[Sequence[Document], str]
Reads = Iterable[tuple[str, Any]]
"""(collection, id) of the documents that a decision will look at; a Span in place of an id is a
page of them, and so is an Around."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A sensitive group: plain in a handler, ciphertext in the store, never in a print."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True)
class Put:
    """Write `document`; `was` is the document that it replaces, None for a new one."""

    collection: str
    document: Document
    was: Document | None = None
    keyed_to: str | None = None
    """Under whose data key its secrets are sealed; None: under that of the whole decision."""

    @property
    def expected(self) -> int | None:
        """The revision that the store must still hold, None for a new document."""
        return self.was["revision"] if self.was is not None else None


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete a document that was read as `was`."""

    collection: str
    was: Document


@dataclass(frozen=True, slots=True)
class Guard:
    """A document that was decisive and is not written: the commit fails if it has changed."""

    collection: str
    was: Document


@dataclass(frozen=True, slots=True)
class Told:
    """A personal event: what one user is told, fit for its eyes, at its place in that user's order.

    `id` is the same however often it is told; a replayed one keeps id, time and sequence.
    """

    id: str
    visible: "Visible"
    type: str
    sequence: int
    at: datetime
    subject: str | None = None
    causation: str | None = None
    is_replayed: bool = False
    is_traced: bool = True
    """Whether the trace of what led to it goes along; it may say who that was."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The command takes effect.

    `subject` is the entity's id, `keyed_to` the user under whose data key the command is archived.
    """

    subject: str
    reply: Contract
    keyed_to: str
    writes: tuple[Put | Drop, ...] = ()
    events: tuple[Event, ...] = ()
    guards: tuple[Guard, ...] = ()
    told: tuple[Told, ...] = ()
    """Personal events; only the lane of the notices issues them, since it counts them."""
    preview: Mapping[str, Any] = field(default_factory=dict)
    """What a dry run says besides that it would be accepted."""
    erases: tuple[str, ...] = ()
    """Subjects whose data keys are destroyed with it: nothing sealed under them opens again."""


@dataclass(frozen=True, slots=True)
class Handled:
    """What follows from a fact of the backbone itself; nobody is answered.

    With a `cursor` it is not all: the fact comes back with it in a later batch, not before `pause`
    is over, and whatever touches the same waits behind it.
    """

    keyed_to: str
    writes: tuple[Put | Drop, ...] = ()
    told: tuple[Told, ...] = ()
    cursor: str | None = None
    pause: timedelta = timedelta(0)
    events: tuple[Event, ...] = ()
    """What that is to others in turn."""
    guards: tuple[Guard, ...] = ()
    """What it was found by and does not write."""
    resent: "tuple[Resent, ...]" = ()
    """Messages that are sent again in their senders' names."""

    @property
    def is_nothing(self) -> bool:
        """Whether nothing follows from it, so that not even it need be remembered."""
        return not (self.writes or self.told or self.cursor or self.events or self.resent)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The command has no effect; every reason is given at once."""

    message: str
    findings: tuple[Finding, ...]
    events: tuple[Event, ...] = ()
    """What the attempt is to others, such as an attempted duplicate."""

    @property
    def code(self) -> str:
        """Rule of the first finding: findings keep the order of the rules that made them."""
        return self.findings[0].rule


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query, with the facts that the asking itself is to others."""

    data: Contract
    facts: tuple[Event, ...] = ()
    """Published when the answer is confirmed; nothing is stored for them here."""


Decision = Accepted | Rejected


class NotLoadedError(LookupError):
    """A decision asked for documents that nobody read; the engine reads them and folds again."""

    def __init__(self, keys: Iterable[tuple[str, Any]]) -> None:
        self.keys = frozenset(keys)

    def __str__(self) -> str:
        # Made only where nobody answers: mostly it is a question, and asked often.
        return f"{sorted(map(str, self.keys))} were not loaded"


@dataclass(slots=True)
class View:
    """The documents as they stand for the next command: what was loaded, under what was decided."""

    loaded: Mapping[str, Mapping[Any, Any]]
    """By collection: documents by id, and ids by Span.
    An exception stands for a document that cannot be read: whoever asks for it fails."""
    changed: dict[tuple[str, Any], Document | None] = field(default_factory=dict)
    may_ask: bool = True
    """Whether documents that nobody read can still be had."""
    looked: dict[tuple[str, Any], Any] = field(default_factory=dict)
    """What the delivery that is being decided has asked for by its id, and what it found."""
    looked_around: bool = False
    """Whether it has also asked for a page, which `looked` does not tell."""

    def begin(self) -> None:
        """Nothing was looked at yet: the next delivery is decided."""
        self.looked, self.looked_around = {}, False

    def still_shows(self, looked: Mapping[tuple[str, Any], Any]) -> bool:
        """Whether all that was found is still the very same."""
        changed, loaded = self.changed, self.loaded
        for name, found in looked.items():
            now = changed[name] if name in changed else loaded.get(name[0], {}).get(name[1])
            if now is not found:
                return False
        return True

    def get(self, collection: str, key: Any, *, always: bool = False) -> Document | None:
        """The document, or None if there is none.

        Raises NotLoadedError if nobody looked, RecursionError if it asks for ever more; `always`
        is for what is needed to write that fault down.
        """
        name = (collection, key)
        try:
            found = self.changed[name] if name in self.changed else self.loaded[collection][key]
        except KeyError:
            raise self._missing([name], always=always) from None
        self.looked[name] = found
        if isinstance(found, Exception):
            raise found
        document: Document | None = found
        return document

    def page(self, collection: str, span: Span, *, always: bool = False) -> Page:
        """A page's documents in the order of their ids, and behind which id the next one begins.

        That is empty where this page is the last one. Raises as `get` does.
        """
        self.looked_around = True
        try:
            stored: Sequence[str] = self.loaded[collection][span]
        except KeyError:
            raise self._missing([(collection, span)], always=always) from None
        upto = stored[-1] if len(stored) >= span.limit else ""
        ids = set(stored)
        for (name, key), document in self.changed.items():
            if name != collection or not isinstance(key, str) or key <= span.after:
                continue
            if document is None or not span.holds(document):
                ids.discard(key)
            elif not upto or key <= upto:
                ids.add(key)
        return [d for key in sorted(ids) if (d := self.get(collection, key)) is not None], upto

    def around(self, collection: str, around: Around | Tally) -> Sequence[Document]:
        """A page's documents by their distance, or counts of them, as they are stored.

        Raises NotLoadedError if nobody looked.
        """
        self.looked_around = True
        try:
            ids: Sequence[str] = self.loaded[collection][around]
        except KeyError:
            raise self._missing([(collection, around)]) from None
        return [d for key in ids if (d := self.get(collection, key)) is not None]

    def require(self, keys: Reads) -> None:
        """Raise NotLoadedError with all of `keys` that nobody read: one round reads them."""
        missing = [
            (collection, key)
            for collection, key in keys
            if (collection, key) not in self.changed and key not in self.loaded.get(collection, ())
        ]
        if missing:
            raise self._missing(missing)

    def _missing(self, keys: list[tuple[str, Any]], *, always: bool = False) -> Exception:
        if self.may_ask or always:
            return NotLoadedError(keys)
        return RecursionError(f"expected a handler to know what it reads by now, got {keys}")

    def apply(self, writes: Iterable[Put | Drop]) -> None:
        """Lay the writes of one accepted command over what was loaded."""
        for write in writes:
            match write:
                case Put(collection, document):
                    self.changed[collection, key_of(document)] = document
                case Drop(collection, was):
                    self.changed[collection, key_of(was)] = None


def key_of(document: Document) -> Any:
    """What a view knows a document by: its id, or the values of a composite one."""
    key = document["_id"]
    return tuple(key.values()) if isinstance(key, Mapping) else key


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a decision may know besides the command and the documents."""

    now: datetime
    sender: Sender
    command_id: str
    identity: Issuer
    on_behalf_of: str | None = None
    at: datetime | None = None
    """When the message says that it was made: of a fact, when it happened."""
    cursor: str | None = None
    """Of a fact whose consequences come in portions: where this one begins."""
    sunset: datetime | None = None
    """Until when the type that was sent is taken, where its end is announced."""
    shards_max: int = 1  # So many queues the broker has for the shards of one register.
    version: str = ""  # Of the program, for who looks at what failed.
    edits: Edits = field(default_factory=Edits)
    """What is sent in the place of a dead letter is held to these."""
    dry_run: bool = False
    """On the query path: claims of strangers are not compared, so that a check is no oracle."""
