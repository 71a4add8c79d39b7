"""Two reasons at once: the earlier one of the closed list is answered. Over all pairs that can hold together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import combinations
from typing import Any

import msgspec
import pytest

from gateway.domain import decision
from gateway.domain.claim import Claim
from gateway.domain.decision import BEHIND
from gateway.domain.effects import Decision
from gateway.domain.facts import Facts, Referred
from gateway.domain.operation import Operation, Verdict
from gateway.domain.outcome import PlainOutcome, Record
from gateway.domain.refusal import PRECEDENCE, Refusal
from tests.gateway.domain.scenes import (
    BOOKS,
    LATER,
    MANY_DECLINES,
    NOW,
    OTHER_ACCOUNT,
    SOME_DECLINES,
    TODAY,
    TOMORROW,
    claim,
    decide,
    entitled,
    facts,
    keep,
    operation,
    prior,
    reason,
    referred,
    replacement,
    reversal,
    uid,
)


@dataclass
class Scene:
    """A claim, replacement, superseding claim or reversal, to which reasons against it are added."""

    kind: str
    claim: dict[str, Any] = field(default_factory=dict)
    visit: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    referred: dict[str, Any] = field(default_factory=dict)
    operation: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    taken_back: tuple[str, ...] = ()
    original_declined: bool = False
    original_day: date | None = None

    def content(self) -> Claim:
        made = claim(4_000, 6_000)
        made = msgspec.structs.replace(made, visit=msgspec.structs.replace(made.visit, **self.visit))
        return msgspec.structs.replace(made, **self.claim)

    def original(self) -> Referred:
        """What it refers to: decided today, whatever day it is then said to be of."""
        first = claim(4_000, 6_000, quote="0" * 64 if self.kind == "superseding" else "")
        made = referred(first, facts(entitlements=()) if self.original_declined else facts())
        visit = msgspec.structs.replace(first.visit, day=self.original_day or self.content().visit.day)
        raw = msgspec.json.encode(msgspec.structs.replace(first, visit=visit))
        return msgspec.structs.replace(made, record=Record(raw, made.record.outcome), **self.referred)

    def build(self) -> tuple[Operation, Facts]:
        made: dict[str, Any] = dict(self.facts)
        if self.kind != "claim":
            made |= {"referred": self.original(), "back": tuple(self.back(line) for line in self.taken_back)}
        match self.kind:
            case "claim":
                first = operation(self.content())
            case "superseding":
                first = operation(msgspec.structs.replace(self.content(), supersedes=uid(1)))
            case "replacement":
                first = replacement(self.content())
            case _:
                first = reversal(*self.lines)
        return msgspec.structs.replace(first, **self.operation), facts(**made)

    def back(self, line: str) -> Record:
        clean = facts(referred=referred(claim(4_000, 6_000)))
        return keep(reversal(line), decide(reversal(line), clean)).record


Against = Callable[[Scene], object]


def used_up(scene: Scene) -> None:
    """Every accumulator of the claim is full."""
    keys = decision.accumulators_of(operation(scene.content()), BOOKS)
    scene.facts["used"] = dict.fromkeys(keys, 10**9)


def stored_otherwise(scene: Scene) -> None:
    other = keep(operation(claim(1)), Decision(Verdict.DECLINED, Refusal.NOT_ENTITLED, PlainOutcome()))
    scene.facts["stored"] = msgspec.structs.replace(other, id=LATER)


def too_old(scene: Scene) -> None:
    scene.operation["at"] = NOW - BEHIND - timedelta(seconds=1)


def fact(name: str, value: object) -> Against:
    return lambda scene: scene.facts.update({name: value})


REQUEST: dict[Refusal, Against] = {
    Refusal.ID_REUSED: stored_otherwise,
    Refusal.EVENT_TIME_OUT_OF_RANGE: too_old,
}
STANDING: dict[Refusal, Against] = {
    Refusal.CLINIC_FROZEN: fact("clinic_frozen_until", TOMORROW),
    Refusal.TERMINAL_FROZEN: fact("terminal_frozen_until", TOMORROW),
    Refusal.CARD_UNKNOWN: fact("subject", "stub"),
    Refusal.CARD_FROZEN: fact("card_frozen_until", TOMORROW),
    Refusal.ACCOUNT_FROZEN: fact("frozen_until", TOMORROW),
    Refusal.PRIOR_SETTLEMENT_USED: fact("settlement_holders", (uid(9),)),
}
COUNTERS: dict[Refusal, Against] = {Refusal.COUNTER_REFUSED: fact("activity", MANY_DECLINES)}
RULES: dict[Refusal, Against] = {
    Refusal.NO_RULEBOOK: lambda scene: scene.visit.update(day=date(1990, 1, 1)),
    Refusal.NOT_ENTITLED: fact("entitlements", ()),
    Refusal.VISIT_TYPE_NOT_COVERED: fact("entitlements", entitled("EXPEND")),
    Refusal.ALREADY_AIDED: lambda scene: scene.claim.update(prior=prior(100, "medical_aid")),
    Refusal.NOTHING_IN_SCOPE: lambda scene: scene.claim.update(lines=claim(4_000, 6_000, item="ZZ0023").lines),
    Refusal.PRIOR_PAID_ALL: lambda scene: scene.claim.update(prior=prior(10_000)),
    Refusal.CEILING_REACHED: used_up,
}
OFFERS: dict[Refusal, Against] = {
    Refusal.QUOTE_CHANGED: lambda scene: scene.claim.update(quote="f" * 64),
    Refusal.CHECK_IDENTITY: lambda scene: scene.facts.update(
        activity=(*SOME_DECLINES, *scene.facts.get("activity", ()))
    ),
}
REFERENCE: dict[Refusal, Against] = {
    Refusal.NOT_THE_CLINICS: lambda scene: scene.referred.update(clinic="C2"),
    Refusal.REFERS_TO_OTHER_ACCOUNT: lambda scene: scene.referred.update(account=OTHER_ACCOUNT),
    Refusal.NOTHING_TO_REVERSE: lambda scene: setattr(scene, "original_declined", True),
}
ON_CLAIMS = {**REQUEST, **STANDING, **COUNTERS, **RULES, **OFFERS}
AGAINST: dict[str, dict[Refusal, Against]] = {
    "claim": ON_CLAIMS,
    "superseding": {
        **ON_CLAIMS,
        Refusal.SUPERSEDES_NOTHING: fact("followed_by", (uid(9),)),
    },
    "replacement": {
        **ON_CLAIMS,
        **REFERENCE,
        Refusal.ALREADY_REVERSED: lambda scene: setattr(scene, "taken_back", ("1", "2")),
        Refusal.OTHER_DAY_OF_SERVICE: lambda scene: setattr(scene, "original_day", TODAY - timedelta(days=9)),
    },
    "reversal": {
        **REQUEST,
        **REFERENCE,
        Refusal.ALREADY_REVERSED: lambda scene: scene.__dict__.update(
            taken_back=("1",), lines=("1", *(line for line in scene.lines if line != "1"))
        ),
        Refusal.LINE_UNKNOWN: lambda scene: setattr(scene, "lines", (*scene.lines, "nine")),
    },
}


def can_hold_together(one: Refusal, other: Refusal) -> bool:
    pair = {one, other}
    if pair <= RULES.keys():
        return False  # The rules give one reason, and say themselves which.
    # What aid never paid was never taken back.
    return pair != {Refusal.NOTHING_TO_REVERSE, Refusal.ALREADY_REVERSED}


ALONE = [(kind, one) for kind, against in AGAINST.items() for one in against]
PAIRS = [
    (kind, *sorted(pair, key=PRECEDENCE.__getitem__))
    for kind, against in AGAINST.items()
    for pair in combinations(against, 2)
    if can_hold_together(*pair)
]


def test_reasons_hold_alone() -> None:
    """Else a pair would say nothing."""
    for kind, one in ALONE:
        scene = Scene(kind)
        AGAINST[kind][one](scene)
        assert reason(*scene.build()) is one, (kind, one)


@pytest.mark.parametrize("kind", AGAINST)
def test_without_a_reason_nothing_is_refused(kind: str) -> None:
    assert reason(*Scene(kind).build()) is None


@pytest.mark.parametrize(("kind", "earlier", "later"), PAIRS)
def test_the_earlier_reason_is_answered(kind: str, earlier: Refusal, later: Refusal) -> None:
    for order in ((earlier, later), (later, earlier)):
        scene = Scene(kind)
        for one in order:
            AGAINST[kind][one](scene)
        assert reason(*scene.build()) is earlier


def test_every_refusal_that_decide_gives_is_in_a_pair() -> None:
    paired = {one for _, *pair in PAIRS for one in pair}
    by_staff_and_stays = {Refusal.ENTITLEMENT_UNKNOWN, Refusal.STAY_UNKNOWN}
    told = {one for one in Refusal if PRECEDENCE[one] >= PRECEDENCE[Refusal.ID_REUSED]}
    # What was reversed before it arrived is a replay of what was stored; below the deductible is an approval.
    assert told - paired - by_staff_and_stays == {Refusal.REVERSED_BEFORE_ARRIVAL, Refusal.BELOW_DEDUCTIBLE}
