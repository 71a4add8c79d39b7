"""The smaller doors: digests, reversals, provisional terms, recomputing, and what is no claim at all."""

import subprocess
import sys
from datetime import date
from typing import Any

import msgspec
import pytest

import rules
from rules import money
from rules.recompute import RecomputeError, recompute
from tests.rules import reading

BOOKS = reading.books("shipped")
DAY = date(2026, 5, 20)
DIBAO = (rules.Entitlement("DIBAO", date(2020, 1, 1)),)
LINES = (rules.Line("a", "ZZ0104", 3_333), rules.Line("b", "ZZ0107", 10_001), rules.Line("c", "ZZ0103", 777))


def claim(**given: Any) -> rules.Situation:
    usual: dict[str, Any] = {
        "day": DAY,
        "visit_type": "outpatient",
        "visit": "XH01/1",
        "clinic": "XH01",
        "lines": LINES,
        "prior": (rules.Prior("basic_pool", 5_000),),
        "entitlements": DIBAO,
    }
    return rules.Situation(**(usual | given))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"lines": ()}, "no lines"),
        ({"lines": (rules.Line("a", "ZZ0104", 1), rules.Line("a", "ZZ0104", 1))}, "the same id"),
        ({"lines": (rules.Line("a", "ZZ0104", 0),)}, "no positive amount"),
        ({"lines": (rules.Line("a", "ZZ0104", 1, 0),)}, "no positive quantity"),
        ({"prior": (rules.Prior("basic_pool", 14_112),)}, "paid more than the claim's total"),
        ({"prior": (rules.Prior("basic_pool", -1),)}, "paid less than nothing"),
    ],
)
def test_what_is_no_claim(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(rules.SituationError, match=sentence):
        rules.assess(claim(**given), BOOKS)


def test_quote_digest_follows_shares_and_books_only() -> None:
    digest = rules.quote_digest(rules.assess(claim(), BOOKS))
    little = claim(used={"shanghai_medical_aid.aid_outpatient.2026": 5})
    assert digest == rules.quote_digest(rules.assess(little, BOOKS))
    limited = claim(used={"shanghai_medical_aid.aid_outpatient.2026": 599_999})
    assert digest != rules.quote_digest(rules.assess(limited, BOOKS))
    then = reading.books("shipped", date(2026, 1, 1))
    assert digest != rules.quote_digest(rules.assess(claim(), then))


def test_items_digest_knows_items_and_quantities_and_no_order() -> None:
    digest = rules.items_digest(LINES)
    assert digest == rules.items_digest(LINES[::-1])
    assert digest == rules.items_digest([msgspec.structs.replace(line, id=f"other {line.id}") for line in LINES])
    assert digest != rules.items_digest(LINES[:2])
    assert digest != rules.items_digest([*LINES[:2], msgspec.structs.replace(LINES[2], quantity=2_000)])
    assert rules.items_digest([rules.Line("a", "x,y", 1)]) != rules.items_digest(
        [rules.Line("a", "x", 1), rules.Line("b", "y", 1)]
    )


def test_reversing_one_line_gives_back_that_line_only() -> None:
    found = rules.assess(claim(), BOOKS)
    shares, movements = rules.lines_back(found.shares, found.movements, [1])
    assert sum(share.amount for share in shares) == LINES[1].amount
    assert all(share.lines[0] == share.lines[2] == 0 for share in shares)
    aid = sum(share.amount for share in shares if share.fund)
    assert [move.amount for move in movements] == [aid], "the ceiling gets back what the line was given"


def test_a_line_without_aid_gives_back_cash_only() -> None:
    found = rules.assess(claim(), BOOKS)
    shares, movements = rules.lines_back(found.shares, found.movements, [2])
    assert [(share.payer, share.amount) for share in shares] == [("cash", 777)]
    assert movements == ()


@pytest.mark.parametrize("lines", [[0, 0], [3], [-1]])
def test_lines_that_cannot_be_reversed(lines: list[int]) -> None:
    found = rules.assess(claim(), BOOKS)
    with pytest.raises(ValueError, match="0 to 2 at most once"):
        rules.lines_back(found.shares, found.movements, lines)


def terms_of(entitlements: tuple[rules.Entitlement, ...], used: dict[str, int]) -> dict[str, tuple[str, int, int]]:
    terms = rules.provisional_terms(entitlements, DAY, BOOKS, used)
    return {term.visit_type: (term.rate, term.ppm, term.cap) for term in terms.terms} if terms else {}


def test_provisional_terms() -> None:
    assert terms_of(DIBAO, {"shanghai_medical_aid.aid_outpatient.2026": 599_000}) == {
        "outpatient": ("70%", 700_000, 1_000),
        "emergency": ("70%", 700_000, 1_000),
        "inpatient": ("90%", 900_000, 13_000_000),
    }
    used_up = {"shanghai_medical_aid.aid_outpatient.2026": 600_000, "shanghai_medical_aid.aid.2026": 99_000_000}
    assert terms_of(DIBAO, used_up) == {}
    assert terms_of((), {}) == {}


def test_provisional_terms_wait_for_the_deductible() -> None:
    lowinc = (rules.Entitlement("LOWINC", date(2020, 1, 1)),)
    deductible = "shanghai_medical_aid.deductible_outpatient.2026"
    assert set(terms_of(lowinc, {deductible: 29_999})) == {"inpatient"}
    assert set(terms_of(lowinc, {deductible: 30_000})) == {"outpatient", "emergency", "inpatient"}


def test_provisional_terms_keep_to_the_lowest_of_several_ceilings() -> None:
    local = (rules.Entitlement("LOCAL", date(2020, 1, 1), None, "310104"),)
    assert terms_of(local, {})["outpatient"] == ("30%", 300_000, 20_000), "the ceiling of a visit"
    assert terms_of(local, {"xuhui_top_up.aid.2026": 199_000})["outpatient"] == ("30%", 300_000, 1_000)


def test_provisional_terms_take_the_lowest_band() -> None:
    one = (rules.Entitlement("ONE", date(2020, 1, 1)),)
    terms = rules.provisional_terms(one, date(2020, 8, 1), reading.books("mechanisms"), {})
    assert terms is not None
    assert {term.visit_type: term.ppm for term in terms.terms} == {"emergency": 500_000, "inpatient": 500_000}


def test_recompute_finds_a_changed_number() -> None:
    found = rules.assess(claim(), BOOKS)
    assert recompute(found) == found.aid > 0
    index = next(index for index, step in enumerate(found.steps) if step.rule.endswith(".rate"))
    steps = list(found.steps)
    steps[index] = msgspec.structs.replace(steps[index], detail="71%")
    with pytest.raises(RecomputeError, match=r"shanghai_medical_aid\.rate"):
        recompute(msgspec.structs.replace(found, steps=tuple(steps)))


def test_names_of_lines_cannot_forge_a_step() -> None:
    lines = (rules.Line("x, own share 99%", "ZZ0107", 10_000), rules.Line(", nursing (", "ZZ0103", 500))
    found = rules.assess(claim(lines=lines), BOOKS)
    assert recompute(found) == found.aid == 2_800


def test_less_than_nothing_used_lifts_no_ceiling() -> None:
    negative = {"shanghai_medical_aid.aid_outpatient.2026": -1_000_000}
    found = rules.assess(claim(lines=(rules.Line("a", "ZZ0104", 2_000_000),), prior=(), used=negative), BOOKS)
    assert found.aid == 600_000


def test_less_than_nothing_in_the_years_base_moves_no_band() -> None:
    then = {"day": date(1998, 3, 1), "visit_type": "inpatient", "prior": ()}
    held = (rules.Entitlement("DIBAO", date(1997, 1, 1)),)
    negative = {"shanghai_medical_aid.base_inpatient.1998": -1_000_000}
    lines = (rules.Line("a", "ZZ0110", 4_000_000),)
    found = rules.assess(claim(**then, lines=lines, entitlements=held, used=negative), BOOKS)
    assert found.aid == 3_000_000 // 2 + 1_000_000 * 6 // 10


def test_less_than_nothing_used_promises_no_more_than_the_ceiling() -> None:
    negative = {"shanghai_medical_aid.aid_outpatient.2026": -1_000_000}
    terms = rules.provisional_terms(DIBAO, DAY, BOOKS, negative)
    assert terms is not None
    assert {term.visit_type: term.cap for term in terms.terms}["outpatient"] == 600_000
    left = rules.outlook(DIBAO, DAY, BOOKS, negative).left
    assert {each.visit_type: each.used for each in left}["outpatient"] == 0


def test_cash_among_the_payers_is_the_residents_own_share() -> None:
    """Reported as a payer, it must neither lessen the base nor stand there twice."""
    prior = (rules.Prior("basic_pool", 5_000), rules.Prior("cash", 2_000))
    assert rules.assess(claim(prior=prior), BOOKS) == rules.assess(claim(), BOOKS)


@pytest.mark.parametrize(
    ("numerator", "half_up", "half_even", "down"),
    [(499_999, 0, 0, 0), (500_000, 1, 0, 0), (500_001, 1, 1, 0), (1_500_000, 2, 2, 1), (2_500_000, 3, 2, 2)],
)
def test_rounding(numerator: int, half_up: int, half_even: int, down: int) -> None:
    assert money.rounded(numerator, money.HALF_UP) == half_up
    assert money.rounded(numerator, money.HALF_EVEN) == half_even
    assert money.rounded(numerator, money.DOWN) == down


def test_amounts_and_rates_as_text() -> None:
    assert [money.fen(text) for text in ("0", "1", "59.96", "59.960", "007.1")] == [0, 100, 5_996, 5_996, 710]
    assert [money.yuan(amount) for amount in (0, 5, 5_996)] == ["0.00", "0.05", "59.96"]
    assert [money.ppm(text) for text in ("80", "33.3333%", "0.0001")] == [800_000, 333_333, 1]
    assert [money.percent(rate) for rate in (800_000, 333_333, 1, 125_000)] == ["80%", "33.3333%", "0.0001%", "12.5%"]
    for text in ("", "1e3", "１", "1,000", "-1", ".5", "5."):
        with pytest.raises(ValueError, match="not a plain decimal"):
            money.fen(text)


def test_equal_remainders_go_to_the_earlier_lines() -> None:
    assert money.largest_remainder(1, [1, 1, 1]) == [1, 0, 0]
    assert money.largest_remainder(2, [1, 1, 1]) == [1, 1, 0]


def test_a_deductible_is_charged_to_the_lines_of_the_base_only() -> None:
    """The insurer's aid went to both lines; only the first one is part of what the scheme pays of."""
    found = rules.assess(
        rules.Situation(
            day=date(2020, 8, 1),
            visit_type="outpatient",
            visit="V1",
            clinic="",
            lines=(rules.Line("a", "A1", 10_000), rules.Line("b", "C1", 10_000)),
            prior=(rules.Prior("medical_aid", 15_000),),
            entitlements=(rules.Entitlement("ONE", date(2020, 1, 1)),),
            used={"alpha.year_deductible.2020": 20_000},
        ),
        reading.books("mechanisms"),
    )
    assert [(move.accumulator, move.lines) for move in found.movements] == [
        ("alpha.visit_deductible.visit.V1", (5_000, 0))
    ]


def test_split_of_quarters_gives_out_no_more_than_there_is() -> None:
    assert money.split(2, [250_000, 250_000, 250_000], money.HALF_UP) == [1, 0, 1, 0]


def test_importing_rules_reads_no_sheet_library() -> None:
    code = "import rules, sys; print([name for name in sys.modules if 'calamine' in name or 'gateway' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
