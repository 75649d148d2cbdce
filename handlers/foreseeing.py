"""What the backbone would say against a command that has not arrived yet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.envelope import Finding
from contracts.messages import Request
from handlers.admission import Delivery, Limits, Refusal, admit


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Looked at as it will arrive, whatever lane takes it; its rights are looked at there."""

    commands: Mapping[str, type[Request]]
    """Type -> model of all commands that the backbone takes."""
    limits: Limits = field(default_factory=Limits)

    def __call__(self, delivery: Delivery) -> Iterator[Finding]:
        """Why it would not be read; nothing where it would."""
        arrived = admit(delivery, self.commands, self.limits)
        yield from (arrived.finding,) if isinstance(arrived, Refusal) else arrived.findings
