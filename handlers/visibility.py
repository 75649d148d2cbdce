"""The filter: what a user is to a document, and what of it may reach that user's eyes.

Every way out has this one door: replies, findings, answers to queries, personal events.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from contracts.messages import Contract, Event
from contracts.notices import Again
from contracts.taxonomy import FRONT_DESK, VERIFIER
from handlers.consents import is_unwanted
from handlers.decision import Context, Document, View
from handlers.documents import mask, said_by
from handlers.edges import READER, RELATIONS, edge, limited, tied, ties
from handlers.rights import GROUPS, RIGHTS, SCOPED, Relation, Right, strongest
from handlers.senders import RESERVED, Sender

UNOWNED: Final = "nobody"
"""In place of an owner that there is not: whoever may not see a thing must not learn by the time
which an answer takes whether it exists, so that as much is read for it."""
VALUES_OF: Final[Mapping[str, str]] = {"area": "connection"}
"""Attributes of a fact that tell a value of a group: for those alone who may read the group."""
VALUES: Final = ("before", "after")
"""Attributes of an event that hold groups of values, which are shown as those of the document."""
TAKING_PART: Final = frozenset({"provisional", "confirmed"})
"""Statuses of users who take part in the market."""
_SEAL: Final = object()


@dataclass(frozen=True, slots=True)
class Visible:
    """Data that is fit for one recipient's eyes; only this module makes one.

    So every way out has one door: who wants to send something else has to come here first.
    """

    recipient: str
    data: Contract
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("expected what this module makes, got a value of somebody's own")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a user is to one document at one moment, and by that what it may see and write."""

    collection: str
    held: frozenset[Relation]
    granted: frozenset[str] = frozenset()
    """Groups that it may read as `reader`; without one it is none."""
    only: frozenset[tuple[Relation, str]] = frozenset()
    """Relations that hold for some services alone, each with one of these."""

    @property
    def may_see(self) -> bool:
        """Whether the user may know that the document exists; default is no."""
        return bool(self.held)

    def right(self, path: str) -> Right:
        """The most that the user may do with a group; of what no table names, nothing.

        Of a group that is kept by service, `service.DFS` is what is said for that one.
        """
        group, _, rest = path.partition(".")
        held = self.held if group in self.granted else self.held - {READER}
        if rest and group in SCOPED:
            held &= self.held_for(rest.partition(".")[0])
        return strongest(self.collection, group, held)

    def held_for(self, service: str | None) -> frozenset[Relation]:
        """The relations without those that hold for other services alone."""
        if service is None:
            return self.held
        return self.held - {r for r, _ in self.only if (r, service) not in self.only}

    def may(self, right: Right, path: str) -> bool:
        """Whether the user may do at least this with a group."""
        return RIGHTS.index(self.right(path)) >= RIGHTS.index(right)

    def shown(self, document: Document) -> dict[str, Any]:
        """The document's groups as the user may see them, with the names of the masked ones."""
        shown: dict[str, Any] = {}
        masked: list[str] = []
        for group in GROUPS[self.collection]:
            plain = said_by(document.get(group))
            # A secret whose key was destroyed is not there any more.
            if plain is None or not self.may("masked", group):
                continue
            if group in SCOPED:
                plain = {n: v for n, v in plain.items() if self.may("read", f"{group}.{n}")}
                if not plain:
                    continue
            if self.may("read", group):
                shown[group] = plain
            else:
                shown[group] = mask(plain)
                masked.append(group)
        return shown | ({"masked": masked} if masked else {})

    def names(self, changed: Iterable[str]) -> tuple[str, ...]:
        """Of the names of changed fields, those of groups that the user may read."""
        return tuple(name for name in changed if self.may("read", name))

    def services(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Of some services those for which the user may know whether the asset is confirmed."""
        return tuple(code for code in codes if self.may("read", f"confirmations.{code}"))


def standing_reads(collection: str, key: str, viewer: str) -> Iterator[tuple[str, Any]]:
    """What `seen` looks at first."""
    yield collection, key
    yield RELATIONS, edge(key, viewer)


def mandate_read(document: Document | None, viewer: str) -> tuple[str, str]:
    """What `standing_to` looks at next: whether the viewer has a mandate of the owner."""
    return RELATIONS, edge((document or {}).get("owner") or UNOWNED, viewer)


def seen(
    collection: str, key: str, view: View, context: Context
) -> tuple[Document, Standing] | None:
    """A document that the sender may know of, and what the sender is to it; else None.

    At the desk as much is read for what is missing as for what is hidden; a batch reads what its
    commands look at together, once each.
    """
    document = view.get(collection, key)
    standing = standing_to((collection, key), document, context.sender, view, context.now)
    if document is None or not standing.may_see or "merged_into" in document:
        return None
    return document, standing


def standing_to(
    key: tuple[str, str], document: Document | None, viewer: Sender, view: View, at: datetime
) -> Standing:
    """What a viewer is to a document at a moment, by the document and by recorded relations.

    `key` is its collection and id.
    """
    own_ties = view.get(RELATIONS, edge(key[1], viewer.user))
    mandate = view.get(*mandate_read(document, viewer.user))
    by_tie, granted = tied(own_ties, at, viewer.status)
    held = {*_by_document(viewer, document or {}), *by_tie}
    if is_unwanted(own_ties):
        held.discard("registrant")
    if "delegate" in ties(mandate, at):
        held.add("delegate")
    return Standing(key[0], frozenset(held), granted, limited(own_ties, at))


def _by_document(viewer: Sender, document: Document) -> Iterator[Relation]:
    if document.get("_id") == viewer.user:
        yield "self"
    # Everybody may use the front desk: what was registered there is not its next visitor's.
    is_first = document.get("registrant") == viewer.user and "transferred_at" not in document
    if is_first and FRONT_DESK not in viewer.roles:
        yield "registrant"
    if document.get("owner") == viewer.user:
        yield "owner"
    if viewer.is_operator:
        yield "operator"
    if document.get("kind") == "organisation" and document["status"] in TAKING_PART:
        yield from by_organisation(viewer, document)


def by_organisation(viewer: Sender, document: Document) -> Iterator[Relation]:
    """What anybody is to an organisation that takes part; of persons nothing is public."""
    if VERIFIER in viewer.roles and viewer.status == "confirmed":
        yield "verifier"
    # It has made itself known by saying what it offers.
    elif document.get("profile") is not None and viewer.status in TAKING_PART:
        yield "registered"


def named(document: Document) -> dict[Relation, str]:
    """The users whom a document itself names, by what they are to it; events carry them along."""
    # Who had registered an asset is nothing to its next owner.
    is_first = "transferred_at" not in document
    by_name: tuple[Relation, ...] = ("registrant", "owner") if is_first else ("owner",)
    found = ((name, document.get(name)) for name in by_name)
    return {name: user for name, user in found if user is not None and user not in RESERVED}


def parties(document: Document) -> list[str]:
    """The users who may know of a document, for its claims to carry along."""
    return sorted({document["_id"], *named(document).values()} - RESERVED.keys())


def knows(viewer: Sender, claim: Document) -> bool:
    """Whether the viewer may know whose claim it is, without reading the holder.

    Reading the holder only where the claim is held would tell strangers by the time it takes.
    """
    return viewer.is_operator or viewer.user in claim["parties"]


def event_for(
    recipient: str, standing: Standing, fact: Event, hidden: Iterable[str]
) -> Visible | None:
    """A fact as one party of its entity may know it; None where it may know nothing of it.

    Facts are thin: what is filtered is names of changed fields, and attributes that `hidden` names.
    """
    if not standing.may_see:
        return None
    denied = [name for name, of in VALUES_OF.items() if not standing.may("read", of)]
    told_not = {"parties", *hidden, *denied} & type(fact).model_fields.keys()
    changes: dict[str, Any] = dict.fromkeys(told_not)
    changed = getattr(fact, "changed", None)
    if changed is not None:
        changes["changed"] = standing.names(changed)
        if not changes["changed"]:
            return None
    changes |= _by_service(standing, dict(fact))
    if _is_elsewhere({**dict(fact), **changes}):
        return None
    return Visible(recipient, fact.model_copy(update=changes), _SEAL)


def _by_service(standing: Standing, said: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is said by service and by field of an asset, what the recipient may know."""
    if standing.collection != "assets":
        return {}
    kept: dict[str, Any] = {}
    if said.get("services") is not None:
        kept["services"] = standing.services(said["services"])
    if said.get("because") is not None:
        kept["because"] = standing.names(said["because"])
    return kept


def _is_elsewhere(said: Mapping[str, Any]) -> bool:
    """Whether a confirmation concerns other services alone, and not the asset as a whole."""
    return said.get("overall") is False and not said.get("services")


def event_with_values(
    recipient: str, standing: Standing, fact: Event, values: Mapping[str, Document]
) -> Visible | None:
    """A fact with values of before and after, as far as its recipient may read their groups."""
    told = event_for(recipient, standing, fact, ())
    if told is None:
        return None
    shown = {name: standing.shown(groups) for name, groups in values.items()}
    filled = type(told.data).model_validate(told.data.model_dump() | shown)
    return Visible(recipient, filled, _SEAL)


def event_naming(recipient: str, fact: Event, hidden: Iterable[str]) -> Visible:
    """A fact that names its recipient, who is told of it whatever it is to the entity by then."""
    return Visible(recipient, fact.model_copy(update=dict.fromkeys(("parties", *hidden))), _SEAL)


def own(recipient: str, data: Contract) -> Visible:
    """What is about the recipient itself and holds nothing of others but their ids."""
    return Visible(recipient, data, _SEAL)


def again(
    recipient: str, standing: Standing | None, data: Mapping[str, Any], unknown: Container[str]
) -> Visible | None:
    """An event that was told before, as the recipient may know it now.

    Without a standing it is about the recipient itself; of what such a one sums up, that of which
    it may not know any more, `unknown`, is left out.
    """
    if standing is not None and not standing.may_see:
        return None
    denied = {n for n, of in VALUES_OF.items() if standing and not standing.may("read", of)}
    kept = {name: value for name, value in data.items() if name not in denied}
    if standing is not None:
        kept |= _by_service(standing, kept)
        if _is_elsewhere(kept):
            return None
        kept |= {n: standing.shown(kept[n]) for n in VALUES if kept.get(n) is not None}
    if standing is not None and kept.get("changed") is not None:
        kept["changed"] = list(standing.names(kept["changed"]))
        if not kept["changed"]:
            return None
    if kept.get("subjects") is not None:
        kept["subjects"] = [subject for subject in kept["subjects"] if subject not in unknown]
    return Visible(recipient, Again(**kept), _SEAL)


def reply_to_sender(sender: str, data: Contract) -> Visible:
    """What a decision tells its own sender.

    Stored values come out of `Standing.shown` alone; all the rest is ids that the sender may use
    and findings on what it sent itself, whose `got` repeats its own words.
    """
    return Visible(sender, data, _SEAL)
