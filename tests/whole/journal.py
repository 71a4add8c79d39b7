"""What clients send and what they are told, and how they insist on an answer."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from gateway.domain.refusal import Refusal
from tests.whole.process import UNDECIDED, Ask, Lost, Told

REPEATS = 600
"""How often a client asks again before it gives up. Giving up is a failure: everything must end."""


class Gateway(Protocol):
    """Anything that can be asked."""

    async def ask(self, ask: Ask) -> Told: ...


@dataclass
class Heard:
    """What the clients know of one operation id."""

    first_sent: float
    first_told: float = float("inf")
    asks: list[Ask] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """Every stored answer that was given, by whichever gateway."""


class Journal:
    """What was sent and what was acknowledged, by operation id."""

    def __init__(self) -> None:
        self.heard: dict[UUID, Heard] = {}
        self.refusals: dict[str, int] = defaultdict(int)
        self.latencies: list[float] = []

    def sent(self, ask: Ask) -> Heard:
        heard = self.heard.setdefault(ask.id, Heard(time.monotonic()))
        if ask not in heard.asks:
            heard.asks.append(ask)
        return heard

    def sending(self, ask: Ask) -> Ask:
        """Notes a request that is about to be sent."""
        self.sent(ask)
        return ask

    def told(self, ask: Ask, told: Told, since: float) -> None:
        now = time.monotonic()
        self.latencies.append(now - since)
        if told.stored:
            heard = self.heard[ask.id]
            heard.first_told = min(heard.first_told, now)
            heard.bodies.append(told.body)
        else:
            self.refusals[told.refusal] += 1

    def acknowledged(self) -> dict[UUID, Heard]:
        """Those that got a stored answer at least once."""
        return {id_: heard for id_, heard in self.heard.items() if heard.bodies}


async def insist(journal: Journal, gateways: Sequence[Gateway], ask: Ask, first: int = 0) -> Told:
    """Sends a request until it is known what became of it."""
    journal.sent(ask)
    since = time.monotonic()
    told = await until_known(gateways, ask, first)
    journal.told(ask, told, since)
    return told


async def until_known(gateways: Sequence[Gateway], ask: Ask, first: int = 0) -> Told:
    """The same request under the same id, to one gateway after the other, until one of them knows."""
    for attempt in range(REPEATS):
        try:
            told = await gateways[(first + attempt) % len(gateways)].ask(ask)
        except Lost:
            told = Told(refusal=Refusal.OUTCOME_UNKNOWN)
        assert told.refusal != Refusal.FAULT, f"{ask.verb} {ask.id} could not be posted"
        if told.refusal not in UNDECIDED:
            return told
        await asyncio.sleep(min(0.02 * (attempt + 1), 0.5))
    raise AssertionError(f"{ask.verb} {ask.id} never came to an end: {told}")
