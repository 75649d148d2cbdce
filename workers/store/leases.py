"""How a lease changes hands: update pipelines that go by the database's clock."""

from collections.abc import Mapping
from typing import Any, Final

Pipeline = list[dict[str, Any]]

RELEASE: Final[Pipeline] = [{"$set": {"owner": None, "until": "$$NOW"}}]

RUN_OUT: Final[dict[str, Any]] = {"$expr": {"$lte": ["$until", "$$NOW"]}}


def free_for(lane: str, owner: str) -> dict[str, Any]:
    """Match a lane that has a row and may be taken by `owner`."""
    return {"_id": lane, "$expr": _free(owner)}


def takeover(owner: str, ttl_s: float, session_id: Mapping[str, Any]) -> Pipeline:
    """Take a lane that is new, released, run out or one's own, and leave any other as it is.

    One stage, so that every expression sees the lane as it was.
    """
    free = _free(owner)
    return [
        {
            "$set": {
                "owner": _if(free, {"$literal": owner}, "$owner"),
                "until": _if(free, _after(ttl_s), "$until"),
                "epoch": {"$add": [{"$ifNull": ["$epoch", 0]}, _if(free, 1, 0)]},
                "session": _if(free, {"$literal": session_id}, "$session"),
                "batch": {"$ifNull": ["$batch", 0]},
            }
        }
    ]


def renewal(ttl_s: float) -> Pipeline:
    """Prolong a lease from now on."""
    return [{"$set": {"until": _after(ttl_s)}}]


def holder(lane: str, owner: str, epoch: int) -> dict[str, Any]:
    """Match a lane only while the lease still stands.

    A lease that ran out and that nobody took may go on: its epoch still fences everyone else.
    """
    return {"_id": lane, "owner": owner, "epoch": epoch}


def _free(owner: str) -> dict[str, Any]:
    # Without a row `until` is missing, and missing sorts before every date: free.
    return {"$or": [{"$eq": ["$owner", {"$literal": owner}]}, {"$lte": ["$until", "$$NOW"]}]}


def _after(ttl_s: float) -> dict[str, Any]:
    return {"$add": ["$$NOW", round(ttl_s * 1000)]}


def _if(condition: dict[str, Any], then: object, otherwise: object) -> dict[str, Any]:
    return {"$cond": [condition, then, otherwise]}
