"""Commands on the broker's side of things: `topology` and what is under it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console
from rich.table import Column, Table

from topology import asyncapi as interface
from topology import names
from topology.apply import password_hash
from topology.catalog import build
from topology.definitions import definitions as definitions_of
from topology.drift import Drift, Holdings, Registered, compare
from topology.management import Management
from topology.naming import SANDBOX, Naming
from topology.plan import AccountLimits, Plan
from topology.repair import Repair, Repaired
from topology.sharding import build as build_plan
from workers import __version__
from workers.accounts import AccountWorker
from workers.backbone import StartError, open_backbone
from workers.cli import applying
from workers.cli.faults import DRIFTED
from workers.cli.place import Place
from workers.loading import Loader
from workers.settings import Settings
from workers.vault import Vault


@dataclass(frozen=True, slots=True)
class Audit:
    """What broker and register say, and an open client of the broker."""

    account: str
    """Who asks."""
    management: Management
    found: Holdings
    registered: Registered
    plan: Plan

    def compared(self, limits: AccountLimits, known: Iterable[str]) -> list[Drift]:
        """The differences; who asks is known."""
        others = {*map(self.management.naming.listed, (*known, self.account))}
        others -= {names.TOPOLOGY_ACCOUNT}
        return compare(self.plan, self.found, others, self.registered, limits)


def planned(settings: Settings) -> Plan:
    """What the broker must hold by these settings."""
    return build_plan(build(), settings.shards_max)


def plan(
    *, as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False
) -> None:
    """Show the exchanges, queues, bindings, policies and accounts that the contracts make."""
    made = planned(Settings.read())
    if as_json:
        typer.echo(json.dumps(asdict(made), indent=2))
        return
    console = Console(markup=False)
    for table in _tables(made):
        for column in table.columns:
            # A pattern that is cut short is of no use.
            column.overflow = "fold"
        console.print(table)


def apply() -> None:
    """Make them at the broker, as FLEXSPINE_AMQP_URL's administrator; repeating changes nothing.

    With FLEXSPINE_SHARDS_MAX of 1 the bindings of the directory of shards are taken away, with
    more those that pass it by. Nothing else that is old is removed. A setting that is too small for
    the map of shards is refused, exit code 2, and so is taking a directory's bindings away while
    the database does not answer.
    """
    place = Place.of(Settings.read())
    asyncio.run(applying.applied(place, planned(place.settings), administrator(place)))
    typer.echo("The broker holds the plan.")


def diff(
    *,
    known: Annotated[
        list[str] | None,
        typer.Option(help="An account of yours that the plan does not know; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The differences as JSON.")] = False,
    repair: Annotated[
        bool, typer.Option(help="Take them back, say what was done, and show what is left.")
    ] = False,
) -> None:
    """Show what the broker holds otherwise than planned; exit code 3 if there is anything.

    Asks as FLEXSPINE_AMQP_URL's administrator, or as `flex-topology` without a login in it.
    Passwords are not compared. A user of the register, which the database tells, is listed where
    its queues, rights or bindings are not what a user may have; whoever else looks like one is
    surplus.

    With `--repair` what is missing is made, rights and limits are set, and bindings that nobody
    planned are taken away. Exchanges, queues and policies that are surplus are left. A
    FLEXSPINE_SHARDS_MAX that is too small for the map of shards is said, and nothing is repaired.
    """
    place = Place.of(Settings.read())
    if repair:
        for one in asyncio.run(repaired(place, known or ())):
            typer.echo(
                f"{one.drift.kind} {one.drift.name}: {one.drift.state}, {one.done}", err=True
            )
    found = asyncio.run(drifts(place, known or ()))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    elif found:
        # Patterns have square brackets, which are no markup.
        Console(markup=False).print(_differences(found))
    else:
        typer.echo("The broker holds the plan, and nothing else.")
    if found:
        if said := asyncio.run(_setting(place, found)):
            typer.echo(f"flexspine: {said}", err=True)
        raise typer.Exit(DRIFTED)


def asyncapi() -> None:
    """Print the published interface as an AsyncAPI 3.0 document, in JSON."""
    typer.echo(_pretty(interface.document(build(), __version__)), nl=False)


def definitions(
    *,
    vhost: Annotated[str, typer.Option(help="The virtual host that they are for.")] = "/",
    accounts: Annotated[
        bool,
        typer.Option(help="With the accounts, their hashed passwords and their permissions."),
    ] = False,
) -> None:
    """Print the plan as RabbitMQ's definitions, for `load_definitions` and its like.

    The accounts' passwords follow from the master key, as with `topology apply`.
    """
    settings = Settings.read()
    key_hash = _key_hash(Vault(settings.master)) if accounts else None
    naming = Naming(settings.sandbox)
    if naming.is_sandbox and vhost == "/":
        vhost = SANDBOX
    typer.echo(_pretty(definitions_of(planned(settings), vhost, key_hash, naming)), nl=False)


def _key_hash(vault: Vault) -> Callable[[str], str]:
    return lambda name: password_hash(vault.password(name))


def administrator(place: Place) -> tuple[str, str]:
    """Account and password of the address, else those of `flex-topology`."""
    given = urlsplit(place.settings.amqp_url or "")
    own = place.addresses.naming.at_broker(names.TOPOLOGY_ACCOUNT)
    account = unquote(given.username or own)
    if given.password:
        return account, unquote(given.password)
    return account, place.vault.password(place.addresses.naming.own(account) or account)


@asynccontextmanager
async def audit(place: Place) -> AsyncIterator[Audit]:
    """Ask broker and register, by a client that stays open meanwhile."""
    account, password = administrator(place)
    async with Management(place.addresses.management_as(account, password)) as management:
        found = await management.holdings()
        # After the broker, since a user is registered before it gets an account.
        async with place.inspection() as looking:
            registered = await looking.registered()
        yield Audit(account, management, found, registered, planned(place.settings))


async def drifts(place: Place, known: Iterable[str] = ()) -> list[Drift]:
    """Ask broker and register, and compare; who asks is known."""
    async with audit(place) as asked:
        return asked.compared(_limits(place), known)


async def repaired(place: Place, known: Iterable[str] = ()) -> list[Repaired]:
    """Take back what has drifted; what a user should have is the reconciler's to make."""
    limits = _limits(place)
    await applying.check_map(place)
    async with (
        audit(place) as asked,
        open_backbone(place.settings, place.addresses) as backbone,
    ):
        loader = Loader(backbone.store, backbone.vault)
        worker = AccountWorker(loader, asked.management, place.settings.backoff_max_s, limits)
        repair = Repair(
            plan=asked.plan,
            found=asked.found,
            registered=asked.registered,
            management=asked.management,
            key_hash=_key_hash(place.vault),
            reconcile=worker.reconcile,
        )
        return await repair.run(asked.compared(limits, known))


async def _setting(place: Place, found: Iterable[Drift]) -> str | None:
    """What is wrong with FLEXSPINE_SHARDS_MAX, if that is what makes the differences."""
    try:
        await applying.check_map(place)
    except StartError as error:
        return str(error)
    return applying.advice(place.settings.shards_max, found, planned(place.settings))


def _limits(place: Place) -> AccountLimits:
    return AccountLimits(place.settings.connections_max, place.settings.channels_max)


def _differences(found: list[Drift]) -> Table:
    wide = (Column(name, overflow="fold") for name in ("expected", "got"))
    table = Table("what", Column("name", overflow="fold"), "is", *wide)
    for drift in found:
        expected, got = map(_words, (drift.expected, drift.got))
        table.add_row(drift.kind, drift.name, drift.state, expected, got)
    return table


def _words(shape: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in shape.items())


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _tables(made: Plan) -> list[Table]:
    exchanges = Table("exchange", "type")
    for exchange in made.exchanges:
        exchanges.add_row(exchange.name, exchange.type)
    queues = Table("queue", "arguments")
    for queue in made.queues:
        queues.add_row(queue.name, ", ".join(f"{k}={v}" for k, v in queue.arguments.items()))
    bindings = Table("exchange", "key", "queue")
    for binding in made.bindings:
        bindings.add_row(binding.exchange, binding.key, binding.queue)
    policies = Table("policy", "pattern", "definition")
    for policy in made.policies:
        policies.add_row(
            policy.name, policy.pattern, ", ".join(f"{k}={v}" for k, v in policy.definition)
        )
    accounts = Table("account", "write", "read", "configure", "tags")
    for account in made.accounts:
        accounts.add_row(
            account.name, account.write, account.read, account.configure, ", ".join(account.tags)
        )
    return [exchanges, queues, bindings, policies, accounts]
