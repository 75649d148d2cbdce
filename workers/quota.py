"""The quota of ordinary accounts: who sends more than that uses the account for bulk loads."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from contracts.messages import Request
from contracts.taxonomy import FRONT_DESK
from handlers.admission import Arrival, Delivery, Limits, Refusal, admit
from handlers.entry import over_quota
from topology import names

BACKLOG_MAX: Final = timedelta(hours=1)
"""How far back a command may be counted: what piled up in an outage of so long is no fault."""
ACCOUNTS_MAX: Final = 10_000
"""How many accounts are remembered; who sent nothing for longest is forgotten first."""

Minutes = OrderedDict[datetime, int]


@dataclass(slots=True)
class Quota:
    """Counts an account's commands, or queries, by the minute of their making, for an hour.

    By their own time, so that what piled up during an outage is nobody's fault; who lies about it
    gets an hour's quota at once and no more. A new owner of the mailbox begins at zero.
    """

    per_minute: int
    clock: Callable[[], datetime]
    is_bulk_free: bool = True
    """Whether bulk accounts have none: of queries they have one too."""
    _accounts: OrderedDict[str, Minutes] = field(default_factory=OrderedDict)

    def admit(
        self, delivery: Delivery, contracts: Mapping[str, type[Request]], limits: Limits
    ) -> Arrival | Refusal:
        """Say what a delivery is; one over the quota is an arrival that will be rejected."""
        arrival = admit(delivery, contracts, limits)
        user = delivery.user
        bulk = names.bulk_account(user or "") if self.is_bulk_free else None
        # The front desk is everybody's: a quota would let one visitor shut it for all.
        if user in {None, FRONT_DESK} or delivery.account == bulk or self._is_within(arrival):
            return arrival
        if isinstance(arrival, Refusal):
            return replace(arrival, dead=False)
        return replace(arrival, findings=(over_quota(self.per_minute, bulk), *arrival.findings))

    def _is_within(self, arrival: Arrival | Refusal) -> bool:
        delivery = arrival.delivery
        if delivery.ticket is not None or delivery.redelivered:
            return True
        minutes = self._accounts.setdefault(str(delivery.user), OrderedDict())
        self._accounts.move_to_end(str(delivery.user))
        if len(self._accounts) > ACCOUNTS_MAX:
            self._accounts.popitem(last=False)
        now = self.clock()
        for minute in [minute for minute in minutes if minute < now - 2 * BACKLOG_MAX]:
            del minutes[minute]
        minute = self._minute(arrival, now)
        minutes[minute] = minutes.get(minute, 0) + 1
        return minutes[minute] <= self.per_minute

    def _minute(self, arrival: Arrival | Refusal, now: datetime) -> datetime:
        """When it was made, as far as that can be believed; else now."""
        header = arrival.header if isinstance(arrival, Arrival) else None
        made = header.time if header is not None else now
        counted = made if now - BACKLOG_MAX <= made <= now else now
        return counted.replace(second=0, microsecond=0)
