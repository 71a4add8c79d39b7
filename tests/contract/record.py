"""Makes the golden messages anew, deliberately: `python -m tests.contract.record`, then read the difference.

What docs/integrator.md and docs/examples/ show is taken from them and is written anew too.
"""

import asyncio

from tests.contract.documents import write_documents
from tests.contract.playing import answers_of_the_gateway, requests_of_the_agent, write
from tests.servers import EMBEDDED, Servers


async def record() -> None:
    """Plays the story on a database of its own."""
    servers = Servers()
    try:
        requests = await requests_of_the_agent()
        server = await servers.migrated(EMBEDDED)
        write(requests, await answers_of_the_gateway(server, requests))
        await servers.drop(EMBEDDED, server)
    finally:
        servers.close()
    write_documents()


if __name__ == "__main__":
    asyncio.run(record())
