"""What dead letters are named and told apart by."""

from typing import Annotated, Literal

from pydantic import Field

LetterId = Annotated[str, Field(pattern=r"^[0-9]{8}T[0-9]{9}-[0-9a-f]{32}$")]
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
EditId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
EditType = Annotated[
    str, Field(max_length=200, pattern=r"^[a-z]+(\.[a-z]+(-[a-z]+)*)+\.v[1-9][0-9]*$")
]
Short = Annotated[str, Field(min_length=1, max_length=255)]
EditState = Literal["proposed", "sent"]
DeadState = Literal["open", "replaying", "resolved", "failed-again", "discarded", "edited"]
DeadReason = Literal[
    "undecodable",
    "identity",
    "source",
    "poisoned",
    "unencodable",
    "exhausted",
    "delivery-limit",
    "expired",
    "dropped",
    "rejected",
    "unroutable",
    "dead-lettered",
    "unsendable",
]
"""`undecodable`, `identity` and `source`: who sent it, or what it says, cannot be read or believed;
`poisoned`: a handler failed; `unencodable`: the store refuses what was decided; `exhausted`: it was
tried as often as may be; `delivery-limit`, `expired`, `dropped`, `rejected`: the broker gave it up;
`unroutable`: no binding takes its type; `dead-lettered`: nobody knows why; `unsendable`: it could
not be sent again, by a replay or by an edit."""
