"""A publisher's file of boundaries as a command: `areas`."""

import gzip
import json
from pathlib import Path
from typing import Annotated

import typer

from contracts.areas import LoadArea
from contracts.envelope import user_urn
from topology import names
from workers.cli.input import FileFault


def areas(
    file: Annotated[Path, typer.Argument(help="GeoJSON, a feature collection; also as .gz.")],
    *,
    kind: Annotated[str, typer.Option(help="What they are, such as gsp-region.")],
    edition: Annotated[str, typer.Option(help="What the publisher calls this edition.")],
    crs: Annotated[str, typer.Option(help="EPSG:27700 or OGC:CRS84.")],
    code: Annotated[str, typer.Option(help="The property that is an area's code.")],
    name: Annotated[str | None, typer.Option(help="The property that is its name.")] = None,
) -> None:
    """Print the command that loads a file of boundaries, for `send -`.

    It is the operator's; `send` puts it into an object where it is too large for one message.
    """
    try:
        content = file.read_bytes()
        collection = json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)
    except (OSError, ValueError) as error:
        raise FileFault(
            f"expected a readable GeoJSON file, got {file}: {error}. Correct its name."
        ) from error
    data = {
        "kind": kind,
        "edition": edition,
        "crs": crs,
        "code_property": code,
        **({"name_property": name} if name is not None else {}),
        "boundaries": collection,
    }
    envelope = {
        "source": user_urn(names.OPERATOR),
        "type": LoadArea.message_type,
        "data": data,
    }
    typer.echo(json.dumps(envelope, separators=(",", ":")))
