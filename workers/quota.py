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

OVER_QUOTA: Final = "x-over-quota"
"""Mark of the directory of shards on what is over the quota, of which no shard sees the whole."""

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
        header = arrival.header if isinstance(arrival, Arrival) else None
        if self.allows(delivery, header.time if header is not None else None):
            return arrival
        return self._over(arrival)

    def admit_counted(
        self, delivery: Delivery, contracts: Mapping[str, type[Request]], limits: Limits
    ) -> Arrival | Refusal:
        """The same where the directory of shards has counted, and marked what is over the quota."""
        arrival = admit(delivery, contracts, limits)
        return self._over(arrival) if OVER_QUOTA in (delivery.headers or {}) else arrival

    def _over(self, arrival: Arrival | Refusal) -> Arrival | Refusal:
        if isinstance(arrival, Refusal):
            return replace(arrival, dead=False)
        bulk = names.bulk_account(arrival.user) if self.is_bulk_free else None
        return replace(arrival, findings=(over_quota(self.per_minute, bulk), *arrival.findings))

    def allows(self, delivery: Delivery, made: datetime | None) -> bool:
        """Count a delivery that says when it was made; say whether it is within the quota."""
        user = delivery.user
        bulk = names.bulk_account(user or "") if self.is_bulk_free else None
        # The front desk is everybody's: a quota would let one visitor shut it for all.
        if user in {None, FRONT_DESK} or delivery.account == bulk:
            return True
        if delivery.ticket is not None or delivery.redelivered:
            return True
        minutes = self._accounts.setdefault(str(delivery.user), OrderedDict())
        self._accounts.move_to_end(str(delivery.user))
        if len(self._accounts) > ACCOUNTS_MAX:
            self._accounts.popitem(last=False)
        now = self.clock()
        for minute in [minute for minute in minutes if minute < now - 2 * BACKLOG_MAX]:
            del minutes[minute]
        minute = _minute(made or now, now)
        minutes[minute] = minutes.get(minute, 0) + 1
        return minutes[minute] <= self.per_minute


def moment_of(text: str) -> datetime | None:
    """When a message says that it was made, where that is a moment."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _minute(made: datetime, now: datetime) -> datetime:
    """When it was made, as far as that can be believed; else now."""
    counted = made if now - BACKLOG_MAX <= made <= now else now
    return counted.replace(second=0, microsecond=0)
