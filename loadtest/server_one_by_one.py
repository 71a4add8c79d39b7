"""One by one: the gateway with a transaction for each claim instead of rounds.

The natural design: BEGIN; lock the account; read the facts; decide; post; COMMIT, on a pool of connections.
Statements, decisions and answers are the gateway's own: `python -m loadtest.server_one_by_one <home> <connections>`.
"""

import sys
from functools import partial
from pathlib import Path

from aiohttp import web

from gateway.api.keys import BOOKS
from gateway.books import Books
from gateway.domain.decision import Quoted
from gateway.domain.operation import Operation
from gateway.domain.refusal import Refusal
from gateway.lanes import Lanes
from gateway.rounds import Done, NotDone, Waiting, answer_posted, decide_all, read_facts
from gateway.store.line import Pool
from loadtest.server import serve_with


class OneByOne(Lanes):
    """In the place of the lanes."""

    def __init__(self, books: Books, pool: Pool) -> None:
        super().__init__(books.database, books.sealer, books.shelf, queue_limit=100_000)
        self._pool = pool

    async def run(self, operation: Operation) -> Done:
        """Decides and posts the operation in a transaction of its own."""
        item = Waiting(operation, quote=False)
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                await self._tools.rounds.lock(connection, [operation.account])
                facts, rulebooks = await read_facts(connection, self._tools, [item])
                decided, found = decide_all(self._tools, facts, rulebooks)
                posted = await self._tools.rounds.post(connection, [one for _, one in decided]) if decided else None
            for waiting, stored in found:
                waiting.done(Done(stored, replayed=True))
            if posted is not None and answer_posted(decided, posted):
                raise NotDone(Refusal.IN_FLIGHT)
        done = await item.answer
        assert isinstance(done, Done)
        return done

    async def quote(self, operation: Operation) -> Quoted:
        raise NotImplementedError("the comparison asks for no quotes")

    async def close(self) -> None:
        await super().close()
        await self._pool.close()


async def go_one_by_one(app: web.Application, connections: int) -> None:
    """Takes the rounds away."""
    books = app[BOOKS]
    await books.lanes.close()
    books.lanes = OneByOne(books, await books.database.pool(size=connections))


if __name__ == "__main__":
    serve_with(Path(sys.argv[1]), partial(go_one_by_one, connections=int(sys.argv[2])))
