"""What is published of the topology, as files; `python -m tests.golden.pages` writes them anew."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contracts.requirements import REQUIRED, registration_schema
from tests.golden import changelog, codes
from topology.asyncapi import document
from topology.catalog import build
from topology.definitions import definitions
from topology.render import schemas, table
from topology.rights import page
from topology.sharding import build as build_plan
from workers import __version__

EXPECTED: Final = Path(__file__).with_name("expected")
DOCS: Final = Path(__file__).parents[2] / "docs"


def pages() -> Mapping[str, str]:
    """Path below `expected` -> what the file must hold."""
    entries = build()
    found = {f"schemas/{name}.json": _json(schema) for name, schema in schemas(entries).items()}
    found |= {f"requirements/{r}.json": _json(registration_schema(r)) for r in REQUIRED}
    accounts = definitions(build_plan(entries), "/", lambda _name: "a salted hash")
    return {
        "topology.md": table(entries),
        "asyncapi.json": _json(document(entries, __version__)),
        "definitions.json": _json(accounts),
    } | found


def papers() -> Mapping[str, str]:
    """Pages of `docs` that are made and not written -> what they must hold."""
    return {
        "rights.md": page(build()),
        "contracts-changelog.md": changelog.page(),
        "registers/codes.md": codes.page(),
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def kept() -> Mapping[str, str]:
    """The files as they are."""
    return {
        str(path.relative_to(EXPECTED)): path.read_text(encoding="utf-8")
        for path in EXPECTED.rglob("*")
        if path.is_file()
    }


def write() -> None:
    """Write every page and delete what is none any more."""
    wanted = pages()
    for name in kept().keys() - wanted.keys():
        (EXPECTED / name).unlink()
    for name, text in wanted.items():
        path = EXPECTED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, text in papers().items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
