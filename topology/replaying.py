"""The broker's side of replays: a queue of what is to be sent again, and the way from there."""

import re
from collections.abc import Mapping
from dataclasses import replace

from topology import names
from topology.catalog import Entry
from topology.plan import Account, Binding, Exchange, Plan, Queue


def with_replay(plan: Plan, entries: Mapping[str, Entry]) -> Plan:
    """A plan with the hop; what it sends comes by the second queues, so that it delays nobody."""
    commands = {e.name: e.queue for e in entries.values() if e.kind == "command"}
    bindings = [
        Binding(names.REPLAY, names.bulk_mailbox(queue), name) for name, queue in commands.items()
    ]
    if names.NOTICES in commands.values():
        bindings.append(Binding(names.REPLAY_FACTS, names.NOTICES, ""))
    return replace(
        plan,
        exchanges=(
            *plan.exchanges,
            Exchange(names.REPLAY, "topic"),
            Exchange(names.REPLAY_FACTS, "fanout"),
        ),
        queues=(*plan.queues, Queue(names.REPLAY_QUEUE, single_active_consumer=True)),
        bindings=(*plan.bindings, *bindings),
        accounts=(_account(), *plan.accounts),
    )


def _account() -> Account:
    """Republishes under the senders' names, which takes the tag; what was dead, nowhere else.

    What no queue is bound for it sends to where such commands end.
    """
    ways = "|".join(map(re.escape, (names.REPLAY, names.REPLAY_FACTS, names.UNROUTED)))
    return Account(
        names.REPLAY_ACCOUNT,
        write=f"^({ways})$",
        read=f"^{names.REPLAY_QUEUE}$",
        tags=("impersonator",),
    )
