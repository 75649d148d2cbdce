"""Where the servers of a backbone are."""

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlsplit

from topology.management import Address, vhost_of
from topology.naming import LIVE, SANDBOX, Naming

HEARTBEAT: Final = "heartbeat=10"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers are; accounts are added by who uses them, so that no log shows one."""

    amqp_url: str
    management_url: str
    mongo_url: str
    naming: Naming = LIVE
    """What accounts are called there."""

    def __post_init__(self) -> None:
        """Drop a login: the setting may hold an administrator's, for `topology apply` alone."""
        parts = urlsplit(self.amqp_url)
        host = parts.netloc.rpartition("@")[2]
        object.__setattr__(self, "amqp_url", parts._replace(netloc=host).geturl())

    @property
    def urls(self) -> dict[str, str]:
        """The addresses by the names of their settings."""
        named = ("amqp_url", "management_url", "mongo_url")
        return {name: getattr(self, name) for name in named}

    def sandboxed(self) -> "Addresses":
        """The sandbox on the same servers: a virtual host and accounts of its own."""
        vhost = vhost_of(self.amqp_url)
        own = SANDBOX if vhost == "/" else f"{vhost}-{SANDBOX}"
        url = urlsplit(self.amqp_url)._replace(path=f"/{quote(own, safe='')}").geturl()
        return replace(self, amqp_url=url, naming=Naming(is_sandbox=True))

    def management_as(self, name: str, password: str) -> Address:
        """The management API, asked in the name of one of the broker's accounts."""
        return Address.of(self.management_url, self.amqp_url, name, password, self.naming)

    def amqp_as(self, account: str, password: str) -> str:
        """The AMQP address with an account of this backbone in it, and our heartbeat."""
        parts = urlsplit(self.amqp_url)
        login = f"{quote(self.naming.at_broker(account), safe='')}:{quote(password, safe='')}"
        return parts._replace(netloc=f"{login}@{parts.netloc}", query=HEARTBEAT).geturl()
