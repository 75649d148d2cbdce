"""What the accounts of a backbone are called at a broker that serves its sandbox as well."""

from dataclasses import dataclass
from typing import Final

SANDBOX: Final = "sandbox"
PREFIX: Final = f"{SANDBOX}."
"""With this begin the accounts of a sandbox and no others: accounts are the whole broker's, while
permissions are a virtual host's."""
OUTSIDE: Final = "outside:"
"""Before the name of an account that is not of this backbone, where both kinds are listed."""
VHOST_TAG: Final = "flexspine-sandbox"
"""The mark of a sandbox's virtual host."""


@dataclass(frozen=True, slots=True)
class Naming:
    """From an account of the register to the broker's name of it, and back."""

    is_sandbox: bool = False

    def at_broker(self, account: str) -> str:
        """What the broker calls an account."""
        return f"{PREFIX}{account}" if self.is_sandbox else account

    def own(self, name: str | None) -> str | None:
        """Whose the broker's account is; None where it is nobody's of this backbone."""
        if name is None or name.startswith(PREFIX) is not self.is_sandbox:
            return None
        return name.removeprefix(PREFIX)

    def listed(self, name: str) -> str:
        """An account's name in a list; no name from outside looks like one of our own."""
        own = self.own(name)
        return f"{OUTSIDE}{name}" if own is None and self.is_sandbox else own or name


LIVE: Final = Naming()
