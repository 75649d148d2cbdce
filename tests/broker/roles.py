"""Wrong roles: each type of the catalog, sent by those who only have roles that may not."""

from collections.abc import Iterator, Sequence
from typing import Final

from tests.broker.offences import Arena, Attack, code_of
from tests.samples import sample
from topology import catalog
from topology.catalog import Entry

SELF_ASSERTED: Final = ("fsp", "owner", "mpp", "special", "aggregator")
"""Roles that anybody may have for the asking; with others nobody can attack."""


def wrong_roles(entry: Entry, roles: Sequence[str]) -> Attack:
    """A type with nothing wrong in it, sent by each who has only a role that may not send it."""

    async def attack(arena: Arena) -> str:
        data = sample(entry.contract.message_type)
        codes = {code_of(await arena.by_role[role].ask(entry.name, data)) for role in roles}
        assert codes == {"sender.role"}, codes
        return "sender.role"

    return attack


def privileged() -> Iterator[tuple[str, Attack]]:
    """Each type of the catalog once, by all of these roles that may not send it."""
    for name, entry in catalog.build().items():
        roles = [one for one in SELF_ASSERTED if one not in entry.senders]
        if roles:
            yield f"{name} as {', '.join(roles)}", wrong_roles(entry, roles)
