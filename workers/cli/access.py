"""What a platform's own client logs in with: `key`."""

from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from contracts.envelope import USER_URN
from workers.cli.place import Place
from workers.settings import Settings


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
    typer.echo(f"account  {user}")
    typer.echo(f"key      {unquote(whole.password or '')}")
    # The setting may have an administrator's login in it, which is nobody else's business.
    host = whole.netloc.rpartition("@")[2]
    typer.echo(f"address  {whole._replace(netloc=host, query='').geturl()}")
