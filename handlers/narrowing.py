"""What an event says by service and by field of an asset, as far as its recipient may know it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handlers.visibility import Standing


def narrowed(standing: "Standing", said: Mapping[str, Any]) -> dict[str, Any] | None:
    """The services and the reasons that the recipient may know; None where all is of others.

    Whoever is related for one service alone learns nothing of what is confirmed for another.
    """
    if standing.collection != "assets" or said.get("overall") is None:
        return {}
    services = tuple(
        code for code in said["services"] if standing.may("read", f"confirmations.{code}")
    )
    if not services and not said["overall"]:
        return None
    because = said.get("because")
    reasons = {"because": standing.names(because)} if because is not None else {}
    return {"services": services, **reasons}
