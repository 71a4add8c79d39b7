"""Rounds: who fails takes no other along; whatever races, is cancelled or dies, an id has one outcome."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from gateway.books import Books
from gateway.domain.claim import Visit
from gateway.domain.decision import decide
from gateway.domain.facts import Facts
from gateway.domain.operation import Operation, Verdict
from gateway.domain.refusal import Refusal
from gateway.lanes import Done
from gateway.store import database as connections
from rules import Rulebooks
from tests.books import (
    KEY,
    Desk,
    Holder,
    new_id,
    open_desk,
    register,
    today,
)
from tests.gateway.racing import beside, held, outcome, outcomes, reasons, until, watching
from tests.servers import on_every_server

pytestmark = on_every_server


# One poison operation


async def test_one_that_cannot_be_decided_fails_alone(books: Books) -> None:
    poisoned = await register(books)

    def falls_over(operation: Operation, facts: Facts, rulebooks: Rulebooks) -> Any:
        if operation.account == poisoned.account:
            raise ZeroDivisionError
        return decide(operation, facts, rulebooks)

    fragile = await Books.open(books.database.dsn, "aidgate", KEY, decide=falls_over)
    try:
        desk = await open_desk(fragile)
        holders = [await register(books) for _ in range(3)]
        answers = await outcomes(*(desk.deduct(desk.claim(one.card)) for one in (holders[0], poisoned, *holders[1:])))
    finally:
        await fragile.close()
    assert reasons(answers) == ["made", Refusal.FAULT, "made", "made"]


async def test_one_that_postgresql_refuses_fails_alone(books: Books, desk: Desk) -> None:
    """A value that no request can hold, because none with it can be read."""
    holders = [await register(books) for _ in range(5)]
    claims = [desk.claim(one.card) for one in holders]
    claims[2] = desk.claim(holders[2].card, visit=Visit("V", "outpatient", today(), bill="a\x00b"))
    id_ = new_id()
    answers = await outcomes(*(desk.deduct(claim, id_ if place == 2 else None) for place, claim in enumerate(claims)))
    assert reasons(answers) == ["made", "made", Refusal.FAULT, "made", "made"]
    again = await desk.deduct(desk.claim(holders[2].card), id_)
    assert again.stored.verdict is Verdict.APPROVED, "nothing was left behind"


async def test_a_claim_that_was_reversed_before_it_arrived(books: Books, desk: Desk, holder: Holder) -> None:
    """Its id is spent for good, whatever is sent under it; another id is not."""
    id_ = new_id()
    back = await desk.reverse(id_, card=holder.card, reason="timeout")
    assert back.stored.verdict is Verdict.APPROVED
    for amount in (1_000, 2_000):
        late = await desk.deduct(desk.claim(holder.card, amount), id_)
        assert late.replayed
        assert (late.stored.verdict, late.stored.reason) == (Verdict.DECLINED, Refusal.REVERSED_BEFORE_ARRIVAL)
    assert (await desk.reverse(id_)).stored.reason == Refusal.ALREADY_REVERSED
    assert (await desk.deduct(desk.claim(holder.card, 1_000))).stored.verdict is Verdict.APPROVED


# Locks, cancelled statements, servers that go away


async def test_a_held_account_delays_nobody_else(books: Books, desk: Desk, holder: Holder) -> None:
    others = [await register(books) for _ in range(3)]
    async with held(books, holder):
        waiting = asyncio.create_task(desk.deduct(desk.claim(holder.card)))
        for amount in (1_000, 2_000, 3_000):
            answers = await outcomes(*(desk.deduct(desk.claim(one.card, amount)) for one in others))
            assert reasons(answers) == ["made"] * 3
        assert not waiting.done()
    assert (await waiting).stored.verdict is Verdict.APPROVED


async def test_an_account_held_for_long_is_busy(
    books: Books, desk: Desk, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is stored; the same request succeeds when the lock is gone."""
    monkeypatch.setattr(connections, "LOCK_TIMEOUT", "150ms")
    hasty = await Books.open(books.database.dsn, "aidgate", KEY)
    try:
        there = beside(desk, hasty)
        claim, id_ = there.claim(holder.card), new_id()
        async with held(books, holder):
            assert await outcome(there.deduct(claim, id_)) is Refusal.IN_FLIGHT
        done = await there.deduct(claim, id_)
        assert not done.replayed
    finally:
        await hasty.close()


async def test_cancelled_statements_are_repeated(books: Books, desk: Desk) -> None:
    """Somebody cancels whatever the gateway runs, again and again: every claim is answered, each is made once."""
    holders = [await register(books) for _ in range(8)]
    stop = asyncio.Event()

    async def cancel() -> None:
        async with watching(books) as connection:
            while not stop.is_set():
                await connection.execute(
                    """SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'aidgate' AND state = 'active'"""
                )
                await asyncio.sleep(0.002)

    canceller = asyncio.create_task(cancel())
    ids = [new_id() for _ in range(40)]
    claims = [desk.claim(holders[place % 8].card, 1_000 + place) for place in range(40)]
    try:
        answers = await outcomes(*(desk.deduct(claim, id_) for claim, id_ in zip(claims, ids, strict=True)))
    finally:
        stop.set()
        await canceller
    assert set(reasons(answers)) <= {"made", Refusal.CHECK_IDENTITY, Refusal.IN_FLIGHT}
    repeated = [await desk.deduct(claim, id_) for claim, id_ in zip(claims, ids, strict=True)]
    for answer, again in zip(answers, repeated, strict=True):
        if isinstance(answer, Done):
            assert again.replayed
            assert again.stored == answer.stored


async def test_a_server_process_that_dies(books: Books, desk: Desk, holder: Holder) -> None:
    """The outcome is unknown, and a repeat gives the one there is."""
    claim, id_ = desk.claim(holder.card), new_id()
    async with watching(books) as connection, watching(books) as holding, holding.transaction():
        # Holds the posting up while it writes; then its backend is terminated.
        await holding.execute("LOCK TABLE activity IN SHARE MODE")
        asked = asyncio.create_task(outcome(desk.deduct(claim, id_)))
        pid = await until(lambda: waiting_on_a_lock(connection))
        await connection.execute("SELECT pg_terminate_backend($1)", pid)
        assert await asked is Refusal.OUTCOME_UNKNOWN
    done = await desk.deduct(claim, id_)
    assert done.stored.verdict is Verdict.APPROVED
    assert (await desk.deduct(claim, id_)).stored == done.stored


async def waiting_on_a_lock(connection: asyncpg.Connection) -> object:
    return await connection.fetchval(
        """SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'aidgate' AND wait_event_type = 'Lock'"""
    )


@asynccontextmanager
async def without_its_standby(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Commits wait for a synchronous standby that is away."""

    async def waits(name: str) -> bool:
        shown: str = await connection.fetchval("SHOW synchronous_standby_names")
        return shown == name

    await connection.execute("SET synchronous_commit TO local")
    await connection.execute("ALTER SYSTEM SET synchronous_standby_names TO 'nobody'")
    await connection.execute("SELECT pg_reload_conf()")
    try:
        await until(lambda: waits("nobody"))
        yield
    finally:
        await connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        await connection.execute("SELECT pg_reload_conf()")
        await until(lambda: waits(""))


async def waiting_for_the_standby(connection: asyncpg.Connection) -> object:
    return await connection.fetchval(
        """SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'aidgate' AND wait_event = 'SyncRep'"""
    )


async def test_what_was_not_replicated_is_not_answered(books: Books, desk: Desk, holder: Holder) -> None:
    """The row is there and can be seen, and a failover would lose it: neither claim nor repeat may answer with it."""
    claim, id_ = desk.claim(holder.card), new_id()
    async with watching(books) as connection:
        async with without_its_standby(connection):
            asked = asyncio.create_task(outcome(desk.deduct(claim, id_)))
            pid = await until(lambda: waiting_for_the_standby(connection))
            await connection.execute("SELECT pg_cancel_backend($1)", pid)
            assert await asked is Refusal.OUTCOME_UNKNOWN
            assert await connection.fetchval("SELECT aid FROM operation WHERE operation_id = $1", id_) == 7_000
            repeated = asyncio.create_task(outcome(desk.deduct(claim, id_)))
            pid = await until(lambda: waiting_for_the_standby(connection))
            assert not repeated.done()
            await connection.execute("SELECT pg_cancel_backend($1)", pid)
            assert await repeated is Refusal.OUTCOME_UNKNOWN
            waiting = asyncio.create_task(desk.deduct(claim, id_))
            await until(lambda: waiting_for_the_standby(connection))
            assert not waiting.done()
        done = await waiting
    assert done.replayed
    assert done.stored.verdict is Verdict.APPROVED


async def test_a_process_that_dies_after_it_wrote(books: Books, desk: Desk, holder: Holder) -> None:
    """Nobody was told of the outcome, but there is one, and it is final."""
    claim, id_ = desk.claim(holder.card), new_id()
    async with watching(books) as connection:
        async with without_its_standby(connection):
            asked = asyncio.create_task(outcome(desk.deduct(claim, id_)))
            pid = await until(lambda: waiting_for_the_standby(connection))
            await connection.execute("SELECT pg_terminate_backend($1)", pid)
            assert await asked is Refusal.OUTCOME_UNKNOWN
        done = await desk.deduct(claim, id_)
    assert done.replayed
    assert done.stored.verdict is Verdict.APPROVED


@pytest.mark.parametrize(
    ("sqlstate", "times", "expected"),
    [
        ("40001", 1, "made"),
        ("40P01", 1, "made"),
        ("57014", 1, "made"),
        ("40001", 99, Refusal.IN_FLIGHT),
        ("23514", 99, Refusal.FAULT),
        ("22003", 99, Refusal.FAULT),
        ("53100", 99, Refusal.OUTCOME_UNKNOWN),
        ("57P01", 99, Refusal.OUTCOME_UNKNOWN),
    ],
)
async def test_what_an_error_of_the_server_means(own_books: Books, sqlstate: str, times: int, expected: str) -> None:
    """Raised by the table itself, so many times; afterwards the same request is made once."""
    desk, holder = await open_desk(own_books), await register(own_books)
    claim, id_ = desk.claim(holder.card), new_id()
    async with watching(own_books) as connection:
        await connection.execute(
            f"""CREATE SEQUENCE fault; GRANT USAGE ON SEQUENCE fault TO PUBLIC;
                CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF nextval('fault') <= {times} THEN RAISE EXCEPTION 'injected' USING ERRCODE = '{sqlstate}'; END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER fail BEFORE INSERT ON activity FOR EACH ROW EXECUTE FUNCTION fail()"""
        )
        assert reasons([await outcome(desk.deduct(claim, id_))]) == [expected]
        await connection.execute("DROP TRIGGER fail ON activity")
    done = await desk.deduct(claim, id_)
    assert done.stored.verdict is Verdict.APPROVED
    assert done.replayed is (expected == "made")


# Who hangs up, who is late


async def test_a_client_that_hangs_up_is_served_all_the_same(books: Books, desk: Desk, holder: Holder) -> None:
    claim, id_ = desk.claim(holder.card), new_id()
    async with held(books, holder):
        asked = asyncio.create_task(desk.deduct(claim, id_))
        await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    done = await desk.deduct(claim, id_)
    assert done.replayed


async def test_what_is_past_its_deadline_is_not_begun(books: Books, desk: Desk, holder: Holder) -> None:
    claim, id_ = desk.claim(holder.card), new_id()
    assert await outcome(desk.deduct(claim, id_, deadline=1.0)) is Refusal.DEADLINE_PASSED
    assert not (await desk.deduct(claim, id_)).replayed


async def test_the_last_operations_are_finished_before_the_end(books: Books, holder: Holder) -> None:
    closing = await Books.open(books.database.dsn, "aidgate", KEY)
    desk = await open_desk(closing)
    asked = [asyncio.create_task(outcome(desk.deduct(desk.claim(holder.card, 1_000 + n)))) for n in range(4)]
    await asyncio.sleep(0)
    await until(lambda: _busy(closing))
    await closing.close()
    assert not [one for one in await asyncio.gather(*asked) if not isinstance(one, Done)]


async def _busy(books: Books) -> bool:
    return books.lanes.waiting == 4
