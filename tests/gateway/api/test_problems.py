"""Every road by which an error can leave the gateway ends in the one shape, and none repeats what was sent."""

import asyncio
import logging
import socket
import struct
from typing import Any

import pytest

from gateway.api import gate, openapi, runner
from gateway.api.problems import STATUS
from gateway.domain.refusal import SAYINGS, Refusal
from gateway.store.embedded import Server
from tests.books import Holder, new_id, register
from tests.gateway.api.problems import CANARY, the_problem
from tests.gateway.api.running import Running, Terminal, configured, running
from tests.gateway.api.wire import claim, reversal
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


async def test_outcome_is_kept_for_a_client_that_hung_up(gateway: Running, terminal: Terminal, holder: Holder) -> None:
    path, body = new_path(), claim(holder.card.number)
    connection = await gateway.books.database.connect()
    async with connection.transaction():
        await connection.execute("SELECT FROM account WHERE account_id = $1 FOR UPDATE", holder.account)
        asking = asyncio.create_task(terminal.put(path, body))
        while not gateway.books.lanes.waiting:
            await terminal.get("/v1/days/2026-03-01")
        asking.cancel()
    await connection.close()
    answer = await terminal.put(path, body)
    assert (answer.status, answer.json()["verdict"]) == (200, "approved")


async def test_database_that_went_away_means_the_same_again(servers: Servers) -> None:
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
        for answer in (await terminal.put(path, body), await terminal.get(path)):
            assert answer.problem(answer.json()["code"])["transient"]
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
