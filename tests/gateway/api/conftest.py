"""One gateway for all tests of the API that change nothing about it; terminals; a resident with a card."""

from collections.abc import AsyncIterator

import pytest

from gateway.selfcheck import selfcheck_records, wrong
from gateway.store.embedded import Server
from tests.books import Holder, assert_sound, register
from tests.gateway.api.running import Running, Terminal, running
from tests.servers import EMBEDDED, Servers


@pytest.fixture(scope="session")
async def gateway(servers: Servers) -> AsyncIterator[Running]:
    """Serves a database of its own; what was posted through it is sound in the end, and recomputes to the same."""
    server: Server = await servers.migrated(EMBEDDED)
    async with running(server) as gateway:
        yield gateway
        await assert_sound(gateway.books)
        await assert_sound(gateway.sandbox)
        assert not wrong(await selfcheck_records(gateway.books))
    await servers.drop(EMBEDDED, server)


@pytest.fixture(scope="session")
def terminal(gateway: Running) -> Terminal:
    """A terminal of clinic C1."""
    return gateway.terminal("T1")


@pytest.fixture(scope="session")
def beside(gateway: Running) -> Terminal:
    """Another terminal of clinic C1."""
    return gateway.terminal("T2")


@pytest.fixture(scope="session")
def elsewhere(gateway: Running) -> Terminal:
    """A terminal of clinic C2."""
    return gateway.terminal("T3")


@pytest.fixture(scope="session")
def sandboxed(gateway: Running) -> Terminal:
    """A terminal of the sandbox."""
    return gateway.terminal("S1")


@pytest.fixture
async def holder(gateway: Running) -> Holder:
    """A resident on minimum subsistence (DIBAO) with a card."""
    return await register(gateway.books)
