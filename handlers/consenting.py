"""Consent of an asset's owner: recorded beside what a party is to the asset, and taken back."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from contracts.consents import (
    AssetConsented,
    AssetConsentWithdrawn,
    ConsentState,
    GiveConsent,
    WithdrawConsent,
)
from contracts.envelope import Finding
from contracts.relations import RelationName
from contracts.users import ENDED_STATUSES
from handlers.asset_rules import asset_not_found
from handlers.consents import Consent, consent_of, consents_of, is_withdrawn
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, Rejected, View
from handlers.edges import RELATIONS, edge, recorded
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.tying import Tie, ended, ties_of
from handlers.visibility import Standing, named, seen, standing_reads

STOPS: Final[Mapping[RelationName, bool]] = {
    "aggregator": True,
    "fsp": True,
    # Who has bought, or keeps the grid, is it by a contract or by law, which a consent does not
    # make; it is told.
    "so": False,
    "mo": False,
    "verifier": False,
}
"""Relation -> whether it ends where the owner takes its consent back."""
CONSENTED: Final = frozenset(relation for relation, stops in STOPS.items() if stops)
"""Relations that one has by the owner's consent."""
KEPT_MAX: Final = 200
"""How many consents and withdrawals of one party for one asset are on record."""


def _reads(command: GiveConsent | WithdrawConsent, context: Context) -> Reads:
    yield from standing_reads("assets", command.id, context.sender.user)
    yield RELATIONS, edge(command.id, command.party)
    yield "users", command.party


@reads(_reads)
def give_consent(command: GiveConsent, view: View, context: Context) -> Decision:
    """Record a consent; whose word it is decides whether it is asserted or verified.

    The party's roles and a mandate of the sender may be read stale, as for relate_asset.
    Rejects: asset.not-found, consent.no-owner, consent.not-yours, consent.withdrawn,
        consent.from-future, consent.too-many, relation.party-unknown
    Source: assumption 8 of BUC.2.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    asset, standing = found
    was = view.get(RELATIONS, edge(command.id, command.party))
    if findings := tuple(_unfit(command, asset, standing, view, context)):
        return reject(*findings)
    state = "verified" if _is_word_of_the_owner(standing, command.party, context) else "asserted"
    before = consent_of(was, command.service)
    if state == "asserted" and is_withdrawn(was, command.service):
        return _is_withdrawn(command.party)
    given = _consent(command, state, context)
    if before is not None and _is_known(given, before):
        return Accepted(command.id, _state(command, before, was), asset["owner"])
    if len(consents_of(was)) >= KEPT_MAX:
        return _too_many()
    document = recorded(command.id, command.party, ties_of(was), was)
    document = {**document, "consents": [*consents_of(was), given]}
    event = AssetConsented(
        id=command.id,
        by=context.sender.user,
        parties=named(asset) or None,
        party=command.party,
        service=command.service,
        state=given["state"],
    )
    return Accepted(
        subject=command.id,
        keyed_to=asset["owner"],
        reply=_state(command, given, document),
        writes=(Put(RELATIONS, document, was),),
        events=(event,),
    )


@reads(_reads)
def withdraw_consent(command: WithdrawConsent, view: View, context: Context) -> Decision:
    """Take a consent back, and end what the party is to the asset by it.

    Rejects: asset.not-found, consent.no-owner, consent.not-yours, consent.none, consent.too-many
    Source: assumption 8 of BUC.2.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    asset, standing = found
    if findings := tuple(_not_the_owners(asset, standing, command.party, context)):
        return reject(*findings)
    was = view.get(RELATIONS, edge(command.id, command.party))
    kept = ties_of(was)
    after, _ = ended(kept, lambda one: _stops(one, command.service), None, context)
    is_party = command.party == asset["registrant"] or any(_stops(one, None) for one in kept)
    if not consents_of(was) and not is_party:
        return _none(command)
    before = consent_of(was, command.service)
    if after == kept and before is not None and before["state"] == "withdrawn":
        return Accepted(command.id, _state(command, before, was), asset["owner"])
    if len(consents_of(was)) >= KEPT_MAX:
        return _too_many()
    taken = {"service": command.service, "state": "withdrawn", **_made(context)}
    document = recorded(command.id, command.party, after, was)
    document = {**document, "consents": [*consents_of(was), taken]}
    stopped = {one["as"] for one, old in zip(after, kept, strict=True) if one != old}
    event = AssetConsentWithdrawn(
        id=command.id,
        by=context.sender.user,
        parties=named(asset) or None,
        party=command.party,
        service=command.service,
        stopped=tuple(sorted(stopped)),
    )
    return Accepted(
        subject=command.id,
        keyed_to=asset["owner"],
        reply=_state(command, taken, document),
        writes=(Put(RELATIONS, document, was),),
        events=(event,),
    )


def _made(context: Context) -> dict[str, Any]:
    return {"by": context.sender.user, "at": context.now}


def _consent(command: GiveConsent, state: str, context: Context) -> Consent:
    return {
        "service": command.service,
        "state": state,
        "method": command.method,
        "given_at": command.given_at or context.now,
        "agreement": command.agreement,
        "sha256": command.sha256,
        **_made(context),
    }


def _is_known(new: Consent, before: Consent) -> bool:
    """Whether nothing is said that is not on record: a verified one is not asserted again."""
    same = all(new[name] == before.get(name) for name in ("agreement", "sha256"))
    return same and before["state"] in {new["state"], "verified"}


def _stops(one: Tie, service: str | None) -> bool:
    of_service = service is None or one.get("service") in {service, None}
    return one["as"] in CONSENTED and of_service


def _is_word_of_the_owner(standing: Standing, party: str, context: Context) -> bool:
    """Whoever acts for the owner may not consent to itself in the owner's name."""
    if "delegate" in standing.held and context.sender.user != party:
        return True
    return bool(standing.held & {"owner", "verifier", "operator"})


def _unfit(
    command: GiveConsent, asset: Document, standing: Standing, view: View, context: Context
) -> Iterator[Finding]:
    if asset.get("owner") is None:
        yield _no_owner()
        return
    is_itself = command.party == context.sender.user
    if not (is_itself or standing.may("write", "relations") or "verifier" in standing.held):
        yield _not_yours()
    party = view.get("users", command.party)
    is_known = party is not None and party["status"] not in ENDED_STATUSES
    if party is None or not is_known or not CONSENTED & {*party["roles"]}:
        yield finding(
            "relation.party-unknown",
            "party",
            expected="the id of a registered user who is an aggregator or an FSP",
            got=command.party,
            advice="Check the id; the party registers, or asks for the role.",
        )
    if command.given_at is not None and command.given_at > context.now:
        yield finding(
            "consent.from-future",
            "given_at",
            expected="a moment that is past",
            got=command.given_at.isoformat(),
            advice="Give the moment at which the owner consented, or leave it out.",
        )


def _not_the_owners(
    asset: Document, standing: Standing, party: str, context: Context
) -> Iterator[Finding]:
    """A consent is taken back by whose it is; a party that wants to leave ends its own ties."""
    if asset.get("owner") is None:
        yield _no_owner()
    elif not standing.held & {"owner", "operator", "delegate"}:
        yield _not_yours()


def _no_owner() -> Finding:
    return finding(
        "consent.no-owner",
        "id",
        expected="an asset whose owner is a registered user",
        advice="Register the owner, and name it with `asset.transfer.v1`.",
    )


def _not_yours() -> Finding:
    return finding(
        "consent.not-yours",
        "party",
        expected="the owner, its delegate, an operator, or for asserting the party itself",
        advice="Ask the owner.",
    )


def _is_withdrawn(party: str) -> Rejected:
    return reject(withdrawn_finding(party))


def withdrawn_finding(party: str) -> Finding:
    """The owner does not want it; nobody else can say that it does."""
    return finding(
        "consent.withdrawn",
        "party",
        expected="a party from whom the owner has not taken its consent back",
        got=party,
        advice="The owner itself consents again, with `asset.consent.v1`.",
    )


def _none(command: WithdrawConsent) -> Rejected:
    return reject(
        finding(
            "consent.none",
            "party",
            expected="a party that has the owner's consent, or is something by it",
            got=command.party,
            advice="Ask with `asset.representation.v1` who is what to the asset.",
        )
    )


def _too_many() -> Rejected:
    return reject(
        finding(
            "consent.too-many",
            "party",
            expected=f"at most {KEPT_MAX} consents and withdrawals on record of one party",
            advice="Leave the consent as it is.",
        )
    )


def _state(
    command: GiveConsent | WithdrawConsent, consent: Consent, row: Document | None
) -> ConsentState:
    return ConsentState(
        id=command.id,
        party=command.party,
        service=command.service,
        state=consent["state"],
        revision=row["revision"] if row is not None else 0,
    )
