"""What the engine and the lanes expect of a store: its keys, one commit, leases, errors."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from handlers.spans import Around, Tally
from outbox.record import OutboxUnavailable


class InboxKey(NamedTuple):
    """A command as its sender named it; stored as the sub-document `{"user": …, "id": …}`."""

    user: str
    id: str


Key = str | InboxKey


class StoreError(Exception):
    """A commit or a look-up that did not happen, with what the caller does about it."""


class Conflict(StoreError):
    """Another commit was first: load and fold again."""


class Fenced(StoreError):
    """The lane has another owner, or this commit is not the next one: acquire the lane again."""


class Unavailable(StoreError, OutboxUnavailable):
    """An outage; a commit may or may not have happened: pause, then acquire the lane again."""


class Refused(StoreError):
    """The server refuses what the commit holds: bisect, the fault is in one message."""


@dataclass(frozen=True, slots=True)
class Replace:
    """The new bytes of a document whose stored revision is still `revision`.

    `None` accepts any, as for rows without one, but the document must exist.
    """

    id: Key
    revision: int | None
    document: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """A document to delete; it must exist, and be at `revision` unless that is `None`.

    A drop without revision still expects the document, so that a token is spent only once.
    """

    id: Key
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A document that decided something and is not written: it must not change meanwhile.

    `None` accepts any revision, as for rows without one. Do not guard what the commit writes.
    """

    id: Key
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction of one lane, by collection; `batch` is its number, the previous + 1."""

    lane: str
    epoch: int
    batch: int
    inserts: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    replaces: Mapping[str, Sequence[Replace]] = field(default_factory=dict)
    drops: Mapping[str, Sequence[Drop]] = field(default_factory=dict)
    guards: Mapping[str, Sequence[Guard]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it would move the fence and nothing else."""
        return not any((self.inserts, self.replaces, self.drops, self.guards))

    def collections(self) -> tuple[str, ...]:
        """Every collection that the commit touches, once, in the order of the fields."""
        return tuple(dict.fromkeys((*self.inserts, *self.replaces, *self.guards, *self.drops)))


@dataclass(frozen=True, slots=True)
class Lease:
    """The ownership of a lane; `batch` is the number of the lane's last commit."""

    lane: str
    owner: str
    epoch: int
    batch: int


class ReadStore(Protocol):
    """Documents, as they are stored at the moment of the question."""

    async def load(
        self, keys: Mapping[str, Collection[Key]]
    ) -> Mapping[str, Mapping[Key, Mapping[str, Any]]]:
        """Find documents by collection and key, all at once; absent ones are left out."""
        ...

    async def listed(self, collection: str, prefix: str) -> Sequence[str]:
        """Ids that begin with `prefix`, in their order: the rows that belong to one lane."""
        ...

    async def holding(
        self, collection: str, field: str, values: Collection[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Find documents whose indexed `field` holds one of the values, by value and then by id.

        At most `limit`, and only those whose id is behind `after`.
        """
        ...

    async def holding_all(
        self, collection: str, field: str, values: Sequence[str], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Find documents whose indexed list `field` holds every one of the values, by id.

        At most `limit`, and only those whose id is behind `after`; every document where no value
        is given. They come without that list, which may be long. It looks along those that hold one
        of the first two values: name first what few hold.
        """
        ...

    async def around(self, collection: str, around: Around) -> Sequence[Mapping[str, Any]]:
        """Find documents by the distance of their indexed point on the sphere, in metres.

        Of those whose list `held` holds `value`, within the radius: the nearest first, those of one
        band by id, and only what is behind the place that `around` names. Each has `distance_m` and
        comes without that list.
        """
        ...

    async def tallied(self, collection: str, tally: Tally) -> Sequence[Mapping[str, Any]]:
        """Count the documents whose indexed list holds some values, by fields; see `Tally`.

        Those of which there are most first, and at most as many rows as it says.
        """
        ...


class StateStore(ReadStore, Protocol):
    """Documents, read by key and changed by commit."""

    async def commit(self, commit: Commit) -> None:
        """Do all of it or nothing; raise Conflict, Fenced, Unavailable or Refused."""
        ...


class LaneStore(Protocol):
    """Leases and fences of the lanes, by the store's own clock."""

    async def acquire(self, lane: str, owner: str, ttl_s: float) -> Lease | None:
        """Take the lane under a new epoch; `None` while another owner's lease is live."""
        ...

    async def renew(self, lease: Lease, ttl_s: float) -> bool:
        """Prolong the lease; false when the lane has a new epoch or was released."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give the lane up at once; the fence keeps its epoch and batch."""
        ...

    async def begin(self, lane: str, epoch: int, batch: int) -> None:
        """Make a lane that nobody has, behind what another store has counted for it."""
        ...

    async def attend(self, owner: str, ttl_s: float) -> int:
        """Be present for so long, and say how many owners are."""
        ...

    async def leave(self, owner: str) -> None:
        """Be present no longer."""
        ...


def fence_missed(commit: Commit) -> str:
    """Say that the lane is not where the commit thinks it is."""
    return (
        f"Expected lane {commit.lane} at epoch {commit.epoch} and batch {commit.batch - 1}, "
        f"found it elsewhere: another owner took it, or this batch is already committed. "
        f"Acquire the lane again and fold what is still un-acked."
    )


def missed(collection: str) -> str:
    """Say that a document is not at the revision that the batch was folded on."""
    return (
        f"Expected every {collection} document at the revision that was loaded, found one "
        f"changed or gone: load and fold again."
    )


def duplicate(collection: str) -> str:
    """Say that a new document has the `_id` of one that exists."""
    return (
        f"Expected new `_id`s in {collection}, found one that exists: load it (a claim and a "
        f"new id are reads too) and fold again."
    )
