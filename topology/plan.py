"""What the broker must hold, as frozen values: exchanges, queues, bindings, policies, accounts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from contracts.messages import check_type
from contracts.users import RegisterUser
from topology import names
from topology.catalog import Entry, registers

MAILBOX_LENGTH_MAX: Final = 1_000_000
PERSONAL_LENGTH_MAX: Final = 1_000_000
DOMAIN_LENGTH_MAX: Final = 100_000
DELIVERY_LIMIT: Final = 20
"""A backstop against crash loops only: the count also rises for prefetched neighbours."""
ATTEMPTS_UNLIMITED: Final = 1_000_000_000
NOTHING: Final = "^$"
ANY_TYPE: Final = r"^[a-z]+(\.[a-z-]+)+\.v[0-9]+$"
"""Keys that a user may publish to flex.commands; whether the role may is the worker's to say."""


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
    priority: int = 0


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


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that `topology apply` makes."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    policies: tuple[Policy, ...]
    accounts: tuple[Account, ...] = field(default=())


def build(entries: Mapping[str, Entry]) -> Plan:
    """Derive the broker's side from the catalog."""
    found = registers(entries)
    operator = user_plan(names.OPERATOR)
    queues = [Queue(e.queue, single_active_consumer=e.kind == "command") for e in entries.values()]
    queues += [Queue(names.dead_queue(register), single_active_consumer=True) for register in found]
    queues += [Queue(names.UNROUTED_QUEUE, single_active_consumer=True)]
    queues += [Queue(names.ACCOUNTS_QUEUE)]
    queues += [*operator.queues, Queue(names.domain_queue(names.OPERATOR))]
    bindings = [Binding(names.COMMANDS, e.queue, e.name) for e in entries.values()]
    bindings += [Binding(names.DEAD, names.dead_queue(r), names.dead_queue(r)) for r in found]
    bindings += [
        Binding(names.UNROUTED, names.UNROUTED_QUEUE, ""),
        Binding(names.DOMAIN, names.ACCOUNTS_QUEUE, "user.registered.v1"),
        Binding(names.DOMAIN, names.domain_queue(names.OPERATOR), "#"),
        *operator.bindings,
    ]
    return Plan(
        exchanges=(
            Exchange(names.COMMANDS, "topic"),
            Exchange(names.EVENTS, "topic"),
            Exchange(names.DOMAIN, "topic"),
            Exchange(names.DEAD, "direct"),
            Exchange(names.UNROUTED, "fanout"),
        ),
        queues=tuple(dict.fromkeys(queues)),
        bindings=tuple(bindings),
        policies=tuple(_policies(found)),
        accounts=(*_internal_accounts(), *operator.accounts, _front_desk(), _topology()),
    )


def _policies(found: tuple[str, ...]) -> Iterator[Policy]:
    yield Policy(
        "unrouted", f"^{re.escape(names.COMMANDS)}$", "exchanges",
        (("alternate-exchange", names.UNROUTED),),
    )  # fmt: skip
    for register in found:
        yield Policy(
            f"mailbox-{register}",
            rf"^(mailbox|query)\.{register}(\.|$)",
            "queues",
            (
                ("delivery-limit", DELIVERY_LIMIT),
                ("dead-letter-exchange", names.DEAD),
                ("dead-letter-routing-key", names.dead_queue(register)),
                # At-least-once dead-lettering needs all three of strategy, overflow and a DLX.
                ("dead-letter-strategy", "at-least-once"),
                ("overflow", "reject-publish"),
                ("max-length", MAILBOX_LENGTH_MAX),
            ),
        )
    yield Policy(
        "accounts",
        f"^{re.escape(names.ACCOUNTS_QUEUE)}$",
        "queues",
        (
            ("delivery-limit", ATTEMPTS_UNLIMITED),
            ("dead-letter-exchange", names.DEAD),
            ("dead-letter-routing-key", names.dead_queue(names.register("user"))),
            ("dead-letter-strategy", "at-least-once"),
            ("overflow", "reject-publish"),
            ("max-length", MAILBOX_LENGTH_MAX),
        ),
    )
    # Nothing here may be dropped, so each failed delivery is only another attempt: the limit that
    # RabbitMQ 4 would set by itself is put out of reach.
    yield Policy(
        "kept",
        rf"^(dead\..*|{re.escape(names.UNROUTED_QUEUE)})$",
        "queues",
        (
            ("delivery-limit", ATTEMPTS_UNLIMITED),
            ("max-length", MAILBOX_LENGTH_MAX),
            ("overflow", "reject-publish"),
        ),
    )
    # A full personal queue must not make the broker refuse the publish for everybody else.
    yield Policy(
        "personal", r"\.(events|replies)$", "queues",
        (("max-length", PERSONAL_LENGTH_MAX), ("overflow", "drop-head")),
    )  # fmt: skip
    yield Policy(
        "domain", rf"^{names.OPERATOR}\.domain$", "queues",
        (("max-length", DOMAIN_LENGTH_MAX), ("overflow", "drop-head")),
    )  # fmt: skip


def _internal_accounts() -> Iterator[Account]:
    personal = r"^USR-[0-9A-Z-]+\.(events|replies)$"
    yield Account(
        names.RECONCILER_ACCOUNT,
        write=personal,
        read=rf"^({re.escape(names.EVENTS)}|{re.escape(names.ACCOUNTS_QUEUE)})$",
        configure=personal,
        tags=("administrator",),
    )
    yield Account(
        names.WORKER_ACCOUNT,
        read=rf"^((mailbox|query|dead)\..*|{re.escape(names.UNROUTED_QUEUE)})$",
    )
    exchanges = "|".join(map(re.escape, (names.EVENTS, names.DOMAIN, "amq.default")))
    yield Account(names.RELAY_ACCOUNT, write=f"^({exchanges})$")


def _topology() -> Account:
    """Comes last: it may be the one that applies, under a password that is not its own yet."""
    return Account(names.TOPOLOGY_ACCOUNT, ".*", ".*", ".*", ("administrator",))


def _front_desk() -> Account:
    """May only register, and is answered by direct reply-to, which nobody else can read."""
    register = RegisterUser.message_type
    keys = f"^({re.escape(register)}|{re.escape(check_type(register))})$"
    return Account(
        names.FRONT_DESK,
        write=f"^{re.escape(names.COMMANDS)}$",
        topics=((names.COMMANDS, keys, NOTHING),),
    )


def user_plan(user: str) -> Plan:
    """What a user of the register has at the broker: two queues, and no right to make more.

    Binding a queue needs write on it and read on the exchange; the topic permission on flex.events
    lets it bind nothing but its own keys.
    """
    events, replies = names.events_queue(user), names.replies_queue(user)
    own = f"{re.escape(events)}|{re.escape(replies)}"
    domain = f"|{re.escape(names.domain_queue(user))}" if user == names.OPERATOR else ""
    account = Account(
        user,
        write=f"^({re.escape(names.COMMANDS)}|{re.escape(events)})$",
        read=f"^({re.escape(names.EVENTS)}|{own}{domain})$",
        topics=(
            (names.COMMANDS, ANY_TYPE, NOTHING),
            (names.EVENTS, NOTHING, rf"^{re.escape(user)}\."),
        ),
    )
    return Plan(
        exchanges=(),
        queues=(Queue(events), Queue(replies)),
        bindings=(Binding(names.EVENTS, events, names.personal_key(user, "#")),),
        policies=(),
        accounts=(account,),
    )
