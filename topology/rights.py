"""The rights as a page for people who read no code: who may send what, who may see and change what.

Derived from the contracts' senders and the tables of the handlers; a test compares the page.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, get_args

from contracts.messages import Role
from contracts.requirements import EVIDENCE, REQUIRED
from handlers.rights import GROUPS, LISTED, Relation
from topology.catalog import Entry

ROLES: Final[tuple[Role, ...]] = get_args(Role)
RELATIONS: Final[tuple[Relation, ...]] = get_args(Relation)
HEAD: Final = """\
# Rights

Who may send what, and who may see and change what.
This page is made from the tables by which the backbone decides (`handlers/rights.py` and the contracts); `make golden` writes it, and a test compares it, cell by cell as well.

What is not allowed here is forbidden: the default is no.

## Two questions for every message

1. **May this role send this type at all?**
   A user has roles; the first table says which types each role may send.
   The answer to others is `sender.role`.
   A user whose roles all wait for an operator's grant may send what every role of the market may.
   The dry run of a command (`….check.v1`) may be sent by whoever may send the command.
2. **What is this user to this one asset or user?**
   That is its *relation*, and the tables after the first say what each relation may do with each group of fields.
   A role alone opens nothing: an FSP that has nothing to do with an asset gets the answer for an id that does not exist.

Whoever has several relations has the most that any of them allows.
Both questions are asked anew for every message, at the moment at which it is decided.

## The words of the cells

| Word | Means |
|---|---|
| none | The group is not shown, its changes are not told, and an attempt to change it is rejected without saying what is in it. |
| masked | That there is a value, and its last three characters if it has more than six; no names of changed fields. |
| read | The values are shown to whoever asks, and those who are told of changes are told the names of the changed fields. |
| write | Read, and change by those commands that change this group. |

Whoever has any relation may also see the id, the status and the revision of what it is related to, the type and the lifecycle of an asset, and the kind and the roles of a user.
Who did something is told with it, by id, to whoever is told of it.

## The rule of time

`self`, `registrant`, `owner` and `operator` hold as long as the record says so, and so do `registered` and, to a user, `verifier`.
All other relations are *ties*, each with a beginning and perhaps an end: from the moment of the beginning on it holds, and from the moment of the end on it holds no more.
A tie begins when it is recorded, or later: nobody gets a right for the past.
Outside its time a tie gives nothing: no answer, no notice, and nothing that was told before is told again.
The one exception is the notice that the tie itself was made or ended, which goes to whom it names.
Of a `reader` the column says what a user can share; each reader has those groups alone that were granted to it, and a tie of its own for each.
What is told of a change is told to those who were related when the change happened, as far as their relations went at that moment.
Told are the registrant, the owner and who has a tie to the asset or user itself; a reader is told of changes of those groups that it may read, and asked to acknowledge them; operators, and delegates with regard to the assets of their user, may ask and are not told.
What somebody has received while it was allowed stays with the one who has it.
A tie is never deleted: when it is over it stays on record with its time, who made it and who ended it.

## Who may send what

"""  # noqa: E501  prose, a sentence per line
PROVISIONAL_HEAD: Final = """
## What a provisional user may do

A user is provisional until evidence or an operator confirms it.
It is believed when it speaks of itself, and may not speak of others: the answer is `sender.provisional`, to the check of such a command too.
What others share with it, it reads when it is confirmed.
A type without a row may be sent by confirmed users only (`handlers/provisional.py`).

"""  # noqa: E501  prose, a sentence per line
PROOF_HEAD: Final = """
## What a role has to tell, and what proves it

Evidence confirms a provisional user when all of its roles have told what they have to, and each is proven (`contracts/requirements.py`).
An operator may decide whatever there is.
As JSON Schema, `user.requirements.v1` answers it to everybody, at the front desk too.
"""  # noqa: E501  prose, a sentence per line
DIRECTORY: Final = """
## What the directory tells

Of an organisation that takes part, provisional or confirmed, `directory.search.v1` tells every user the id, the kind, the roles, the status and {groups}, whatever it is to it.
That is the one exception to the tables.
A person is told to those alone who may read its name by the table, if they are confirmed; nothing of it counts for others, not even how many there are.
Who is suspended, rejected or retired is told to operators alone.
"""  # noqa: E501  prose, a sentence per line
MEANINGS: Final[Mapping[Relation, str]] = {
    "self": "The user itself, to its own record.",
    "registrant": "Who sent the registration; of an asset until it has another owner. The front "
    "desk counts as nobody's.",
    "delegate": "Who has a mandate of the user; of an asset, a mandate of its owner.",
    "operator": "Who runs the backbone; a user with that role, once it is confirmed.",
    "owner": "The user whom the asset names as its owner.",
    "aggregator": "Recorded: an aggregator that works with the asset.",
    "fsp": "Recorded: a flexibility service provider for the asset.",
    "so": "Recorded: a system operator to whose network the asset matters.",
    "mo": "Recorded: a market operator on whose market the asset is offered.",
    "verifier": "Of an asset recorded: a trusted source that checks its data. Of an organisation "
    "that takes part: every confirmed verifier.",
    "registered": "Every registered user, of an organisation that has given a profile.",
    "reader": "Whom the user lets read groups by `sharing.grant.v1` or with an interest: those "
    "groups alone, while the grant holds, and not before its own registration is confirmed.",
}
TITLES: Final[Mapping[str, str]] = {
    "users": "What a relation to a user may do with the user's data",
    "assets": "What a relation to an asset may do with the asset's data",
}


def page(entries: Mapping[str, Entry]) -> str:
    """The whole page, as Markdown."""
    parts = (
        *_roles(entries), *_provisional(entries), *_proof(), *_relations(), *_groups(), *_listed(),
    )  # fmt: skip
    return "".join((HEAD, *parts))


def _roles(entries: Mapping[str, Entry]) -> Iterator[str]:
    yield from _head(("Type", *(f"`{role}`" for role in ROLES)))
    for entry in entries.values():
        if entry.kind != "check":
            cells = ("may" if role in entry.contract.senders else "–" for role in ROLES)
            yield _line((f"`{entry.name}`", *cells))


def _provisional(entries: Mapping[str, Entry]) -> Iterator[str]:
    yield PROVISIONAL_HEAD
    yield from _head(("Type", "provisional"))
    for entry in entries.values():
        if entry.kind != "check":
            yield _line((f"`{entry.name}`", "may" if entry.handler.for_provisional else "–"))


def _proof() -> Iterator[str]:
    yield PROOF_HEAD
    yield from _head(("Role", "has to tell", "is proven by a match of"))
    for role, required in REQUIRED.items():
        sets = (" with ".join(f"`{s}`" for s in sorted(one)) for one in EVIDENCE[role])
        proof = ", or ".join(sets) or "nothing: an operator decides"
        yield _line((f"`{role}`", ", ".join(f"`{path}`" for path in required), proof))


def _relations() -> Iterator[str]:
    yield "\n## What one may be to a user or an asset\n\n"
    yield from _head(("Relation", "Who"))
    for relation in RELATIONS:
        yield _line((f"`{relation}`", MEANINGS[relation]))


def _groups() -> Iterator[str]:
    for collection, table in GROUPS.items():
        yield f"\n## {TITLES[collection]}\n\n"
        held = [r for r in RELATIONS if any(r in cells for cells in table.values())]
        yield from _head(("Group", *(f"`{relation}`" for relation in held), "others"))
        for group, cells in table.items():
            rights = (cells.get(relation, "none") for relation in held)
            yield _line((f"`{group}`", *rights, "none"))


def _listed() -> Iterator[str]:
    groups = " and ".join(f"`{group}`" for group in LISTED)
    yield DIRECTORY.format(groups=groups)


def _head(cells: Iterable[str]) -> Iterator[str]:
    names = tuple(cells)
    yield _line(names)
    yield f"|{'---|' * len(names)}\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
