"""The closed list of refusals: each is said, placed, given somewhere, and known on the wire as what it is."""

import re

import pytest

from gateway.api.problems import STATUS
from gateway.domain.refusal import SAYINGS, Refusal
from rules import NoAid
from tests.architecture.sources import ROOT, name_of, product_files

FIRST_STORED = Refusal.REVERSED_BEFORE_ARRIVAL
LISTS = ("gateway/domain/refusal.py", "gateway/api/problems.py")


def test_every_refusal_is_said_in_the_order_of_the_list() -> None:
    assert list(SAYINGS) == list(Refusal)


def test_decisions_stand_after_everything_that_leaves_nothing_behind() -> None:
    refusals = list(Refusal)
    stored = [refusal for refusal in refusals if SAYINGS[refusal].stored]
    assert stored == refusals[refusals.index(FIRST_STORED) :]


def test_what_is_stored_is_final() -> None:
    assert not [refusal for refusal in Refusal if SAYINGS[refusal].stored and SAYINGS[refusal].transient]


@pytest.mark.parametrize("refusal", Refusal)
def test_a_cashier_can_read_it_aloud(refusal: Refusal) -> None:
    saying = SAYINGS[refusal]
    assert saying.zh.endswith("。")
    assert re.search(r"[\u4e00-\u9fff]", saying.zh)
    assert len(saying.zh) <= 60
    assert saying.en.endswith(".")
    assert saying.en.isascii()
    assert saying.action.endswith(".")
    assert refusal.value not in saying.zh + saying.en, "a code is nothing to read aloud"


def test_statuses_are_those_of_problems() -> None:
    """A stored refusal is the decision of an operation that was made: not an error of HTTP."""
    assert STATUS.keys() == {refusal for refusal in Refusal if not SAYINGS[refusal].stored}


def test_only_what_may_succeed_later_invites_a_repeat() -> None:
    retried = {refusal for refusal, status in STATUS.items() if status in (409, 429, 503)}
    transient = {refusal for refusal in STATUS if SAYINGS[refusal].transient}
    assert transient == retried | {Refusal.FAULT}


def test_reasons_of_the_rules_are_refusals() -> None:
    assert {reason.value for reason in NoAid} <= {refusal.value for refusal in Refusal}


def test_every_refusal_is_given_somewhere() -> None:
    code = "\n".join(path.read_text() for path in product_files() if name_of(path) not in LISTS)
    code += (ROOT / "gateway/store/schema.sql").read_text()
    given = set(re.findall(r"\bRefusal\.([A-Z_]+)", code)) | set(re.findall(r"'([A-Z_]+)'", code))
    assert {refusal.name for refusal in Refusal} - given - {reason.name for reason in NoAid} == set()


def test_every_stored_refusal_is_stored_under_its_code() -> None:
    assert all(refusal.name == refusal.value for refusal in Refusal)
