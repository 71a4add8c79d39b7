"""Every road by which an error can leave the gateway ends in the one shape, and none repeats what was sent."""

import asyncio
import logging
import socket
import struct
from typing import Any

import msgspec
import pytest

from gateway.api import gate, openapi, runner
from gateway.api.problems import STATUS
from gateway.domain.refusal import SAYINGS, Refusal
from gateway.store.embedded import Server
from tests.books import Holder, new_id, register
from tests.gateway.api.problems import CANARY, the_problem
from tests.gateway.api.running import Running, Terminal, configured, running
from tests.gateway.api.wire import changed, claim, reversal
from tests.servers import EMBEDDED, Servers

CLAIM = claim("X1")


def new_path() -> str:
    return f"/v1/claims/{new_id()}"


async def raw(gateway: Running, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Bytes as no client library would write them, and the answer to them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(sent)
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers["Content-Length"]))
    writer.close()
    return int(status.split()[1]), headers, body


def test_every_refusal_has_its_place_on_the_wire() -> None:
    """Stored ones are decisions (201, 200), all others have a status; the document lists exactly those."""
    assert set(STATUS) == {refusal for refusal in Refusal if not SAYINGS[refusal].stored}
    problem = openapi.document()["components"]["schemas"]["Problem"]
    assert problem["properties"]["code"]["enum"] == [refusal.value for refusal in Refusal if refusal in STATUS]


@pytest.mark.parametrize("path", ["/", "/v1", f"/v1/{CANARY}", "/v1/claims/x/y/z", "/v2/claims"])
async def test_no_such_address(terminal: Terminal, path: str) -> None:
    (await terminal.get(path)).problem("NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/v1/claims/x", "GET, PUT"), ("POST", "/healthz", "GET"), ("GET", "/v1/quotes", "POST")],
)
async def test_no_such_method(terminal: Terminal, method: str, path: str, allowed: str) -> None:
    answer = await terminal.send(method, path)
    answer.problem("METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == allowed


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


async def test_id_with_other_content_names_fields_and_leaves_an_event(
    gateway: Running, terminal: Terminal, beside: Terminal, holder: Holder
) -> None:
    path, body = new_path(), claim(holder.card.number, 6_000)
    first = await terminal.put(path, body)
    other = {**claim(CANARY, 5_000), "at": body["at"]}
    assert (await terminal.put(path, other)).problem("ID_REUSED")["fields"] == ["card", "visit", "total", "lines"]
    assert (await beside.put(path, body)).problem("ID_REUSED")["fields"] == ["terminal"]
    assert (await terminal.get(path)).body == first.body
    assert await security_events(gateway, path) == [("ID_REUSED", "T1"), ("ID_REUSED", "T2")]


async def security_events(gateway: Running, path: str) -> list[tuple[str, str]]:
    rows = await gateway.books.pool.fetch(
        "SELECT kind, terminal, detail FROM security_event WHERE operation_id = $1::uuid ORDER BY event_id",
        path.removeprefix("/v1/claims/"),
    )
    assert not [row for row in rows if CANARY in row["detail"]]
    return [(row["kind"], row["terminal"]) for row in rows]


async def test_another_clinics_claim_looks_as_if_it_were_not_there(
    gateway: Running, terminal: Terminal, elsewhere: Terminal, holder: Holder
) -> None:
    path = new_path()
    await terminal.put(path, claim(holder.card.number))
    theirs, nobodys = await elsewhere.get(path), await elsewhere.get(new_path())
    theirs.problem("NOT_FOUND")

    def seen(answer: Any) -> Any:
        return answer.status, answer.body, {name: value for name, value in answer.headers.items() if name != "Date"}

    assert seen(theirs) == seen(nobodys)
    assert await security_events(gateway, path) == [("NOT_THE_CLINICS", "T3")]


async def test_another_clinic_can_neither_take_back_nor_replace(
    terminal: Terminal, elsewhere: Terminal, holder: Holder
) -> None:
    path, body = new_path(), claim(holder.card.number)
    made = await terminal.put(path, body)
    for answer in (
        await elsewhere.put(f"{path}/reversals/{new_id()}", reversal()),
        await elsewhere.put(f"{path}/replacement/{new_id()}", body),
    ):
        assert answer.json()["reason"] == "NOT_THE_CLINICS"
    assert (await terminal.get(path)).body == made.body


async def test_fault_is_logged_with_the_id_that_is_answered(
    gateway: Running,
    terminal: Terminal,
    holder: Holder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: object) -> bytes:
        raise LookupError("broken on purpose")

    path, body = new_path(), claim(holder.card.number)
    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr("gateway.api.answers.render", broken)
        said = (await terminal.put(path, body)).problem("FAULT")
    (record,) = [record for record in caplog.records if record.name == "gateway.api.middleware"]
    assert said["request_id"] in record.getMessage()
    assert "/v1/claims/{id}" in record.getMessage()
    assert path not in record.getMessage()
    assert record.exc_info
    assert (await terminal.put(path, body)).status == 200


async def test_account_that_somebody_holds_is_in_flight(database: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.database.LOCK_TIMEOUT", "50ms")
    async with running(database, configured(sandbox=False)) as gateway:
        terminal, holder = gateway.terminal("T1"), await register(gateway.books)
        path, body = new_path(), claim(holder.card.number)
        await terminal.put(path, body)
        connection = await gateway.books.database.connect()
        async with connection.transaction():
            await connection.execute("SELECT FROM account WHERE account_id = $1 FOR UPDATE", holder.account)
            answers = await asyncio.gather(terminal.get(path), terminal.put(new_path(), body))
        await connection.close()
        for answer in answers:
            answer.problem("IN_FLIGHT")
        assert (await terminal.get(path)).status == 200


async def test_database_that_went_away_leaves_the_outcome_unknown(servers: Servers) -> None:
    server = await servers.migrated(EMBEDDED)
    async with running(server, configured(sandbox=False)) as gateway:
        terminal = gateway.terminal("T1")
        superuser = await servers.superuser(EMBEDDED)
        path, body = new_path(), claim("X1")
        assert (await terminal.put(path, body)).status == 201
        await superuser.execute(f"ALTER DATABASE {server.database} ALLOW_CONNECTIONS false")
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", server.database
        )
        (await terminal.put(path, body)).problem("OUTCOME_UNKNOWN")
        (await terminal.get(path)).problem("OUTCOME_UNKNOWN")
        async with gateway.session.get(f"{gateway.url}/readyz") as ready:
            assert (ready.status, (await ready.json())["ready"]) == (503, False)
        await superuser.execute(f"ALTER DATABASE {server.database} ALLOW_CONNECTIONS true")
        await superuser.close()
        assert (await terminal.put(path, body)).status == 200
    await servers.drop(EMBEDDED, server)


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([path, "Host: 127.0.0.1", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (f"{CANARY} nonsense\r\n\r\n".encode(), "MALFORMED"),
        (head(f"GET /{CANARY} HTTP/9.9"), "MALFORMED"),
        (head("GET /healthz HTTP/1.1", f"{CANARY} : x"), "MALFORMED"),
        (head("GET /healthz HTTP/1.1", f"X: {CANARY * 2000}"), "MALFORMED"),
        (head("PUT /v1/stays/x HTTP/1.1", f"Content-Length: {CANARY}"), "MALFORMED"),
        (head("GET /healthz HTTP/1.1", f"Expect: {CANARY}", "Connection: close"), "MALFORMED"),
        (head("GET /nowhere HTTP/1.1", f"Expect: {CANARY}", "Connection: close"), "MALFORMED"),
        (
            head(
                "PUT /v1/stays/x HTTP/1.1",
                "Content-Type: application/json",
                "Transfer-Encoding: chunked",
                "Connection: close",
            )
            + f"{CANARY}\r\n".encode(),
            "MALFORMED",
        ),
    ],
    ids=["line", "version", "header", "long", "length", "expect", "expect-404", "chunk"],
)
async def test_what_is_not_http_gets_the_same_shape(
    gateway: Running, caplog: pytest.LogCaptureFixture, sent: bytes, code: str
) -> None:
    the_problem(*await raw(gateway, sent), code)
    assert CANARY not in caplog.text


async def test_client_that_goes_away_is_no_fault_of_ours(
    gateway: Running, terminal: Terminal, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(head("PUT /v1/stays/x HTTP/1.1", "Content-Type: application/json", "Content-Length: 100") + b'{"card"')
    await writer.drain()
    assert (await terminal.get("/v1/days/2026-03-01")).status == 200
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
    writer.close()
    assert (await terminal.get("/v1/days/2026-03-01")).status == 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_body_that_trickles_in_is_given_up(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.05)
    sent = head(
        "PUT /v1/stays/x HTTP/1.1", "Content-Type: application/json", "Content-Length: 100", "Connection: close"
    )
    the_problem(*await raw(gateway, sent + b"{"), "MALFORMED")


@pytest.mark.parametrize("method", ["PUT", "POST", "GET"])
async def test_canary_in_every_header_is_not_repeated(gateway: Running, method: str) -> None:
    terminal = gateway.terminal("T1")
    paths = {"PUT": "/v1/claims/x", "POST": "/v1/quotes", "GET": "/v1/offline-terms"}
    for name in (
        "Signature",
        "Signature-Input",
        "Content-Digest",
        "Aidgate-Deadline",
        "Content-Type",
        "Accept",
        "Host",
    ):
        answer = await terminal.send(method, paths[method], None if method == "GET" else CLAIM, headers={name: CANARY})
        assert CANARY.lower() not in answer.body.decode().lower()
        if answer.status >= 400:
            answer.problem(answer.json()["code"])


async def test_connection_that_trickles_in_is_given_up(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "FIRST_REQUEST_SECONDS", 0.05)
    port = int(gateway.url.rpartition(":")[2])
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    for _, writer in streams:
        writer.write(b"GET /heal")
    assert [await reader.read() for reader, _ in streams] == [b""] * 20
    for _, writer in streams:
        writer.close()
