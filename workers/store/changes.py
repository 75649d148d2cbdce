"""What one commit does to one collection: a bulk of writes, each with its predicate."""

from collections.abc import Iterator
from typing import Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from workers.store.codec import stored_key
from workers.store.protocol import Commit, Conflict, Key, missed

# A guard is a write, because only writers conflict; loading takes the field off again.
GUARD: Final = "_guard"

Operation = InsertOne[RawBSONDocument] | ReplaceOne[RawBSONDocument] | UpdateOne | DeleteOne


async def change(
    collection: AsyncCollection[RawBSONDocument], commit: Commit, session: AsyncClientSession
) -> None:
    """Write what a commit says of one collection; raise Conflict for a predicate that missed."""
    operations = list(_operations(commit, collection.name))
    if not operations:
        return
    result = await collection.bulk_write(operations, session=session)
    matched = len(commit.replaces.get(collection.name, ())) + len(
        commit.guards.get(collection.name, ())
    )
    dropped = len(commit.drops.get(collection.name, ()))
    # A predicate that matches nothing is no error to the server.
    if (result.matched_count, result.deleted_count) != (matched, dropped):
        raise Conflict(missed(collection.name))


def _operations(commit: Commit, name: str) -> Iterator[Operation]:
    for document in commit.inserts.get(name, ()):
        yield InsertOne(RawBSONDocument(document))
    for replace in commit.replaces.get(name, ()):
        yield ReplaceOne(_at(replace.id, replace.revision), RawBSONDocument(replace.document))
    # The value is new in every commit: an update that changes nothing conflicts with nobody.
    mark = {"$set": {GUARD: f"{commit.lane}/{commit.epoch}/{commit.batch}"}}
    for guard in commit.guards.get(name, ()):
        yield UpdateOne(_at(guard.id, guard.revision), mark)
    for drop in commit.drops.get(name, ()):
        yield DeleteOne(_at(drop.id, drop.revision))


def _at(key: Key, revision: int | None) -> dict[str, Any]:
    predicate: dict[str, Any] = {"_id": stored_key(key)}
    if revision is not None:
        predicate["revision"] = revision
    return predicate
