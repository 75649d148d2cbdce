"""What a decision has read so far: documents with their secrets open, and their data keys."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from handlers.decision import Document, NotLoadedError, Secret
from handlers.parking import COLLECTION, Parked, Waiting
from handlers.spans import PAGE, Around, Span, Tally
from workers.rows import Made, RowMaker, sealing_place
from workers.store.codec import Sealing, secret_value, subjects, unsealed
from workers.store.protocol import InboxKey, Key, ReadStore
from workers.vault import Keyring, Sealed, Undecipherable, Vault, is_destroyed

Page = Span | Around | Tally
PAGES_ROWS_MAX: Final = 2000
"""How many rows are read at once for several pages, besides one whole page."""


class Closed(Secret):
    """A secret that is opened by whoever asks for its value, and not before.

    On the way of a question: the time of an answer must not tell what its asker may not see.
    """

    __slots__ = ("_open",)
    _open: Callable[[], Any]

    def __init__(self, opened: Callable[[], Any]) -> None:
        object.__setattr__(self, "_open", opened)

    @property
    def value(self) -> Any:
        """The value; NotLoadedError where its key has to be read first."""
        return self._open()


@dataclass(slots=True)
class Loaded:
    """Documents by collection and key, None for what was looked for and is not there."""

    documents: dict[str, dict[Any, Any]] = field(default_factory=dict)
    """Ids by Span, too.
    An exception stands for what does not open: it is the fault of whoever asks for it."""
    keyring: Keyring = field(default_factory=Keyring)
    absent: set[str] = field(default_factory=set)
    """Subjects without a data key."""
    locked: dict[str, Exception] = field(default_factory=dict)
    """Subjects whose data key does not open, and why."""
    destroyed: set[str] = field(default_factory=set)
    """Of those without a data key: whose was destroyed."""
    closed: set[str] = field(default_factory=set)
    """Subjects under whose keys something is sealed that nobody has asked for yet."""

    def knows_key(self, subject: str) -> bool:
        """Whether the subject's data key was looked for."""
        return subject in self.keyring or subject in self.absent or subject in self.locked

    def maker(self, vault: Vault, place: str, now: datetime, made: Made) -> RowMaker:
        """What makes the rows of a batch at this place, by the keys as far as they are known."""
        return RowMaker(
            vault=vault,
            keyring=self.keyring.copy(),
            absent=frozenset(self.absent),
            locked=self.locked,
            destroyed=frozenset(self.destroyed),
            place=place,
            now=now,
            made=made,
        )


@dataclass(frozen=True, slots=True)
class Loader:
    """Reads documents, all in one query, and opens what is sealed in them.

    `lazily`: no key is read, and nothing opened, before a handler asks for a value. So as much is
    done for a document that its asker may not see as for one that there is not.
    """

    store: ReadStore
    vault: Vault
    lazily: bool = False

    async def read(self, missing: Iterable[tuple[str, Any]], loaded: Loaded) -> None:
        """Add documents to what is loaded; keys of the users among them come in the same round."""
        wanted, pages = _sorted_out(missing)
        self._want_keys(wanted, loaded)
        asked_for = {name: keys for name, keys in wanted.items() if keys}
        stored = await self.store.load(asked_for)
        found = {name: dict(rows) for name, rows in stored.items()}
        for collection, asked in pages.items():
            for page, rows in (await self._pages(collection, asked)).items():
                by_id = {row["_id"]: row for row in rows}
                loaded.documents.setdefault(collection, {})[page] = list(by_id)
                found.setdefault(collection, {}).update(by_id)
                wanted.setdefault(collection, set()).update(by_id)
        self._take_keys(wanted["keys"], found.get("keys", {}), loaded)
        sealing = (d for rows in found.values() for d in rows.values() if isinstance(d, Sealing))
        needed = {subject for document in sealing for subject in subjects(document)}
        if self.lazily:
            loaded.closed |= {subject for subject in needed if not loaded.knows_key(subject)}
        else:
            # A key that was looked for beside its document may have been made between the queries.
            loaded.absent -= needed & set(map(str, wanted["keys"]))
            await self._read_keys(needed, loaded)
        for collection, keys in wanted.items():
            documents = loaded.documents.setdefault(collection, {})
            for key in keys:
                raw = found.get(collection, {}).get(key)
                try:
                    documents[key] = self._opened(collection, key, raw, loaded) if raw else None
                except Undecipherable as error:
                    documents[key] = error

    def _want_keys(self, wanted: dict[str, set[Key]], loaded: Loaded) -> None:
        """Add the keys that will be needed: of users at once, or as soon as any is asked for."""
        keys = wanted.setdefault("keys", set())
        if not self.lazily:
            keys.update(u for u in wanted.get("users", ()) if not loaded.knows_key(str(u)))
        elif keys:
            # One value is asked for: those beside it would each need a round of their own.
            keys.update(loaded.closed)
            loaded.closed.clear()

    async def _pages(
        self, collection: str, pages: Iterable[Page]
    ) -> Mapping[Page, Sequence[Document]]:
        """The documents of every page; those that begin at the beginning come together."""
        found: dict[Page, Sequence[Document]] = {}
        first: dict[str, dict[str, Span]] = {}
        alone: list[Page] = []
        for span in pages:
            if (
                not isinstance(span, Span)
                or span.all_of is not None
                or span.after
                or span.limit != PAGE
            ):
                alone.append(span)
            else:
                first.setdefault(span.field, {})[span.value] = span
        asked = await asyncio.gather(*(self._page(collection, span) for span in alone))
        found |= zip(alone, asked, strict=True)
        for field_name, by_value in first.items():
            found |= await self._first_pages(collection, field_name, by_value)
        return found

    async def _page(self, collection: str, span: Page) -> Sequence[Document]:
        if isinstance(span, Around):
            return await self.store.around(collection, span)
        if isinstance(span, Tally):
            return await self.store.tallied(collection, span)
        if span.all_of is not None:
            asked = (collection, span.field, span.all_of, span.limit, span.after)
            return await self.store.holding_all(*asked)
        value = [span.value]
        return await self.store.holding(collection, span.field, value, span.limit, span.after)

    async def _first_pages(
        self, collection: str, field_name: str, by_value: Mapping[str, Span]
    ) -> Mapping[Page, Sequence[Document]]:
        """Ask for all at once, and for the rest again where one has more than fits."""
        pages: dict[Page, list[Document]] = {span: [] for span in by_value.values()}
        left = sorted(by_value)
        while left:
            limit = PAGE + PAGES_ROWS_MAX
            rows = await self.store.holding(collection, field_name, left, limit)
            for row in rows:
                page = pages[by_value[row[field_name]]]
                if len(page) < PAGE:
                    page.append(row)
            if len(rows) < limit:
                break
            # Sorted by value: all before the last one is complete, and that one has a full page.
            last = rows[-1][field_name]
            full = len(pages[by_value[last]]) == PAGE
            left = [value for value in left if value > last or (value == last and not full)]
            if not full:
                pages[by_value[last]].clear()
        return pages

    async def waiting(self, lane: str) -> Waiting:
        """The commands that wait in a lane."""
        rows = set(await self.store.listed(COLLECTION, f"{lane}/"))
        stored = (await self.store.load({COLLECTION: rows}))[COLLECTION]
        loaded = Loaded()
        await self.read([(COLLECTION, row) for row in stored], loaded)
        opened = loaded.documents.get(COLLECTION, {})
        return Waiting.of(_parked(raw, opened.get(row)) for row, raw in stored.items())

    async def _read_keys(self, needed: set[str], loaded: Loaded) -> None:
        unknown: set[Key] = {subject for subject in needed if not loaded.knows_key(subject)}
        if unknown:
            found = await self.store.load({"keys": unknown})
            self._take_keys(unknown, found.get("keys", {}), loaded)

    def _take_keys(
        self, asked: Iterable[Key], found: Mapping[Key, Document], loaded: Loaded
    ) -> None:
        for subject in map(str, asked):
            row = found.get(subject)
            if row is None or is_destroyed(row):
                loaded.absent.add(subject)
                if row is not None:
                    loaded.destroyed.add(subject)
                continue
            try:
                loaded.keyring.add(subject, self.vault.opened(row))
            except Undecipherable as error:
                loaded.locked[subject] = error

    def _opened(self, collection: str, key: Key, raw: Document, loaded: Loaded) -> Document:
        """The document with plain secrets; one whose key was destroyed is Secret(None)."""
        if not isinstance(raw, Sealing):
            return raw
        aad = sealing_place(collection, key)

        def value(sealed: Sealed) -> Any:
            if sealed.key in loaded.absent:
                return None
            if sealed.key in loaded.locked:
                raise loaded.locked[sealed.key]
            if not loaded.knows_key(sealed.key):
                raise NotLoadedError([("keys", sealed.key)])
            return secret_value(loaded.keyring.open(sealed, aad))

        def unseal(sealed: Sealed) -> Secret:
            return Closed(lambda: value(sealed)) if self.lazily else Secret(value(sealed))

        document: Document = unsealed(raw, unseal)
        return document


def _sorted_out(
    missing: Iterable[tuple[str, Any]],
) -> tuple[dict[str, set[Key]], dict[str, set[Page]]]:
    """By collection: documents by their keys, and pages."""
    wanted: dict[str, set[Key]] = {}
    pages: dict[str, set[Page]] = {}
    for collection, key in missing:
        if isinstance(key, Page):
            pages.setdefault(collection, set()).add(key)
            continue
        stored = InboxKey(*key) if isinstance(key, tuple) else key
        wanted.setdefault(collection, set()).add(stored)
    return wanted, pages


def _parked(raw: Document, opened: Document | Exception | None) -> Parked:
    """One who waits; what does not open is the fault of this one only."""
    if opened is None or isinstance(opened, Exception) or opened["delivery"].value is None:
        return Parked.unreadable(raw, raw["delivery"].box)
    return Parked.of(opened)
