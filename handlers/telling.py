"""Who is told what of a fact: audience, choice, filter, and each recipient's own count."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from contracts.messages import Event, register_of_entity
from contracts.notices import Choice, NoticeDigest, NoticeDue
from contracts.taxonomy import FRONT_DESK
from handlers.bookkeeping import unattributed
from handlers.decision import RESERVED, Context, Document, Handled, Reads, View
from handlers.kinds import KINDS, NAMES, Kind
from handlers.post import Post, digest_pot, digest_span
from handlers.rights import Relation
from handlers.spans import Span
from handlers.visibility import RELATIONS, Standing, Visible, event_for, event_naming, own, ties


def tell_reads(fact: Event, context: Context) -> Reads:
    """The parties that the fact names, what they have chosen, and a page of the others."""
    kind = KINDS.get(type(fact))
    if kind is None:
        return
    for recipient in _named(fact):
        yield from _reads_of(recipient)
    if not kind.is_first:
        yield RELATIONS, _span(fact, context)


def tell(fact: Event, view: View, context: Context) -> Handled:
    """Tell the parties of what the fact is about, a page of them at a time, but for the actor.

    Source: U5, A5a.
    """
    kind, keyed_to = KINDS.get(type(fact)), unattributed(context.now)
    if kind is None:
        return Handled(keyed_to)
    edges, further = ([], "") if kind.is_first else view.page(RELATIONS, _span(fact, context))
    audience = _audience(fact, edges, context)
    view.require(key for recipient in audience for key in _reads_of(recipient))
    chosen = {r: choice(kind, fact, view.get("subscriptions", r)) for r in audience}
    pots = {r: _pot(r, fact, kind, way) for r, way in chosen.items()}
    view.require(("pots", pot) for pot in pots.values() if pot is not None)
    post = Post(view, context)
    for recipient, held in audience.items():
        visible = _visible(recipient, held, fact, kind)
        if visible is not None and chosen[recipient] != "off":
            _deliver(post, fact, kind, visible, pots[recipient])
    return Handled(keyed_to, post.writes, tuple(post.told), further or None)


def _visible(recipient: str, held: frozenset[Relation], fact: Event, kind: Kind) -> Visible | None:
    if recipient == _also(fact):
        return event_naming(recipient, fact, kind.hidden)
    return event_for(recipient, Standing(_collection(fact), held), fact, kind.hidden)


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


def _deliver(post: Post, fact: Event, kind: Kind, visible: Visible, pot: str | None) -> None:
    """Tell it now, or gather it: all for a digest, and of its own sort what follows the first."""
    recipient, of_type, about = visible.recipient, fact.message_type, [fact.entity]
    if pot == digest_pot(recipient):
        post.gather(pot, recipient, of_type, about, digest_span(recipient, post.view))
        return
    if pot is not None and kind.once_in is not None:
        if post.stored("pots", pot) is not None:
            post.gather(pot, recipient, of_type, about, kind.once_in)
            return
        post.gather(pot, recipient, "", (), kind.once_in)
    sequence = post.send(visible, of_type, fact.entity, is_traced=not kind.hidden)
    if kind.asks:
        post.open(recipient, of_type, fact.entity, sequence)


def choice(kind: Kind, fact: Event, chosen: Document | None) -> Choice:
    """How a recipient wants it: by asset, by area, by kind, in this order; else as is usual."""
    if kind.mandatory:
        return "now"
    said = chosen or {}
    found = (
        said.get("assets", {}).get(fact.entity),
        said.get("areas", {}).get(getattr(fact, "area", None)),
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
    if _collection(fact) == "users":
        found.setdefault(fact.entity, set()).add("self")
    for relation, user in (fact.parties or {}).items():
        found.setdefault(user, set()).add(relation)  # type: ignore[arg-type]  # what `named` gave
    return found


def _audience(
    fact: Event, edges: Iterable[Document], context: Context
) -> Mapping[str, frozenset[Relation]]:
    """The recipients of this page with what they were to the entity when it happened."""
    at = context.at or context.now
    named = _named(fact)
    recorded = {row["party"]: ties(row, at) for row in edges}
    # Whom the fact names is told with the first page, together with what else it is.
    first = {} if context.cursor else {user: frozenset(held) for user, held in named.items()}
    found = {
        user: first.get(user, frozenset()) | recorded.get(user, frozenset())
        for user in (*first, *recorded)
        if user in first or user not in named
    }
    actor = getattr(fact, "by", None)
    # Who registers at the front desk is the user itself; who else comes there is not known.
    itself = actor == FRONT_DESK and KINDS[type(fact)].is_first
    actors = {fact.entity if itself else actor, *RESERVED}
    also = _also(fact)
    return {u: held for u, held in found.items() if (held or u == also) and u not in actors}


def _reads_of(recipient: str) -> Iterator[tuple[str, Any]]:
    yield "subscriptions", recipient
    yield "sequences", recipient


def due_reads(fact: NoticeDue, context: Context) -> Reads:
    """The timer, its pot, and the count of whose it is."""
    yield "timers", fact.timer
    yield "pots", fact.timer.partition("/")[2]
    yield "sequences", fact.id


def due(fact: NoticeDue, view: View, context: Context) -> Handled:
    """Tell what was gathered, and begin anew."""
    keyed_to, pot = unattributed(context.now), fact.timer.partition("/")[2]
    timer, held = view.get("timers", fact.timer), view.get("pots", pot)
    if timer is None:
        return Handled(keyed_to)
    post = Post(view, context)
    post.drop("timers", fact.timer)
    if held is not None and held["timer"] == fact.timer:
        post.drop("pots", pot)
        if held["kinds"]:
            digest = NoticeDigest(
                id=fact.id,
                kinds=held["kinds"],
                subjects=held["subjects"],
                first_at=held["first_at"],
                last_at=held["last_at"],
            )
            post.send(own(fact.id, digest), NoticeDigest.message_type, fact.id)
    return Handled(keyed_to, post.writes, tuple(post.told))
