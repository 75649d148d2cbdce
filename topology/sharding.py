"""The plan where registers have shards: a mailbox for each, and a directory before them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from contracts.shards import ShardDraining, ShardMoving
from contracts.taxonomy import SHARDED
from topology import names, plan
from topology.catalog import Entry
from topology.plan import (
    ATTEMPTS_UNLIMITED,
    Account,
    Binding,
    Exchange,
    Plan,
    Policy,
    Queue,
    dead_lettering,
)
from topology.replaying import with_replay

PHASES: Final[Mapping[str, bool]] = {
    ShardMoving.message_type: True,
    ShardDraining.message_type: False,
}
"""What tells a directory that a phase of a move begins -> whether that is for bulk loads."""

_BULK: Final = frozenset({names.BULK, names.REPLAY})


def build(entries: Mapping[str, Entry], shards_max: int = 1) -> Plan:
    """Derive the broker's side from the catalog, with so many shards for whoever may have them.

    With one the directory is passed by: commands are bound to the only mailbox.
    """
    single = with_replay(plan.build(entries), entries)
    direct = tuple(b for b in single.bindings if _is_direct(b))
    by_directory = tuple(map(_by_directory, direct))
    registers = sorted({b.queue.split(".")[1] for b in direct})
    told = tuple(binding for register in registers for binding in _told(register))
    if shards_max == 1:
        return replace(single, retired=(*by_directory, *told))
    mailboxes = [names.mailbox(r, n) for r in registers for n in range(shards_max)]
    lines = [q for m in mailboxes for q in (m, names.bulk_mailbox(m))]
    fronts = [q for r in map(names.directory, registers) for q in (r, names.bulk_mailbox(r))]
    queues = [Queue(name, single_active_consumer=True) for name in (*lines, *fronts)]
    exchanges = [Exchange(names.shard_exchange(name), "fanout") for name in lines]
    moved = dict(zip(direct, by_directory, strict=True))
    return replace(
        single,
        exchanges=(*single.exchanges, *exchanges),
        queues=tuple(dict.fromkeys((*single.queues, *queues))),
        bindings=(
            *(moved.get(binding, binding) for binding in single.bindings),
            *(Binding(names.shard_exchange(name), name, "") for name in lines),
            *told,
        ),
        policies=(*single.policies, *_policies(registers)),
        accounts=(_account(), *single.accounts),
        retired=direct,
    )


def mailboxes_of(queue: str, shards_max: int) -> tuple[str, ...]:
    """The mailboxes of all shards of the register whose first one this is."""
    register = queue.split(".")[1]
    count = shards_max if register in SHARDED else 1
    return tuple(names.mailbox(register, number) for number in range(count))


def is_shard(queue: str, shards_max: int) -> bool:
    """Whether a queue is the mailbox of one shard of several."""
    parts = queue.split(".")
    return shards_max > 1 and parts[0] == "mailbox" and parts[1] in SHARDED


def _is_direct(binding: Binding) -> bool:
    """Whether commands come by it to the mailbox of a register that may have shards."""
    sharded = {q for r in SHARDED for q in (names.mailbox(r), names.bulk_mailbox(names.mailbox(r)))}
    return binding.exchange in {names.COMMANDS, *_BULK} and binding.queue in sharded


def _by_directory(binding: Binding) -> Binding:
    front = names.directory(binding.queue.split(".")[1])
    is_bulk = binding.exchange in _BULK
    return replace(binding, queue=names.bulk_mailbox(front) if is_bulk else front)


def _told(register: str) -> Iterator[Binding]:
    """A directory is told of a move in its place among the commands."""
    front = names.directory(register)
    for kind, is_bulk in PHASES.items():
        yield Binding(names.DOMAIN, names.bulk_mailbox(front) if is_bulk else front, kind)


def _policies(registers: list[str]) -> Iterator[Policy]:
    for register in registers:
        # Nothing is decided there: what is delivered ever again is a fault of ours, not its own.
        yield dead_lettering(
            f"directory-{register}",
            names.directory_pattern(register),
            register,
            ATTEMPTS_UNLIMITED,
        )
    # What the directory sends is not returned to it: nothing may get lost on the way.
    yield Policy(
        "shards", names.SHARDS_PATTERN, "exchanges", (("alternate-exchange", names.UNROUTED),)
    )


def _account() -> Account:
    """Republishes under the senders' names, which takes the tag; to the shards and nowhere else."""
    return Account(
        names.DIRECTORY_ACCOUNT,
        write=names.SHARDS_PATTERN,
        read=names.DIRECTORY_PATTERN,
        tags=("impersonator",),
    )
