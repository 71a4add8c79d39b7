"""Seeded runs of whole towns: two gateways race on few accounts, and a model agrees with everything decided."""

import pytest

from tests.servers import EMBEDDED, Servers
from tests.whole.swarm import run_seed


@pytest.mark.parametrize("seed", range(1, 9))
async def test_a_town(servers: Servers, seed: int) -> None:
    await _run(servers, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 160))
async def test_many_towns(servers: Servers, seed: int) -> None:
    await _run(servers, seed)


async def _run(servers: Servers, seed: int) -> None:
    server = await servers.migrated(EMBEDDED)
    try:
        await run_seed(server, seed)
    finally:
        await servers.drop(EMBEDDED, server)
