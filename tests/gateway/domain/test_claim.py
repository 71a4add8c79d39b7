"""What no claim can be, and what no request can hold."""

from datetime import UTC, date, datetime, timedelta, timezone

import msgspec
import pytest

from gateway.domain.claim import (
    MAX_FEN,
    MAX_LINES,
    MAX_PRIORS,
    Claim,
    IdentityCheck,
    Offline,
    PriorPayment,
    Reversal,
    Visit,
    contradictions,
)
from tests.gateway.domain.scenes import CLAIM, NOW, TODAY, TOMORROW, claim

BODY = msgspec.json.encode(claim(3_000, 7_000))


def inpatient(admitted: date | None = None, discharged: date | None = None) -> Claim:
    return claim(visit=Visit("V1", "inpatient", TODAY, admitted=admitted, discharged=discharged))


@pytest.mark.parametrize(
    "possible",
    [
        claim(),
        claim(prior=(PriorPayment("basic_pool", 10_000, "S1"), PriorPayment("major_illness", 0, "S1"))),
        claim(prior=(PriorPayment("basic_pool", 1), PriorPayment("basic_pool", 2))),
        inpatient(admitted=TODAY, discharged=TODAY),
        inpatient(),
        claim(supersedes=CLAIM, identity_check=IdentityCheck("face", "0042", NOW)),
        claim(offline=Offline(10_000)),
    ],
)
def test_possible_claims(possible: Claim) -> None:
    assert contradictions(possible) == []


@pytest.mark.parametrize(
    ("impossible", "fields"),
    [
        (claim(total=9_999), ["total", "lines.amount"]),
        (claim(lines=claim(5_000).lines * 2), ["lines.id"]),
        (claim(prior=(PriorPayment("basic_pool", 6_000), PriorPayment("commercial", 4_001))), ["prior.amount"]),
        (claim(prior=(PriorPayment("p", 1, "S1"), PriorPayment("p", 2, "S1"))), ["prior.settlement"]),
        (claim(day=TOMORROW), ["visit.day"]),
        (claim(visit=Visit("V1", "outpatient", TODAY, admitted=TODAY)), ["visit.admitted"]),
        (inpatient(admitted=TODAY, discharged=TODAY - timedelta(days=1)), ["visit.admitted", "visit.discharged"]),
        (claim(identity_check=IdentityCheck("face", "0042", NOW)), ["supersedes"]),
        (claim(offline=Offline(10_001)), ["offline.provisional"]),
    ],
)
def test_impossible_claims(impossible: Claim, fields: list[str]) -> None:
    assert contradictions(impossible) == fields


def test_the_day_of_service_is_shanghais() -> None:
    late = datetime(2026, 3, 10, 16, 30, tzinfo=UTC)
    assert contradictions(claim(day=date(2026, 3, 11), at=late)) == []
    same_moment = late.astimezone(timezone(timedelta(hours=-8)))
    assert contradictions(claim(day=date(2026, 3, 11), at=same_moment)) == []
    assert contradictions(claim(day=date(2026, 3, 12), at=late)) == ["visit.day"]


def changed(**fields: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(BODY), **fields})


def in_line(**fields: object) -> bytes:
    line = {"id": "1", "item": "ZZ0101", "amount": 10_000, **fields}
    return changed(total=10_000, lines=[line])


@pytest.mark.parametrize(
    "body",
    [
        changed(total=0),
        changed(total=-1),
        changed(total=MAX_FEN + 1),
        changed(total=100.5),
        changed(total="100"),
        changed(lines=[]),
        changed(lines=[{"id": str(n), "item": "A", "amount": 1} for n in range(MAX_LINES + 1)]),
        changed(prior=[{"payer": "p", "amount": 1}] * (MAX_PRIORS + 1)),
        changed(prior=[{"payer": "p", "amount": -1}]),
        changed(at="2026-03-10T12:00:00"),
        changed(quote="XYZ"),
        changed(surprise=1),
        changed(cashier="a\x00b"),
        changed(cashier="a\nb"),
        changed(cashier="x" * 65),
        changed(supersedes="not-an-id"),
        in_line(amount=0),
        in_line(id=""),
        in_line(item="a\tb"),
        in_line(quantity=0),
        in_line(days=401),
        in_line(note="more"),
        b'{"card"',
        b"[]",
    ],
)
def test_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body, type=Claim)


def test_what_is_read_is_what_was_written() -> None:
    assert msgspec.json.decode(BODY, type=Claim) == claim(3_000, 7_000)
    reversal = Reversal("refund", NOW, lines=("1",))
    assert msgspec.json.decode(msgspec.json.encode(reversal), type=Reversal) == reversal


@pytest.mark.parametrize(
    "fields", [{"reason": "because"}, {"lines": ["x"] * (MAX_LINES + 1)}, {"card": {"number": ""}}]
)
def test_reversals_that_cannot_be_read(fields: dict[str, object]) -> None:
    body = {"reason": "void", "at": "2026-03-10T12:00:00Z", **fields}
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(msgspec.json.encode(body), type=Reversal)
