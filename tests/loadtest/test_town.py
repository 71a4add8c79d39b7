"""The made-up town: its claims are possible, and everybody's turn comes once."""

from datetime import UTC, datetime

import msgspec
import pytest

from gateway.domain.claim import Claim, contradictions
from loadtest import town

RESIDENTS = 1_000


@pytest.mark.parametrize("serial", [0, 1, 7, RESIDENTS - 1, RESIDENTS, 5 * RESIDENTS])
def test_claims_are_possible(serial: int) -> None:
    body = msgspec.json.encode(town.claim(serial, RESIDENTS, "test", datetime.now(UTC)))
    claim = msgspec.json.decode(body, type=Claim)
    assert contradictions(claim) == []
    assert len(claim.lines) == 6
    assert all(prior.settlement for prior in claim.prior)


@pytest.mark.parametrize("residents", [1, 2, 300, 1_000, 1_001])
def test_everybody_comes_once_before_anybody_comes_twice(residents: int) -> None:
    turns = [town.resident_of(serial, residents) for serial in range(2 * residents)]
    assert sorted(turns[:residents]) == list(range(residents))
    assert turns[:residents] == turns[residents:]
