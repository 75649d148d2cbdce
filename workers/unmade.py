"""Whose queues are still to be made: what such a user is told waits in the outbox until then."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import structlog

from topology import names
from topology.management import Management, ManagementError
from workers.store.protocol import StateStore, Unavailable

log = structlog.get_logger()
ACCOUNTS_PAGE: Final = 1000
"""More accounts than the recipients of one look can have; beyond it one may seem to have none."""
MADE_MAX: Final = 10_000


@dataclass(slots=True)
class Unmade:
    """Asked only about users to whom the broker has just returned something.

    A user without an account has no queue, and one may have bound its queue to other keys: that is
    as it should be, and what is told then is kept for being told again.
    """

    store: StateStore
    management: Management
    _made: set[str] = field(default_factory=set)
    """Whose queues were seen; what is returned from then on is returned by their own choice."""

    async def among(self, users: Collection[str]) -> Collection[str]:
        """Those who have an account and no queue yet; all who are unknown where nobody can say.

        One whose queue is seen for the first time is among them once: it may have been made after
        the broker had returned what was for it.
        """
        unknown = sorted(set(users) - self._made)
        if not unknown:
            return ()
        try:
            rows = await self.store.holding("accounts", "user", unknown, ACCOUNTS_PAGE)
            awaited = {row["user"] for row in rows if row["state"] == "active"}
            for user in awaited:
                if await self._is_made(user):
                    self._remember(user)
        except (Unavailable, ManagementError) as error:
            log.warning("account.unasked", users=len(unknown), error=str(error))
            return unknown
        return awaited

    async def _is_made(self, user: str) -> bool:
        """Whether its queue is bound, or it could log in and has unbound it itself."""
        bound = await self.management.bindings_of(names.events_queue(user))
        if any(row["source"] == names.EVENTS for row in bound):
            return True
        return bool(bound) and await self.management.lets_in(user)

    def _remember(self, user: str) -> None:
        if len(self._made) >= MADE_MAX:
            self._made.clear()
        self._made.add(user)
