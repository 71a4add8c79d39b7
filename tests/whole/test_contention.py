"""Many at once on one account: the outcome is that of one after the other, to the fen."""

import asyncio
import re
import statistics
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from gateway.books import Books
from gateway.domain.claim import Claim, ClaimLine, Visit
from gateway.domain.operation import Author, Use
from gateway.staff_acts import act
from gateway.store.embedded import Server
from rules import Rulebooks, load_rulebooks, shipped
from tests.books import ITEM, Holder, new_id, open_books, open_desk, register, today
from tests.whole.journal import Journal, insist
from tests.whole.ledger import settle_accounts
from tests.whole.process import Ask, GatewayProcess
from tests.whole.swarm import gateways

CEILING = 10_000
"""Fen a year, of outpatient aid; a visit's aid is 70 % of what it costs."""
ACCUMULATOR = f"shanghai_medical_aid.aid_outpatient.{today().year}"


def one_ceiling() -> Rulebooks:
    """The municipal scheme alone, with a small ceiling and no counters."""
    files = {
        path: content
        for path, content in shipped().files.items()
        if not path.startswith(("counters/", "xuhui_top_up/"))
    }
    path = "shanghai_medical_aid/ceilings.toml"
    files[path] = re.sub(rb"value = 6000\b", b"value = %d" % (CEILING // 100), files[path])
    return load_rulebooks(files)


@pytest.fixture
async def books(database: Server) -> AsyncIterator[Books]:
    """Books with that scheme in force."""
    books = await open_books(database, rulebooks=False)
    await books.activate(one_ceiling(), by="tests")
    yield books
    await books.close()


@pytest.fixture
async def pair(database: Server, books: Books) -> AsyncIterator[list[GatewayProcess]]:
    """Two gateway processes."""
    async with gateways(database) as running:
        yield running


def request(author: Author, holder: Holder, number: int, amount: int) -> Ask:
    """A claim of one line, of a visit of its own."""
    claim = Claim(
        card=holder.card,
        visit=Visit(id=f"V{number}", type="outpatient", day=today()),
        at=datetime.now(UTC),
        total=amount,
        lines=(ClaimLine("1", ITEM, amount),),
    )
    return Ask("deduct", new_id(), author, msgspec.json.encode(claim))


async def aid_of(journal: Journal, pair: list[GatewayProcess], asks: list[Ask]) -> list[int]:
    """What each was given when all were sent at once, every other one to the other gateway."""
    told = await asyncio.gather(*(insist(journal, pair, ask, place) for place, ask in enumerate(asks)))
    return [msgspec.json.decode(each.body)["aid"] for each in told]


async def test_two_hundred_clients_on_one_account(database: Server, books: Books, pair: list[GatewayProcess]) -> None:
    author, holder, journal = (await open_desk(books)).author, await register(books), Journal()
    given = await aid_of(journal, pair, [request(author, holder, number, 1_000 + number) for number in range(200)])
    assert sum(given) == CEILING
    assert sum(1 for aid in given if 0 < aid < 700) <= 1, "only the last one gets less than its share"
    model = await settle_accounts(database, journal)
    assert model.accounts[holder.account].version == 201
    latencies = sorted(journal.latencies)
    print(f"200 at once: median {statistics.median(latencies):.3f} s, p99 {latencies[-3]:.3f} s")


async def test_two_claims_never_share_what_is_left_for_one(
    database: Server, books: Books, pair: list[GatewayProcess]
) -> None:
    """A ceiling of 100, 30 used, two claims worth 70 at once through two gateways: one gets it, one nothing."""
    author, journal = (await open_desk(books)).author, Journal()
    for number in range(25):
        holder = await register(books)
        await act(books, "tests", holder.account, new_id(), Use(ACCUMULATOR, 3_000, "paper", "opening balance"))
        asks = [request(author, holder, 2 * number + place, 10_000) for place in (0, 1)]
        assert sorted(await aid_of(journal, pair, asks)) == [0, 7_000]
    await settle_accounts(database, journal)


async def test_a_held_account_holds_up_nobody_else(database: Server, books: Books, pair: list[GatewayProcess]) -> None:
    """Somebody sits on an account's row; its claims wait, also repeats of old ones; others are answered meanwhile."""
    author, journal, elsewhere = (await open_desk(books)).author, Journal(), Journal()
    held = await register(books)
    others = [await register(books) for _ in range(10)]
    old = request(author, held, 0, 1_000)
    await insist(journal, pair, old)
    owner = await asyncpg.connect(database.dsn())
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("SELECT FROM aidgate.account WHERE account_id = $1 FOR UPDATE", held.account)
    sitting = (request(author, held, 1, 1_000), old, request(author, held, 2, 1_000), old)
    waiting = [asyncio.create_task(pair[place % 2].ask(journal.sending(ask))) for place, ask in enumerate(sitting)]
    await asyncio.sleep(0.1)
    asks = [request(author, others[number % 10], number, 500) for number in range(60)]
    assert sum(await aid_of(elsewhere, pair, asks)) == 60 * 350
    assert not any(task.done() for task in waiting), "nobody was kept until the lock was waited for in vain"
    await transaction.rollback()
    await owner.close()
    await asyncio.gather(*waiting)
    await asyncio.gather(*(insist(journal, pair, ask) for ask in sitting))
    journal.heard.update(elsewhere.heard)
    await settle_accounts(database, journal)
    print(f"others beside a held account: p99 {sorted(elsewhere.latencies)[-1]:.3f} s")
