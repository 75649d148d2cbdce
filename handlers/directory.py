"""The directory: users found by what they are, as far as the asker may know of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from contracts.directory import (
    DirectoryEntry,
    DirectoryPage,
    DirectoryRebuilt,
    RebuildDirectory,
    SearchDirectory,
)
from contracts.envelope import Finding
from contracts.messages import Contract
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Guard,
    Put,
    Reads,
    Rejected,
    View,
)
from handlers.listing import (
    BEGINNINGS,
    DIRECTORY,
    KEPT,
    beginnings,
    entry_puts,
    fits,
    folded,
    offer_term,
    parts_of,
    shelf_terms,
    ties_span,
    word_term,
)
from handlers.paging import after_of, cursor_of, foreign
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.visibility import TAKING_PART, mandate_read, seen, standing_reads

FEW: Final = frozenset({"mpp", "mo", "so", "special", "verifier", "operator"})
"""Roles that few users have."""
MANY: Final = frozenset(
    {
        "and", "co", "company", "energy", "farm", "group", "limited", "llp", "ltd", "network",
        "networks", "of", "plc", "power", "renewable", "renewables", "services", "solar", "storage",
        "the", "uk", "wind",
    }
)  # fmt: skip
"""Words that many names of this market have."""


def _question(query: SearchDirectory) -> str:
    asked = query.model_dump(exclude={"cursor", "limit"})
    return "directory.search/" + "\x1f".join(f"{name}={value}" for name, value in asked.items())


def _span(query: SearchDirectory, shelf: str, context: Context) -> Span:
    """The page of those who fit, on a shelf: what few have stands first."""
    ranked = []
    for word in sorted(folded(query.text or ""), key=len, reverse=True):
        begins = word_term(shelf, beginnings(word)[-1], context.identity)
        ranked.append((4 if word in MANY or len(word) < BEGINNINGS[-1] else 1, begins))
    if query.role is not None:
        ranked.append((0 if query.role in FEW else 3, f"role:{query.role}"))
    if query.area is not None or query.service is not None:
        ranked.append((2, offer_term(query.area, query.service)))
    if query.status is not None and shelf != query.status:
        ranked.append((5, f"status:{query.status}"))
    wanted = dict.fromkeys(name for _, name in sorted(ranked, key=lambda one: one[0]))
    after = after_of(query.cursor, _question(query), context)
    return Span.of_list("terms", shelf_terms(shelf, wanted), after, query.limit)


def _open_shelves(query: SearchDirectory) -> list[str]:
    return sorted(TAKING_PART if query.status is None else TAKING_PART & {query.status})


def _search_reads(query: SearchDirectory, context: Context) -> Reads:
    for shelf in (*_open_shelves(query), context.sender.user):
        yield DIRECTORY, _span(query, shelf, context)


@reads(_search_reads)
def search_directory(query: SearchDirectory, view: View, context: Context) -> Contract | Rejected:
    """Answer with the users that fit and that the asker may know of, a page at a time.

    Rejects: cursor.foreign, directory.no-word
    Source: U5.
    """
    question = _question(query)
    if findings := (*foreign(query.cursor, question, context), *_without_a_word(query)):
        return reject(*findings)
    pages = [view.page(DIRECTORY, span) for span in _spans(query, context)]
    entries, further = _merged(pages, query.limit)
    words = folded(query.text or "")
    shown = _shown(entries, view, context)
    return DirectoryPage(
        entries=tuple(one for one in shown if fits(one.name or "", words)),
        cursor=cursor_of(further, question, context) if further else None,
    )


def _spans(query: SearchDirectory, context: Context) -> Iterator[Span]:
    """Where an asker may look: who is provisional sees what everybody sees, and no more."""
    shelves = _open_shelves(query)
    if context.sender.is_operator:
        shelves.append(KEPT)
    elif context.sender.status == "confirmed":
        shelves.append(context.sender.user)
    for shelf in shelves:
        yield _span(query, shelf, context)


def _merged(
    pages: Sequence[tuple[Sequence[Document], str]], limit: int
) -> tuple[Sequence[Document], str]:
    """One page of several, and behind which id the next one begins.

    Behind the end of a page that goes on nothing is known to be complete.
    """
    found = {row["_id"]: row for rows, _ in pages for row in rows}
    ends = [end for _, end in pages if end]
    ids = sorted(key for key in found if not ends or key <= min(ends))[:limit]
    is_all = not ends and len(ids) == len(found)
    return [found[key] for key in ids], "" if is_all or not ids else ids[-1]


def _shown(entries: Sequence[Document], view: View, context: Context) -> Iterator[DirectoryEntry]:
    persons = [entry["_id"] for entry in entries if entry["kind"] == "person"]
    viewer = context.sender.user
    view.require(key for person in persons for key in standing_reads("users", person, viewer))
    if persons:
        view.require([mandate_read(None, viewer)])
    for entry in entries:
        if entry["kind"] != "person":
            yield DirectoryEntry(**parts_of(entry))
        elif (name := _name(entry["_id"], view, context)) is not None:
            yield DirectoryEntry(**parts_of(entry), **name)


def _name(person: str, view: View, context: Context) -> Mapping[str, Any] | None:
    """A person's name, as far as there is one; None where the asker may not read it (any more)."""
    found = seen("users", person, view, context)
    if found is None or not found[1].may("read", "name"):
        return None
    document, standing = found
    shown = standing.shown({"name": document.get("name")})
    return {name: value for name, value in shown.items() if name == "name"}


def _without_a_word(query: SearchDirectory) -> Iterator[Finding]:
    if query.text is not None and not folded(query.text):
        yield finding(
            "directory.no-word",
            "text",
            expected="at least one letter or digit",
            got=query.text,
            advice="Leave `text` out to find whoever fits the rest.",
        )


def _rebuild_reads(command: RebuildDirectory, context: Context) -> Reads:
    yield "users", _portion(command)


def _portion(command: RebuildDirectory) -> Span:
    return Span.of_list("", (), command.after or "")


@reads(_rebuild_reads)
def rebuild_directory(command: RebuildDirectory, view: View, context: Context) -> Decision:
    """Write the entries of a portion of the users that are missing or not as they should be.

    Source: the directory, for users who were registered before there was one.
    """
    users, further = view.page("users", _portion(command))
    view.require(
        [
            *((DIRECTORY, user["_id"]) for user in users),
            *(("relations", ties_span(user["_id"])) for user in users if user["kind"] == "person"),
        ]
    )
    writes: list[Put] = []
    guards: list[Guard] = []
    for user in users:
        if puts := list(entry_puts(user, (), view, context.identity, context.now)):
            writes += puts
            guards.append(Guard("users", user))
    return Accepted(
        subject=context.sender.user,
        keyed_to=context.sender.user,
        reply=DirectoryRebuilt(written=len(writes), after=further or None),
        writes=tuple(writes),
        guards=tuple(guards),
    )
