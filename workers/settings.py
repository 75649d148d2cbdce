"""Every setting: one frozen model that documents itself; an unknown key stops the start."""

import os
import secrets
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.taxonomy import SHARDS_MAX
from topology.naming import SANDBOX
from workers import collecting
from workers.vault import sandbox_master

PREFIX: Final = "FLEXSPINE_"
MASTER_KEY_BYTES: Final = 32
TESTS_PREFIX: Final = "FLEXSPINE_TEST_"
OUTSIDE: Final = frozenset(
    {"FLEXSPINE_MONGOD", "FLEXSPINE_MONGOD_CACHE_GB", "FLEXSPINE_RABBITMQ", "FLEXSPINE_DATA"}
)
"""Variables of the embedded servers and of the tests, which are no settings of the program."""


class SettingsError(Exception):
    """The settings cannot be used; the text says which and what to do."""


class Settings(BaseSettings):
    """Settings from the environment, each under `FLEXSPINE_` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    sandbox: bool = False
    """Whether this is the sandbox: its own virtual host, database, accounts, keys and folder,
    whose names follow from those of the live backbone, which it cannot touch."""
    folder: Path = Path(".flexspine")
    """Where embedded servers keep their data, and the command line its keys and spools."""
    amqp_url: str | None = None
    """AMQP address of a broker that others operate, such as `amqp://host:5672/`; with
    administrator's credentials only for `topology apply`. Absent: an embedded one is started."""
    management_url: str | None = None
    """Address of that broker's management API, such as `http://host:15672`."""
    mongo_url: str | None = None
    """MongoDB address with `replicaSet`. Absent: an embedded one is started."""
    mongo_database: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")] = "flexspine"
    """Name of the database."""
    mongo_driver: Annotated[str, Field(pattern="^(motor|pymongo)$")] = "pymongo"
    """Which driver the store uses; both pass the same conformance suite."""
    master_key: SecretStr | None = None
    """64 hexadecimal digits; other keys are derived from it or wrapped by it. Absent: made once and
    kept in the folder. Who loses it loses all that is encrypted."""
    batch_size_max: Annotated[int, Field(ge=1, le=1000)] = 200
    """Commands in one transaction."""
    batch_bytes_max: Annotated[int, Field(ge=1024, le=6_000_000)] = 2_000_000
    """Bytes of commands in one transaction; MongoDB takes documents of 16 MiB."""
    linger_ms: Annotated[int, Field(ge=0, le=1000)] = 4
    """How long an incomplete batch waits for more."""
    prefetch_max: Annotated[int, Field(ge=2, le=5000)] = 600
    """Unacknowledged messages per mailbox; at least two batches, better three."""
    query_concurrency_max: Annotated[int, Field(ge=1, le=1000)] = 64
    """Queries answered at the same time per register."""
    body_bytes_max: Annotated[int, Field(ge=1024, le=4_000_000)] = 256 * 1024
    """Size of one message."""
    header_bytes_max: Annotated[int, Field(ge=256, le=100_000)] = 8 * 1024
    """Size of one message's headers."""
    quota_per_minute: Annotated[int, Field(ge=1, le=100_000_000)] = 6000
    """Commands of one ordinary account that are made within one minute; bulk accounts have no
    quota."""
    queries_per_minute: Annotated[int, Field(ge=1, le=100_000_000)] = 60_000
    """Queries and checks of one user's accounts that are made within one minute."""
    connections_max: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Connections that one account of a user may have open."""
    channels_max: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Channels that one account of a user may have open, on all of its connections together."""
    shards_max: Annotated[int, Field(ge=1, le=SHARDS_MAX)] = 1
    """Into how many shards a register may be divided: so many mailboxes it has at the broker. With
    more than one its commands come by the directory of shards. `topology apply` after a change."""
    directory_prefetch_max: Annotated[int, Field(ge=100, le=50_000)] = 2000
    """Unacknowledged messages per line of a directory of shards. While cells move, their commands
    are held back within these; when all are held, the others of the register wait too."""
    replay_per_second: Annotated[int, Field(ge=1, le=10_000)] = 140
    """Dead letters that are sent again in one second at most. A fifth of what one lane decides:
    719 commands a second by `flexspine bench`; measure yours and set a fifth of that."""
    dead_edit: Annotated[str, Field(pattern="^(off|on|approved)$")] = "off"
    """Whether operators may send another message in the place of a dead letter's: not at all, or
    each alone, or with the approval of a second one."""
    lease_s: Annotated[float, Field(ge=1, le=300)] = 15
    """Within how long the mailboxes of a worker that is gone are owned by another."""
    relay_batch_max: Annotated[int, Field(ge=1, le=5000)] = 400
    """Records that wait for the broker's confirm at the same time."""
    relay_poll_ms: Annotated[int, Field(ge=1, le=60_000)] = 50
    """How often the outbox is looked at when nobody has announced anything."""
    events_days: Annotated[int, Field(ge=1, le=3660)] = 90
    """How many days a user's events are kept for being told again."""
    timer_poll_ms: Annotated[int, Field(ge=10, le=60_000)] = 500
    """How often it is looked whose time has come."""
    publish_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10
    """How long the broker may take to confirm a message."""
    database_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10
    """How long MongoDB may take to answer, a whole commit included."""
    backoff_max_s: Annotated[float, Field(gt=0, le=300)] = 10
    """Longest pause between two attempts during an outage."""
    stop_timeout_s: Annotated[float, Field(gt=0, le=300)] = 20
    """How long a stop waits for the batches that are being decided."""

    watchdog_s: Annotated[float, Field(ge=1, le=3600)] = 60
    """How long a mailbox may hold messages without a commit or an error, although MongoDB
    answers, and the event loop may not turn, before the process ends itself."""

    http_host: str = "127.0.0.1"
    """On which address health and metrics are answered, where they are."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of `/live`, `/ready` and `/metrics` over HTTP; 0: none, and nothing is counted."""
    alarms_s: Annotated[float, Field(ge=0, le=3600)] = 60
    """How often it is looked whether there is an alarm, which operators are told as an event; 0:
    never."""
    spans_file: Path | None = None
    """File to which spans of traced commands are appended, a line of JSON each. Absent: none."""
    spans_url: str | None = None
    """Address of a collector to which spans of traced commands are sent over OTLP/HTTP, with its
    path, such as `http://collector:4318/v1/traces`; a user and password in it are its login.
    Absent: none."""

    @field_validator("master_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                size = len(bytes.fromhex(value.get_secret_value()))
            except ValueError:
                size = 0
            if size != MASTER_KEY_BYTES:
                raise ValueError("expected 64 hexadecimal digits; make some: openssl rand -hex 32")
        return value

    @field_validator("spans_url")
    @classmethod
    def _is_a_collectors(cls, value: str | None) -> str | None:
        if value is not None and not collecting.is_whole(value):
            shown = collecting.shown(value)
            raise ValueError(
                f"expected an address such as http://collector:4318/v1/traces, got {shown!r}; "
                "give all of the one at which the collector takes traces over "
                "OTLP/HTTP, and write /, #, ? and @ in its login or behind it as %2F, %23, %3F, %40"
            )
        return value

    @classmethod
    def read(cls, **given: Any) -> Self:
        """Read the environment; raise SettingsError for what is unknown or cannot be."""
        known = {PREFIX + name.upper() for name in cls.model_fields}
        unknown = [
            name
            for name in os.environ
            if name.startswith(PREFIX)
            and not name.startswith(TESTS_PREFIX)
            and name not in known | OUTSIDE
        ]
        if unknown:
            raise SettingsError(
                f"expected settings out of {', '.join(sorted(known))}; got {', '.join(unknown)}. "
                "Correct the name or unset it."
            )
        try:
            settings = cls(**given)
        except ValidationError as error:
            lines = [
                f"{PREFIX}{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}"
                for e in error.errors(include_input=False, include_url=False)
            ]
            raise SettingsError("\n".join(lines)) from None
        settings._agree()
        return settings

    def _agree(self) -> None:
        if self.prefetch_max < 2 * self.batch_size_max:
            raise SettingsError(
                f"expected FLEXSPINE_PREFETCH_MAX of at least twice FLEXSPINE_BATCH_SIZE_MAX, got "
                f"{self.prefetch_max} and {self.batch_size_max}; otherwise every batch waits."
            )
        if self.spans_url and (faults := collecting.faults(os.environ)):
            raise SettingsError(".\n".join(faults) + ".")
        slowest = self.database_timeout_s + 2 + self.backoff_max_s
        if self.watchdog_s <= slowest:
            raise SettingsError(
                f"expected FLEXSPINE_WATCHDOG_S above {slowest:g}, which one attempt at a slow "
                f"database and its pause may take, got {self.watchdog_s:g}."
            )
        if self.amqp_url and self.master_key is None:
            raise SettingsError(
                "expected FLEXSPINE_MASTER_KEY together with the addresses of others' servers, got "
                "none: every machine needs the same one. Make it once: openssl rand -hex 32."
            )
        given = [self.amqp_url, self.management_url, self.mongo_url]
        if any(given) and not all(given):
            raise SettingsError(
                "expected FLEXSPINE_AMQP_URL, FLEXSPINE_MANAGEMENT_URL and FLEXSPINE_MONGO_URL "
                "together, or none of them for embedded servers; got only some."
            )

    @property
    def home(self) -> Path:
        """The folder; the sandbox has one of its own in it."""
        return self.folder / SANDBOX if self.sandbox else self.folder

    @property
    def database(self) -> str:
        """Name of the database; the sandbox never has the live one's."""
        return f"{self.mongo_database}-{SANDBOX}" if self.sandbox else self.mongo_database

    @property
    def master(self) -> bytes:
        """The master key; the sandbox has another, from which the live one cannot be found."""
        return sandbox_master(self._master) if self.sandbox else self._master

    @property
    def _master(self) -> bytes:
        """The setting, or the folder's own, made at the first use."""
        if self.master_key is not None:
            return bytes.fromhex(self.master_key.get_secret_value())
        path = self.home / "master.key"
        try:
            return bytes.fromhex(path.read_text().strip())
        except FileNotFoundError:
            pass
        self.home.mkdir(parents=True, exist_ok=True)
        fresh = secrets.token_bytes(MASTER_KEY_BYTES)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(fresh.hex() + "\n")
        return fresh
