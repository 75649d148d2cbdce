"""What can go wrong while servers are started or stopped, said in full sentences."""

from pathlib import Path


class EmbeddedError(Exception):
    """The embedded servers are not in the state that was asked for."""


class ServerMissing(EmbeddedError):
    """A server's program is not on this machine; the text says how to get it."""

    def __init__(self, program: str, looked_in: str, advice: str) -> None:
        """Say which program was expected, where it was looked for and how to get it."""
        super().__init__(f"expected {program}; got none ({looked_in}); to do: {advice}")


class ServerFailed(EmbeddedError):
    """A server's program is here, but did not do what was expected of it in time."""

    def __init__(self, expected: str, got: str, advice: str, log: Path | None = None) -> None:
        """Say what was expected, what came and what to do, with the end of the server's log."""
        text = f"expected {expected}; got {got}; to do: {advice}"
        super().__init__(text if log is None else f"{text}\n{_tail(log)}")


def _tail(log: Path, bytes_max: int = 4096, lines_max: int = 20) -> str:
    if not log.exists():
        return f"({log} was not written)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - bytes_max))
        text = file.read().decode(errors="replace")
    return "\n".join([f"the end of {log}:", *text.splitlines()[-lines_max:]])
