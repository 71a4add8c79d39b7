"""Lanes and rounds: many operations, one commit.

A lane works in rounds. A round takes what arrived while the last one was under way (never waiting for more), at most one operation
per account, and runs it as two statements: read the facts, decide each, post all. Under light load a round holds one claim; under
heavy load rounds grow and throughput with them.

Nothing is locked while facts are read. The posting call skips every account that moved since, or that somebody holds; what was
skipped is decided again on fresh facts, and after two tries waits for its lock on a connection of its own, so that one held account
delays nobody else's.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence

import asyncpg
from msgspec import Struct

from gateway.domain.claim import Claim
from gateway.domain.decision import Quoted, accumulators_of, assess_claim, decide, history_since
from gateway.domain.effects import Refused, Replay
from gateway.domain.facts import Facts, Stored
from gateway.domain.operation import Operation
from gateway.domain.outcome import Record
from gateway.domain.refusal import Refusal
from gateway.rulebooks import Shelf
from gateway.store.database import Database
from gateway.store.line import Line, NotReplicated
from gateway.store.rounds import Decided, Posted, Question, Rounds
from gateway.trust.sealing import Sealer
from rules import Rulebooks

log = logging.getLogger(__name__)

ROUND_LIMIT = 64
"""Operations per round: enough to make the database cheap, few enough not to hold the event loop for long."""
EAGER_TRIES = 2
"""Rounds an operation takes part in before it waits for its account's lock."""
TRIES = 8
"""Attempts before an operation that keeps losing is told to come back."""
PATIENT_LINES = 4
"""Connections for operations that wait for a lock."""


class Done(Struct, frozen=True):
    """An operation with a stored outcome: posted just now, or found."""

    stored: Stored
    replayed: bool


class NotDone(Exception):
    """No outcome was stored for this request; the refusal says what it means."""

    def __init__(self, refusal: Refusal, fields: tuple[str, ...] = (), *, security: bool = False) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.fields = fields
        self.security = security


class _Waiting:
    """An operation in a lane."""

    __slots__ = ("answer", "operation", "quote", "tries")

    def __init__(self, operation: Operation, quote: bool) -> None:
        self.operation = operation
        self.quote = quote
        self.tries = 0
        self.answer: asyncio.Future[Done | Quoted] = asyncio.get_running_loop().create_future()

    def done(self, answer: Done | Quoted) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def refuse(self, refusal: Refusal, fields: tuple[str, ...] = (), *, security: bool = False) -> None:
        if not self.answer.done():
            self.answer.set_exception(NotDone(refusal, fields, security=security))


class Lanes:
    """The lanes of one schema in one process. An account belongs to one lane."""

    def __init__(
        self, database: Database, sealer: Sealer, shelf: Shelf, *, count: int = 1, queue_limit: int = 2000
    ) -> None:
        self._rounds = Rounds(sealer)
        self._queue_limit = queue_limit
        patient = _Patient(database, self._rounds, shelf)
        self._lanes = [_Lane(database.line(), self._rounds, shelf, patient) for _ in range(count)]
        self._patient = patient

    @property
    def rounds(self) -> Rounds:
        """For reading single stored operations."""
        return self._rounds

    @property
    def full(self) -> bool:
        """Is there more waiting than can be served in good time? Asked before a signature is looked at."""
        return self.waiting >= self._queue_limit

    @property
    def waiting(self) -> int:
        """Operations that are queued or under way."""
        return sum(lane.waiting for lane in self._lanes)

    async def run(self, operation: Operation) -> Done:
        """Decides and posts the operation, or finds it. Raises NotDone when no outcome was stored, or none is known."""
        done = await self._lane(operation).put(_Waiting(operation, quote=False))
        assert isinstance(done, Done)
        return done

    async def quote(self, operation: Operation) -> Quoted:
        """Assesses a claim on the newest facts and changes nothing."""
        quoted = await self._lane(operation).put(_Waiting(operation, quote=True))
        assert isinstance(quoted, Quoted)
        return quoted

    async def close(self) -> None:
        """Finishes what is under way, then ends."""
        await asyncio.gather(*(lane.close() for lane in self._lanes))
        await self._patient.close()

    def _lane(self, operation: Operation) -> "_Lane":
        return self._lanes[operation.account % len(self._lanes)]


class _Lane:
    """One lane: a queue per account, and the accounts in the order in which they came."""

    def __init__(self, line: Line, rounds: Rounds, shelf: Shelf, patient: "_Patient") -> None:
        self._line = line
        self._rounds = rounds
        self._shelf = shelf
        self._patient = patient
        self._queues: dict[int, deque[_Waiting]] = {}
        self._ready: deque[int] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self.waiting = 0
        self._task = asyncio.create_task(self._work())
        self._aside: set[asyncio.Task[None]] = set()

    async def put(self, item: _Waiting) -> Done | Quoted:
        """Queues an operation behind those of its account and waits for its answer."""
        account = item.operation.account
        queue = self._queues.get(account)
        if queue is None:
            self._queues[account] = deque((item,))
            self._ready.append(account)
            self._arrived.set()
        else:
            queue.append(item)
        self.waiting += 1
        try:
            # The client may hang up; what was begun is finished all the same.
            return await asyncio.shield(item.answer)
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        """Waits for the operations that are queued, then ends the lane."""
        while self._queues:
            await asyncio.sleep(0.01)
        self._closing = True
        self._arrived.set()
        await self._task
        await self._line.close()

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            if self._closing:
                return
            batch = [self._queues[self._ready.popleft()][0] for _ in range(min(len(self._ready), ROUND_LIMIT))]
            if not self._ready:
                self._arrived.clear()
            try:
                again = await self._round(batch)
            except Exception:
                # Whatever went wrong in here, nobody may be left waiting; and what is unknown is never called a no.
                log.exception("a round failed")
                self._line.drop()
                again = []
                for item in batch:
                    item.refuse(Refusal.OUTCOME_UNKNOWN)
            for item in batch:
                if item not in again:
                    self._next(item.operation.account)
            for item in again:
                self._again(item)

    def _next(self, account: int) -> None:
        """The account's first operation is through; the next one may go."""
        queue = self._queues[account]
        queue.popleft()
        if queue:
            self._ready.append(account)
            self._arrived.set()
        else:
            del self._queues[account]

    def _again(self, item: _Waiting) -> None:
        """Skipped, stale, or lost a race: once more with fresh facts, and later with a lock of its own."""
        item.tries += 1
        if item.tries < EAGER_TRIES:
            self._ready.append(item.operation.account)
            self._arrived.set()
            return
        task = asyncio.create_task(self._wait_for_lock(item))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _wait_for_lock(self, item: _Waiting) -> None:
        try:
            await self._patient.run(item)
        finally:
            self._next(item.operation.account)

    async def _round(self, batch: list[_Waiting]) -> list[_Waiting]:
        """One round. Answers what it can; returns what has to be tried again."""
        batch = _in_time(batch)
        if not batch:
            return []
        try:
            connection = await self._line.connection()
            facts, rulebooks = await read_facts(
                connection, self._rounds, self._shelf, [item.operation for item in batch]
            )
            decided, found = _decide_all(batch, facts, rulebooks)
            self._line.forget_warnings()
            if found:
                await self._rounds.lock(connection, [stored.account for _, stored in found])
                self._line.refuse_unreplicated()
            for item, stored in found:
                item.done(Done(stored, replayed=True))
            if not decided:
                return []
            return await self._post(connection, decided)
        except (asyncpg.PostgresError, NotReplicated, OSError, asyncpg.InterfaceError, TimeoutError) as error:
            return self._failed(batch, error)

    async def _post(self, connection: asyncpg.Connection, decided: list[tuple[_Waiting, Decided]]) -> list[_Waiting]:
        self._line.forget_warnings()
        try:
            posted = await self._rounds.post(connection, [item for _, item in decided])
        except asyncpg.PostgresError as error:
            if not _is_about_data(error):
                raise
            return await self._post_one_by_one(connection, decided, error)
        self._line.refuse_unreplicated()
        return _answer(decided, posted)

    async def _post_one_by_one(
        self, connection: asyncpg.Connection, decided: list[tuple[_Waiting, Decided]], error: asyncpg.PostgresError
    ) -> list[_Waiting]:
        """One operation of the round is impossible for the database: the others must not suffer for it."""
        if len(decided) > 1:
            again = []
            for one in decided:
                again += await self._post(connection, [one])
            return again
        waiting, item = decided[0]
        if error.constraint_name == "one_standing_claim_per_settlement" and waiting.tries < TRIES:
            return [waiting]  # Someone else took the settlement a moment ago; fresh facts will say so.
        log.error("operation %s cannot be posted: %s %s", item.operation.id, error.sqlstate, error.constraint_name)
        waiting.refuse(Refusal.FAULT)
        return []

    def _failed(self, batch: list[_Waiting], error: Exception) -> list[_Waiting]:
        """The server said no to the whole round, or said nothing."""
        open_items = [item for item in batch if not item.answer.done()]
        if isinstance(error, asyncpg.PostgresError) and _is_conflict(error):
            for item in open_items:
                if item.tries >= TRIES:
                    item.refuse(Refusal.IN_FLIGHT)
            return [item for item in open_items if not item.answer.done()]
        log.warning("round of %d lost: %s", len(batch), type(error).__name__)
        self._line.drop()
        for item in open_items:
            item.refuse(Refusal.OUTCOME_UNKNOWN)
        return []


class _Patient:
    """Runs an operation that kept losing races: takes the account's lock first, then facts, decision and posting under it."""

    def __init__(self, database: Database, rounds: Rounds, shelf: Shelf) -> None:
        self._rounds = rounds
        self._shelf = shelf
        self._lines: asyncio.LifoQueue[Line] = asyncio.LifoQueue()
        for _ in range(PATIENT_LINES):
            self._lines.put_nowait(database.line())

    async def run(self, item: _Waiting) -> None:
        line = await self._lines.get()
        try:
            if not _in_time([item]):
                return
            await self._locked(line, item)
        except asyncpg.PostgresError as error:
            if _is_conflict(error) or error.sqlstate == "55P03":
                item.refuse(Refusal.IN_FLIGHT)
            elif _is_about_data(error):
                log.error("operation %s cannot be posted: %s", item.operation.id, error.sqlstate)
                item.refuse(Refusal.FAULT)
            else:
                line.drop()
                item.refuse(Refusal.OUTCOME_UNKNOWN)
        except (NotReplicated, OSError, asyncpg.InterfaceError, TimeoutError):
            line.drop()
            item.refuse(Refusal.OUTCOME_UNKNOWN)
        except Exception:
            log.exception("operation %s failed under its lock", item.operation.id)
            line.drop()
            item.refuse(Refusal.OUTCOME_UNKNOWN)
        finally:
            self._lines.put_nowait(line)

    async def _locked(self, line: Line, item: _Waiting) -> None:
        connection = await line.connection()
        line.forget_warnings()
        again: list[_Waiting] = []
        async with connection.transaction():
            await self._rounds.lock(connection, [item.operation.account])
            facts, rulebooks = await read_facts(connection, self._rounds, self._shelf, [item.operation])
            decided, found = _decide_all([item], facts, rulebooks)
            posted = await self._rounds.post(connection, [one for _, one in decided]) if decided else None
        line.refuse_unreplicated()
        for waiting, stored in found:
            waiting.done(Done(stored, replayed=True))
        if posted is not None:
            again = _answer(decided, posted)
        for waiting in again:
            waiting.refuse(Refusal.IN_FLIGHT)

    async def close(self) -> None:
        while not self._lines.empty():
            await self._lines.get_nowait().close()


async def read_facts(
    connection: asyncpg.Connection, rounds: Rounds, shelf: Shelf, operations: Sequence[Operation]
) -> tuple[list[Facts], Rulebooks]:
    """Facts of one snapshot, and the rulebooks that were in force in it.

    Which accumulators to read depends on the rulebooks; when another set has come into force since the last round, the facts are
    read again by the new one, so that no operation is decided by a mixture.
    """
    while True:
        rulebooks = await shelf.newest(connection)
        facts = await rounds.facts(connection, [_question(operation, rulebooks) for operation in operations])
        if facts[0].rulebooks == rulebooks.digest:
            return facts, rulebooks
        await shelf.fetch(connection, facts[0].rulebooks)


def _question(operation: Operation, rulebooks: Rulebooks) -> Question:
    content = operation.content
    settlements: tuple[tuple[str, str], ...] = ()
    if isinstance(content, Claim):
        settlements = tuple((prior.payer, prior.settlement) for prior in content.prior if prior.settlement)
    return Question(operation, accumulators_of(operation, rulebooks), history_since(operation, rulebooks), settlements)


def _in_time(batch: list[_Waiting]) -> list[_Waiting]:
    """Those whose deadline has not passed; the others are told that nothing was done."""
    now = time.time()
    late = [item for item in batch if item.operation.deadline is not None and item.operation.deadline < now]
    for item in late:
        item.refuse(Refusal.DEADLINE_PASSED)
    return [item for item in batch if item not in late] if late else batch


def _decide_all(
    batch: list[_Waiting], facts: list[Facts], rulebooks: Rulebooks
) -> tuple[list[tuple[_Waiting, Decided]], list[tuple[_Waiting, Stored]]]:
    """Decides each by itself: one that fails in here takes no other with it."""
    decided = []
    found = []
    for item, fact in zip(batch, facts, strict=True):
        operation = item.operation
        try:
            if item.quote:
                assert isinstance(operation.content, Claim)
                item.done(Quoted(fact, assess_claim(operation, operation.content, fact, rulebooks)))
                continue
            answer = decide(operation, fact, rulebooks)
        except Exception:
            log.exception("operation %s could not be decided", operation.id)
            item.refuse(Refusal.FAULT)
            continue
        if isinstance(answer, Replay):
            assert fact.stored is not None
            found.append((item, fact.stored))
        elif isinstance(answer, Refused):
            item.refuse(answer.refusal, answer.fields, security=answer.security)
        else:
            decided.append((item, Decided(operation, fact.version, rulebooks.digest, answer)))
    return decided, found


def _answer(decided: list[tuple[_Waiting, Decided]], posted: Posted) -> list[_Waiting]:
    """Answers those that were posted; returns the others."""
    again = []
    for place, (waiting, item) in enumerate(decided):
        if place in posted.places:
            waiting.done(Done(_stored(item, posted), replayed=False))
        else:
            again.append(waiting)
    return again


def _stored(item: Decided, posted: Posted) -> Stored:
    """The operation as it now stands in the database."""
    operation, decision = item.operation, item.decision
    return Stored(
        id=operation.id,
        account=operation.account,
        kind=operation.kind,
        verdict=decision.verdict,
        reason=decision.reason or "",
        fingerprint=operation.fingerprint,
        refers=operation.refers,
        terminal=operation.author.terminal,
        clinic=operation.author.clinic,
        version=item.version + 1,
        posted_at=posted.posted_at,
        business_day=posted.business_day,
        record=Record(operation.raw, decision.outcome),
    )


def _is_about_data(error: asyncpg.PostgresError) -> bool:
    """Errors of one row: impossible values (22), violated constraints (23)."""
    return (error.sqlstate or "")[:2] in ("22", "23")


def _is_conflict(error: asyncpg.PostgresError) -> bool:
    """Deadlocks, serialization failures (40), and statements that someone cancelled: rolled back, so try again."""
    return (error.sqlstate or "")[:2] == "40" or error.sqlstate == "57014"
