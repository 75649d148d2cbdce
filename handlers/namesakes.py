"""Level one of users: whether an organisation that is being registered may be in the register.

Identifiers are claims, and exact: whose number of one scheme is another is another organisation,
and not compared. Else name and address are. Organisations are found by the words of their name with
the place, and by the whole name. A row holds ids and digests, and its own id is keyed: neither it
nor the archive keeps a word of anybody whom an erasure takes.

Who takes part is compared and nobody else: that there is such an organisation every user may read
in the directory. So whoever registers learns no more by a case. Contacts are not compared, since
whose telephone it is nobody may find out by trying. Persons are compared by nobody.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from handlers.claiming import strong_claims
from handlers.decision import Context, Document, Reads, View
from handlers.matching import folding
from handlers.matching.organisations import compare_organisations
from handlers.matching.profiles import Address, Organisation
from handlers.matching.reading import known_as
from handlers.matching.tokens import Token, tokens
from handlers.matching.verdict import Comparison
from handlers.neighbours import DIGITS, TOKENS, Compared, Kept, candidates, likeliest
from handlers.senders import Issuer
from handlers.visibility import TAKING_PART

COMPARED_MAX: Final = 8
"""With so many of those that share words of its name a newcomer is compared."""


def is_compared(user: Document) -> bool:
    """Whether newcomers are compared with a user as it stands."""
    takes_part = user["status"] in TAKING_PART and "merged_into" not in user
    return takes_part and bool(user["kind"] == "organisation")


def _kept(user: Document) -> Kept | None:
    """By what an organisation is found; None where it is not."""
    if not is_compared(user):
        return None
    address = user.get("address") or {}
    found_by = {n: address.get(n) for n in ("postcode", "town")}
    return {"name": user["name"], **found_by, "claims": dict(strong_claims(user))}


def tokens_of(found_by: Kept, identity: Issuer) -> Sequence[str]:
    """Ids of the rows in which an organisation is, and so are others like it."""
    written = _tokens(found_by["name"], found_by["postcode"], found_by["town"])
    return [identity.fingerprint("token", f"{scheme}|{value}") for scheme, value in written]


@lru_cache(maxsize=4096)
def _tokens(name: str, postcode: str | None, town: str | None) -> tuple[Token, ...]:
    """Asked twice of each registration, so the answer is kept."""
    place = Address(town=folding.words(town), postcode=folding.key(postcode))
    words = folding.company_words(name)
    if not words:
        return ()
    found = tokens(Organisation(name=words, address=place))
    return (*found, Token("name", " ".join(words)))


def _entry(found_by: Kept, identity: Issuer) -> Kept:
    """Digests of its identifiers: of most that are found, no record need be read."""
    claims = found_by["claims"].items()
    return {scheme: identity.fingerprint(scheme, value)[:DIGITS] for scheme, value in claims}


def _apart(one: Kept, other: Kept) -> bool:
    """Whose number of one scheme is another is another organisation."""
    return any(other.get(scheme, number) != number for scheme, number in one.items())


def _rank(_one: Kept, _other: Kept, shared: Sequence[str]) -> int:
    """By how many words they share."""
    return len(shared)


USERS: Final = Compared("users", _kept, tokens_of, _entry, _apart, _rank, COMPARED_MAX)


def namesake_reads(user: Mapping[str, Any], context: Context) -> Reads:
    """The rows in which others like a newcomer are; at a check nobody is compared."""
    found_by = _kept({**user, "status": "provisional"})
    if found_by is not None and not context.dry_run:
        yield from ((TOKENS, one) for one in tokens_of(found_by, context.identity))


def namesakes(user: Document, view: View, context: Context) -> list[tuple[str, Comparison]]:
    """Whom of the register a newcomer may be, and why; the likeliest first."""
    keys, found_by = [key for _, key in namesake_reads(user, context)], _kept(user)
    if found_by is None or not keys:
        return []
    others = candidates(USERS, keys, _entry(found_by, context.identity), view)
    if not others:
        return []
    newcomer = known_as(user)
    return likeliest(
        (one, compare_organisations(newcomer, known_as(other))) for one, other in others
    )
