"""The codes of every operation as a page: from the handlers, the contracts, and what is tried."""

from collections.abc import Iterator, Mapping
from typing import Final

from contracts.messages import ROLES, Command, register_of, split_type
from tests.codes.rows import Row, rows
from tests.unit.operations.every import every
from tests.unit.operations.table import QUERY, Because, Operation

HEAD: Final = """\
# The codes of every operation

What each command and each query can be rejected with, and how it answers in every case.
This page is made from the handlers, the contracts and the tables of `tests/unit/operations`; `make golden` writes it.
A test looks for every code that a handler's source leads to and compares it with what the handler and the contract say; another one makes each of them come.

**Of every operation**, whatever is written below: the [codes of every message](every-message.md#codes), among them those of a sender who may not send the type, of what a field lacks or has too much, and `agreement.unsigned`, which the page on [agreements](agreements.md#codes) explains.
What the others mean and what to do about them stands on the pages of the registers, under *Codes*.

**Decided** are the codes of the operation itself.
**Values** are the codes of single fields: `[]` stands for each entry of a list, `{}` for each key of a mapping.
A check, `….check.v1`, says the same as its command and changes nothing; only that a stranger holds what is claimed (`user.duplicate`, `asset.duplicate`) is said by the command alone, so that a check is no way to find it out.

"""  # noqa: E501  prose, a sentence per line
CASES: Final = """\
## How each operation answers

| Column | Asks |
|---|---|
| Again | The same thing is sent again under a new id. |
| Revision | It names a revision that is not the latest. |
| Not there | It names what there is not. |
| Not seen | Its sender may not know of what it names. |
| No right | Its sender may see what it names and may not do this to it. |
| Role | Its sender has no role that may send it. |

*As not there* is the same answer, word for word, after as many look-ups.

"""
TITLES: Final[Mapping[str, str]] = {
    "users": "Of the user register",
    "assets": "Of the asset register",
    "notices": "Of the notices",
}


def page() -> str:
    """The whole page, as Markdown."""
    return "".join((HEAD, *_codes(), CASES, *_cases()))


def _register(name: str) -> str:
    return register_of(split_type(name)[0])


def _codes() -> Iterator[str]:
    for register, title in TITLES.items():
        yield f"## {title}\n\n"
        for row in rows().values():
            if _register(row.name) == register:
                yield from _section(row)


def _section(row: Row) -> Iterator[str]:
    yield f"### `{row.name}`\n\n"
    yield f"Decided: {_listed(row.own) or 'nothing; it is never rejected for what it says'}.\n"
    by_codes: dict[frozenset[str], list[str]] = {}
    for field in row.fields:
        by_codes.setdefault(field.codes, []).append(str(field))
    if by_codes:
        yield "Values:\n\n"
        for codes, names in by_codes.items():
            yield f"- {_listed(names)}: {_listed(sorted(codes))}\n"
    yield "\n"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cases() -> Iterator[str]:
    yield "| Type | Again | Revision | Not there | Not seen | No right | Role |\n"
    yield f"|{'---|' * 7}\n"
    for name, one in every().items():
        yield f"| `{name}` | {' | '.join(_answers(one))} |\n"


def _answers(one: Operation) -> Iterator[str]:
    row = rows()[one.type]
    again = one.again if issubclass(row.contract, Command) else QUERY
    yield again.reason if isinstance(again, Because) else "Nothing changes."
    yield next((f"`{c}`" for c in row.own if c.endswith(".stale")), "It takes none.")
    yield one.unknown.reason if isinstance(one.unknown, Because) else f"`{one.unknown}`"
    yield one.hidden.reason if isinstance(one.hidden, Because) else "As not there."
    yield one.may_not.reason if isinstance(one.may_not, Because) else f"`{one.may_not}`"
    yield "`sender.role`" if ROLES - row.contract.senders else "Every role may send it."
