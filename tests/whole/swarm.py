"""One seeded run of a town, from an empty database to settled accounts. `python -m tests.whole.swarm SEED …`"""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from gateway.books import Books
from gateway.store.embedded import Server
from tests.books import KEY
from tests.servers import EMBEDDED, Servers
from tests.whole.clients import Bustle
from tests.whole.journal import Journal
from tests.whole.ledger import settle_accounts
from tests.whole.process import GatewayProcess
from tests.whole.town import Town, build


@asynccontextmanager
async def gateways(server: Server, count: int = 2, lanes: int = 1) -> AsyncIterator[list[GatewayProcess]]:
    """Gateways as processes of their own on one database."""
    with tempfile.TemporaryDirectory(prefix="ag-") as folder:
        running = [GatewayProcess(server.dsn(), Path(folder) / f"{number}", lanes) for number in range(count)]
        try:
            await asyncio.gather(*(gateway.start() for gateway in running))
            yield running
        finally:
            await asyncio.gather(*(gateway.stop() for gateway in running))


async def bustle_in(
    server: Server, town: Town, running: list[GatewayProcess], enough: Callable[[], bool] = lambda: True
) -> Journal:
    """The town's bustle, with its other rulebooks coming into force meanwhile."""
    journal = Journal()
    bustle = Bustle(town, running, journal)
    bustle.enough = enough
    activating = asyncio.create_task(_activate(server, town))
    try:
        await bustle.run()
    finally:
        await activating
    return journal


async def _activate(server: Server, town: Town) -> None:
    """Another set of rulebooks comes into force while claims are under way, and in the end again the first."""
    for rulebooks in (*town.rulebooks[1:], *town.rulebooks[:1] * (len(town.rulebooks) > 1)):
        await asyncio.sleep(0.3)
        # Where a server is killed now and then, there will be another moment.
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            books = await Books.open(server.dsn(), "aidgate", KEY)
            try:
                await books.activate(rulebooks, by="town")
            finally:
                await books.close()


async def run_seed(server: Server, seed: int) -> Counter[str]:
    """One run; what came of it, counted. A failure says how to repeat it."""
    try:
        town = await build(server, seed)
        async with gateways(server, lanes=1 + seed % 2) as running:
            journal = await bustle_in(server, town, running)
        await settle_accounts(server, journal)
    except AssertionError as error:
        raise AssertionError(f"repeat with: python -m tests.whole.swarm {seed}\n{error}") from error
    return Counter(journal.refusals)


async def main(seeds: list[int]) -> None:
    servers = Servers()
    try:
        for seed in seeds:
            server = await servers.migrated(EMBEDDED)
            print(seed, dict(await run_seed(server, seed)), flush=True)
            await servers.drop(EMBEDDED, server)
    finally:
        servers.close()


if __name__ == "__main__":
    asyncio.run(main([int(seed) for seed in sys.argv[1:]]))
