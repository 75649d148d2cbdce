"""What a user claims to be alone: its identifiers, and without any its name at its postcode."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from contracts.envelope import Finding
from handlers.decision import Context, Document, Drop, Put, View
from handlers.rules import claim, finding, holder_of
from handlers.visibility import knows

NAME_POSTCODE: Final = "name-postcode"
"""The weak claim, by which an organisation is known that has given no identifier."""
LEGAL_FORMS: Final = frozenset({"ltd", "limited", "plc"})
"""Words at the end of a name that do not tell two organisations apart; UK and Co do."""
Claim = tuple[str, str]


def strong_claims(user: Document) -> list[Claim]:
    """The identifiers that a record gives, by scheme."""
    return [(scheme, v) for scheme, v in (user.get("claims") or {}).items() if v is not None]


def weak_claim(user: Document) -> Claim | None:
    """Name and postcode of an organisation; two persons may share both."""
    postcode = (user.get("address") or {}).get("postcode")
    if user["kind"] != "organisation" or postcode is None:
        return None
    return NAME_POSTCODE, f"{folded_name(user['name'])}|{postcode}"


def folded_name(name: str) -> str:
    """A name without case, signs, accents of width, its article and its legal form."""
    text = unicodedata.normalize("NFKC", name).casefold().replace("&", " and ")
    words = re.sub(r"[^\w]+", " ", re.sub(r"['’.]", "", text)).split()
    kept = words[1:] if words[:1] == ["the"] else words
    while kept and kept[-1] in LEGAL_FORMS:
        kept = kept[:-1]
    return " ".join(kept or words)


def claims_of(user: Document) -> list[Claim]:
    """All that a record claims, or would if it were free."""
    weak = weak_claim(user)
    return [*strong_claims(user), *([weak] if weak is not None else [])]


def claim_keys(user: Document, context: Context) -> Iterator[tuple[str, str]]:
    """What `taken` and `claim_writes` look at."""
    for scheme, value in claims_of(user):
        yield "claims", context.identity.fingerprint(scheme, value)


def holders(user: Document, view: View, context: Context) -> Iterator[tuple[Claim, Document]]:
    """Claims of a record that others hold.

    A name at a postcode counts only against who gives nothing better: two organisations with
    identifiers of their own may share both, and a name alone shuts nobody out who has one.
    """
    strong = strong_claims(user)
    for one in strong or claims_of(user):
        held = holder_of(*one, view, context)
        if held is not None and held["holder"] != user["_id"]:
            yield one, held


def taken(user: Document, view: View, context: Context) -> Iterator[Finding]:
    """Whether a stranger holds a claim is decided by the command only: a check is no oracle."""
    for (scheme, _), held in holders(user, view, context):
        known = knows(context.sender, held)
        if context.dry_run and not known:
            continue
        is_weak = scheme == NAME_POSTCODE
        yield finding(
            "user.duplicate",
            "name" if is_weak else f"claims.{scheme}",
            expected="an identifier, since an organisation of this name is at this postcode"
            if is_weak
            else "an identifier that no other user holds",
            got=f"held by {held['holder']}" if known else "",
            advice="Use the existing user, or ask an operator if it is not yours."
            if known
            else "If this is your organisation, it is registered already: ask an operator.",
        )


def claim_writes(
    was: Document | None, user: Document, view: View, context: Context
) -> Iterator[Put | Drop]:
    """Give back what is not claimed any more, and take what is new and free."""
    new = claims_of(user)
    for one in claims_of(was) if was is not None else ():
        if one not in new:
            yield from _released(one, user, view, context)
    for one in new:
        if holder_of(*one, view, context) is None:
            yield claim(*one, user, context)


def released(user: Document, view: View, context: Context) -> Iterator[Drop]:
    """Give back all that a user holds."""
    for one in claims_of(user):
        yield from _released(one, user, view, context)


def _released(one: Claim, user: Document, view: View, context: Context) -> Iterator[Drop]:
    held = holder_of(*one, view, context)
    # Its name at its postcode may be held by another.
    if held is not None and held["holder"] == user["_id"]:
        yield Drop("claims", held)
