"""Reaching the broker at a start: it may be slow; a refused login never gets better."""

from collections.abc import Awaitable, Callable
from typing import Final

from aio_pika.exceptions import AuthenticationError, ProbableAuthenticationError
from aiormq.exceptions import AMQPError
from faststream.rabbit import RabbitBroker
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random_exponential

from workers.backbone import StartError

START_S: Final = 30.0
"""How long a start waits for the broker."""
LOGIN_REFUSED: Final = (AuthenticationError, ProbableAuthenticationError)
BROKER_FAULTS: Final = (AMQPError, OSError)


async def reach(
    url: str,
    account: str,
    connect: Callable[[], Awaitable[object]],
    broker: RabbitBroker | None = None,
) -> None:
    """Wait a while for the broker; one that refuses the login is not asked again. StartError."""
    try:
        async for attempt in AsyncRetrying(
            stop=stop_after_delay(START_S),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception(_may_pass),
            reraise=True,
        ):
            with attempt:
                await connect()
        if broker is not None:
            await broker.start()
    except BROKER_FAULTS as error:
        raise StartError(
            f"expected the broker at {url} to let "
            f"{account} in within {START_S:.0f} s, got {type(error).__name__}. "
            "Is it up, is FLEXSPINE_MASTER_KEY the one of `flexspine topology apply`, and has "
            "that been run?"
        ) from error


def _may_pass(error: BaseException) -> bool:
    """Whether to try again helps: neither a refused login nor a bug gets better."""
    return isinstance(error, BROKER_FAULTS) and not isinstance(error, LOGIN_REFUSED)
