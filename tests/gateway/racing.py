"""Several claims at once, and somebody who interferes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from gateway.books import Books
from gateway.domain.refusal import Refusal
from gateway.lanes import Done, NotDone
from tests.books import (
    Desk,
    Holder,
)

Outcome = Done | Refusal


async def outcome(done: Awaitable[Done]) -> Outcome:
    """What was answered: an outcome, or why there is none."""
    try:
        return await done
    except NotDone as refused:
        return refused.refusal


async def outcomes(*several: Awaitable[Done]) -> list[Outcome]:
    return list(await asyncio.gather(*(outcome(one) for one in several)))


def reasons(several: list[Outcome]) -> list[str]:
    """Refusal code of each; `made` where there is none."""
    return [one if isinstance(one, Refusal) else one.stored.reason or "made" for one in several]


def beside(desk: Desk, books: Books) -> Desk:
    """The same terminal, served by another gateway."""
    return Desk(books, desk.author)


@asynccontextmanager
async def watching(books: Books) -> AsyncIterator[asyncpg.Connection]:
    """A superuser on the books' database."""
    connection = await asyncpg.connect(books.database.dsn, server_settings={"search_path": "aidgate"})
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def held(books: Books, holder: Holder) -> AsyncIterator[None]:
    """The account's row, locked by somebody else."""
    async with watching(books) as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", holder.account)
        yield


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Polls; a test that waits for what never comes ends after half a minute."""
    async with asyncio.timeout(30):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.01)
