"""The account reconciler: makes the broker account of each user that the register knows."""

from dataclasses import dataclass

import structlog
from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError

from contracts.envelope import Envelope
from contracts.users import UserRegistered
from handlers.decision import View
from topology.apply import apply
from topology.management import Management, ManagementUnavailableError
from topology.plan import user_plan
from workers.loading import Loaded, Loader
from workers.pause import Pause
from workers.store.protocol import Unavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AccountWorker:
    """Takes domain events; the desired account is a document, the broker is made to agree."""

    loader: Loader
    management: Management
    backoff_max_s: float

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Make the account of one registered user, however long an outage lasts."""
        try:
            event = Envelope[UserRegistered].model_validate_json(message.body).data
        except ValidationError:
            log.exception("account.unreadable")
            await message.reject(requeue=False)
            return
        pause = Pause(self.backoff_max_s)
        while event.account and not message.channel.is_closed:
            try:
                await self.reconcile(event.id)
            except (Unavailable, ManagementUnavailableError) as error:
                log.warning("account.paused", user=event.id, error=str(error))
                await pause.wait()
            except Exception:  # the one failure path of an account: it is dead-lettered
                log.exception("account.failed", user=event.id)
                await message.reject(requeue=False)
                return
            else:
                break
        if not message.channel.is_closed:
            await message.ack()

    async def reconcile(self, user: str) -> None:
        """Bring the broker to what the register says of one account; repeating it is harmless."""
        loaded = Loaded()
        await self.loader.read([("accounts", user)], loaded)
        account = View(loaded.documents).get("accounts", user)
        if account is None or account["key_hash"].value is None:
            return
        key_hash: str = account["key_hash"].value
        await apply(user_plan(user), self.management, lambda _name: key_hash)
        log.info("account.made", user=user)
