"""The steps of a round: read the facts, decide each, answer what was posted. See gateway/lanes.py for the way between
them."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import Struct

from gateway.domain.claim import Claim
from gateway.domain.decision import Answer, Quoted, accumulators_of, assess_claim, history_since
from gateway.domain.effects import Refused, Replay
from gateway.domain.facts import Facts, Stored
from gateway.domain.operation import Operation
from gateway.domain.outcome import Record
from gateway.domain.refusal import Refusal
from gateway.rulebooks import Shelf
from gateway.store.line import Connection
from gateway.store.rounds import Decided, Posted, Question, Rounds, Unreadable
from rules import Rulebooks, SituationError

log = logging.getLogger(__name__)

Decide = Callable[[Operation, Facts, Rulebooks], Answer]


@dataclass(frozen=True, slots=True)
class Tools:
    """What every round of one set of books works with."""

    rounds: Rounds
    shelf: Shelf
    decide: Decide


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


class Waiting:
    """An operation in a lane, and who waits for its answer."""

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


async def read_facts(
    connection: Connection, tools: Tools, batch: Sequence[Waiting]
) -> tuple[list[tuple[Waiting, Facts]], Rulebooks]:
    """Each operation with its facts, all of one snapshot, and the rulebooks that were in force in it.

    Which accumulators to read depends on the rulebooks; when another set has come into force since the last round,
    the facts are read again by the new one, so that no operation is decided by a mixture.
    """
    while True:
        rulebooks = await tools.shelf.newest(connection)
        asked = _questions(batch, rulebooks)
        if not asked:
            return [], rulebooks
        digest, facts = await tools.rounds.facts(connection, [question for _, question in asked])
        if digest == rulebooks.digest:
            return _readable(asked, facts), rulebooks
        await tools.shelf.fetch(connection, digest)


def _questions(batch: Sequence[Waiting], rulebooks: Rulebooks) -> list[tuple[Waiting, Question]]:
    asked = []
    for item in batch:
        try:
            asked.append((item, _question(item.operation, rulebooks)))
        except Exception:
            log.exception("nothing could be asked for operation %s", item.operation.id)
            item.refuse(Refusal.FAULT)
    return asked


def _readable(
    asked: list[tuple[Waiting, Question]], facts: Sequence[Facts | Unreadable]
) -> list[tuple[Waiting, Facts]]:
    readable = []
    for (item, question), fact in zip(asked, facts, strict=True):
        if isinstance(fact, Unreadable):
            log.error("the facts of operation %s cannot be read: %s", question.operation.id, fact.why)
            item.refuse(Refusal.FAULT)
        else:
            readable.append((item, fact))
    return readable


def _question(operation: Operation, rulebooks: Rulebooks) -> Question:
    content = operation.content
    settlements: tuple[tuple[str, str], ...] = ()
    if isinstance(content, Claim):
        settlements = tuple((prior.payer, prior.settlement) for prior in content.prior if prior.settlement)
    return Question(operation, accumulators_of(operation, rulebooks), history_since(operation, rulebooks), settlements)


def in_time(batch: list[Waiting]) -> list[Waiting]:
    """Those whose deadline has not passed; the others are told that nothing was done."""
    now = time.time()
    late = [item for item in batch if item.operation.deadline is not None and item.operation.deadline < now]
    for item in late:
        item.refuse(Refusal.DEADLINE_PASSED)
    return [item for item in batch if item not in late] if late else batch


def decide_all(
    tools: Tools, batch: list[tuple[Waiting, Facts]], rulebooks: Rulebooks
) -> tuple[list[tuple[Waiting, Decided]], list[tuple[Waiting, Stored]]]:
    """Decides each by itself: one that fails in here takes no other with it."""
    decided = []
    found = []
    for item, fact in batch:
        operation = item.operation
        try:
            if item.quote:
                assert isinstance(operation.content, Claim)
                item.done(Quoted(fact, assess_claim(operation, operation.content, fact, rulebooks)))
                continue
            answer = tools.decide(operation, fact, rulebooks)
        except SituationError as error:
            log.warning("operation %s cannot be assessed: %s", operation.id, error)
            item.refuse(Refusal.IMPOSSIBLE)
            continue
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


def answer_posted(decided: list[tuple[Waiting, Decided]], posted: Posted) -> list[Waiting]:
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
