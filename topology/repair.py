"""How drift is taken back: what is missing is made, and what lets somebody in is taken away."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.values import user_of
from topology.apply import apply_account
from topology.drift import OF_ACCOUNTS, USER, Drift, Holdings, Kind, Registered, Row, as_binding
from topology.management import Management
from topology.plan import NOTHING, Plan

OURS: Final = "flex."
ORDER: Final[tuple[Kind, ...]] = (
    "account", "topic permission", "limits", "exchange", "queue", "policy", "binding",
)  # fmt: skip
"""Nobody binds anew what is unbound later, and what is bound has to be there."""
LEFT: Final = "left as it is"


@dataclass(frozen=True, slots=True)
class Repaired:
    """One drift, and what was done about it."""

    drift: Drift
    done: str


@dataclass(slots=True)
class Repair:
    """Takes drift back, kind by kind; `reconcile` brings one user to what the register says."""

    plan: Plan
    found: Holdings
    registered: Registered
    management: Management
    key_hash: Callable[[str], str]
    reconcile: Callable[[str], Awaitable[None]]

    async def run(self, drifts: Sequence[Drift]) -> list[Repaired]:
        """Do it; raises ManagementError."""
        ordered = sorted(drifts, key=lambda drift: ORDER.index(drift.kind))
        users = {user for drift in drifts if (user := self._user_of(drift)) is not None}
        widened = [d for d in ordered if d.kind == "topic permission" and d.state == "surplus"]
        for account in sorted({_account_of(drift) for drift in widened} & self._planned_accounts()):
            # Without topic permissions it may use every key, so that it gets no rights meanwhile.
            await self.management.permit(account, NOTHING, NOTHING, NOTHING)
            await self.management.forget_topics(account)
        for user in sorted(users):
            await self.reconcile(user)
        return [Repaired(drift, await self._done(drift)) for drift in ordered]

    async def _done(self, drift: Drift) -> str:
        if drift.kind == "binding":
            return await self._binding(drift)
        if drift.kind in OF_ACCOUNTS:
            return await self._account(drift)
        if self._user_of(drift) is not None and drift.state == "missing":
            return "made"
        return await self._thing(drift)

    async def _binding(self, drift: Drift) -> str:
        if drift.state == "missing":
            shape = drift.expected
            await self.management.bind(shape["source"], shape["destination"], shape["key"])
            return "bound"
        for row in self.found.bindings:
            if as_binding(row)[0] == (drift.kind, drift.name) and self._is_ours(row):
                await self.management.unbind(row)
                return "unbound"
        return f"{LEFT}: between things that are not of the backbone"

    def _is_ours(self, row: Row) -> bool:
        """Whether messages of the backbone could go through a binding, or come to it."""
        target = row["destination"]
        queues = {queue.name for queue in self.plan.queues}
        ends_here = target in queues or USER.match(target) is not None
        return row["source"].startswith(OURS) or target.startswith(OURS) or ends_here

    async def _account(self, drift: Drift) -> str:
        name = _account_of(drift)
        planned = {account.name: account for account in self.plan.accounts}
        if name in planned:
            if drift.kind == "limits" and drift.state == "surplus":
                for limit in drift.got:
                    await self.management.unlimit(name, limit)
                return "limits taken away"
            await apply_account(planned[name], self.management, self.key_hash(name))
            return "rights set"
        if self._user_of(drift) is not None and name in self.registered[user_of(name)]:
            return "rights set"
        if USER.match(name) is None:
            return f"{LEFT}: name it by --known, or take its rights here"
        await self.management.drop_user(name)
        return "account deleted"

    async def _thing(self, drift: Drift) -> str:
        """An exchange, a queue or a policy."""
        if drift.state == "surplus":
            return f"{LEFT}: delete it if it is nobody's"
        if drift.kind == "policy":
            (policy,) = (one for one in self.plan.policies if one.name == drift.name)
            body: dict[str, Any] = {
                "pattern": policy.pattern,
                "apply-to": policy.apply_to,
                "definition": dict(policy.definition),
            }
            await self.management.put("policies", policy.name, body)
            return "set"
        if drift.state == "different":
            return f"{LEFT}: delete it when it is empty, and apply"
        if drift.kind == "queue":
            (queue,) = (one for one in self.plan.queues if one.name == drift.name)
            body = {"durable": True, "arguments": queue.arguments}
            await self.management.put("queues", queue.name, body)
        else:
            (exchange,) = (one for one in self.plan.exchanges if one.name == drift.name)
            body = {"type": exchange.type, "durable": True}
            await self.management.put("exchanges", exchange.name, body)
        return "made"

    def _planned_accounts(self) -> set[str]:
        mine = {account.name for account in self.plan.accounts}
        return mine.union(*(accounts.keys() for accounts in self.registered.values()))

    def _user_of(self, drift: Drift) -> str | None:
        """The registered user whom a drift is about, but for its bindings."""
        if drift.kind == "queue":
            user = user_of(drift.name).rpartition(".")[0]
        elif drift.kind in OF_ACCOUNTS:
            user = user_of(_account_of(drift))
        else:
            return None
        return user if user in self.registered else None


def _account_of(drift: Drift) -> str:
    return drift.name.partition(" ")[0]
