"""Commands on the broker's side of things: `topology plan` and `topology apply`."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console
from rich.table import Table

from topology import names
from topology.catalog import build
from topology.plan import Plan
from topology.plan import build as build_plan
from workers.backbone import apply_topology
from workers.cli.place import Place
from workers.settings import Settings


def plan(
    *, as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False
) -> None:
    """Show the exchanges, queues, bindings, policies and accounts that the contracts make."""
    made = build_plan(build())
    if as_json:
        typer.echo(json.dumps(asdict(made), indent=2))
        return
    console = Console()
    for table in _tables(made):
        console.print(table)


def apply() -> None:
    """Make them at the broker, as FLEXSPINE_AMQP_URL's administrator; repeating is harmless."""
    place = Place.of(Settings.read())
    given = urlsplit(place.settings.amqp_url or "")
    account = unquote(given.username or names.TOPOLOGY_ACCOUNT)
    password = unquote(given.password) if given.password else place.vault.password(account)
    asyncio.run(apply_topology(place.addresses, place.vault, build(), account, password))
    typer.echo("The broker holds the plan.")


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
