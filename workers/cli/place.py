"""Where the backbone is and by which key a user logs in, from the settings and the folder."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from topology import names
from workers.addresses import Addresses
from workers.cli.client import LoginFailed
from workers.cli.keyring import AccountKeys
from workers.embedded.ports import LOOPBACK, of_folder
from workers.settings import Settings
from workers.store.driver import Driver
from workers.store.inspection import Inspection
from workers.vault import Vault

SERVERS: Final = "servers"
"""Folder of the embedded servers, inside that of the settings."""
USERS_SHOWN_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A backbone that this machine can talk to."""

    settings: Settings
    addresses: Addresses
    vault: Vault
    keys: AccountKeys

    @classmethod
    def of(cls, settings: Settings) -> "Place":
        """Servers of others if the settings name them, else the embedded ones."""
        keys = AccountKeys(settings.home)
        return cls(settings, _addresses(settings), Vault(settings.master), keys)

    def url(self, user: str) -> str:
        """The broker's address with the user's account in it; LoginFailed where no key is kept."""
        derived = user in {names.OPERATOR, names.FRONT_DESK}
        password = self.vault.password(user) if derived else self.keys.password(user)
        if password is None:
            keyring = self.settings.home.absolute() / "keyring.json"
            raise LoginFailed(
                f"expected a key of {user} in {keyring}, got none. "
                f"There are keys of {self._named_keys()}. "
                "Register the user with `account_key_hash` of `$key`, or send where it was done."
            )
        return self.addresses.amqp_as(user, password)

    def register(self) -> dict[str, str]:
        """Which register this is, by its places and without a login."""
        mongo, amqp = urlsplit(self.addresses.mongo_url), urlsplit(self.addresses.amqp_url)
        hosts = sorted(mongo.netloc.rpartition("@")[2].split(","))
        broker = f"{amqp.netloc.rpartition('@')[2]}{amqp.path.rstrip('/')}"
        return {
            "database": self.settings.database,
            "database hosts": ",".join(hosts),
            "broker": broker,
        }

    def _named_keys(self) -> str:
        """Whose keys there are; of many only some."""
        known = [names.OPERATOR, names.FRONT_DESK, *self.keys.users()]
        more = len(known) - USERS_SHOWN_MAX
        shown = ", ".join(known[:USERS_SHOWN_MAX])
        return f"{shown} and {more} more" if more > 0 else shown

    def inspection(self) -> Inspection:
        """A look at the database, not opened yet."""
        settings = self.settings
        through = Driver(settings.mongo_driver)
        return Inspection(self.addresses.mongo_url, settings.database, through)


def _addresses(settings: Settings) -> Addresses:
    found = _named(settings)
    return found.sandboxed() if settings.sandbox else found


def _named(settings: Settings) -> Addresses:
    if settings.amqp_url and settings.management_url and settings.mongo_url:
        return Addresses(settings.amqp_url, settings.management_url, settings.mongo_url)
    folder = settings.home / SERVERS
    if not (folder / "ports.json").exists():
        raise LoginFailed(
            f"expected embedded servers in {folder.absolute()} or the addresses of others, got "
            "neither. Start `flexspine up`; or go where it was started, or name its folder in "
            "FLEXSPINE_FOLDER; or set FLEXSPINE_AMQP_URL and its like."
        )
    ports = of_folder(folder)
    return Addresses(
        f"amqp://{LOOPBACK}:{ports.amqp}/",
        f"http://{LOOPBACK}:{ports.management}",
        f"mongodb://{LOOPBACK}:{ports.mongo}/",
    )
