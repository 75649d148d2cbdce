"""The only place where an exchange, a queue or an account is spelt."""

import re
from typing import Final

from contracts import taxonomy
from contracts.messages import register_of

COMMANDS: Final = "flex.commands"
"""Topic exchange to which every platform publishes, with the message's type as key."""
BULK: Final = "flex.bulk"
"""Topic exchange for the commands of bulk loads: to the same mailboxes, by second queues."""
EVENTS: Final = "flex.events"
"""Topic exchange of personal events and replies, key `<recipient>.<type>`."""
DOMAIN: Final = "flex.domain"
"""Topic exchange of domain events, for the backbone's own workers and its operators."""
DEAD: Final = "flex.dead"
"""Direct exchange to which the broker dead-letters."""
UNROUTED: Final = "flex.unrouted"
"""Fanout exchange for commands that no binding takes: the alternate of flex.commands."""
REPLAY: Final = "flex.replay"
"""Topic exchange of requests that are replayed, to the second queues of their mailboxes."""
REPLAY_FACTS: Final = "flex.replay.facts"
"""Fanout exchange of the backbone's own facts that are replayed."""
DEFAULT_EXCHANGE: Final = ""
"""The broker's own exchange: key = queue."""

DEFAULT_RESOURCE: Final = "amq.default"
"""What permissions call the default exchange."""

UNROUTED_QUEUE: Final = "unrouted"
RELAY_LANES: Final = "relay."
"""How the leases of the outbox's partitions begin."""
REPLAY_QUEUE: Final = "replay"
"""Dead letters that are to be sent again, and the name of the hop's lease."""
LOST_QUEUE: Final = "dead.personal"
"""What users' own queues have dropped, and the name of the lane that counts it."""
ACCOUNTS_QUEUE: Final = "worker.accounts"
"""Domain events from which the account reconciler works."""

TOPOLOGY_ACCOUNT: Final = "flex-topology"
OPERATOR: Final = taxonomy.OPERATOR
FRONT_DESK: Final = taxonomy.FRONT_DESK
RECONCILER_ACCOUNT: Final = "flex-accounts"
DIRECTORY_ACCOUNT: Final = "flex-directory"
"""Passes commands on to the shards in their senders' names."""
REPLAY_ACCOUNT: Final = "flex-replay"
"""Sends dead letters again in their senders' names."""
WORKER_ACCOUNT: Final = "flex-worker"
RELAY_ACCOUNT: Final = taxonomy.BACKBONE


_MAILBOX: Final = "mailbox."
SHARDS_PATTERN: Final = r"^flex\.shard\."
"""Exchanges of the directory of shards."""
DIRECTORY_PATTERN: Final = r"^directory\."
"""Queues of the directory of shards."""
KEPT_PATTERN: Final = rf"^(dead\..*|{UNROUTED_QUEUE}|{REPLAY_QUEUE})$"
"""Queues from which nothing may be dropped and nothing is dead-lettered any further."""
PERSONAL_PATTERN: Final = r"\.(events|replies)$"
"""Queues of users."""
USERS_PATTERN: Final = r"^USR-[0-9A-Z-]+\.(events|replies)$"
"""Queues of registered users, which the reconciler makes."""
RECONCILED_PATTERN: Final = r"^(flex\.commands|flex\.bulk|USR-[0-9A-Z-]+\.(events|replies))$"
"""What the reconciler unbinds: queues of registered users, and where they may publish."""
WORK_PATTERN: Final = rf"^((mailbox|query|dead)\..*|{UNROUTED_QUEUE})$"
"""Queues that workers consume."""


def served_pattern(register_name: str) -> str:
    """Mailboxes of all shards, and the query queue, of one register."""
    return rf"^(mailbox|query)\.{register_name}(\.|$)"


def directory_pattern(register_name: str) -> str:
    """The queues of a register's directory of shards."""
    return rf"^{re.escape(directory(register_name))}(\.|$)"


def register(prefix: str) -> str:
    """The register's name from a type's prefix: `asset` -> `assets`."""
    return register_of(prefix)


def mailbox(register_name: str, shard: int = 0) -> str:
    """The queue of one register shard, and the name of its lane."""
    return f"mailbox.{register_name}.{shard}"


def shard_of(queue: str) -> int:
    """Which shard of its register a mailbox is."""
    return int(queue.split(".")[2])


def first_shard(queue: str) -> str:
    """The first mailbox of a mailbox's register: it stands for all of them in the catalog."""
    return mailbox(queue.split(".")[1]) if queue.startswith(_MAILBOX) else queue


def directory(register_name: str) -> str:
    """The queue of a register's directory of shards, and the name of its lease."""
    return f"directory.{register_name}"


def shard_exchange(queue: str) -> str:
    """By which exchange the directory reaches a mailbox, and nobody else does."""
    return f"flex.shard.{queue}"


NOTICES: Final = mailbox("notices")
"""The mailbox whose lane also takes every domain event, and counts what each user is told."""


def bulk_mailbox(queue: str) -> str:
    """The second queue of a mailbox, for bulk loads; the owner drains both."""
    return f"{queue}.bulk"


def bulk_account(user: str) -> str:
    """The account with which a user publishes bulk loads; its commands reach no other queue."""
    return f"{user}/bulk"


def query_queue(register_name: str) -> str:
    """The queue of a register's queries and checks."""
    return f"query.{register_name}"


def dead_queue(register_name: str) -> str:
    """The queue of what the broker dead-letters from a register, and its collector's lane."""
    return f"dead.{register_name}"


def events_queue(user: str) -> str:
    """A user's own queue of events; bound to `<user>.#` unless the user binds it otherwise."""
    return f"{user}.events"


def replies_queue(user: str) -> str:
    """A user's own queue of replies, for `reply_to`."""
    return f"{user}.replies"


def domain_queue(operator: str) -> str:
    """The queue in which operators find domain events; the oldest are dropped when it is full."""
    return f"{operator}.domain"


TOLD_KEYS: Final = "*.*.*"
"""Keys of the domain events of which somebody may have to be told: `<register>.<verb>.v<major>`."""


def domain_key(message_type: str, *, is_private: bool) -> str:
    """Routing key of a domain event: its type; with one word more where nobody is to be told.

    So the lane of the notices never sees what would make it do nothing.
    """
    return f"{message_type}.private" if is_private else message_type


def personal_key(user: str, message_type: str) -> str:
    """Routing key of what concerns one user: `USR-….asset.updated.v1`."""
    return f"{user}.{message_type}"


def relay_lane(partition: int) -> str:
    """The lease under which one relay sends a partition of the outbox."""
    return f"{RELAY_LANES}{partition:02d}"
