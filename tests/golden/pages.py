"""What is published of the topology, as files; `python -m tests.golden.pages` writes them anew."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from topology.catalog import build
from topology.render import schemas, table

EXPECTED: Final = Path(__file__).with_name("expected")


def pages() -> Mapping[str, str]:
    """Path below `expected` -> what the file must hold."""
    entries = build()
    found = {
        f"schemas/{name}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas(entries).items()
    }
    return {"topology.md": table(entries)} | found


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


if __name__ == "__main__":
    write()
