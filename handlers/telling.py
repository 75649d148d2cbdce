"""Who is told what of a fact: audience, choice, filter, and each recipient's own count."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.messages import Event, register_of_entity
from contracts.notices import Choice
from contracts.taxonomy import FRONT_DESK
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Handled, Reads, View
from handlers.edges import RELATIONS, limited, shared, tied
from handlers.kinds import KINDS, NAMES, Kind, resolved
from handlers.post import NOTICES, Post, digest_pot, digest_span, todo
from handlers.rights import Relation
from handlers.senders import RESERVED
from handlers.spans import Span
from handlers.visibility import VALUES_OF, Standing, Visible, event_for, event_naming

Party = tuple[Document, str]
"""What is recorded of a party, and its status."""


def tell_reads(fact: Event, context: Context) -> Reads:
    """The parties that the fact names, what they have chosen, and a page of the others."""
    kind = KINDS.get(type(fact))
    if kind is None:
        return
    for recipient in _named(fact):
        yield from _reads_of(recipient)
    for notice in resolved(fact):
        yield NOTICES, notice
    if not kind.is_first:
        yield RELATIONS, _span(fact, context)


def tell(fact: Event, view: View, context: Context) -> Handled:
    """Tell the parties of what the fact is about, a page of them at a time, but for the actor.

    Source: U5, A5a.
    """
    post = Post(view, context)
    further = announce(fact, post)
    return Handled(unattributed(context.now), post.writes, tuple(post.told), further)


def announce(fact: Event, post: Post) -> str | None:
    """Tell the parties on this page; say behind whom the next one begins, if there is one."""
    kind, view, context = KINDS.get(type(fact)), post.view, post.context
    if kind is None:
        return None
    edges, further = ([], "") if kind.is_first else view.page(RELATIONS, _span(fact, context))
    audience = _audience(fact, _parties(edges, view, context), context)
    view.require(key for recipient in audience for key in _reads_of(recipient))
    asked = {r: _todo(r, standing, fact, kind) for r, standing in audience.items()}
    done_with = [todo(r, kind.ends.message_type, fact.entity) for r in audience if kind.ends]
    view.require((NOTICES, n) for n in (*asked.values(), *done_with) if n is not None)
    chosen = {r: choice(kind, fact, view.get("subscriptions", r), s) for r, s in audience.items()}
    pots = {r: _pot(r, fact, kind, way) for r, way in chosen.items()}
    view.require(("pots", pot) for pot in pots.values() if pot is not None)
    if context.cursor is None:
        _resolve(post, fact)
    for notice in done_with:
        post.close(notice, fact.message_type)
    for recipient, standing in audience.items():
        visible = _visible(recipient, standing, fact, kind)
        if visible is not None and chosen[recipient] != "off":
            sequence = _deliver(post, fact, kind, visible, pots[recipient])
            if sequence is not None and asked[recipient] is not None:
                _open(post, recipient, fact, kind, sequence)
    return further or None


def _visible(recipient: str, standing: Standing, fact: Event, kind: Kind) -> Visible | None:
    if recipient == _also(fact):
        return event_naming(recipient, fact, kind.hidden)
    return event_for(recipient, standing, fact, kind.hidden)


def _about(fact: Event, kind: Kind) -> str:
    """What a notice that asks for action is about."""
    return fact.entity if kind.about is None else str(getattr(fact, kind.about))


def _todo(recipient: str, standing: Standing, fact: Event, kind: Kind) -> str | None:
    """The notice that asks the recipient for action; None where it is asked for none."""
    if not kind.asks or (kind.asks_of and standing.held.isdisjoint(kind.asks_of)):
        return None
    if kind.asks_when is not None and getattr(fact, kind.asks_when[0]) != kind.asks_when[1]:
        return None
    return todo(recipient, fact.message_type, _about(fact, kind))


def _open(post: Post, recipient: str, fact: Event, kind: Kind, sequence: int) -> None:
    revision = getattr(fact, "revision", None)
    post.open(recipient, fact.message_type, _about(fact, kind), sequence, revision)


def _resolve(post: Post, fact: Event) -> None:
    """Close what the fact resolves, but for what was asked for at a later revision."""
    revision = getattr(fact, "revision", None)
    for notice in resolved(fact):
        asked = (post.stored(NOTICES, notice) or {}).get("revision_asked")
        if revision is None or asked is None or asked <= revision:
            post.close(notice, fact.message_type)


def _also(fact: Event) -> str | None:
    """The user whom the fact names besides the parties of its entity."""
    return getattr(fact, NAMES.get(fact.message_type, ""), None)


def _pot(recipient: str, fact: Event, kind: Kind, way: Choice) -> str | None:
    """Where an event is gathered: in the recipient's digest, or with others of its own sort."""
    if way == "digest":
        return digest_pot(recipient)
    if way == "now" and kind.once_in is not None:
        return f"{recipient}/{fact.message_type}/{fact.entity}"
    return None


def _deliver(post: Post, fact: Event, kind: Kind, visible: Visible, pot: str | None) -> int | None:
    """Tell it now, or gather it: all for a digest, and of its own sort what follows the first.

    Gives the sequence under which it is told; None where it is gathered.
    """
    recipient, of_type, about = visible.recipient, fact.message_type, [fact.entity]
    if pot == digest_pot(recipient):
        post.gather(pot, recipient, of_type, about, digest_span(recipient, post.view))
        return None
    if pot is not None and kind.once_in is not None:
        if post.stored("pots", pot) is not None:
            post.gather(pot, recipient, of_type, about, kind.once_in)
            return None
        post.gather(pot, recipient, "", (), kind.once_in)
    return post.send(visible, of_type, fact.entity, is_traced=not kind.hidden)


def choice(kind: Kind, fact: Event, chosen: Document | None, standing: Standing) -> Choice:
    """How a recipient wants it: by asset, by area, by kind, in this order; else as is usual.

    Where it may not know the area, what it has chosen for one is no way to find out.
    """
    if kind.mandatory:
        return "now"
    said = chosen or {}
    area = getattr(fact, "area", None) if standing.may("read", VALUES_OF["area"]) else None
    found = (
        said.get("assets", {}).get(fact.entity),
        said.get("areas", {}).get(area),
        said.get("kinds", {}).get(fact.message_type),
    )
    return next((c for c in found if c is not None), kind.usual)


def _collection(fact: Event) -> str:
    """The register of what the fact is about, by the form of its id."""
    return register_of_entity(fact.entity)


def _span(fact: Event, context: Context) -> Span:
    return Span("entity", fact.entity, context.cursor or "")


def _named(fact: Event) -> dict[str, set[Relation]]:
    """Whom the fact itself names: the user that it is about, and the parties of that moment.

    One whom it names besides them need not be anything to the entity.
    """
    found: dict[str, set[Relation]] = {}
    if (also := _also(fact)) is not None:
        found[also] = set()
    if _collection(fact) == "users" and not KINDS[type(fact)].is_last:
        found.setdefault(fact.entity, set()).add("self")
    for relation, user in (fact.parties or {}).items():
        found.setdefault(user, set()).add(relation)  # type: ignore[arg-type]  # what `named` gave
    return found


def _parties(edges: Sequence[Document], view: View, context: Context) -> Sequence[Party]:
    """The rows of a page with the status of their parties, which matters for readers alone."""
    at = context.at or context.now
    readers = [row["party"] for row in edges if shared(row, at)]
    view.require(("users", reader) for reader in readers)
    statuses = {reader: (view.get("users", reader) or {}).get("status", "") for reader in readers}
    return [(row, statuses.get(row["party"], "")) for row in edges]


def _audience(fact: Event, parties: Sequence[Party], context: Context) -> Mapping[str, Standing]:
    """The recipients of this page with what they were to the entity when it happened."""
    at = context.at or context.now
    named = _named(fact)
    found = {row["party"]: tied(row, at, status) for row, status in parties}
    granted = {party: groups for party, (_, groups) in found.items()}
    recorded = {party: held - KINDS[type(fact)].not_of for party, (held, _) in found.items()}
    only = {row["party"]: limited(row, at) for row, _ in parties}
    # Whom the fact names is told with the first page, together with what else it is.
    first = {} if context.cursor else {user: frozenset(held) for user, held in named.items()}
    told = {
        user: first.get(user, frozenset()) | recorded.get(user, frozenset())
        for user in (*first, *recorded)
        if user in first or user not in named
    }
    actor = getattr(fact, "by", None)
    # Who registers at the front desk is the user itself; who else comes there is not known.
    itself = actor == FRONT_DESK and KINDS[type(fact)].is_first
    actors = {fact.entity if itself else actor, *RESERVED}
    also = _also(fact)
    return {
        user: Standing(
            _collection(fact),
            held,
            granted.get(user, frozenset()),
            only.get(user, frozenset()),
        )
        for user, held in told.items()
        if (held or user == also) and user not in actors
    }


def _reads_of(recipient: str) -> Iterator[tuple[str, Any]]:
    yield "subscriptions", recipient
    yield "sequences", recipient
