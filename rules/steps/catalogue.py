"""What of each line is in scope: class, own share, price ceiling.

A line of class A counts whole, of class B after the resident's own share (先行自付), of class C not at all (自费).
What is charged above the price ceiling is out of scope (超限价), and the own share is taken of what is left. Items
nobody knows are out of catalogue.
"""

from rules.assessment import Step
from rules.catalogue import Item
from rules.day_books import IN_SCOPE, NURSING, OUT_OF_CATALOGUE, OVER_LIMIT, OWN_SHARE, PARTS, DayBooks
from rules.errors import SituationError
from rules.money import HALF_UP, part, percent, price, yuan
from rules.situation import Line, Situation
from rules.steps.bill import Bill

RULE = "catalogue.line"


def read_bill(situation: Situation, books: DayBooks, steps: list[Step]) -> Bill:
    """The bill by part and line, with a step for every line that is not wholly in scope."""
    _check(situation.lines)
    bill = Bill(situation.lines)
    lines = bill.items
    rounding = books.schemes[0].rounding if books.schemes else HALF_UP
    nursing_counts = situation.visit_type == "inpatient"
    own_codes = books.clinics.get(situation.clinic, {})
    items = books.items
    in_scope = [0] * len(lines)
    for index, line in enumerate(lines):
        item = own_codes.get(line.item) or items.get(line.item)
        if item is None:
            bill.unmapped.append(line.id)
            bill.put(OUT_OF_CATALOGUE, index, line.amount)
            steps.append(Step(RULE, line.amount, 0, f"not in the catalogue ({line.item}, line {line.id})"))
        elif item.item_class == "C":
            kind = NURSING if nursing_counts and item.kind == "nursing" else OUT_OF_CATALOGUE
            bill.put(kind, index, line.amount)
            detail = f"class C, {PARTS[kind]} ({item.code}, line {line.id})"
            steps.append(Step(RULE, line.amount, 0, detail, item.source, item.status))
        elif item.own_share or item.price_ceiling is not None:
            in_scope[index] = _within(bill, index, line, item, steps, rounding=rounding)
        else:
            in_scope[index] = line.amount
    bill.lines[IN_SCOPE] = in_scope
    bill.sums[IN_SCOPE] = sum(in_scope)
    bill.charged = tuple(bill.sums)
    return bill


def _check(lines: tuple[Line, ...]) -> None:
    if not lines:
        raise SituationError("the claim has no lines: send at least one")
    if len({line.id for line in lines}) != len(lines):
        raise SituationError("two lines have the same id: give each line of the claim its own")
    if min([line.amount for line in lines]) <= 0:
        raise SituationError("a line has no positive amount: leave lines of nothing out")
    if min([line.quantity for line in lines]) <= 0:
        raise SituationError("a line has no positive quantity: quantities are in thousandths of a unit, so 1 is 1000")


def _within(bill: Bill, index: int, line: Line, item: Item, steps: list[Step], *, rounding: str) -> int:
    """What is left of a line of class A or B after price ceiling and own share, which are counted to their parts."""
    limit = None if item.price_ceiling is None else price(item.price_ceiling, line.quantity)
    allowed = line.amount if limit is None else min(line.amount, limit)
    own = part(allowed, item.own_share, rounding) if item.own_share else 0
    counted = allowed - own
    if counted != line.amount:
        bill.put(OVER_LIMIT, index, line.amount - allowed)
        bill.put(OWN_SHARE, index, own)
        detail = f"class {item.item_class}"
        if limit is not None:
            detail += f", limit {yuan(limit)}"
        if item.own_share:
            detail += f", own share {percent(item.own_share)}"
            if rounding != HALF_UP:
                detail += f", {rounding}"
        detail += f" ({item.code}, line {line.id})"
        steps.append(Step(RULE, line.amount, counted, detail, item.source, item.status))
    return counted
