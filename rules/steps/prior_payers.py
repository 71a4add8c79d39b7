"""Who pays before medical aid, in the rulebook's order: aid is the payer of last resort."""

from collections.abc import Sequence

from rules.assessment import Share, Step
from rules.day_books import CASH, PayersDay
from rules.errors import SituationError
from rules.money import yuan
from rules.situation import Prior
from rules.steps.bill import ALL_PARTS, Bill


def in_order(
    prior: Sequence[Prior], total: int, payers: PayersDay
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """(payer, fen) of those before and of those after aid, in order, one per code, without those who paid nothing.

    An unknown payer stands where the rulebook puts it; payers of one place are ordered by their code. `cash` is no
    payer: it is the resident, who bears what is left.
    """
    paid: dict[str, int] = {}
    for each in prior:
        if each.amount < 0:
            raise SituationError(f"{each.payer} paid less than nothing: send amounts of 0 or more")
        if each.payer == CASH:
            continue
        paid[each.payer] = paid.get(each.payer, 0) + each.amount
    if sum(paid.values()) > total:
        raise SituationError("the payers before aid paid more than the claim's total: check lines and payers")
    places, unknown = payers.places, payers.unknown
    ranked = sorted([(places.get(payer, unknown), payer, amount) for payer, amount in paid.items() if amount])
    before = [(payer, amount) for place, payer, amount in ranked if place < 0]
    after = [(payer, amount) for place, payer, amount in ranked if place > 0]
    return before, after


def pay(bill: Bill, paid: Sequence[tuple[str, int]], payers: PayersDay, steps: list[Step]) -> list[Share]:
    """Takes what the payers before aid paid from the bill: from what is in scope first, then from the other parts."""
    shares = []
    for payer, amount in paid:
        if payer in payers.medical_aid:
            before = list(bill.lines)
        lines = bill.pay(amount, ALL_PARTS)
        if payer in payers.medical_aid:
            _remember(bill, before)
        steps.append(
            Step(
                f"prior.{payer}",
                bill.open + amount,
                bill.open,
                yuan(amount),
                payers.ground.source,
                payers.ground.status,
            )
        )
        shares.append(Share(payer, "", amount, bill.as_sent(lines)))
    return shares


def _remember(bill: Bill, before: list[list[int]]) -> None:
    """Keeps which parts the insurer's own medical aid went to: a scheme may count them to its base again."""
    for index, (was, now) in enumerate(zip(before, bill.lines, strict=True)):
        if was is not now:
            bill.aided.append((index, [one - other for one, other in zip(was, now, strict=True)]))
