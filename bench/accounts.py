"""The broker's accounts, which its virtual hosts share: those that are there stay as they are."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

import httpx

from topology.apply import SALT_BYTES, apply, password_hash
from topology.management import Address, Management
from topology.plan import Plan
from workers.addresses import Addresses
from workers.cli.measuring import Unmeasured

Password = Callable[[str], str]
"""The password of an account that is ours, by the account's name."""
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """A login of the broker."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who asks the management API, and for which virtual host."""

    addresses: Addresses
    account: Account

    async def ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        """One request; Unmeasured for what is refused."""
        login = (self.account.name, self.account.password)
        url = self.addresses.management_url
        async with httpx.AsyncClient(
            base_url=url, auth=login, timeout=TIMEOUT_S, trust_env=False
        ) as client:
            answer = await client.request(method, f"/api/{path}", json=body)
        if not answer.is_success:
            raise Unmeasured(
                f"expected the broker's management API to do {method} {path} for {login[0]}, got "
                f"{answer.status_code}. The bench needs an administrator in FLEXSPINE_AMQP_URL."
            )
        return answer.json() if answer.content else None

    async def others(self, plan: Plan, password: Password) -> frozenset[str]:
        """Which accounts of a plan are there already; Unmeasured where one is somebody else's.

        They are of the whole broker, so that a new password of one would lock a backbone out.
        """
        held = {row["name"]: row for row in await self.ask("GET", "users")}
        found = [account.name for account in plan.accounts if account.name in held]
        strange = [name for name in found if not fits(held[name], password(name))]
        if strange:
            raise Unmeasured(
                f"expected the broker to have no account {', '.join(strange)}, or one with the "
                "password that follows from the bench's master key, got one with another password: "
                "a backbone of another master key uses this broker. Set FLEXSPINE_MASTER_KEY to "
                "that one, name another broker, or none, for servers of the bench's own."
            )
        return frozenset(found)

    async def apply(self, plan: Plan, password: Password, made: set[str]) -> None:
        """Make everything of a plan, and tell in `made` which accounts there were not before.

        Those that there were get their permissions in our virtual host, which go with it.
        """
        others = await self.others(plan, password)
        urls = self.addresses
        address = Address.of(
            urls.management_url, urls.amqp_url, self.account.name, self.account.password
        )
        new = tuple(account for account in plan.accounts if account.name not in others)
        made.update(account.name for account in new)
        async with Management(address) as management:
            ours = replace(plan, accounts=new)
            await apply(ours, management, lambda name: password_hash(password(name)))
            for account in plan.accounts:
                if account.name not in others:
                    continue
                await management.permit(
                    account.name, account.configure, account.write, account.read
                )
                for exchange, write, read in account.topics:
                    await management.permit_topic(account.name, exchange, write, read)

    async def take_away(self, names: set[str]) -> None:
        """Delete accounts that are there."""
        held = {row["name"] for row in await self.ask("GET", "users")}
        for name in sorted(names & held):
            await self.ask("DELETE", f"users/{quote(name, safe='')}")


def fits(row: Mapping[str, Any], password: str) -> bool:
    """Whether an account, as the management API shows it to an administrator, has the password."""
    try:
        salt = base64.b64decode(row["password_hash"], validate=True)[:SALT_BYTES]
    except binascii.Error:
        return False
    return bool(row["password_hash"]) and password_hash(password, salt) == row["password_hash"]
