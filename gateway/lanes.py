"""Lanes and rounds: many operations, one commit.

A lane works in rounds. A round takes what arrived while the last one was under way (never waiting for more), at most
one operation per account, and runs it as two statements: read the facts, decide each, post all. Under light load a
round holds one claim; under heavy load rounds grow and throughput with them.

Nothing is locked while facts are read. The posting call skips every account that moved since, or that somebody holds;
what was skipped is decided again on fresh facts, and after two tries waits for its lock on a connection of its own,
so that one held account delays nobody else's.
"""

import asyncio
import logging
from collections import deque

from gateway.domain.decision import Quoted, decide
from gateway.domain.facts import Stored
from gateway.domain.operation import Operation
from gateway.domain.refusal import Refusal
from gateway.rounds import (
    Decide,
    Done,
    NotDone,
    Tools,
    Waiting,
    answer_posted,
    decide_all,
    in_time,
    read_facts,
)
from gateway.rulebooks import NoRulebooks, Shelf
from gateway.store.database import Database
from gateway.store.failures import STATEMENT_FAILURES, DatabaseError, Failure, lost_a_race, meaning, violated
from gateway.store.line import Connection, Line
from gateway.store.rounds import Decided, Rounds
from gateway.trust.sealing import Sealer

__all__ = ["Decide", "Done", "Lanes", "NotDone"]

log = logging.getLogger(__name__)

ROUND_LIMIT = 64
"""Operations per round: enough to make the database cheap, few enough not to hold the event loop for long."""
EAGER_TRIES = 2
"""Rounds an operation takes part in before it waits for its account's lock."""
TRIES = 8
"""Attempts before an operation that keeps losing is told to come back."""
PATIENT_LINES = 4
"""Connections for operations that wait for a lock."""


class Lanes:
    """The lanes of one schema in one process. An account belongs to one lane."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        shelf: Shelf,
        *,
        count: int = 1,
        queue_limit: int = 2000,
        decide: Decide = decide,
    ) -> None:
        tools = Tools(Rounds(sealer), shelf, decide)
        self._tools = tools
        self._queue_limit = queue_limit
        self._patient = patient = _Patient(database, tools)
        self._lanes = [_Lane(database.line(), tools, patient) for _ in range(count)]

    @property
    def rounds(self) -> Rounds:
        """For reading single stored operations."""
        return self._tools.rounds

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._lanes)

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
        done = await self._lane(operation).put(Waiting(operation, quote=False))
        assert isinstance(done, Done)
        return done

    async def quote(self, operation: Operation) -> Quoted:
        """Assesses a claim on the newest facts and changes nothing."""
        quoted = await self._lane(operation).put(Waiting(operation, quote=True))
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

    def __init__(self, line: Line, tools: Tools, patient: "_Patient") -> None:
        self._line = line
        self._tools = tools
        self._patient = patient
        self._queues: dict[int, deque[Waiting]] = {}
        self._ready: deque[int] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self.waiting = 0
        self._task = asyncio.create_task(self._work())
        self._aside: set[asyncio.Task[None]] = set()

    async def put(self, item: Waiting) -> Done | Quoted:
        """Queues an operation behind those of its account and waits for its answer."""
        account = item.operation.account
        queue = self._queues.get(account)
        if queue is None:
            self._queues[account] = deque((item,))
            self._idle.clear()
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
        await self._idle.wait()
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
            if not self._queues:
                self._idle.set()

    def _again(self, item: Waiting) -> None:
        """Skipped, stale, or lost a race: once more with fresh facts, and later with a lock of its own."""
        item.tries += 1
        if item.tries < EAGER_TRIES:
            self._ready.append(item.operation.account)
            self._arrived.set()
            return
        task = asyncio.create_task(self._wait_for_lock(item))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _wait_for_lock(self, item: Waiting) -> None:
        try:
            await self._patient.run(item)
        finally:
            self._next(item.operation.account)

    async def _round(self, batch: list[Waiting]) -> list[Waiting]:
        """One round. Answers what it can; returns what has to be tried again."""
        batch = in_time(batch)
        if not batch:
            return []
        try:
            connection = await self._line.connection()
            facts, rulebooks = await read_facts(connection, self._tools, batch)
            decided, found = decide_all(self._tools, facts, rulebooks)
            self._line.forget_warnings()
            held = await self._answer_found(connection, found) if found else []
            return held + (await self._post(connection, decided) if decided else [])
        except STATEMENT_FAILURES as error:
            return self._failed(batch, error)
        except NoRulebooks as error:
            log.error("%s", error)
            for item in batch:
                item.refuse(Refusal.FAULT)
            return []

    async def _answer_found(self, connection: Connection, found: list[tuple[Waiting, Stored]]) -> list[Waiting]:
        """Answers what is stored already, where the account can be locked; returns the others, to wait elsewhere."""
        free = await self._tools.rounds.lock_free(connection, [stored.account for _, stored in found])
        self._line.refuse_unreplicated()
        for item, stored in found:
            if stored.account in free:
                item.done(Done(stored, replayed=True))
        return [item for item, stored in found if stored.account not in free]

    async def _post(self, connection: Connection, decided: list[tuple[Waiting, Decided]]) -> list[Waiting]:
        self._line.forget_warnings()
        try:
            posted = await self._tools.rounds.post(connection, [item for _, item in decided])
        except DatabaseError as error:
            if meaning(error) is not Failure.DATA:
                raise
            return await self._post_one_by_one(connection, decided, error)
        self._line.refuse_unreplicated()
        return answer_posted(decided, posted)

    async def _post_one_by_one(
        self, connection: Connection, decided: list[tuple[Waiting, Decided]], error: DatabaseError
    ) -> list[Waiting]:
        """One operation of the round is impossible for the database: the others must not suffer for it."""
        if len(decided) > 1:
            again = []
            for one in decided:
                again += await self._post(connection, [one])
            return again
        waiting, item = decided[0]
        if lost_a_race(error):
            return [waiting]
        log.error("operation %s cannot be posted: %s %s", item.operation.id, type(error).__name__, violated(error))
        waiting.refuse(Refusal.FAULT)
        return []

    def _failed(self, batch: list[Waiting], error: Exception) -> list[Waiting]:
        """The server said no to the whole round, or said nothing."""
        open_items = [item for item in batch if not item.answer.done()]
        if meaning(error) is Failure.CONFLICT:
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
    """Runs an operation that kept losing races: takes the account's lock first, then facts, decision and posting
    under it."""

    def __init__(self, database: Database, tools: Tools) -> None:
        self._tools = tools
        self._lines: asyncio.LifoQueue[Line] = asyncio.LifoQueue()
        for _ in range(PATIENT_LINES):
            self._lines.put_nowait(database.line())

    async def run(self, item: Waiting) -> None:
        line = await self._lines.get()
        try:
            if not in_time([item]):
                return
            await self._locked(line, item)
        except STATEMENT_FAILURES as error:
            self._failed(line, item, error)
        except Exception:
            log.exception("operation %s failed under its lock", item.operation.id)
            line.drop()
            item.refuse(Refusal.OUTCOME_UNKNOWN)
        finally:
            self._lines.put_nowait(line)

    @staticmethod
    def _failed(line: Line, item: Waiting, error: Exception) -> None:
        match meaning(error):
            case Failure.CONFLICT | Failure.LOCKED:
                item.refuse(Refusal.IN_FLIGHT)
            case Failure.DATA if lost_a_race(error):
                item.refuse(Refusal.IN_FLIGHT)
            case Failure.DATA:
                log.error("operation %s cannot be posted: %s", item.operation.id, type(error).__name__)
                item.refuse(Refusal.FAULT)
            case Failure.LOST:
                line.drop()
                item.refuse(Refusal.OUTCOME_UNKNOWN)

    async def _locked(self, line: Line, item: Waiting) -> None:
        connection = await line.connection()
        line.forget_warnings()
        again: list[Waiting] = []
        async with connection.transaction():
            await self._tools.rounds.lock(connection, [item.operation.account])
            facts, rulebooks = await read_facts(connection, self._tools, [item])
            decided, found = decide_all(self._tools, facts, rulebooks)
            posted = await self._tools.rounds.post(connection, [one for _, one in decided]) if decided else None
        line.refuse_unreplicated()
        for waiting, stored in found:
            waiting.done(Done(stored, replayed=True))
        if posted is not None:
            again = answer_posted(decided, posted)
        for waiting in again:
            waiting.refuse(Refusal.IN_FLIGHT)

    async def close(self) -> None:
        while not self._lines.empty():
            await self._lines.get_nowait().close()
