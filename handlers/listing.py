"""The directory's entries: what is kept of a user so that it is found, derived from its record.

Every change of a user brings its entry along in the same decision; no handler writes one itself.

An entry has terms, by which it is found. Each begins with a shelf: the status, for everybody's
eyes; `kept`, for those of operators; a user's id, for those of this user. Whoever asks looks along
shelves of what it may see alone, so that neither an answer nor its time tells of the rest.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from contracts.messages import register_of_entity
from handlers.decision import Document, Drop, Put, View
from handlers.documents import changed_in, said_by
from handlers.edges import READER, RELATIONS
from handlers.rights import LISTED
from handlers.senders import Issuer
from handlers.spans import Span
from handlers.tying import is_over, ties_of
from handlers.visibility import TAKING_PART, parties

DIRECTORY: Final = "directory"
BEGINNINGS: Final = (3, 5)
"""Lengths of the beginnings by which a word is found; of what begins with more, or with one between
them, the name is looked at. Each of them costs every registration a row of the index."""
WORD_MAX: Final = 24
"""Longer words are known by so many of their characters."""
NAME: Final = "name"
"""The group by whose words one is found."""
KEPT: Final = "kept"
"""The shelf of what is not for everybody."""
PARTIES_MAX: Final = 20
"""How many parties may find one person by the directory; any more ask by its id."""
_SEALED_LENGTH: Final = 16
_SINGLE: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
"""Letters that Unicode does not take apart into a letter and an accent."""
_APOSTROPHES: Final = re.compile("['\u2019\u02bc`\u00b4]")


def folded(text: str) -> list[str]:
    """The words of a text, each once: no case, no accents, no signs."""
    apart = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text).casefold())
    bare = "".join(c for c in apart if not unicodedata.combining(c)).translate(_SINGLE)
    return list(dict.fromkeys(word[:WORD_MAX] for word in re.findall(r"[^\W_]+", bare)))


def shelf_terms(shelf: str, named: Iterable[str]) -> list[str]:
    """Terms as they stand on a shelf, such as `confirmed/role:fsp`; of none, the shelf itself."""
    return [f"{shelf}/{one}" for one in named] or [shelf]


def word_term(shelf: str, word: str, identity: Issuer) -> str:
    """The term of a word; a fingerprint on what is not for everybody: it may be a person's."""
    sealed = shelf not in TAKING_PART
    return f"word:{identity.fingerprint(DIRECTORY, word)[:_SEALED_LENGTH] if sealed else word}"


def offer_term(area: str | None, service: str | None) -> str:
    """The term of an area, a service, or of both together, which few have of those with either."""
    return f"area:{area or ''} service:{service or ''}"


def entry_of(user: Document, known: Iterable[str], identity: Issuer) -> dict[str, Any]:
    """A user's entry but for its revision; `known` are the parties that may find it by a tie."""
    is_person, is_active = user["kind"] == "person", user["status"] in TAKING_PART
    name, profile = (said_by(user.get(group)) for group in LISTED)
    areas, services = (list((profile or {}).get(part) or ()) for part in ("areas", "services"))
    # Nobody but operators is shown who takes no part.
    of_whom = dict.fromkeys([*parties(user), *known] if is_person else ())
    readers = sorted(list(of_whom)[:PARTIES_MAX])
    if is_person or not is_active:
        shelves = [KEPT, *(readers if is_active else ())]
    else:
        shelves = [user["status"]]
    prefixes = {part for word in folded(name or "") for part in beginnings(word)}
    plain = {f"role:{role}" for role in user["roles"]}
    if shelves != [user["status"]]:
        plain.add(f"status:{user['status']}")
    offers = {offer_term(a, s) for a in (None, *areas) for s in (None, *services)}
    plain |= offers - {offer_term(None, None)}
    terms = set(shelves)
    for shelf in shelves:
        words = {word_term(shelf, part, identity) for part in prefixes}
        terms.update(shelf_terms(shelf, plain | words))
    return {
        "_id": user["_id"],
        "kind": user["kind"],
        **({"name": name} if name is not None and not is_person else {}),
        "roles": list(user["roles"]),
        "status": user["status"],
        "areas": areas,
        "services": services,
        "parties": readers,
        "terms": sorted(terms),
    }


def beginnings(word: str) -> list[str]:
    """The beginnings of a word that are terms, the longest one last; of a short word itself."""
    return [word[:length] for length in BEGINNINGS if length <= len(word)] or [word]


def fits(name: str, words: Sequence[str]) -> bool:
    """Whether each of the words is one of the name's, or begins one with enough characters."""
    own = folded(name)
    return all(
        any(one == word or (len(word) >= BEGINNINGS[0] and one.startswith(word)) for one in own)
        for word in words
    )


def listing_puts(
    writes: Sequence[Put | Drop], view: View, identity: Issuer, now: datetime
) -> Iterator[Put]:
    """The entries of the users that a decision changes, or whom it lets others find or not."""
    puts = [write for write in writes if isinstance(write, Put)]
    users = changed_in("users", puts)
    tied: dict[str, list[Document]] = {}
    for put in puts:
        if put.collection == RELATIONS and may_find(put.was, now) != may_find(put.document, now):
            entity = put.document["entity"]
            if register_of_entity(entity) == "users":
                tied.setdefault(entity, []).append(put.document)
    view.require(("users", user) for user in tied if user not in users)
    persons = [user for user in tied if user not in users and _is_person(view.get("users", user))]
    # All in one round: a decision may end what a user is to hundreds.
    view.require(key for user in persons for key in _entry_reads(user))
    for user in (*users, *persons):
        yield from _listing(users.get(user), tied.get(user, []), view, identity, now)


def _is_person(user: Document | None) -> bool:
    """Who is listed for everybody is found without being tied to anybody."""
    return user is not None and bool(user["kind"] == "person")


def _entry_reads(user: str) -> Iterator[tuple[str, Any]]:
    yield DIRECTORY, user
    yield RELATIONS, ties_span(user)


def _listing(
    put: Put | None, tied: Sequence[Document], view: View, identity: Issuer, now: datetime
) -> Iterator[Put]:
    if put is not None and put.was is None:
        known = [row["party"] for row in tied]
        yield Put(DIRECTORY, entry_of(put.document, known, identity) | {"revision": 1})
        return
    if put is not None and not tied:
        before, after = (entry_of(d, (), identity) for d in (put.was or {}, put.document))
        if before == after:
            return
    document = put.document if put is not None else view.get("users", tied[0]["entity"])
    if document is not None:
        yield from entry_puts(document, tied, view, identity, now)


def entry_puts(
    user: Document, tied: Sequence[Document], view: View, identity: Issuer, now: datetime
) -> Iterator[Put]:
    """A user's entry as it should be, where it is missing or another; all ties are looked at.

    What `tied` says takes the place of what is stored. Whose ties are over finds the user no more:
    by whether there is a further page it would learn what the user is called by now.
    """
    was = view.get(DIRECTORY, user["_id"])
    rows: dict[str, Document] = {}
    if user["kind"] == "person":
        stored, _ = view.page(RELATIONS, ties_span(user["_id"]))
        rows = {row["party"]: row for row in (*stored, *tied)}
    entry = entry_of(user, [p for p, row in rows.items() if may_find(row, now)], identity)
    revision = was["revision"] if was is not None else 0
    if was != entry | {"revision": revision}:
        yield Put(DIRECTORY, entry | {"revision": revision + 1}, was)


def may_find(row: Document | None, now: datetime) -> bool:
    """Whether what is recorded of a party lets it read the name, now or later.

    A reader of other groups must not find out a name by trying words.
    """
    return any(
        not is_over(one, now) and (one["as"] != READER or one["group"] == NAME)
        for one in ties_of(row)
    )


def ties_span(user: str) -> Span:
    """The relations of a user, of which its entry needs the parties."""
    return Span("entity", user)


def parts_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry shows; a person's name does not stand in it."""
    shown = ("kind", "name", "roles", "status", "areas", "services")
    return {"id": entry["_id"], **{name: entry[name] for name in shown if name in entry}}
