"""What the rules cost: CPU microseconds of `assess` and `screen` for one ordinary claim.

Run: python -m loadtest.rules_cost. A claim of 6 lines of a resident with municipal aid and top-up, 8 entries of
activity in the last 90 days, the shipped rulebooks with all their counters.
"""

from collections.abc import Callable
from datetime import date
from time import process_time_ns

import rules

DAY = date(2026, 5, 20)
AT = 1_779_242_400
"""10:00 in Shanghai on that day."""
ROUNDS, REPEATS = 2_000, 7


def situation() -> rules.Situation:
    """An outpatient visit with two drugs of the chronically ill, tests, one line of class B and one that nobody
    knows.
    """
    items = ("Y100", "Y101", "F001", "ZZ0105", "ZZ0107", "UNKNOWN-1")
    amounts = (3_700, 2_560, 2_500, 8_800, 30_000, 1_250)
    return rules.Situation(
        day=DAY,
        visit_type="outpatient",
        visit="XH01/20260520-1",
        clinic="XH01",
        lines=tuple(
            rules.Line(f"L{index}", item, amount, 2_000)
            for index, (item, amount) in enumerate(zip(items, amounts, strict=True), 1)
        ),
        prior=(rules.Prior("basic_pool", 21_133), rules.Prior("supplementary", 1_000)),
        entitlements=(rules.Entitlement("DIBAO", date(2024, 1, 1), None, "310104"),),
        used={"shanghai_medical_aid.aid_outpatient.2026": 123_456, "xuhui_top_up.aid.2026": 20_000},
    )


def activity(attempt: rules.Activity, entries: int) -> list[rules.Activity]:
    """One claim every eleven days, at two clinics in turn, with the same drugs."""
    return [
        rules.Activity(
            id=f"before-{index}",
            kind="claim",
            at=attempt.at - (entries - index) * 11 * 86_400 + 3_000 * index,
            decision="approved" if index % 5 else "declined",
            card=attempt.card,
            clinic=f"XH0{1 + index % 2}",
            terminal="T1",
            lat=31.19 + index % 2 * 0.02,
            lon=121.44,
            total=20_000 + index,
            aid=9_000,
            items=f"{index:016x}",
            diagnosis="d1",
            supplies=attempt.supplies,
        )
        for index in range(entries)
    ]


def microseconds(work: Callable[[], object]) -> float:
    """CPU time of one call: the best of several runs, because what disturbs only ever adds."""
    best = 0
    for _ in range(REPEATS):
        begin = process_time_ns()
        for _ in range(ROUNDS):
            work()
        taken = process_time_ns() - begin
        best = min(best or taken, taken)
    return best / ROUNDS / 1_000


def main() -> None:
    """Prints the costs."""
    books = rules.shipped()
    claim = situation()
    assessment = rules.assess(claim, books)
    attempt = rules.Activity(
        id="attempt",
        kind="claim",
        at=AT,
        decision="approved",
        card="c1",
        clinic="XH01",
        terminal="T1",
        lat=31.19,
        lon=121.44,
        total=assessment.total,
        aid=assessment.aid,
        items=rules.items_digest(claim.lines),
        diagnosis="d1",
        supplies=rules.supplies(claim.lines, claim.clinic, books, day=claim.day),
    )
    before = activity(attempt, 8)
    none: list[rules.Activity] = []
    costs = {
        "assess, 6 lines": lambda: rules.assess(claim, books),
        "screen, 8 entries": lambda: rules.screen(before, attempt, books),
        "screen, no entries": lambda: rules.screen(none, attempt, books),
        "accumulators": lambda: rules.accumulators(books, day=DAY, visit=claim.visit, visit_type=claim.visit_type),
        "supplies": lambda: rules.supplies(claim.lines, claim.clinic, books, day=claim.day),
        "items_digest": lambda: rules.items_digest(claim.lines),
        "quote_digest": lambda: rules.quote_digest(assessment),
    }
    for name, work in costs.items():
        print(f"{name:<20} {microseconds(work):8.1f} µs")


if __name__ == "__main__":
    main()
