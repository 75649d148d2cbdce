"""The commands of `flexspine`, put together, and how it ends."""

import logging
import sys

import typer

from workers.cli import (
    access,
    analysing,
    asking,
    boundaries,
    dead,
    dead_edits,
    dead_runs,
    doctor,
    evaluating,
    measuring,
    offline,
    plans,
    rebuilding,
    rescuing,
    seeding,
    serving,
    sharding,
    status,
)
from workers.cli.faults import FAILED, FAULTS

EPILOG = (
    "Exit codes: 0 done; 1 a command that was sent to the running backbone was rejected, or has no "
    "outcome yet (unanswered or held), while `run` prints what is rejected and ends with 0; "
    "2 the words, settings, files or servers cannot be used; "
    "3 the broker, or a rebuild, holds something else than expected, or there is an alarm."
)


def build() -> typer.Typer:
    """Put the commands together."""
    app = typer.Typer(
        name="flexspine",
        help="The flexibility data backbone: common registers on one message-driven engine.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.command()(serving.up)
    app.command()(serving.work)
    app.command()(offline.run)
    app.command()(asking.send)
    app.command()(asking.watch)
    app.command()(boundaries.areas)
    app.command()(access.key)
    app.command()(offline.schema)
    app.command()(doctor.doctor)
    app.command()(status.status)
    app.command()(rescuing.backup)
    app.command()(rescuing.restore)
    app.command()(rescuing.rebuild)
    app.command()(measuring.bench)
    app.command()(measuring.seed)
    keys = typer.Typer(no_args_is_help=True, help="Keys of accounts.")
    keys.command("new")(access.new)
    # A group with one command would otherwise be that command.
    keys.callback()(lambda: None)
    app.add_typer(keys, name="keys")
    sandbox = typer.Typer(no_args_is_help=True, help="The sandbox (FLEXSPINE_SANDBOX=true).")
    sandbox.command("seed")(seeding.seed)
    sandbox.callback()(lambda: None)
    app.add_typer(sandbox, name="sandbox")
    directory = typer.Typer(no_args_is_help=True, help="Who is found by whom.")
    directory.command("rebuild")(rebuilding.rebuild)
    directory.callback()(lambda: None)
    app.add_typer(directory, name="directory")
    match = typer.Typer(no_args_is_help=True, help="Which registrations are of one thing.")
    match.command("evaluate")(evaluating.evaluate)
    match.command("analyse")(analysing.analyse)
    app.add_typer(match, name="match")
    shard = typer.Typer(no_args_is_help=True, help="Which shard decides what.")
    shard.command("list")(sharding.listed)
    shard.command("split")(sharding.split)
    shard.command("merge")(sharding.merge)
    shard.command("move")(sharding.move)
    app.add_typer(shard, name="shard")
    _dead(app)
    topology = typer.Typer(no_args_is_help=True, help="What the broker must hold.")
    topology.command("plan")(plans.plan)
    topology.command("apply")(plans.apply)
    topology.command("diff")(plans.diff)
    topology.command("definitions")(plans.definitions)
    topology.command("asyncapi")(plans.asyncapi)
    app.add_typer(topology, name="topology")
    return app


def _dead(app: typer.Typer) -> None:
    letters = typer.Typer(no_args_is_help=True, help="What could not be decided.")
    letters.command("list")(dead.listed)
    letters.command("groups")(dead.groups)
    letters.command("show")(dead.show)
    letters.command("note")(dead.note)
    letters.command("replay")(dead_runs.replay)
    letters.command("discard")(dead_runs.discard)
    letters.command("edit")(dead_edits.edit)
    letters.command("approve")(dead_edits.approve)
    letters.command("export")(dead.export)
    letters.command("watch")(dead.watch)
    app.add_typer(letters, name="dead")


def main() -> None:
    """Run the command of `sys.argv`; what cannot be used is one sentence, not a stack."""
    # The drivers report every failed attempt; what it means is ours to say, once.
    for driver in ("aio_pika", "aiormq"):
        logging.getLogger(driver).setLevel(logging.CRITICAL)
    try:
        build()()
    except FAULTS as fault:
        typer.echo(f"flexspine: {fault}", err=True)
        sys.exit(FAILED)
