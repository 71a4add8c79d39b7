"""The ceiling: the gateway with a store that keeps nothing.

Everything else is as served: HTTP, signatures, decoding, rounds, rules, counters, sealing, answers. Facts come from
memory, as many as the real ones hold, and what was decided is packed and sealed, then forgotten. So this is what
would be left if the database cost nothing: `python -m loadtest.server_ceiling <home>`.
"""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import msgspec
from aiohttp import web

from gateway import lanes
from gateway.api.keys import BOOKS, MASTER_KEY
from gateway.domain.claim import Card
from gateway.domain.facts import Facts
from gateway.lanes import Lanes
from gateway.rulebooks import Shelf
from gateway.store.directory import Directory
from gateway.store.line import Connection
from gateway.store.rounds import Decided, Posted, Question, Rounds, Unreadable
from gateway.trust.blind import BlindIndex
from gateway.trust.sealing import Sealer
from loadtest import town
from loadtest.server import serve_with
from rules import Activity, Entitlement, Supply

PAST_CLAIMS = 6
"""In everybody's past: five in the databases of the comparison runs, and what the run itself adds."""
_USED_PER_CLAIM = 4_502
"""Aid in fen that an ordinary claim of the town uses of a ceiling."""
_DAY = 86_400
_SUPPLIES = (Supply("amoxicillin", 12), Supply("paracetamol", 5))
_ENTITLEMENT = Entitlement(town.CATEGORY, date(2025, 1, 1), None, town.DISTRICT)
_ENTITLEMENT_ID = UUID(int=7 << 76)
_trace = msgspec.msgpack.Encoder()


class NoStore(Rounds):
    """Facts from memory; nothing kept. Each step lets the loop run once: rounds gather while one is under way."""

    def __init__(self, sealer: Sealer, shelf: Shelf) -> None:
        super().__init__(sealer)
        self._shelf = shelf

    async def facts(
        self, connection: Connection, questions: Sequence[Question]
    ) -> tuple[str, list[Facts | Unreadable]]:
        """Of an entitled resident with a past, as everybody in the town is."""
        await asyncio.sleep(0)
        digest = (await self._shelf.newest(connection)).digest
        now = datetime.now(UTC)
        return digest, [_facts(question, now, digest) for question in questions]

    async def post(self, _: Connection, decided: Sequence[Decided]) -> Posted:
        """Packs and seals, then forgets."""
        for item in decided:
            self._seal(item)
            _trace.encode(item.decision.trace)
        await asyncio.sleep(0)
        now = datetime.now(UTC)
        return Posted(frozenset(range(len(decided))), now, now.date())

    async def lock(self, _: Connection, accounts: Iterable[int]) -> None:
        """Nobody holds anything."""


class NoDirectory(Directory):
    """Every card opens the account of its number."""

    async def account_of(self, card: Card) -> tuple[int, bytes]:
        return int(card.number[1:]) * 1024, self.card_key(card)


async def keep_nothing(app: web.Application) -> None:
    """Takes the store away."""
    books = app[BOOKS]
    await books.lanes.close()
    with patch.object(lanes, "Rounds", lambda sealer: NoStore(sealer, books.shelf)):
        books.lanes = Lanes(books.database, books.sealer, books.shelf, count=books.lanes.count)
    books.directory = NoDirectory(books.pool, BlindIndex(app[MASTER_KEY].blind_key()), books.sealer)


def _facts(question: Question, now: datetime, digest: str) -> Facts:
    operation = question.operation
    at = int(operation.at.timestamp())
    card = operation.card_key[:6].hex()
    clinic, terminal = operation.author.clinic, operation.author.terminal
    return Facts(
        now=now,
        rulebooks=digest,
        version=PAST_CLAIMS + 1,
        subject="resident",
        lat=31.19,
        lon=121.44,
        entitlements=(_ENTITLEMENT,),
        entitlement_ids=(_ENTITLEMENT_ID,),
        used={key: PAST_CLAIMS * _USED_PER_CLAIM for key in question.accumulators if "visit" not in key},
        activity=tuple(
            [
                Activity(
                    f"{n:032x}", "claim", at - (PAST_CLAIMS - n) * 10 * _DAY, "approved", False, card, clinic, terminal,
                    31.19, 121.44, 14_820, 5_467, f"{n:016x}", "abcdefgh", _SUPPLIES,
                )
                for n in range(PAST_CLAIMS)
            ]
        ),
    )  # fmt: skip


if __name__ == "__main__":
    serve_with(Path(sys.argv[1]), keep_nothing)
