"""Follows the steps of an assessment and works every result out again from the numbers that the steps name.

A second calculation that knows nothing of rulebooks: it shows that the steps given as reasons really lead to the aid.
"""

import re

from rules import money
from rules.assessment import Assessment, Step
from rules.day_books import CASH, IN_SCOPE, NURSING, OUT_OF_CATALOGUE, OVER_LIMIT, OWN_SHARE, PARTS

_YUAN = r"(\d+\.\d\d)"
_LIMIT = re.compile(rf"limit {_YUAN}")
_OWN_SHARE = re.compile(r"own share ([\d.]+)%")
_SLICE = re.compile(rf"{_YUAN} x ([\d.]+)%")
_RATE = re.compile(r"([\d.]+)%")
_LESS_USED = re.compile(rf"{_YUAN}(?: - {_YUAN} used)?")
_FUND = re.compile(rf"= {_YUAN}")
_ADDED = re.compile(rf"\+ {_YUAN} already aided")


class RecomputeError(ValueError):
    """A step whose result does not follow from its numbers, or that does not begin where the one before ended."""

    def __init__(self, step: Step, expected: int) -> None:
        super().__init__(f"{step.rule} “{step.detail}”: {step.base} -> {step.result} fen, expected {expected} fen")
        self.step = step


def recompute(assessment: Assessment) -> int:
    """The aid in fen that the steps lead to. Raises RecomputeError where the assessment is not what its steps say."""
    trail = _Trail(assessment)
    for step in assessment.steps:
        trail.follow(step)
    return trail.aid


class _Trail:
    """Where the calculation stands after each step."""

    def __init__(self, assessment: Assessment) -> None:
        self.total = assessment.total
        self.open = assessment.total
        self.parts = [assessment.total, 0, 0, 0, 0]
        self.counts: list[int] = []
        self.now = 0
        """What the last step of the present scheme left."""
        self.aid = 0

    def follow(self, step: Step) -> None:
        """Checks one step and goes on from it."""
        if step.rule == "catalogue.line":
            self._line(step)
        elif step.rule == CASH:
            _same(step, step.base, self.total)
            _same(step, step.result, self.open)
        elif step.rule.startswith(("prior.", "after.")):
            self._payer(step)
        elif step.rule.endswith(".base"):
            self._base(step)
        elif not step.rule.endswith(".entitlement"):
            _same(step, step.base, self.now)
            self.now = _result(step)
            _same(step, step.result, self.now)
            if step.rule.endswith(".funds"):
                self._pay(self.now, self.counts)
                self.aid += self.now

    def _line(self, step: Step) -> None:
        # Behind the bracket stand the clinic's own words.
        detail, amount = step.detail.partition(" (")[0], step.base
        pieces = [0] * len(PARTS)
        if detail.endswith(f", {PARTS[NURSING]}"):
            pieces[NURSING] = amount
        elif detail == "not in the catalogue" or detail.endswith(f", {PARTS[OUT_OF_CATALOGUE]}"):
            pieces[OUT_OF_CATALOGUE] = amount
        else:
            limit, own = _LIMIT.search(detail), _OWN_SHARE.search(detail)
            allowed = min(amount, money.fen(limit[1])) if limit else amount
            pieces[OVER_LIMIT] = amount - allowed
            pieces[OWN_SHARE] = money.part(allowed, money.ppm(own[1]), _rounding(detail)) if own else 0
        _same(step, step.result, amount - sum(pieces))
        self.parts = [have + piece for have, piece in zip(self.parts, pieces, strict=True)]
        self.parts[IN_SCOPE] -= sum(pieces)

    def _payer(self, step: Step) -> None:
        _same(step, step.base, self.open)
        self._pay(money.fen(step.detail), range(len(PARTS)))
        _same(step, step.result, self.open)

    def _base(self, step: Step) -> None:
        _same(step, step.base, self.open)
        self.counts = [index for index, name in enumerate(PARTS) if name in step.detail.split(" + ")]
        added = _ADDED.search(step.detail)
        self.now = sum(self.parts[index] for index in self.counts) + (money.fen(added[1]) if added else 0)
        _same(step, step.result, self.now)

    def _pay(self, amount: int, parts: list[int] | range) -> None:
        self.open -= amount
        for index in parts:
            now = min(amount, self.parts[index])
            self.parts[index] -= now
            amount -= now


def _result(step: Step) -> int:
    """What a step of a scheme makes of its base."""
    kind, detail = step.rule.rpartition(".")[2], step.detail
    if kind == "rate":
        return _rated(step)
    if kind == "deductible":
        return step.base - min(step.base, _less_used(detail))
    if kind == "ceiling":
        return step.base if detail == "none" else min(step.base, _less_used(detail))
    if kind == "open":
        return money.fen(detail)
    if kind == "already_aided":
        how, _, amount = detail.partition(": ")
        return 0 if how == "ends" else max(0, step.base - money.fen(amount))
    assert kind == "funds"
    return sum(money.fen(amount) for amount in _FUND.findall(detail))


def _rated(step: Step) -> int:
    slices = [(money.fen(amount), money.ppm(rate)) for amount, rate in _SLICE.findall(step.detail)]
    if not slices:
        rate = _RATE.match(step.detail)
        assert rate is not None
        slices = [(step.base, money.ppm(rate[1]))]
    if sum(amount for amount, _ in slices) != step.base:
        raise RecomputeError(step, sum(amount for amount, _ in slices))
    return money.rounded(sum(amount * rate for amount, rate in slices), _rounding(step.detail))


def _less_used(detail: str) -> int:
    match = _LESS_USED.fullmatch(detail)
    assert match is not None
    return max(0, money.fen(match[1]) - (money.fen(match[2]) if match[2] else 0))


def _rounding(detail: str) -> str:
    return next((mode for mode in money.ROUNDINGS if detail.endswith(f", {mode}")), money.HALF_UP)


def _same(step: Step, found: int, expected: int) -> None:
    if found != expected:
        raise RecomputeError(step, expected)
