"""Two stores of one register compared: every document that is not the same, secrets opened."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from workers.archive import COLLECTION
from workers.differences import Difference, fields_in_words, key_in_words
from workers.loading import Loaded, Loader
from workers.store.codec import key_of
from workers.store.indexes import INDEXES
from workers.store.protocol import InboxKey, Key, StateStore
from workers.vault import Vault

PASSING: Final = frozenset(
    {"outbox", "events", "parked", "lanes", "present", "sweeps", "inbox"}
    | {"dead_letters", "dead_contents", "dead_notes", "dead_runs", "dead_edits", "losses"}
)
"""What a rebuild leaves out, or keeps in another way: the last is compared by the archive."""
PAGE: Final = 500


async def compare(
    source: StateStore, target: StateStore, vault: Vault
) -> AsyncIterator[Difference]:
    """Documents that only one of them has, or that differ; those of the inbox by the archive."""
    for collection in sorted(INDEXES.keys() - PASSING):
        ids = {*await source.listed(collection, ""), *await target.listed(collection, "")}
        async for found in _differing(collection, sorted(ids), (source, target), vault):
            yield found
    names = [name async for name in _remembered(source)]
    async for found in _differing("inbox", names, (source, target), vault):
        yield found


async def _remembered(source: StateStore) -> AsyncIterator[InboxKey]:
    places = await source.listed(COLLECTION, "")
    for start in range(0, len(places), PAGE):
        rows = (await source.load({COLLECTION: places[start : start + PAGE]}))[COLLECTION]
        for row in rows.values():
            for entry in (*row["entries"], *row.get("facts", ())):
                if entry["kind"] in {"accepted", "handled"}:
                    yield InboxKey(entry["user"], entry["id"])


async def _differing(
    collection: str, keys: Sequence[Key], stores: Iterable[StateStore], vault: Vault
) -> AsyncIterator[Difference]:
    first, second = stores
    for start in range(0, len(keys), PAGE):
        page = keys[start : start + PAGE]
        was, now = [await _opened(store, collection, page, vault) for store in (first, second)]
        for key in page:
            if was.get(key) != now.get(key) and not _is_forgotten(was.get(key), now.get(key)):
                said = _in_words(was.get(key), now.get(key))
                yield Difference("", "document", collection, key_in_words(key), said)


def _in_words(was: object, now: object) -> str:
    if was is None:
        return "only in the rebuilt database"
    return "not in the rebuilt database" if now is None else fields_in_words(was, now)


def _is_forgotten(was: Any, now: Any) -> bool:
    """Whether of a command only the answer is missing: it rested on what was erased since."""
    if not isinstance(was, dict) or not isinstance(now, dict) or "reply" not in now:
        return False
    return now["reply"].value is None and {**was, "reply": None} == {**now, "reply": None}


async def _opened(
    store: StateStore, collection: str, keys: Sequence[Key], vault: Vault
) -> dict[Any, Any]:
    if collection == COLLECTION:
        # Bound to their entries, they do not open as a document's values do.
        return dict((await store.load({collection: keys}))[collection])
    loaded = Loaded()
    await Loader(store, vault).read([(collection, key) for key in keys], loaded)
    found = loaded.documents.get(collection, {})
    # Two errors are never equal: what does not open is to be looked at.
    return {key_of(key): document for key, document in found.items() if document is not None}
