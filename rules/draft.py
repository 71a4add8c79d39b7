"""What one scheme would give, worked out for each of the resident's categories before the best one is given."""

from rules.assessment import Movement, Step
from rules.day_books import SchemeDay, Tariff
from rules.money import largest_remainder, yuan
from rules.no_aid import FARTHEST, NoAid
from rules.situation import Situation
from rules.steps import ceiling, deductible, entitlement, rate
from rules.steps.bill import Bill
from rules.steps.usage import Usage

RANKS = {reason: rank for rank, reason in enumerate(FARTHEST)}


class Draft:
    """What one scheme would give for one category. `no_aid` says why nothing, or where the aid got its last word."""

    __slots__ = ("aid", "category", "ceilings", "counts", "district", "no_aid", "steps", "uses")

    def __init__(self, category: str, district: str, no_aid: NoAid) -> None:
        self.category = category
        self.district = district
        """Which granted the entitlement."""
        self.aid = 0
        self.no_aid = no_aid
        self.counts: tuple[int, ...] = ()
        """The parts of the bill that the aid is paid of."""
        self.uses: list[tuple[str, int, int | None]] = []
        """(accumulator, fen, ceiling) of what is charged whether aid is given or not: deductibles and the year's
        base.
        """
        self.ceilings: list[tuple[str, int | None]] = []
        """(accumulator, ceiling) of what is charged with the aid."""
        self.steps: list[Step] = []

    def uses_by_line(self, bill: Bill) -> list[Movement]:
        """Deductibles and base, in proportion to what each line has in the base; to be asked before the aid is paid."""
        if not self.uses:
            return []
        weights = bill.left_by_line(self.counts)
        for part, lines in bill.aided:
            if part in self.counts:
                weights = [have + more for have, more in zip(weights, lines, strict=True)]
        return [
            Movement(key, amount, limit, bill.as_sent(largest_remainder(amount, weights)))
            for key, amount, limit in self.uses
        ]

    def aid_by_line(self, lines: tuple[int, ...]) -> list[Movement]:
        """What the aid uses of the ceilings: of every line as much as it was given."""
        return [Movement(key, self.aid, limit, lines) for key, limit in self.ceilings]


def best(scheme: SchemeDay, situation: Situation, bill: Bill, owed_after: int) -> Draft:
    """The best of the resident's categories: most aid, then the reason that came farthest, then the book's own order.

    `owed_after`: fen that payers after aid have paid; aid leaves that much open.
    """
    held = entitlement.categories(situation.entitlements, situation.day, scheme)
    if not held:
        draft = Draft("", "", NoAid.NOT_ENTITLED)
        draft.steps.append(Step(f"{scheme.code}.entitlement", 0, 0, f"none on {situation.day}"))
        return draft
    year = scheme.year_of(situation.day, situation.admitted, situation.discharged)
    usage = Usage(year, situation.visit, situation.used)
    drafts = []
    for category, district in held:
        tariff = scheme.tariffs.get((category, situation.visit_type))
        if tariff is None:
            draft = Draft(category, district, NoAid.VISIT_TYPE_NOT_COVERED)
            detail = f"{category}: not for {situation.visit_type}"
            draft.steps.append(Step(f"{scheme.code}.entitlement", 0, 0, detail))
        else:
            draft = Draft(category, district, NoAid.NOTHING_IN_SCOPE)
            _work_out(draft, scheme, tariff, bill, usage)
            _within_what_is_open(draft, scheme, bill.open - owed_after)
            _within_ceilings(draft, scheme, tariff, usage)
        drafts.append(draft)
    if len(drafts) == 1:
        return drafts[0]
    # The granting district decides last, so that the order in which entitlements were registered never does.
    ranks = scheme.categories
    return min(drafts, key=lambda each: (-each.aid, -RANKS[each.no_aid], ranks[each.category], each.district))


def _work_out(draft: Draft, scheme: SchemeDay, tariff: Tariff, bill: Bill, usage: Usage) -> None:
    """Base, deductible, rate, earlier aid; stops at the first that leaves nothing, with its reason."""
    name, steps = scheme.code, draft.steps
    steps.append(Step(f"{name}.entitlement", 0, 0, draft.category, *tariff.entitlement_ground))
    draft.counts = tariff.counts
    base = bill.left(tariff.counts)
    aided = sum([sum(lines) for _, lines in bill.aided]) if bill.aided else 0
    added = 0
    reduces = aided and scheme.already_aided == "reduces"
    if reduces:
        # What is deducted from the result must not be missing from the base too.
        added = sum([sum(lines) for part, lines in bill.aided if part in tariff.counts])
        base += added
    counts = f"{tariff.counts_text} + {yuan(added)} already aided" if added else tariff.counts_text
    steps.append(Step(f"{name}.base", bill.open, base, counts, *tariff.base_ground))
    if aided and scheme.already_aided == "ends":
        draft.no_aid = NoAid.ALREADY_AIDED
        steps.append(Step(f"{name}.already_aided", base, 0, f"ends: {yuan(aided)}", *scheme.already_ground))
        return
    if not base:
        if any(bill.charged[part] for part in tariff.counts):
            draft.no_aid = NoAid.PRIOR_PAID_ALL
        return
    if tariff.deductibles:
        base, draft.uses = deductible.apply(name, tariff.deductibles, base, usage, steps)
        if not base:
            draft.no_aid = NoAid.BELOW_DEDUCTIBLE
            return
    year_base = 0
    if tariff.year_base:
        key = f"{tariff.year_base}.{usage.year}"
        year_base = max(0, usage.used.get(key, 0))
        draft.uses.append((key, base, None))
    draft.aid = rate.apply(scheme, tariff, base, year_base, steps)
    if reduces and draft.aid:
        draft.no_aid = NoAid.ALREADY_AIDED
        more = max(0, draft.aid - aided)
        steps.append(Step(f"{name}.already_aided", draft.aid, more, f"reduces: {yuan(aided)}", *scheme.already_ground))
        draft.aid = more


def _within_what_is_open(draft: Draft, scheme: SchemeDay, payable: int) -> None:
    """Payers after aid have paid already: what they paid is no longer there for aid to pay."""
    if draft.aid > payable:
        draft.no_aid = NoAid.PRIOR_PAID_ALL
        draft.steps.append(Step(f"{scheme.code}.open", draft.aid, payable, yuan(payable)))
        draft.aid = payable


def _within_ceilings(draft: Draft, scheme: SchemeDay, tariff: Tariff, usage: Usage) -> None:
    if draft.aid:
        draft.no_aid = NoAid.CEILING_REACHED
        draft.aid, draft.ceilings = ceiling.apply(scheme.code, tariff.ceilings, draft.aid, usage, draft.steps)
