"""The account reconciler: brings a user's accounts at the broker to what the register says."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import structlog
from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError

from contracts.accounts import AccountChanged, AccountEnded
from contracts.confirmation import UserRejected
from contracts.envelope import Envelope
from contracts.users import (
    ENDED_STATUSES,
    UserLeft,
    UserRegistered,
    UserReinstated,
    UserRetired,
    UserSuspended,
)
from handlers.accounts import COLLECTION, accounts_of
from handlers.decision import Document, View
from handlers.entry import OUT
from handlers.leaving import LEAVING
from topology import names
from topology.apply import NO_LOGIN, apply_account
from topology.drift import is_own
from topology.management import Management, ManagementUnavailableError
from topology.plan import AccountLimits, Plan, user_plan
from workers.loading import Loaded, Loader
from workers.pause import Pause
from workers.store.protocol import Unavailable

log = structlog.get_logger()
CLOSING_S: Final = 6.0
"""For how long connections are closed that the broker had not listed at first."""
CLOSING_POLL_S: Final = 0.5
Fact = (
    UserRegistered
    | UserSuspended
    | UserReinstated
    | UserRejected
    | UserRetired
    | AccountChanged
    | AccountEnded
    | UserLeft
)


@dataclass(frozen=True, slots=True)
class Desired:
    """What the register says of a user's accounts."""

    user: str
    keys: Mapping[str, str]
    """The salted hash by account; empty where nobody is to be let in."""
    gone: frozenset[str]
    """Accounts that there must not be any more."""
    status: str
    leaving: frozenset[str] = frozenset()
    """Accounts that stay as they are: of who has retired itself and reads the answer."""

    @property
    def is_gone(self) -> bool:
        """Whether nothing of the user is to be left at the broker."""
        return self.status in ENDED_STATUSES and not self.leaving and not self.keys

    @classmethod
    def of(
        cls, user: str, named: str | None, known: Document | None, rows: list[Document]
    ) -> "Desired":
        """Read the documents; `named` is an account that an event spoke of."""
        status = known["status"] if known is not None else "unknown"
        active = {row["_id"]: row for row in rows if row["state"] == "active"}
        # An alias reads what waits in its queues, and is refused whatever it sends.
        is_out = status in OUT and "merged_into" not in (known or {})
        if is_out and status in ENDED_STATUSES:
            active = {}
        keys = {
            # A hash whose data key was destroyed is not there any more.
            name: NO_LOGIN if is_out else row["key_hash"].value or NO_LOGIN
            for name, row in active.items()
        }
        leaving = frozenset(row["_id"] for row in rows if row["state"] == LEAVING)
        gone = {row["_id"] for row in rows} | ({named} if named is not None else set())
        return cls(user, keys, frozenset(gone - keys.keys() - leaving), status, leaving)

    def without(self, former: "Desired") -> "Desired":
        """Take away also what was made, or was to be taken away, a round before."""
        gone = self.gone | former.gone | former.keys.keys()
        return replace(self, gone=frozenset(gone - self.keys.keys() - self.leaving))

    def plan(self, limits: AccountLimits) -> Plan:
        """What is to be at the broker."""
        return user_plan(self.user, {name: bool(key) for name, key in self.keys.items()}, limits)

    @property
    def shut_out(self) -> frozenset[str]:
        """Accounts whose connections have to be closed."""
        return self.gone | {name for name, key in self.keys.items() if not key}


@dataclass(frozen=True, slots=True)
class AccountWorker:
    """Takes domain events; the desired accounts are documents, the broker is made to agree."""

    loader: Loader
    management: Management
    backoff_max_s: float
    limits: AccountLimits = field(default_factory=AccountLimits)
    closing_s: float = CLOSING_S

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Bring the accounts of one user to what is wanted, however long an outage lasts."""
        try:
            event = Envelope[Fact].model_validate_json(message.body).data
        except ValidationError:
            log.exception("account.unreadable")
            await message.reject(requeue=False)
            return
        is_needed = not isinstance(event, UserRegistered) or event.account
        account = event.account if isinstance(event, AccountChanged | AccountEnded) else None
        pause = Pause(self.backoff_max_s)
        while is_needed and not message.channel.is_closed:
            try:
                await self.reconcile(event.id, account)
            except (Unavailable, ManagementUnavailableError) as error:
                log.warning("account.paused", user=event.id, error=str(error))
                await pause.wait()
            except Exception:  # the one failure path of an account: it is dead-lettered
                log.exception("account.failed", user=event.id)
                await message.reject(requeue=False)
                return
            else:
                break
        if not message.channel.is_closed:
            await message.ack()

    async def reconcile(self, user: str, named: str | None = None) -> None:
        """Bring the broker to what the register says of a user; repeating it is harmless.

        It is read again afterwards: of two processes that work for one user at the same time, the
        one with the older documents might have been the last to write. What was made by them and is
        not wanted any more is taken away, though no row names it any more.
        """
        wanted = await self._desired(user, named)
        while True:
            await self._make(wanted)
            now = (await self._desired(user, named)).without(wanted)
            if now == wanted:
                break
            wanted = now
        log.info(
            "account.made", user=user, status=wanted.status,
            accounts=len(wanted.keys), gone=len(wanted.gone), leaving=len(wanted.leaving),
        )  # fmt: skip

    async def _desired(self, user: str, named: str | None) -> Desired:
        loaded, span = Loaded(), accounts_of(user)
        await self.loader.read([("users", user), (COLLECTION, span)], loaded)
        view = View(loaded.documents)
        rows, _ = view.page(COLLECTION, span)
        return Desired.of(user, named, view.get("users", user), list(rows))

    async def _make(self, wanted: Desired) -> None:
        plan = wanted.plan(self.limits)
        if wanted.keys:
            await self._make_queues(wanted.user, plan)
        for account in plan.accounts:
            await apply_account(account, self.management, wanted.keys[account.name])
        for name in sorted(wanted.gone):
            await self.management.drop_user(name)
        if wanted.shut_out:
            await self._close(wanted.shut_out)
            await self._take_bindings(wanted.user)
        if wanted.is_gone:
            for queue in plan.queues:
                await self.management.drop_queue(queue.name)

    async def _make_queues(self, user: str, plan: Plan) -> None:
        """A user's queues; its events are bound to everything unless it has bound them itself."""
        for queue in plan.queues:
            body = {"durable": True, "arguments": queue.arguments}
            await self.management.put("queues", queue.name, body)
        events = names.events_queue(user)
        bound = await self.management.bindings_of(events)
        if not any(row["source"] == names.EVENTS for row in bound):
            for binding in plan.bindings:
                await self.management.bind(binding.exchange, binding.queue, binding.key)

    async def _close(self, accounts: frozenset[str]) -> None:
        """Close what is open, and what was on its way in and is listed late."""
        until = time.monotonic() + self.closing_s
        while True:
            for name in sorted(accounts):
                closed = await self.management.disconnect(name, "this account is not let in")
                if closed:
                    log.info("account.disconnected", account=name, connections=closed)
            if time.monotonic() >= until:
                break
            await asyncio.sleep(CLOSING_POLL_S)

    async def _take_bindings(self, user: str) -> None:
        """Take away what a user has bound and may not, or not any more."""
        for queue in (names.events_queue(user), names.replies_queue(user)):
            for row in await self.management.bindings_of(queue):
                own = queue == names.events_queue(user) and is_own(
                    user, row["source"], row["routing_key"], row["arguments"]
                )
                # Others than of the events are nothing that a user could have made.
                if row["source"] == names.EVENTS and not own:
                    await self.management.unbind(row)
        for target in (names.COMMANDS, names.BULK):
            for row in await self.management.bindings_between(names.EVENTS, target):
                if row["routing_key"].startswith(f"{user}."):
                    await self.management.unbind(row)
