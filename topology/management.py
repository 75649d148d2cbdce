"""The broker's management API, as far as accounts and topology need it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

import httpx

from topology.drift import Holdings, Row
from topology.naming import LIVE, VHOST_TAG, Naming

TIMEOUT_S: Final = 10.0


class ManagementError(Exception):
    """The management API refused what was asked: asking again does not help."""


class ManagementUnavailableError(ManagementError):
    """The management API could not be reached, or is not well: ask again."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the management API is and who asks."""

    url: str
    account: str
    password: str
    vhost: str = "/"
    naming: Naming = LIVE
    """How the accounts that are asked about are called; who asks is called as it is."""

    @classmethod
    def of(
        cls, url: str, amqp_url: str, account: str, password: str, naming: Naming = LIVE
    ) -> Self:
        """The virtual host is the one that the AMQP address names."""
        return cls(url, account, password, vhost_of(amqp_url), naming)


def vhost_of(amqp_url: str) -> str:
    """The virtual host that an AMQP address names."""
    return unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"


class Management:
    """An open client of one virtual host; use it as an async context manager.

    Accounts are named as the register does: whatever is done by it to an account is done to one of
    this backbone, and never to one of the live backbone by its sandbox, nor the other way round.
    """

    def __init__(self, address: Address) -> None:
        """Connects at the first request."""
        self._asker = address.account
        self.naming = address.naming
        self._vhost = quote(address.vhost, safe="")
        self._client = httpx.AsyncClient(
            base_url=address.url, auth=(address.account, address.password), timeout=TIMEOUT_S
        )

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def tags(self) -> frozenset[str] | None:
        """What the virtual host is marked with; None where there is none of that name."""
        row = await self._read(f"/api/vhosts/{self._vhost}")
        return None if row is None else frozenset(_tags(row))

    async def make_sandbox(self) -> None:
        """Make the virtual host, marked as a sandbox's; who asks may do everything in it."""
        body = {"description": "the sandbox of a flexspine", "tags": VHOST_TAG}
        await self._send("PUT", f"/api/vhosts/{self._vhost}", body)
        everything = dict.fromkeys(("configure", "write", "read"), ".*")
        await self._send("PUT", f"/api/permissions/{self._vhost}/{_q(self._asker)}", everything)

    async def put(self, kind: str, name: str, body: Mapping[str, Any]) -> None:
        """Make or change an exchange, queue or policy of the virtual host."""
        await self._send("PUT", f"/api/{kind}/{self._vhost}/{_q(name)}", body)

    async def bind(self, exchange: str, queue: str, key: str) -> None:
        """Bind a queue; a binding that exists stays."""
        path = f"/api/bindings/{self._vhost}/e/{_q(exchange)}/q/{_q(queue)}"
        await self._send("POST", path, {"routing_key": key, "arguments": {}})

    async def put_user(self, name: str, password_hash: str, tags: str = "") -> None:
        """Make or change an account; an empty hash lets nobody in."""
        body = {
            "password_hash": password_hash,
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": tags,
        }
        await self._send("PUT", f"/api/users/{self._at(name)}", body)

    async def permit(self, account: str, configure: str, write: str, read: str) -> None:
        """Set what an account may do on resources."""
        body = {"configure": configure, "write": write, "read": read}
        await self._send("PUT", f"/api/permissions/{self._vhost}/{self._at(account)}", body)

    async def permit_topic(self, account: str, exchange: str, write: str, read: str) -> None:
        """Set which routing keys an account may use on one exchange."""
        body = {"exchange": exchange, "write": write, "read": read}
        await self._send("PUT", f"/api/topic-permissions/{self._vhost}/{self._at(account)}", body)

    async def limit(self, account: str, limit: str, value: int) -> None:
        """Set how many connections (`max-connections`) or channels an account may have open."""
        await self._send("PUT", f"/api/user-limits/{self._at(account)}/{limit}", {"value": value})

    async def unlimit(self, account: str, limit: str) -> None:
        """Delete one limit of an account."""
        await self._delete(f"/api/user-limits/{self._at(account)}/{limit}")

    async def forget_topics(self, account: str) -> None:
        """Delete every topic permission of an account, which then may use every key."""
        await self._delete(f"/api/topic-permissions/{self._vhost}/{self._at(account)}")

    async def drop_user(self, account: str) -> None:
        """Delete an account; the broker closes its connections."""
        await self._delete(f"/api/users/{self._at(account)}")

    async def drop_queue(self, queue: str) -> None:
        """Delete a queue with what is in it."""
        await self._delete(f"/api/queues/{self._vhost}/{_q(queue)}")

    async def bindings_of(self, queue: str) -> tuple[Mapping[str, Any], ...]:
        """The bindings of a queue; none where there is no such queue."""
        return tuple(await self._read(f"/api/queues/{self._vhost}/{_q(queue)}/bindings") or ())

    async def bindings_between(self, source: str, target: str) -> tuple[Mapping[str, Any], ...]:
        """The bindings of one exchange to another."""
        path = f"/api/bindings/{self._vhost}/e/{_q(source)}/e/{_q(target)}"
        return tuple(await self._read(path) or ())

    async def unbind(self, row: Mapping[str, Any]) -> None:
        """Take away a binding, which is given as this API has shown it."""
        ends = f"e/{_q(row['source'])}/{row['destination_type'][0]}/{_q(row['destination'])}"
        path = f"/api/bindings/{self._vhost}/{ends}/{_q(row['properties_key'])}"
        await self._delete(path)

    async def disconnect(self, account: str, reason: str) -> int:
        """Close the connections that an account has in all virtual hosts; say how many it had."""
        path = f"/api/connections/username/{self._at(account)}"
        found = await self._read(path) or ()
        if found:
            await self._delete(path, {"X-Reason": reason})
        return len(found)

    async def user_exists(self, name: str) -> bool:
        """Whether the broker knows an account."""
        return await self._read(f"/api/users/{self._at(name)}") is not None

    async def lets_in(self, name: str) -> bool:
        """Whether an account has a key that lets somebody in."""
        row = await self._read(f"/api/users/{self._at(name)}")
        return bool(row and row["password_hash"])

    async def overview(self) -> Mapping[str, Any]:
        """Versions of the broker and of its management plugin, among much else."""
        found: Mapping[str, Any] = await self._read("/api/overview")
        return found

    async def import_definitions(self, definitions: Mapping[str, Any]) -> None:
        """Make everything that a file of definitions holds, in whichever virtual hosts it says."""
        await self._send("POST", "/api/definitions", definitions)

    async def queues(self) -> tuple[Mapping[str, Any], ...]:
        """The queues of the virtual host, with their consumers and the policy that applies."""
        columns = "name,type,durable,auto_delete,arguments,consumers,effective_policy_definition"
        return await self._rows(f"/api/queues/{self._vhost}?columns={columns}")

    async def queue(self, name: str) -> Mapping[str, Any] | None:
        """Length, consumers and rates of one queue; None where there is none."""
        columns = "name,messages,consumers,message_stats.ack_details"
        found: Mapping[str, Any] | None = await self._read(
            f"/api/queues/{self._vhost}/{_q(name)}?columns={columns}"
        )
        return found

    async def nodes(self) -> tuple[Mapping[str, Any], ...]:
        """The broker's nodes with their alarms."""
        return tuple(await self._read("/api/nodes?columns=name,mem_alarm,disk_free_alarm") or ())

    async def holdings(self) -> Holdings:
        """What the virtual host holds, and the accounts of the broker."""
        here = f"/api/vhosts/{self._vhost}"
        return Holdings(
            exchanges=await self._rows(f"/api/exchanges/{self._vhost}"),
            queues=await self.queues(),
            bindings=await self._rows(f"/api/bindings/{self._vhost}"),
            policies=await self._rows(f"/api/policies/{self._vhost}"),
            permissions=self._named(await self._rows(f"{here}/permissions")),
            topic_permissions=self._named(await self._rows(f"{here}/topic-permissions")),
            users=self._named(await self._rows("/api/users"), "name"),
            limits=self._named(await self._rows("/api/user-limits")),
        )

    def _named(self, rows: tuple[Row, ...], column: str = "user") -> tuple[Row, ...]:
        return tuple({**row, column: self.naming.listed(row[column])} for row in rows)

    def _at(self, account: str) -> str:
        return _q(self.naming.at_broker(account))

    async def _rows(self, path: str) -> tuple[Mapping[str, Any], ...]:
        rows = await self._read(path)
        if rows is None:
            raise ManagementError(
                f"expected the virtual host of {unquote(path)}, got none of that name. Correct the "
                "path of FLEXSPINE_AMQP_URL, or make the virtual host."
            )
        return tuple(rows)

    async def _read(self, path: str) -> Any:
        response = await self._request("GET", path)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._checked(response).json()

    async def _send(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        self._checked(await self._request(method, path, dict(body)))

    async def _delete(self, path: str, headers: Mapping[str, str] | None = None) -> None:
        """Delete; what is gone already is no error."""
        response = await self._request("DELETE", path, headers=headers)
        if response.status_code != httpx.codes.NOT_FOUND:
            self._checked(response)

    async def _request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            return await self._client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ManagementUnavailableError(
                f"expected the broker's management API at {self._client.base_url}, got "
                f"{type(error).__name__}: {error}. Is the management plugin enabled and the "
                "address (FLEXSPINE_MANAGEMENT_URL) right?"
            ) from error

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        hint = (
            " The account's password or its administrator tag is missing."
            if response.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}
            else ""
        )
        error = ManagementUnavailableError if response.is_server_error else ManagementError
        raise error(
            f"expected {response.request.method} {response.request.url.path} to succeed, got "
            f"{response.status_code} {response.text[:300]}.{hint}"
        )


def _tags(row: Row) -> list[str]:
    """The marks of a virtual host; brokers before 3.8 know none, and some give one text."""
    found = row.get("tags") or []
    return found.split(",") if isinstance(found, str) else list(found)


def _q(name: str) -> str:
    return quote(name, safe="")
