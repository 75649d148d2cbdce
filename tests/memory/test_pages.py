"""Pages of an indexed field: as they are stored, and as a batch has left them."""

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.decision import Drop, NotLoadedError, Put, View
from handlers.spans import PAGE, Span
from tests.builders import MASTER
from workers.loading import PAGES_ROWS_MAX, Loaded, Loader
from workers.store.codec import encode_row
from workers.store.memory import MemoryStore
from workers.store.protocol import Commit
from workers.vault import Vault

COLLECTION: Final = "relations"


def row(entity: str, number: int, revision: int = 1) -> dict[str, Any]:
    return {"_id": f"{entity}/{number:05d}", "revision": revision, "entity": entity}


async def stored(counts: Mapping[str, int]) -> Loader:
    """A store in which each entity has so many rows."""
    store = MemoryStore()
    lease = await store.acquire("lane", "owner", 60)
    assert lease is not None
    rows = [encode_row(row(entity, n)) for entity, count in counts.items() for n in range(count)]
    await store.commit(Commit("lane", lease.epoch, 1, inserts={COLLECTION: rows}))
    return Loader(store, Vault(MASTER))


async def page(loader: Loader, loaded: Loaded, span: Span) -> tuple[list[str], str]:
    """The ids of a page, which is read if need be, and where the next one begins."""
    view = View(loaded.documents)
    try:
        documents, further = view.page(COLLECTION, span)
    except NotLoadedError as wanted:
        await loader.read(wanted.keys, loaded)
        documents, further = view.page(COLLECTION, span)
    return [document["_id"] for document in documents], further


async def test_every_value_gets_its_whole_first_page_whoever_else_has_more() -> None:
    counts = {"a": 5, "b": PAGES_ROWS_MAX + 2 * PAGE, "c": PAGE, "d": 1, "e": 0}
    counts |= {f"f{n:02d}": PAGE - 30 for n in range(15)}
    loader, loaded = await stored(counts), Loaded()
    spans = {entity: Span("entity", entity) for entity in counts}
    await loader.read([(COLLECTION, span) for span in spans.values()], loaded)
    for entity, span in spans.items():
        ids, further = await page(loader, loaded, span)
        expected = [row(entity, n)["_id"] for n in range(min(counts[entity], PAGE))]
        assert ids == expected
        assert further == (expected[-1] if counts[entity] >= PAGE else "")


async def test_pages_follow_each_other_to_the_end() -> None:
    loader, loaded, ids, after = await stored({"a": 2 * PAGE + 7}), Loaded(), list[str](), ""
    for _ in range(3):
        more, after = await page(loader, loaded, Span("entity", "a", after))
        ids += more
    assert (ids, after) == ([row("a", n)["_id"] for n in range(2 * PAGE + 7)], "")


WRITES: Final = st.lists(
    st.tuples(st.integers(0, 250), st.sampled_from(["put", "drop", "move"])), max_size=12
)


@settings(deadline=None)
@given(count=st.integers(0, 230), writes=WRITES)
async def test_a_page_is_as_the_batch_has_left_it(
    count: int, writes: list[tuple[int, str]]
) -> None:
    """What is put is there, what is dropped or belongs to another is not, in the order of ids."""
    loader, loaded = await stored({"a": count}), Loaded()
    span = Span("entity", "a")
    await loader.read([(COLLECTION, span)], loaded)
    view, rows = View(loaded.documents), {n: row("a", n) for n in range(count)}
    for number, what in writes:
        was = rows.pop(number, None)
        if what == "put":
            rows[number] = row("a", number, 2)
            view.apply([Put(COLLECTION, rows[number], was)])
        elif was is not None and what == "drop":
            view.apply([Drop(COLLECTION, was)])
        elif was is not None:
            view.apply([Put(COLLECTION, {**was, "entity": "b"}, was)])
    documents, further = view.page(COLLECTION, span)
    upto = row("a", PAGE - 1)["_id"] if count >= PAGE else ""
    expected = [rows[n] for n in sorted(rows) if not upto or rows[n]["_id"] <= upto]
    assert list(documents) == expected
    assert further == upto
