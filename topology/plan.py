"""What the broker must hold, as frozen values: exchanges, queues, bindings, policies, accounts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from contracts.accounts import AccountChanged, AccountEnded
from contracts.confirmation import UserRejected
from contracts.messages import Event
from contracts.users import UserLeft, UserRegistered, UserReinstated, UserRetired, UserSuspended
from topology import names
from topology.catalog import Entry, registers

MAILBOX_LENGTH_MAX: Final = 1_000_000
PERSONAL_LENGTH_MAX: Final = 1_000_000
DOMAIN_LENGTH_MAX: Final = 100_000
DELIVERY_LIMIT: Final = 20
"""A backstop against crash loops only: the count also rises for prefetched neighbours."""
RECONCILED: Final[tuple[type[Event], ...]] = (
    UserRegistered, UserSuspended, UserReinstated, UserRejected, UserRetired, AccountChanged,
    AccountEnded, UserLeft,
)  # fmt: skip
"""Domain events after which the accounts of a user at the broker are looked at."""
CONNECTIONS_MAX: Final = 20
CHANNELS_MAX: Final = 200
"""Of one account of a user, unless a setting says otherwise."""
ATTEMPTS_UNLIMITED: Final = 1_000_000_000
NOTHING: Final = "^$"
ANY_TYPE: Final = r"^[a-z]{1,40}(\.[a-z-]{1,40}){1,4}\.v[0-9]{1,4}\z"
"""Keys that a user may publish to flex.commands; whether the role may is the worker's to say.

Short ones: the broker's matching of a key against bindings grows with the words of both.
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange, durable."""

    name: str
    type: Literal["topic", "direct", "fanout"]


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue; everything but its type and its single consumer is a policy."""

    name: str
    single_active_consumer: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the declaration."""
        sac = {"x-single-active-consumer": True} if self.single_active_consumer else {}
        return {"x-queue-type": "quorum", **sac}


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of an exchange with this key go to this queue."""

    exchange: str
    queue: str
    key: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits that can be changed while the system runs."""

    name: str
    pattern: str
    apply_to: Literal["queues", "exchanges"]
    definition: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A broker account and what it may do; regular expressions on resource names."""

    name: str
    write: str = NOTHING
    read: str = NOTHING
    configure: str = NOTHING
    tags: tuple[str, ...] = ()
    topics: tuple[tuple[str, str, str], ...] = ()
    """(exchange, write key, read key)."""
    limits: tuple[tuple[str, int], ...] = ()
    """How many `max-connections` and `max-channels` it may have open; none is no limit."""


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """How much of the broker one account of a user may hold open."""

    connections_max: int = CONNECTIONS_MAX
    channels_max: int = CHANNELS_MAX

    def of(self, *, is_let_in: bool) -> tuple[tuple[str, int], ...]:
        """In the broker's words; whoever is not let in may have no connection, whatever its key."""
        connections = self.connections_max if is_let_in else 0
        return (("max-channels", self.channels_max), ("max-connections", connections))


FRONT_DESK_LIMITS: Final = AccountLimits(connections_max=1000, channels_max=4000)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that `topology apply` makes."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    policies: tuple[Policy, ...]
    accounts: tuple[Account, ...] = field(default=())
    retired: tuple[Binding, ...] = ()
    """Bindings of another arrangement, which are taken away."""


def build(entries: Mapping[str, Entry]) -> Plan:
    """Derive the broker's side from the catalog."""
    found = registers(entries)
    operator = user_plan(names.OPERATOR, limits=None)
    queues = [Queue(e.queue, single_active_consumer=e.kind == "command") for e in entries.values()]
    mailboxes = sorted({e.queue for e in entries.values() if e.kind == "command"})
    queues += [Queue(names.bulk_mailbox(m), single_active_consumer=True) for m in mailboxes]
    dead = (*map(names.dead_queue, found), names.LOST_QUEUE)
    queues += [Queue(n, single_active_consumer=True) for n in (*dead, names.UNROUTED_QUEUE)]
    domain = Queue(names.domain_queue(names.OPERATOR))
    queues += [Queue(names.ACCOUNTS_QUEUE), *operator.queues, domain]
    bindings = [Binding(names.COMMANDS, e.queue, e.name) for e in entries.values()]
    bindings += [
        Binding(names.BULK, names.bulk_mailbox(e.queue) if e.kind == "command" else e.queue, e.name)
        for e in entries.values()
    ]
    bindings += [Binding(names.DEAD, name, name) for name in dead]
    bindings += [
        Binding(names.UNROUTED, names.UNROUTED_QUEUE, ""),
        *(Binding(names.DOMAIN, names.ACCOUNTS_QUEUE, e.message_type) for e in RECONCILED),
        Binding(names.DOMAIN, domain.name, "#"),
        *(
            Binding(names.DOMAIN, names.NOTICES, names.TOLD_KEYS)
            for m in mailboxes
            if m == names.NOTICES
        ),
        *operator.bindings,
    ]
    return Plan(
        exchanges=(
            *(Exchange(n, "topic") for n in (names.COMMANDS, names.BULK, names.EVENTS)),
            Exchange(names.DOMAIN, "topic"),
            Exchange(names.DEAD, "direct"),
            Exchange(names.UNROUTED, "fanout"),
        ),
        queues=tuple(dict.fromkeys(queues)),
        bindings=tuple(bindings),
        policies=tuple(_policies(found)),
        accounts=(*_internal_accounts(), *operator.accounts, _front_desk(entries), _topology()),
    )


def _policies(found: tuple[str, ...]) -> Iterator[Policy]:
    yield Policy(
        "unrouted",
        f"^({'|'.join(map(re.escape, (names.COMMANDS, names.BULK, names.REPLAY)))})$",
        "exchanges",
        (("alternate-exchange", names.UNROUTED),),
    )
    for register in found:
        yield dead_lettering(
            f"mailbox-{register}", names.served_pattern(register), register, DELIVERY_LIMIT
        )
    yield dead_lettering(
        "accounts",
        f"^{re.escape(names.ACCOUNTS_QUEUE)}$",
        names.register("user"),
        ATTEMPTS_UNLIMITED,
    )
    yield _limited("kept", names.KEPT_PATTERN, MAILBOX_LENGTH_MAX, "reject-publish")
    # A full one must not refuse what is published to everybody else; what it drops is counted.
    personal = _limited("personal", names.PERSONAL_PATTERN, PERSONAL_LENGTH_MAX, "drop-head")
    lost = (("dead-letter-exchange", names.DEAD), ("dead-letter-routing-key", names.LOST_QUEUE))
    yield replace(personal, definition=(*personal.definition, *lost))
    domain = f"^{re.escape(names.domain_queue(names.OPERATOR))}$"
    yield _limited("domain", domain, DOMAIN_LENGTH_MAX, "drop-head")


def dead_lettering(name: str, pattern: str, register: str, attempts: int) -> Policy:
    """Nothing is lost: at-least-once needs all three of strategy, overflow and an exchange."""
    return Policy(
        name,
        pattern,
        "queues",
        (
            ("delivery-limit", attempts),
            ("dead-letter-exchange", names.DEAD),
            ("dead-letter-routing-key", names.dead_queue(register)),
            ("dead-letter-strategy", "at-least-once"),
            ("overflow", "reject-publish"),
            ("max-length", MAILBOX_LENGTH_MAX),
        ),
    )


def _limited(name: str, pattern: str, length_max: int, overflow: str) -> Policy:
    """A queue without dead letters: a delivery limit would drop what failed, so there is none.

    RabbitMQ 4 sets one of 20 where nobody has said anything.
    """
    limits = (("max-length", length_max), ("overflow", overflow))
    return Policy(name, pattern, "queues", (("delivery-limit", ATTEMPTS_UNLIMITED), *limits))


def _internal_accounts() -> Iterator[Account]:
    yield Account(
        names.RECONCILER_ACCOUNT,
        # Two exchanges, to take away what a user has bound to them; it may publish to neither.
        write=names.RECONCILED_PATTERN,
        read=rf"^({re.escape(names.EVENTS)}|{re.escape(names.ACCOUNTS_QUEUE)})$",
        configure=names.USERS_PATTERN,
        tags=("administrator",),
        topics=tuple((exchange, NOTHING, NOTHING) for exchange in (names.COMMANDS, names.BULK)),
    )
    yield Account(names.WORKER_ACCOUNT, read=names.WORK_PATTERN)
    exchanges = "|".join(map(re.escape, (names.EVENTS, names.DOMAIN, names.DEFAULT_RESOURCE)))
    yield Account(names.RELAY_ACCOUNT, write=f"^({exchanges})$")


def _topology() -> Account:
    """Comes last: it may be the one that applies, under a password that is not its own yet."""
    return Account(names.TOPOLOGY_ACCOUNT, ".*", ".*", ".*", ("administrator",))


def _front_desk(entries: Mapping[str, Entry]) -> Account:
    """May register and read what that takes; answered by direct reply-to, which is its own."""
    types = (re.escape(e.name) for e in entries.values() if names.FRONT_DESK in e.senders)
    keys = rf"^({'|'.join(types)})\z"
    return Account(
        names.FRONT_DESK,
        write=f"^{re.escape(names.COMMANDS)}$",
        topics=((names.COMMANDS, keys, NOTHING),),
        limits=FRONT_DESK_LIMITS.of(is_let_in=True),
    )


def own_keys(user: str) -> str:
    """Keys to which a user may bind its queue: its own, and at most one `#`, at the end.

    Forty of them in one key, against a long routing key, took the broker down.
    """
    return rf"^{re.escape(user)}(?=\.)(\.[a-z0-9*-]{{1,40}}){{0,8}}(\.#)?\z"


def user_plan(
    user: str,
    accounts: Mapping[str, bool] | None = None,
    limits: AccountLimits | None = AccountLimits(),
) -> Plan:
    """What a user of the register has at the broker: two queues, and no right to make more.

    `accounts` are its accounts by name, and whether each is let in; absent, the two that a
    registration makes. Binding a queue needs write on it and read on the exchange; the topic
    permission on flex.events lets it bind nothing but its own keys.
    """
    events, replies = names.events_queue(user), names.replies_queue(user)
    if accounts is None:
        accounts = {user: True, names.bulk_account(user): True}
    return Plan(
        exchanges=(),
        queues=(Queue(events), Queue(replies)),
        bindings=(Binding(names.EVENTS, events, names.personal_key(user, "#")),),
        policies=(),
        accounts=tuple(
            _user_account(user, name, limits.of(is_let_in=let_in) if limits else ())
            for name, let_in in accounts.items()
        ),
    )


def _user_account(user: str, name: str, limits: tuple[tuple[str, int], ...]) -> Account:
    """One account of a user; the exchange that it may write to is what fixes its lane."""
    exchange = names.BULK if name == names.bulk_account(user) else names.COMMANDS
    events = names.events_queue(user)
    own = f"{re.escape(events)}|{re.escape(names.replies_queue(user))}"
    domain = f"|{re.escape(names.domain_queue(user))}" if user == names.OPERATOR else ""
    return Account(
        name,
        write=f"^({re.escape(exchange)}|{re.escape(events)})$",
        read=f"^({re.escape(names.EVENTS)}|{own}{domain})$",
        topics=((exchange, ANY_TYPE, NOTHING), (names.EVENTS, NOTHING, own_keys(user))),
        limits=limits,
    )
