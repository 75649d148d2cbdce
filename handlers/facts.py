"""Domain events as the lane of the notices takes them: what the backbone itself says happened."""

from collections.abc import Mapping
from hashlib import sha256

from pydantic import ValidationError

from contracts.messages import Event
from contracts.taxonomy import BACKBONE
from handlers.admission import Arrival, Delivery, Refusal, adapter, refuse


def admit_fact(delivery: Delivery, facts: Mapping[str, type[Event]]) -> Arrival | Refusal:
    """Say what a domain event is, which has the backbone's own account to vouch for it.

    One that no contract fits is a dead letter: a release has forgotten what another one says.
    """
    contract = facts.get(delivery.type)
    if contract is None:
        return refuse(delivery, "undecodable", "an event that this release knows", delivery.type)
    try:
        envelope = adapter(contract).validate_json(delivery.body)
    except (ValidationError, RecursionError):
        return refuse(delivery, "undecodable", f"an event of type {delivery.type}", "")
    return Arrival(
        user=BACKBONE,
        id=envelope.id,
        type=delivery.type,
        digest=sha256(delivery.body).digest(),
        delivery=delivery,
        message=envelope.data,
        header=envelope,
    )
