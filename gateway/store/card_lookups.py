"""Which accounts cards open, asked in rounds: what is wanted while one statement is under way goes together into the
next.

One statement a claim would cost the gateway more than all its rules. Alone, a card waits for nothing.
"""

import asyncio

from gateway.store.line import Pool, Row
from gateway.store.statements import load

_ACCOUNTS = load("directory")["accounts_of_cards"]
MOST = 256
"""Cards per statement."""


class CardLookups:
    """The look-ups of one schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._wanted: dict[bytes, asyncio.Future[Row | None]] = {}
        self._work: asyncio.Task[None] | None = None

    async def find(self, key: bytes) -> Row | None:
        """(card_key, account_id, subject) of a card, None when nobody has seen it. Raises what PostgreSQL raises."""
        answer = self._wanted.get(key)
        if answer is None:
            answer = self._wanted[key] = asyncio.get_running_loop().create_future()
            if self._work is None:
                self._work = asyncio.create_task(self._rounds())
        # Several may wait for one card, and any of them may be cancelled.
        return await asyncio.shield(answer)

    async def _rounds(self) -> None:
        while self._wanted:
            keys = list(self._wanted)[:MOST]
            asked = {key: self._wanted.pop(key) for key in keys}
            try:
                rows = await self._pool.fetch(_ACCOUNTS.sql, *_ACCOUNTS.bind(card_keys=keys))
            except Exception as error:  # Whatever it is, it is for those who wait to hear.
                for answer in asked.values():
                    answer.set_exception(error)
                continue
            found = {row["card_key"]: row for row in rows}
            for key, answer in asked.items():
                answer.set_result(found.get(key))
        self._work = None
