"""A start with keys that are not those of the servers: refused at once, with a sentence."""

import pytest
from pydantic import SecretStr

from tests.spine import ENTRIES, Spine
from workers.app import Workers
from workers.backbone import StartError, open_backbone

pytestmark = pytest.mark.connected

ANOTHER = SecretStr("ff" * 32)


async def test_master_key_of_another_database_is_refused(lone: Spine) -> None:
    async with open_backbone(lone.settings, lone.addresses, ENTRIES):
        pass
    settings = lone.settings.model_copy(update={"master_key": ANOTHER})
    with pytest.raises(StartError, match="FLEXSPINE_MASTER_KEY"):
        async with open_backbone(settings, lone.addresses, ENTRIES):
            pass


async def test_login_that_the_broker_refuses_is_not_tried_for_long(lone: Spine) -> None:
    """An empty database takes any key; the broker's accounts are of one."""
    settings = lone.settings.model_copy(update={"master_key": ANOTHER})
    async with open_backbone(settings, lone.addresses, ENTRIES) as backbone:
        with pytest.raises(StartError, match=r"flex-relay in .*FLEXSPINE_MASTER_KEY") as refused:
            await Workers(backbone).run()
    assert "@" not in str(refused.value)
