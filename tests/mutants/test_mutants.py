"""Removes every refusal, and every single condition, from `decide`, and sees that a test fails for it."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

import pytest

from gateway.domain.refusal import PRECEDENCE, Refusal
from tests.gateway.domain import test_decision, test_offline, test_precedence, test_refusals, test_taking_back
from tests.mutants.mutate import Mutant, conditions, refusals

SUITES = (test_refusals, test_decision, test_taking_back, test_offline, test_precedence)
REFUSALS = list(refusals())
CONDITIONS = list(conditions())

NARROWS = "says to the type checker what holds anyway: "
EQUIVALENT = {
    "`assessed is None or refusal is not None` without `assessed is None` in decision._decide_claim": NARROWS
    + "what was not assessed has a refusal",
    "`assessed and (not refusal)` without `assessed` in decision._decide_claim": NARROWS
    + "what was not assessed has a refusal",
    "`refusal or Refusal.NOT_ENTITLED` without `Refusal.NOT_ENTITLED` in decision._decide_claim": NARROWS
    + "what is declined has a refusal",
    "`referred.verdict is not Verdict.APPROVED or not isinstance(outcome, ClaimOutcome) or outcome.assessment is None` "
    "without `outcome.assessment is None` in taking_back._back": NARROWS + "what was approved was assessed",
}
"""Mutants that behave as the original does, and why."""


def calls_of(module: ModuleType) -> Iterator[tuple[str, Callable[[], None]]]:
    """The tests of a module, with each set of their arguments."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if not name.startswith("test_") or function.__module__ != module.__name__:
            continue
        marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
        if not marks:
            yield name, function
        for mark in marks:
            assert len(marks) == 1, f"{name} is parametrized twice"
            names, rows = mark.args
            for row in rows:
                yield name, partial(function, *([row] if isinstance(names, str) else row))


TESTS = [test for module in SUITES for test in calls_of(module)]


def fails(test: Callable[[], None]) -> bool:
    try:
        test()
    except Exception:
        # A mutant may also fall over, where the original answers.
        return True
    return False


def killed_by(mutant: Mutant, tests: list[tuple[str, Callable[[], None]]], patch: pytest.MonkeyPatch) -> str:
    """The first test that fails on the mutant; empty when it survives."""
    with patch.context() as patched:
        mutant.stand_in(patched)
        return next((name for name, test in tests if fails(test)), "")


def named_after(refusal: Refusal) -> list[tuple[str, Callable[[], None]]]:
    return [(name, test) for name, test in TESTS if name.startswith(f"test_{refusal.lower()}")]


def test_the_tests_pass_on_the_original() -> None:
    """Else a mutant would seem killed by a test that always fails."""
    assert not [name for name, test in TESTS if fails(test)]


def test_every_refusal_of_decide_has_a_mutant() -> None:
    told = {refusal for refusal in Refusal if PRECEDENCE[refusal] >= PRECEDENCE[Refusal.ID_REUSED]}
    # Not given by `decide`: the database writes it when a reversal comes first, and a repeat is answered with it.
    # Below the deductible is an approval.
    by_others = {Refusal.REVERSED_BEFORE_ARRIVAL, Refusal.BELOW_DEDUCTIBLE}
    assert told - {refusal for refusal, _ in REFUSALS} == by_others


@pytest.mark.parametrize(("refusal", "mutant"), REFUSALS, ids=[mutant.name for _, mutant in REFUSALS])
def test_a_refusal_that_is_removed_is_missed(refusal: Refusal, mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a test that is named after it."""
    assert killed_by(mutant, named_after(refusal), monkeypatch), f"nothing noticed that {mutant.name} is gone"


def test_a_condition_that_is_changed_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    survivors = {mutant.name for mutant in CONDITIONS if not killed_by(mutant, TESTS, monkeypatch)}
    assert survivors == EQUIVALENT.keys()
