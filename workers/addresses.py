"""Where the servers of a backbone are."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

HEARTBEAT: Final = "heartbeat=10"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers are; accounts are added by who uses them, so that no log shows one."""

    amqp_url: str
    management_url: str
    mongo_url: str

    def __post_init__(self) -> None:
        """Drop a login: the setting may hold an administrator's, for `topology apply` alone."""
        parts = urlsplit(self.amqp_url)
        host = parts.netloc.rpartition("@")[2]
        object.__setattr__(self, "amqp_url", parts._replace(netloc=host).geturl())

    def amqp_as(self, account: str, password: str) -> str:
        """The AMQP address with an account in it, and our heartbeat."""
        parts = urlsplit(self.amqp_url)
        login = f"{quote(account, safe='')}:{quote(password, safe='')}"
        return parts._replace(netloc=f"{login}@{parts.netloc}", query=HEARTBEAT).geturl()
