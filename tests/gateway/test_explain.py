"""Explain: every kind of operation comes to what was stored, and what was changed afterwards is found."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from gateway.books import Books
from gateway.domain.claim import Offline
from gateway.domain.facts import Stored
from gateway.domain.outcome import ClaimOutcome, Record, pack
from gateway.explain import Explanation, explain
from gateway.store.embedded import Server
from gateway.store.line import connect
from rules import Share
from tests.books import Desk, Holder, new_card, new_id, open_desk, register


async def explained(books: Books, id_: UUID) -> Explanation:
    found = await explain(books, id_)
    assert found is not None
    return found


async def test_approved_claim(books: Books, desk: Desk, holder: Holder) -> None:
    """70 % of 100 yuan, by the steps of the rulebook."""
    done = await desk.deduct(desk.claim(holder.card, 10_000))
    found = await explained(books, done.stored.id)
    assert found.differences == ()
    assert found.split is not None
    rate = next(step for step in found.split.steps if step.rule == "shanghai_medical_aid.rate")
    assert (rate.base, rate.result, rate.detail) == (10_000, 7_000, "70%")
    assert rate.source


async def test_second_claim_stands_on_what_was_used_before(books: Books, desk: Desk, holder: Holder) -> None:
    await desk.deduct(desk.claim(holder.card, 10_000))
    second = await desk.deduct(desk.claim(holder.card, 20_000))
    await desk.deduct(desk.claim(holder.card, 30_000))
    found = await explained(books, second.stored.id)
    assert found.differences == ()
    assert found.split is not None
    assert "6000.00 - 70.00 used" in [step.detail for step in found.split.steps]


async def test_claim_declined_by_the_rules(books: Books, desk: Desk) -> None:
    stranger = await register(books, "")
    done = await desk.deduct(desk.claim(stranger.card, 10_000))
    found = await explained(books, done.stored.id)
    assert found.differences == ()
    assert found.split is not None
    assert found.split.no_aid == "NOT_ENTITLED"


async def test_claim_refused_before_the_rules(books: Books, desk: Desk) -> None:
    done = await desk.deduct(desk.claim(new_card(), 10_000))
    found = await explained(books, done.stored.id)
    assert (found.split, found.differences) == (None, ())


async def test_reversals_of_lines_then_of_the_rest(books: Books, desk: Desk, holder: Holder) -> None:
    done = await desk.deduct(desk.claim(holder.card, 10_001, 333, 77))
    some = await desk.reverse(done.stored.id, lines=("2",))
    rest = await desk.reverse(done.stored.id)
    assert (await explained(books, some.stored.id)).differences == ()
    assert (await explained(books, rest.stored.id)).differences == ()
    assert (await explained(books, done.stored.id)).differences == ()


async def test_replacement_of_what_was_left(books: Books, desk: Desk, holder: Holder) -> None:
    claim = desk.claim(holder.card, 10_001, 333)
    done = await desk.deduct(claim)
    await desk.reverse(done.stored.id, lines=("1",))
    new = await desk.replace(done.stored.id, desk.claim(holder.card, 20_000))
    found = await explained(books, new.stored.id)
    assert found.differences == ()
    assert found.split is not None
    assert found.split.aid == 14_000


async def test_tombstone_and_its_reversal(books: Books, desk: Desk, holder: Holder) -> None:
    claim_id = new_id()
    done = await desk.reverse(claim_id, card=holder.card)
    assert (await explained(books, done.stored.id)).differences == ()
    assert (await explained(books, claim_id)).answer.reason == "REVERSED_BEFORE_ARRIVAL"


async def test_offline_claim(books: Books, desk: Desk, holder: Holder) -> None:
    claim = desk.claim(holder.card, 10_000, offline=Offline(provisional=9_000), at=datetime.now(UTC))
    done = await desk.deduct(claim)
    assert (await explained(books, done.stored.id)).differences == ()


async def test_nothing_to_explain(books: Books) -> None:
    assert await explain(books, new_id()) is None


async def overwrite(server: Server, books: Books, stored: Stored, outcome: ClaimOutcome) -> None:
    """What only the owner of the database could do: another record in the place of the stored one."""
    packed = pack(Record(stored.record.raw, outcome))
    sealed = books.sealer.seal(packed, table="operation", column="record", row=stored.id.bytes)
    connection = await connect(server.dsn())
    try:
        await connection.execute("UPDATE aidgate.operation SET record = $1 WHERE operation_id = $2", sealed, stored.id)
    finally:
        await connection.close()


@pytest.fixture
async def own_desk(own_books: Books) -> Desk:
    return await open_desk(own_books)


async def test_a_fen_that_was_moved_is_found(database: Server, own_books: Books, own_desk: Desk) -> None:
    holder = await register(own_books)
    done = await own_desk.deduct(own_desk.claim(holder.card, 10_000))
    outcome = done.stored.record.outcome
    assert isinstance(outcome, ClaimOutcome)
    assert outcome.assessment is not None
    *aid, cash = outcome.assessment.shares
    shares = (
        *(Share(one.payer, one.fund, one.amount - 1, (one.lines[0] - 1,)) for one in aid[:1]),
        *aid[1:],
        Share(cash.payer, cash.fund, cash.amount + 1, (cash.lines[0] + 1,)),
    )
    moved = msgspec.structs.replace(outcome.assessment, shares=shares)
    await overwrite(database, own_books, done.stored, msgspec.structs.replace(outcome, assessment=moved))
    assert (await explained(own_books, done.stored.id)).differences == ("shares",)


async def test_a_fact_that_was_changed_is_found(database: Server, own_books: Books, own_desk: Desk) -> None:
    holder = await register(own_books)
    done = await own_desk.deduct(own_desk.claim(holder.card, 10_000))
    outcome = done.stored.record.outcome
    assert isinstance(outcome, ClaimOutcome)
    await overwrite(database, own_books, done.stored, msgspec.structs.replace(outcome, entitlements=()))
    assert "aid" in (await explained(own_books, done.stored.id)).differences
