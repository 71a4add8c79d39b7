"""The door for benefits: from a situation to who pays what.

The order of the steps: entitlement on the day of service, catalogue, prior payers, deductible, bands and rates,
ceilings, the next scheme (a top-up) on what the first one left, shares. Every payer's amount is rounded once; cash
takes what is left.
"""

from datetime import date

from rules import draft
from rules.assessment import Assessment, Movement, Share, Step
from rules.day_books import CASH, accumulator_key
from rules.money import yuan
from rules.no_aid import NoAid
from rules.rulebook import Rulebooks
from rules.situation import Situation
from rules.steps import catalogue, funding, prior_payers
from rules.steps.bill import ALL_PARTS


def assess(situation: Situation, rulebooks: Rulebooks) -> Assessment:
    """Who pays what of a claim, by the books of its day of service.

    Raises SituationError for what cannot be assessed, such as payers who paid more than the bill.
    """
    books = rulebooks.on(situation.day)
    steps: list[Step] = []
    bill = catalogue.read_bill(situation, books, steps)
    before, after = prior_payers.in_order(situation.prior, bill.total, books.payers)
    shares = prior_payers.pay(bill, before, books.payers, steps)
    owed_after = sum([amount for _, amount in after])
    movements: list[Movement] = []
    reason, category, aid = NoAid.NO_RULEBOOK, "", 0
    for scheme in books.schemes:
        best = draft.best(scheme, situation, bill, owed_after)
        steps += best.steps
        movements += best.uses_by_line(bill)
        if best.aid:
            category = category or best.category
            aid += best.aid
            lines = bill.pay(best.aid, best.counts)
            movements += best.aid_by_line(bill.as_sent(lines))
            shares += funding.shares(scheme, best.district, lines, bill, steps)
        elif draft.RANKS[best.no_aid] > draft.RANKS[reason]:
            reason = best.no_aid
    for payer, amount in after:
        shares.append(Share(payer, "", amount, bill.as_sent(bill.pay(amount, ALL_PARTS))))
        steps.append(Step(f"after.{payer}", bill.open + amount, bill.open, yuan(amount), *books.payers.ground))
    shares.append(Share(CASH, "", bill.open, bill.as_sent(bill.left_by_line(ALL_PARTS))))
    steps.append(Step(CASH, bill.total, bill.open, "what is left"))
    return Assessment(
        rulebooks=rulebooks.digest,
        total=bill.total,
        aid=aid,
        shares=tuple(shares),
        movements=tuple(movements),
        steps=tuple(steps),
        category=category,
        no_aid="" if aid else reason.value,
        unmapped=tuple(bill.unmapped),
    )


def accumulators(
    rulebooks: Rulebooks,
    *,
    day: date,
    visit: str,
    visit_type: str,
    admitted: date | None = None,
    discharged: date | None = None,
) -> tuple[str, ...]:
    """Every accumulator that a claim of that day and visit may read, whatever the entitlements."""
    keys = []
    for scheme in rulebooks.on(day).schemes:
        year = scheme.year_of(day, admitted, discharged)
        for name, per_visit in scheme.accumulators.get(visit_type, ()):
            keys.append(accumulator_key(name, per_visit=per_visit, year=year, visit=visit))
    return tuple(keys)
