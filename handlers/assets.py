"""The asset register: what becomes an asset, and who may read it."""

from collections.abc import Iterable
from typing import Any, Final

from contracts.assets import AssetRegistered, AssetsView, AssetView, GetAssets, RegisterAsset
from handlers.amending import unfit
from handlers.asset_groups import kept, key_of, state_of
from handlers.asset_rules import (
    REGISTRATION_RULES,
    area_of,
    asset_not_found,
    device_claim,
    device_reads,
)
from handlers.asset_types import type_read
from handlers.cells import home
from handlers.decision import (
    Accepted,
    Answer,
    Context,
    Decision,
    Document,
    Put,
    Reads,
    Rejected,
    View,
)
from handlers.documents import plain
from handlers.duplicates import suspect
from handlers.lapsing import lapse_timer, overdue_since
from handlers.links import reference_of_asset
from handlers.neighbours import doubtful
from handlers.nesting import is_portfolio
from handlers.parts import further_reads, sums_of, sums_reads
from handlers.placing import PLACES, location_reads, shown_areas
from handlers.provenance import shown_sources
from handlers.retiring import not_replaceable, replaced_reads, replacement
from handlers.rules import candidate_ids, claim, issue_id, reject
from handlers.signature import reads
from handlers.suspecting import registered_already, suspect_reads, suspects
from handlers.visibility import Standing, mandate_read, named, seen, standing_reads
from handlers.watching import noted, watch_read

LIFE: Final = ("status_at", "replaces", "replaced_by", "retired_at", "retirement")
"""What whoever may see the asset sees of its life, beside the groups."""
ANSWER_BYTES_MAX: Final = 1_000_000
"""How much the assets of one answer come to; the first of them is told whatever its size."""
PORTFOLIOS_MAX: Final = 50
"""Of how many portfolios one answer has the sums, each of which reads all portfolios below."""


def _registration_reads(command: RegisterAsset, context: Context) -> Reads:
    yield "assets", next(candidate_ids(command.asset_type, context))
    yield type_read(command.asset_type)
    if command.owner is not None:
        yield "users", command.owner
    yield from device_reads(command.identity, context)
    yield from (one.read(context) for one in reference_of_asset(command.reference))
    yield from replaced_reads(command.replaces, context)
    yield from location_reads(command.location)
    yield from suspect_reads(_sought(command), context.identity)


@reads(_registration_reads)
def register_asset(command: RegisterAsset, view: View, context: Context) -> Decision:
    """Issue an id that embeds the type, and keep the data as provisional.

    That the owner exists may be read stale: a user's id never vanishes.
    Rejects: asset.unidentifiable, asset.owner-unknown, asset.duplicate, connection.gsp-group,
        location.outside, lifecycle.dates, asset.not-replaceable, asset-type.unknown,
        details.undefined, details.invalid, link.taken
    Source: A1, A2, A4a.
    """
    asset = issue_id(command.asset_type, "assets", view, context)
    document = _document(asset, command, context)
    keeper = key_of(document)
    if findings := tuple(not_replaceable(command.replaces, keeper, view, context)):
        return reject(*findings)
    if (rejected := unfit(REGISTRATION_RULES, document, view, context)) is not None:
        return rejected
    references = tuple(reference_of_asset(command.reference))
    # Behind the claims: a device that is registered already is told to be so, whatever its name.
    if linked := tuple(f for one in references for f in one.taken(view, context)):
        return reject(*linked)
    personal = _is_persons(command, view)
    found = [] if personal else suspects(document, view, context.identity)
    if (already := registered_already(found, view, context)) is not None:
        return already
    cases = tuple(suspect(document, one, judged, view, context) for one, judged in doubtful(found))
    device = device_claim(document)
    claims = (claim(*device, document, context),) if device is not None else ()
    document["home"] = _home(command, context)
    state = state_of(document)
    replaced = tuple(replacement(command.replaces, asset, view, context))
    return Accepted(
        subject=asset,
        keyed_to=keeper,
        reply=state,
        writes=(
            Put("assets", kept(document, personal=personal)),
            *claims,
            *(one.link(asset, view, context) for one in references),
            *lapse_timer(document),
            *(put for put, _ in (*replaced, *cases)),
        ),
        events=(
            AssetRegistered(
                **dict(state),
                by=context.sender.user,
                parties=named(document) or None,
                area=area_of(document),
            ),
            *(event for _, event in replaced),
            *(event for _, events in cases for event in events),
        ),
    )


def _is_persons(command: RegisterAsset, view: View) -> bool:
    """Whether the owner is a person: then place and connection are where somebody lives."""
    owner = view.get("users", command.owner) if command.owner is not None else None
    return owner is not None and owner["kind"] == "person"


def _home(command: RegisterAsset, context: Context) -> str:
    """The cell that decides where the asset's commands go, for good.

    That by which this command has come here too, so that all of its events are of one lane.
    """
    connection = command.connection
    group = connection.gsp_group if connection is not None else None
    return home(command.asset_type, group, context.sender.user, context.command_id)


def _sought(command: RegisterAsset) -> dict[str, Any]:
    """Of what is registered that by which others like it are found."""
    identity, connection, location = command.identity, command.connection, command.location
    sought: dict[str, Any] = {"asset_type": command.asset_type}
    if identity is not None:
        sought["identity"] = {"mac": identity.mac}
    if connection is not None:
        mpans = {"mpan_import": connection.mpan_import, "mpan_export": connection.mpan_export}
        sought["connection"] = mpans
    if location is not None:
        sought["location"] = location.model_dump(exclude_none=True)
    return sought


def _document(asset: str, command: RegisterAsset, context: Context) -> dict[str, Any]:
    given = plain(command.model_dump(exclude_none=True, exclude={"reference"}))
    return {
        "_id": asset,
        "revision": 1,
        "status": "provisional",
        "status_at": context.now,
        "registrant": context.sender.user,
        "registered_at": context.now,
        **{name: value for name, value in given.items() if value not in ({}, [])},
    }


def _get_reads(query: GetAssets, context: Context) -> Reads:
    for asset in dict.fromkeys(query.ids):
        yield from standing_reads("assets", asset, context.sender.user)
        yield watch_read(asset)
        yield from sums_reads(asset)
        yield PLACES, asset


@reads(_get_reads)
def get_assets(query: GetAssets, view: View, context: Context) -> Answer | Rejected:
    """Answer with the groups that the asker may see; who watches an asset is told of it.

    Rejects: asset.not-found
    Source: A6, A6a.
    """
    ids = tuple(dict.fromkeys(query.ids))
    # As much is read for what is hidden as for what is not there, and all of it at once.
    view.require([mandate_read(view.get("assets", one), context.sender.user) for one in ids])
    looked = {one: seen("assets", one, view, context) for one in ids}
    known = {one: found for one, found in looked.items() if found is not None}
    if not known:
        return asset_not_found(ids[0] if len(ids) == 1 else f"{len(ids)} ids", "ids")
    wanted = _first(known, PORTFOLIOS_MAX)
    view.require([key for one in wanted for key in further_reads(one, known[one][1], view)])
    shown: list[AssetView] = []
    size = 0
    for one in wanted:
        asset = _shown(one, known[one], view, context)
        if len(wanted) > 1:
            size += len(asset.model_dump_json(exclude_none=True).encode())
        if shown and size > ANSWER_BYTES_MAX:
            break
        shown.append(asset)
    answer = AssetsView(
        assets=tuple(shown),
        unknown=tuple(one for one in ids if one not in known),
        left=tuple(known)[len(shown) :],
    )
    return Answer(answer, tuple(fact for one in shown for fact in noted(one.id, view, context)))


def _first(assets: Iterable[str], portfolios: int) -> list[str]:
    """The first of some assets, with so many portfolios among them and no more."""
    taken: list[str] = []
    for one in assets:
        portfolios -= is_portfolio(one)
        if portfolios < 0:
            break
        taken.append(one)
    return taken


def _shown(asset: str, found: tuple[Document, Standing], view: View, context: Context) -> AssetView:
    document, standing = found
    groups = standing.shown(document)
    sources = shown_sources(document, standing, context.now)
    return AssetView(
        id=asset,
        status=document["status"],
        lifecycle=document["lifecycle"],
        revision=document["revision"],
        asset_type=document["asset_type"],
        overdue_since=overdue_since(document, context.now),
        **{name: document[name] for name in LIFE if name in document},
        **groups,
        **sums_of(asset, standing, view),
        **shown_areas(asset, standing, view),
        given={part: one for part, one in sources.items() if part.partition(".")[0] in groups},
    )
