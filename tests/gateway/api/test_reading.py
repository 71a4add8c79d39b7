"""What cannot be read, or cannot be, is refused by its place and never with its value: bodies, amounts, ids, days."""

from typing import Any

import msgspec
import pytest

from tests.books import Holder, new_id
from tests.gateway.api.problems import CANARY
from tests.gateway.api.running import Terminal, configured
from tests.gateway.api.wire import changed, claim, reversal

CLAIM = claim("X1")


def new_path() -> str:
    return f"/v1/claims/{new_id()}"


async def test_body_too_large(terminal: Terminal) -> None:
    limit = configured().server.body_bytes
    padded = msgspec.json.encode(CLAIM)
    fits = padded + b" " * (limit - len(padded))
    assert (await terminal.put(new_path(), fits)).status == 201
    (await terminal.put(new_path(), fits + b" ")).problem("TOO_LARGE")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": f"application/{CANARY}"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": CANARY},
    ],
)
async def test_body_that_is_not_plain_json(terminal: Terminal, headers: dict[str, str]) -> None:
    (await terminal.put(new_path(), CLAIM, headers=headers)).problem("WRONG_MEDIA_TYPE")


async def test_media_type_may_name_its_charset(terminal: Terminal) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert (await terminal.put(new_path(), CLAIM, headers=headers)).status == 201


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        msgspec.json.encode(CLAIM).replace(b"X1", b"X\xff"),
        msgspec.json.encode(CLAIM).replace(b"X1", b"X\\ud800"),
        msgspec.json.encode(CLAIM) + b"x",
        b'{"card":' * 30_000,
        b"[" * 250_000,
        CANARY.encode(),
    ],
    ids=["none", "cut", "array", "null", "utf-16", "not-utf-8", "surrogate", "trailing", "deep", "deeper", "word"],
)
async def test_body_that_is_not_a_claim(terminal: Terminal, body: bytes) -> None:
    assert (await terminal.put(new_path(), body)).problem("MALFORMED")["detail"]


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (CANARY, 1, "`$`"),
        (f"visit.{CANARY}", 1, "`$.visit`"),
        ("visit.type", CANARY, "`$.visit.type`"),
        ("visit.day", CANARY, "`$.visit.day`"),
        ("at", CANARY, "`$.at`"),
        ("at", "2026-03-01T08:00:00", "`$.at`"),
        ("card.kind", CANARY, "`$.card.kind`"),
        ("card.number", CANARY * 10, "`$.card.number`"),
        ("card.number", CANARY + "\0", "`$.card.number`"),
        ("cashier", "\n" + CANARY, "`$.cashier`"),
        ("quote", CANARY, "`$.quote`"),
        ("supersedes", CANARY, "`$.supersedes`"),
        ("total", CANARY, "`$.total`"),
        ("lines.0.amount", CANARY, "`$.lines[0].amount`"),
        ("lines", [], "`$.lines`"),
        ("lines", [CLAIM["lines"][0]] * 201, "`$.lines`"),
        ("prior", [{"payer": "p", "amount": 0}] * 21, "`$.prior`"),
        ("offline", {"provisional": 1, "terms": CANARY * 500}, "`$.offline.terms`"),
    ],
)
async def test_a_field_of_the_wrong_kind_is_named_by_its_place(
    terminal: Terminal, path: str, value: Any, where: str
) -> None:
    body = changed(CLAIM, path, value)
    for answer in (await terminal.put(new_path(), body), await terminal.post("/v1/quotes", body)):
        assert answer.problem("MALFORMED")["detail"].endswith(f" - at {where}")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"total": 9_999}, ["total", "lines.amount"]),
        ({"lines.0.id": "2", "lines": [{"id": "2", "item": "i", "amount": 5_000}] * 2}, ["lines.id"]),
        ({"prior": [{"payer": "basic_pool", "amount": 10_001}]}, ["prior.amount"]),
        ({"prior": [{"payer": "p", "amount": 1, "settlement": CANARY}] * 2}, ["prior.settlement"]),
        ({"visit.day": "2099-01-01"}, ["visit.day"]),
        ({"visit.day": "0001-01-01"}, ["visit.day"]),
        ({"visit.day": "9999-12-31"}, ["visit.day"]),
        ({"at": "0001-01-01T00:00:00+23:00"}, ["at"]),
        ({"at": "9999-12-31T23:59:59-12:00"}, ["at"]),
        ({"visit.admitted": "2026-01-01"}, ["visit.admitted"]),
        ({"identity_check": {"method": "pin", "by": CANARY, "at": "2026-01-01T00:00:00Z"}}, ["supersedes"]),
        ({"identity_check": {"method": "pin", "by": "b", "at": "0001-01-01T00:00:00Z"}}, ["identity_check.at"]),
        ({"offline": {"provisional": 10_001}}, ["offline.provisional"]),
    ],
)
async def test_what_cannot_be_is_named_by_its_fields(
    terminal: Terminal, changes: dict[str, Any], fields: list[str]
) -> None:
    body = claim(CANARY)
    for path, value in changes.items():
        body = changed(body, path, value)
    assert (await terminal.put(new_path(), body)).problem("IMPOSSIBLE")["fields"] == fields


async def test_moments_at_the_ends_of_the_calendar_are_impossible_everywhere(terminal: Terminal) -> None:
    edge, card = "0001-01-01T00:00:00+23:00", {"number": "X1"}
    back = await terminal.put(f"{new_path()}/reversals/{new_id()}", reversal(at=edge, card=card))
    assert back.problem("IMPOSSIBLE")["fields"] == ["at"]
    stay = {"card": card, "operation": str(new_id()), "at": edge, "admitted": edge}
    assert (await terminal.put("/v1/stays/Z", stay)).problem("IMPOSSIBLE")["fields"] == ["at", "admitted"]
    lookup = await terminal.post("/v1/lookups", {"card": card, "day": "9999-12-31"})
    assert lookup.problem("IMPOSSIBLE")["fields"] == ["day"]


@pytest.mark.parametrize("moments", [{}, {"admitted": "2026-03-01T08:00:00Z", "discharged": "2026-03-02T08:00:00Z"}])
async def test_a_stay_report_is_one_of_admission_and_discharge(terminal: Terminal, moments: dict[str, str]) -> None:
    body = {"card": {"number": "X1"}, "operation": str(new_id()), "at": "2026-03-01T08:00:00Z", **moments}
    assert (await terminal.put("/v1/stays/Z", body)).problem("IMPOSSIBLE")["fields"] == ["admitted", "discharged"]


@pytest.mark.parametrize(
    "value", ["-1", "0", "1e18", "1000000000000000000", "99.5", "10000.0", "true", '"10000"', "1e400"]
)
async def test_amounts_that_are_none(terminal: Terminal, value: str) -> None:
    body = msgspec.json.encode(CLAIM).replace(b'"total":10000', b'"total":' + value.encode())
    assert "`$.total`" in (await terminal.put(new_path(), body)).problem("MALFORMED")["detail"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "１００００", "0x10", "010", "+1", "1_000"])
async def test_amounts_that_are_not_json(terminal: Terminal, value: str) -> None:
    body = msgspec.json.encode(CLAIM).replace(b'"total":10000', b'"total":' + value.encode())
    (await terminal.put(new_path(), body)).problem("MALFORMED")


async def test_sum_of_the_largest_lines_overflows_nothing(terminal: Terminal, holder: Holder) -> None:
    most = 100_000_000_000
    assert (await terminal.put(new_path(), claim(holder.card.number, most))).json()["verdict"] == "approved"
    lines = [{"id": str(n), "item": "ZZ0101", "amount": most} for n in range(200)]
    for total, code in ((most, "IMPOSSIBLE"), (200 * most, "MALFORMED"), (2**63, "MALFORMED"), (2**64, "MALFORMED")):
        (await terminal.put(new_path(), claim(holder.card.number, lines=lines, total=total))).problem(code)
    (await terminal.put(new_path(), claim(holder.card.number, most + 1))).problem("MALFORMED")


@pytest.mark.parametrize(
    "id_",
    [CANARY, "0", "019a0000000070008000000000000001", "%00", "..%2f..", "１"],
)
async def test_ids_that_are_none(terminal: Terminal, id_: str) -> None:
    id_ = id_.encode().decode("ascii", "ignore") or "%EF%BC%91"
    for answer in (await terminal.put(f"/v1/claims/{id_}", CLAIM), await terminal.get(f"/v1/claims/{id_}")):
        answer.problem("MALFORMED")


@pytest.mark.parametrize(
    "id_",
    [
        "00000000-0000-7000-8000-000000000001",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
        "018bcfe5-6800-7000-8000-000000000001",
        "00000000-0000-0000-0000-000000000000",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "019a0000-0000-7000-0000-000000000001",
    ],
    ids=["1970", "10889", "2023", "nil", "version 4", "another variant"],
)
async def test_ids_of_another_century_or_kind(terminal: Terminal, id_: str) -> None:
    (await terminal.put(f"/v1/claims/{id_}", CLAIM)).problem("ID_OUT_OF_RANGE")
    (await terminal.put(f"/v1/claims/{new_id()}/replacement/{id_}", CLAIM)).problem("ID_OUT_OF_RANGE")
    stay = {
        "card": {"number": "X1"},
        "operation": id_,
        "at": "2026-03-01T08:00:00Z",
        "admitted": "2026-03-01T08:00:00Z",
    }
    (await terminal.put("/v1/stays/Z", stay)).problem("ID_OUT_OF_RANGE")


@pytest.mark.parametrize(
    "query",
    ["", "?", "?bill=1&visit=1", "?bill=1&bill=2", "?bill=", f"?{CANARY}=1", "?bill=%00", f"?bill={CANARY * 7}"],
)
async def test_searches_that_are_none(terminal: Terminal, query: str) -> None:
    sent = "" if query == "?" else query
    assert (await terminal.get(f"/v1/claims{sent}")).problem("MALFORMED")["detail"]


@pytest.mark.parametrize("day", [CANARY, "20260301", "2026-W09-7", "2026-02-30", "2026-3-1", "0000-01-01"])
async def test_days_that_are_none(terminal: Terminal, day: str) -> None:
    assert (await terminal.get(f"/v1/days/{day}")).problem("MALFORMED")["detail"] == "a day is written YYYY-MM-DD"


@pytest.mark.parametrize("stay", ["%00", "%0a", "x" * 65])
async def test_stay_ids_that_are_none(terminal: Terminal, stay: str) -> None:
    body = {
        "card": {"number": "X1"},
        "operation": str(new_id()),
        "at": "2026-03-01T08:00:00Z",
        "admitted": "2026-03-01T08:00:00Z",
    }
    (await terminal.put(f"/v1/stays/{stay}", body)).problem("MALFORMED")
