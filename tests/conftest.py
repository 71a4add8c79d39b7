"""What holds for every test: nothing leaves this machine, and generated examples are the same in every run.

And what tests of the books share: servers that are started once, a database per module, sound books after every test.
"""

import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import settings

from gateway.books import Books
from gateway.store.embedded import Server
from tests.books import Desk, Holder, assert_sound, open_books, open_desk, register
from tests.servers import EMBEDDED, Servers

settings.register_profile("aidgate", derandomize=True, deadline=None, database=None)
settings.load_profile("aidgate")


def _stay_on_this_machine(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
        raise RuntimeError(f"a test tried to connect to {address}; tests talk to this machine only")


sys.addaudithook(_stay_on_this_machine)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The session's PostgreSQL servers; each starts when it is first asked for."""
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Which server; `tests.servers.on_every_server` runs a test on all there are."""
    return getattr(request, "param", EMBEDDED)


@pytest.fixture
async def database(servers: Servers, kind: str) -> AsyncIterator[Server]:
    """A migrated database of its own for the test, as its superuser."""
    server = await servers.migrated(kind)
    yield server
    await servers.drop(kind, server)


@pytest.fixture
async def own_books(database: Server) -> AsyncIterator[Books]:
    """Books of their own for a test that changes what all share: rulebooks, settings, the server's behaviour."""
    books = await open_books(database)
    yield books
    await assert_sound(books)
    await books.close()


@pytest.fixture(scope="module")
async def books_of_module(servers: Servers) -> AsyncIterator[dict[str, tuple[Server, Books]]]:
    """The books that the tests of a module share, and their database, by kind of server."""
    opened: dict[str, tuple[Server, Books]] = {}
    yield opened
    for kind, (server, books) in opened.items():
        await books.close()
        await servers.drop(kind, server)


@pytest.fixture
async def books(servers: Servers, kind: str, books_of_module: dict[str, tuple[Server, Books]]) -> AsyncIterator[Books]:
    """Books with the shipped rulebooks in force, shared within a module; sound after every test."""
    if kind not in books_of_module:
        server = await servers.migrated(kind)
        books_of_module[kind] = server, await open_books(server)
    _, books = books_of_module[kind]
    yield books
    await assert_sound(books)


@pytest.fixture
async def desk(books: Books) -> Desk:
    """A terminal of a clinic of its own."""
    return await open_desk(books)


@pytest.fixture
async def other_desk(books: Books, desk: Desk) -> Desk:
    """Another terminal of the same clinic."""
    return await open_desk(books, desk.author.clinic)


@pytest.fixture
async def elsewhere(books: Books) -> Desk:
    """A terminal of another clinic."""
    return await open_desk(books)


@pytest.fixture
async def holder(books: Books) -> Holder:
    """A resident on minimum subsistence (DIBAO) with a card."""
    return await register(books)
