"""The registers made again from the command archive, and each decision looked at once more."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from handlers.admission import Arrival, Delivery, Limits, admit
from handlers.case import Outcome, Rulebook
from handlers.parking import Waiting
from topology.catalog import contracts_of
from workers.archive import COLLECTION, Archive, Batch
from workers.backbone import MASTER_CHECK
from workers.deciding import Grounds, decide
from workers.differences import Report
from workers.loading import Loaded, Loader
from workers.played import Played, differing, entry_is_bare, memory, played
from workers.rows import Rows
from workers.store.codec import encode_row
from workers.store.indexes import INDEXES
from workers.store.protocol import (
    Commit,
    Drop,
    InboxKey,
    Key,
    LaneStore,
    Lease,
    Replace,
    StateStore,
)
from workers.vault import Vault

LANE: Final = "rebuild"
LEASE_S: Final = 300.0
KEYS_PAGE: Final = 500
NOTHING: Final[Mapping[str, Any]] = {"revision": None}


class NotEmpty(Exception):
    """The database to rebuild into holds something; the text says what to do."""


class RebuildStore(StateStore, LaneStore, Protocol):
    """What a rebuild needs of the store that it fills."""


@dataclass(slots=True)
class Rebuild:
    """Fills an empty store from the archive of another; `rulebook` says what a lane decides by."""

    source: StateStore
    target: RebuildStore
    vault: Vault
    rulebook: Callable[[str], Rulebook]
    owner: str
    limits: Limits = field(default_factory=Limits)
    report: Report = field(default_factory=Report)
    _lease: Lease = field(init=False)
    _rulebooks: dict[str, Rulebook] = field(default_factory=dict)
    _lost: set[tuple[str, Any]] = field(default_factory=set)
    """What was written and cannot be read any more."""
    _check: bytes | None = None

    async def run(self, progress: Callable[[int], None] = lambda _done: None) -> Report:
        """Apply every batch of the archive; raises NotEmpty before anything is written."""
        await self._begin()
        await self._copy_keys()
        archive = Archive(self.source)
        async for batch, fits in archive.batches(self._fits):
            if not fits:
                for named, said in await self._unfit(batch):
                    self.report.differ(batch.place, "revision", named, said)
            await self._apply(batch)
            self.report.batches += 1
            progress(self.report.batches)
            if self.report.batches % KEYS_PAGE == 0:
                await self.target.renew(self._lease, LEASE_S)
        for lane, batch in archive.last.items():
            await self.target.begin(lane, batch.epoch, batch.number)
        if self._check is not None:
            await self._commit(inserts={"keys": [self._check]})
        await self.target.release(self._lease)
        return self.report

    async def _begin(self) -> None:
        for name in INDEXES:
            if await self.target.listed(name, ""):
                raise NotEmpty(
                    f"expected an empty database to rebuild into, got one with documents in "
                    f"`{name}`. Name another one, or drop that one if it is nobody's."
                )
        lease = await self.target.acquire(LANE, self.owner, LEASE_S)
        if lease is None:
            raise NotEmpty("expected to be alone, got a database that is being rebuilt into.")
        self._lease = lease

    async def _copy_keys(self) -> None:
        """Data keys first: destroyed ones are known as such from the first command on.

        But for what a start looks for: nothing starts on registers that are made in part.
        """
        subjects = await self.source.listed("keys", "")
        for start in range(0, len(subjects), KEYS_PAGE):
            page = subjects[start : start + KEYS_PAGE]
            rows = dict((await self.source.load({"keys": page}))["keys"])
            if (check := rows.pop(MASTER_CHECK, None)) is not None:
                self._check = encode_row(check)
            if rows:
                await self._commit(inserts={"keys": list(map(encode_row, rows.values()))})

    async def _commit(self, **changes: Mapping[str, Any]) -> None:
        lease = self._lease
        commit = Commit(lease.lane, lease.epoch, lease.batch + 1, **changes)
        await self.target.commit(commit)
        self._lease = replace(lease, batch=commit.batch)

    async def _unfit(self, batch: Batch) -> list[tuple[tuple[str, Any], str]]:
        """What is not at the revision that a batch found it at, and at which it is.

        Of what an erasure has taken nobody can say at which revision it would be.
        """
        asked: dict[str, set[Key]] = {}
        for collection, key in (expected := batch.expected()):
            asked.setdefault(collection, set()).add(key)
        there = await self.target.load(asked)
        now = {(name, key): (there[name].get(key) or NOTHING)["revision"] for name, key in expected}
        return [
            (named, f"found revision {now[named]}, expected {revision}")
            for named, revision in expected.items()
            if now[named] != revision and named not in self._lost
        ]

    async def _fits(self, batch: Batch) -> bool:
        return not await self._unfit(batch)

    async def _apply(self, batch: Batch) -> None:
        """All entries in one go if they can be decided so, else each by itself."""
        entries = batch.entries()
        are_commands = all(entry["kind"] in {"accepted", "rejected"} for entry in entries)
        if not (are_commands and await self._part(batch, entries)):
            for entry in entries:
                await self._part(batch, [entry])
        await self._commit(inserts={COLLECTION: [encode_row(batch.row)]})

    async def _part(self, batch: Batch, entries: Sequence[Mapping[str, Any]]) -> bool:
        """Apply entries, after deciding them again; False where each is to be looked at alone."""
        loaded = Loaded()
        await self._load_keys(entries, loaded)
        plays = [played(entry, batch, loaded) for entry in entries]
        for play in plays:
            play.came = self._arrival(batch, play)
        arrivals = [(p.index, p.came) for p in plays if p.came and not p.is_unrepeated]
        outcomes: dict[int, tuple[Outcome, Rows]] = {}
        if arrivals:
            folded, _ = await decide(arrivals, {}, self._grounds(batch), loaded)
            if len(entries) > 1 and (folded.missing or loaded.destroyed):
                return False
            outcomes = {outcome.index: (outcome, rows) for outcome, rows in folded.outcomes}
        elif len(entries) > 1 and any(p.is_partial for p in plays):
            return False
        for play in plays:
            self._lost |= play.lost
            self._judge(batch, play, outcomes.get(play.index), loaded)
        await self._write(batch, plays, outcomes, loaded)
        return True

    async def _load_keys(self, entries: Iterable[Mapping[str, Any]], loaded: Loaded) -> None:
        subjects = {
            box.key
            for entry in entries
            for box in (entry.get("body"), *(w.get("box") for w in entry.get("writes", ())))
            if box is not None
        }
        await Loader(self.target, self.vault).read([("keys", s) for s in subjects], loaded)

    def _rules(self, lane: str) -> Rulebook:
        if lane not in self._rulebooks:
            self._rulebooks[lane] = self.rulebook(lane)
        return self._rulebooks[lane]

    def _grounds(self, batch: Batch) -> Grounds:
        loader = Loader(self.target, self.vault)
        return Grounds(self._rules(batch.lane), loader, Waiting(), batch.place, batch.at)

    def _arrival(self, batch: Batch, play: Played) -> Arrival | None:
        """The command as it came; None where it cannot be read."""
        if play.body is None:
            return None
        contracts = contracts_of(self._rules(batch.lane).handlers)
        delivery = Delivery(play.body, play.entry["type"], play.entry["user"])
        found = admit(delivery, contracts, self.limits)
        return found if isinstance(found, Arrival) else None

    def _judge(
        self, batch: Batch, play: Played, decided: tuple[Outcome, Rows] | None, loaded: Loaded
    ) -> None:
        """Compare what is decided now with what was written then."""
        place, report = f"{batch.place}/{play.index:05d}", self.report
        command = play.entry["type"], InboxKey(play.entry["user"], play.entry["id"])
        for named in play.unreadable:
            gone = "the key is not there" if named[0] == "keys" else "does not open"
            report.differ(place, "unreadable", named, gone)
        if entry_is_bare(play.entry):
            report.differ(place, "decision", command, "without its bytes")
        if play.kind != "accepted":
            report.entries["fact" if play.kind != "rejected" else "rejected"] += 1
            return
        if play.unreadable or entry_is_bare(play.entry):
            report.entries["different"] += 1
            return
        if play.body is None or loaded.destroyed:
            report.entries["erased"] += 1
            return
        unlike = differing(play, decided, loaded)
        plain = "unrepeated" if play.is_unrepeated else "verified"
        report.entries["different" if unlike else plain] += 1
        for what, named, said in unlike:
            report.differ(place, what, named, said)

    async def _write(
        self,
        batch: Batch,
        plays: Sequence[Played],
        outcomes: Mapping[int, tuple[Outcome, Rows]],
        loaded: Loaded,
    ) -> None:
        """What was written then, with what follows from it, whatever was decided now."""
        last: dict[tuple[str, Key], bytes | None] = {}
        for play in plays:
            last |= play.writes
            last |= play.history(batch.at, loaded)
            outcome, rows = outcomes.get(play.index, (None, None))
            if rows is not None and outcome is not None and outcome.kind == "accepted":
                follows = (w for w in rows.writes if w.collection in {"inbox", "object_chunks"})
                last |= {(w.collection, w.key): w.document for w in follows}
            elif play.kind in {"accepted", "handled"}:
                name = InboxKey(play.entry["user"], play.entry["id"])
                last["inbox", name] = encode_row(memory(play, batch))
        self.report.writes += len(last)
        await self._lay(last)

    async def _lay(self, last: Mapping[tuple[str, Key], bytes | None]) -> None:
        asked: dict[str, set[Key]] = {}
        for collection, key in last:
            asked.setdefault(collection, set()).add(key)
        there = await self.target.load(asked)
        inserts: dict[str, list[bytes]] = {}
        replaces: dict[str, list[Replace]] = {}
        drops: dict[str, list[Drop]] = {}
        for (collection, key), document in last.items():
            if key in there[collection]:
                if document is None:
                    drops.setdefault(collection, []).append(Drop(key))
                else:
                    replaces.setdefault(collection, []).append(Replace(key, None, document))
            elif document is not None:
                inserts.setdefault(collection, []).append(document)
        if inserts or replaces or drops:
            await self._commit(inserts=inserts, replaces=replaces, drops=drops)
