"""The worked cases, exact to the fen."""

from typing import Any

import pytest

import rules
from rules import money
from rules.recompute import recompute
from tests.rules import reading

CASES = reading.cases()


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_worked_case(case: dict[str, Any]) -> None:
    found = rules.assess(reading.situation(case), reading.case_books(case))
    shares = [f"{share.payer} {share.fund} {money.yuan(share.amount)}".replace("  ", " ") for share in found.shares]
    assert shares == case["shares"]
    assert found.no_aid == case.get("no_aid", "")
    if "category" in case:
        assert found.category == case["category"]
    if "movements" in case:
        assert [f"{move.accumulator} {money.yuan(move.amount)}" for move in found.movements] == case["movements"]
    if "unmapped" in case:
        assert list(found.unmapped) == case["unmapped"]
    assert recompute(found) == found.aid


def test_there_are_enough_cases_and_none_twice() -> None:
    names = [name for name, _ in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 60


def test_cases_know_only_their_keys() -> None:
    """A mistyped key would make a case check less than it says."""
    known = {
        *("name", "reason", "articles", "day", "visit_type", "held", "lines", "prior", "used", "shares", "no_aid"),
        *("category", "movements", "unmapped", "clinic", "books", "known_on", "admitted", "discharged"),
    }
    assert set().union(*(case.keys() for _, case in CASES)) <= known


def test_every_reason_for_no_aid_has_a_case() -> None:
    assert {case["no_aid"] for _, case in CASES if "no_aid" in case} == set(rules.NoAid)
