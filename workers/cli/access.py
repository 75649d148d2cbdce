"""What a platform's own client logs in with: `key`."""

import secrets
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

import typer

from contracts.envelope import USER_URN
from topology.apply import password_hash
from workers.cli.place import Place
from workers.settings import Settings

KEY_BYTES: Final = 32


def key(
    user: Annotated[
        str, typer.Argument(metavar="USER", help="`operator`, `front-desk`, or a user's id.")
    ],
    *,
    url: Annotated[
        bool, typer.Option("--url", help="One AMQP address with account and key in it.")
    ] = False,
) -> None:
    """Print a broker account, its key and the broker's address, for a platform's own client.

    The keys of registered users are those that `$key` has made here; the two others follow from
    the master key. Whoever has the key is the user: show it to nobody else.
    """
    place, user = Place.of(Settings.read()), user.removeprefix(USER_URN)
    whole = urlsplit(place.url(user))
    if url:
        typer.echo(whole.geturl())
        return
    typer.echo(f"account  {unquote(whole.username or user)}")
    typer.echo(f"key      {unquote(whole.password or '')}")
    # The setting may have an administrator's login in it, which is nobody else's business.
    host = whole.netloc.rpartition("@")[2]
    typer.echo(f"address  {whole._replace(netloc=host, query='').geturl()}")


def new() -> None:
    """Make a key for an account, and print it once, with the hash that goes into a message.

    The hash is `key_hash` of `account.set.v1` or `account_key_hash` of `user.register.v1`; the key
    is kept nowhere: whoever loses it sets another.
    """
    made = secrets.token_urlsafe(KEY_BYTES)
    typer.echo(f"key   {made}")
    typer.echo(f"hash  {password_hash(made)}")
