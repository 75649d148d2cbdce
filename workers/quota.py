"""The quota of ordinary accounts: who sends more than that uses the account for bulk loads."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from contracts.messages import Request
from handlers.admission import Arrival, Delivery, Limits, Refusal, admit
from handlers.entry import over_quota
from topology import names

COUNTED_MAX: Final = 2048
"""How many minutes of accounts are remembered; the oldest are forgotten first."""


@dataclass(slots=True)
class Quota:
    """Counts an account's commands by the minute in which they say that they were made.

    By their own time and not by ours, so that what piled up during an outage is nobody's fault.
    A message that is delivered again is the same one. A new owner of the mailbox begins at zero.
    """

    per_minute: int
    _counted: OrderedDict[tuple[str, str], set[str]] = field(default_factory=OrderedDict)

    def admit(
        self, delivery: Delivery, contracts: Mapping[str, type[Request]], limits: Limits
    ) -> Arrival | Refusal:
        """Say what a delivery is; one over the quota is an arrival that will be rejected."""
        arrival = admit(delivery, contracts, limits)
        if isinstance(arrival, Refusal) or delivery.ticket is not None or self._counts(arrival):
            return arrival
        finding = over_quota(self.per_minute, names.bulk_account(arrival.user))
        return replace(arrival, findings=(finding, *arrival.findings))

    def _counts(self, arrival: Arrival) -> bool:
        account = arrival.delivery.account or ""
        if account == names.bulk_account(arrival.user) or arrival.header is None:
            return True
        minute = (account, f"{arrival.header.time:%Y-%m-%dT%H:%M}")
        ids = self._counted.setdefault(minute, set())
        if len(self._counted) > COUNTED_MAX:
            self._counted.popitem(last=False)
        if arrival.id in ids:
            return True
        if len(ids) >= self.per_minute:
            return False
        ids.add(arrival.id)
        return True
