"""The gate: whose signature counts, when, how often, and what is refused before anything is looked at."""

import asyncio
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.keys import GATE
from gateway.config import Limits, Server
from gateway.store.embedded import Server as Database
from gateway.trust.signature import MAX_SKEW_S, Reason
from tests.books import Holder, new_id, register, today
from tests.gateway.api.running import Running, Terminal, configured, running
from tests.gateway.api.wire import claim

DEADLINE = "Aidgate-Deadline"


async def test_unknown_terminal(gateway: Running) -> None:
    stranger = gateway.terminal("T99")
    said = (await stranger.get("/v1/offline-terms")).problem("TERMINAL_UNKNOWN")
    assert abs(said["server_time"] - time.time()) < MAX_SKEW_S


async def test_revoked_terminal(gateway: Running) -> None:
    (await gateway.terminal("GONE").get("/v1/offline-terms")).problem("TERMINAL_REVOKED")


async def test_terminal_whose_clinic_nobody_knows(gateway: Running) -> None:
    """Its claims could be posted, but there would be nobody to pay."""
    (await gateway.terminal("LOST").get("/v1/offline-terms")).problem("TERMINAL_UNKNOWN")


async def test_another_key(gateway: Running) -> None:
    impostor = gateway.terminal("T1", Ed25519PrivateKey.generate())
    said = (await impostor.get("/v1/offline-terms")).problem("SIGNATURE_REFUSED")
    assert said["cause"] == Reason.SIGNATURE_WRONG


async def test_no_signature(gateway: Running, terminal: Terminal) -> None:
    for header in ("Signature", "Signature-Input"):
        said = (await terminal.get("/v1/offline-terms", headers={header: ""})).problem("SIGNATURE_REFUSED")
        assert said["cause"] == Reason.HEADER_MISSING


async def test_signature_of_another_request(terminal: Terminal) -> None:
    """What was signed for one id, method or body opens no other."""
    headers = {"Content-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}
    said = (await terminal.put(f"/v1/claims/{new_id()}", claim("X1"), headers=headers)).problem("SIGNATURE_REFUSED")
    assert said["cause"] == Reason.DIGEST_MISMATCH


@pytest.mark.parametrize(
    ("offset", "cause"), [(-MAX_SKEW_S - 5, Reason.CREATED_TOO_OLD), (MAX_SKEW_S + 5, Reason.CREATED_IN_FUTURE)]
)
async def test_signature_of_another_time_tells_the_time(terminal: Terminal, offset: int, cause: Reason) -> None:
    said = (await terminal.get("/v1/offline-terms", signed_at=time.time() + offset)).problem("SIGNATURE_REFUSED")
    assert said["cause"] == cause
    assert abs(said["server_time"] - time.time()) < MAX_SKEW_S


async def test_public_address_is_what_is_signed(database: Database) -> None:
    """Behind a proxy the Host header is the proxy's; what terminals write is configured."""
    public = configured(sandbox=False, server=Server(base_url="https://aid.example/"))
    async with running(database, public) as gateway:
        terminal = gateway.terminal("T1")
        said = (await terminal.get("/v1/offline-terms")).problem("SIGNATURE_REFUSED")
        assert said["cause"] == Reason.SIGNATURE_WRONG


@pytest.mark.parametrize("verb", ["claims", "quotes", "reversals", "stays", "lookups"])
async def test_after_its_deadline_nothing_is_begun(
    gateway: Running, terminal: Terminal, holder: Holder, verb: str
) -> None:
    id_, body = new_id(), claim(holder.card.number)
    stay = {"card": body["card"], "operation": str(id_), "at": body["at"], "admitted": body["at"]}
    back = {"reason": "void", "at": body["at"], "card": body["card"]}
    method, path, sent = {
        "claims": ("PUT", f"/v1/claims/{id_}", body),
        "quotes": ("POST", "/v1/quotes", body),
        "reversals": ("PUT", f"/v1/claims/{new_id()}/reversals/{id_}", back),
        "stays": ("PUT", "/v1/stays/late", stay),
        "lookups": ("POST", "/v1/lookups", {"card": body["card"]}),
    }[verb]
    late = {DEADLINE: str(int(time.time() * 1000) - 1)}
    (await terminal.send(method, path, sent, headers=late)).problem("DEADLINE_PASSED")
    assert not await gateway.books.pool.fetchval("SELECT count(*) FROM operation WHERE operation_id = $1", id_)
    soon = {DEADLINE: str(int(time.time() * 1000) + 60_000)}
    assert (await terminal.send(method, path, sent, headers=soon)).status in (200, 201)


@pytest.mark.parametrize("deadline", ["soon", "-1", "1.5", "9" * 16])
async def test_deadline_is_a_number(terminal: Terminal, deadline: str) -> None:
    said = (await terminal.get("/v1/offline-terms", headers={DEADLINE: deadline})).problem("MALFORMED")
    assert DEADLINE in said["detail"]


async def test_flood_of_one_terminal_is_its_own(database: Database) -> None:
    limits = Limits(per_second=0.001, burst=3)
    async with running(database, configured(sandbox=False, limits=limits)) as gateway:
        flooding, other = gateway.terminal("T1"), gateway.terminal("T2")
        day = "/v1/days/2026-03-01"
        assert [(await flooding.get(day)).status for _ in range(4)] == [200, 200, 200, 429]
        (await flooding.get(day)).problem("THROTTLED")
        assert (await other.get(day)).status == 200
        impostor = gateway.terminal("T2", Ed25519PrivateKey.generate())
        for _ in range(5):
            (await impostor.get(day)).problem("SIGNATURE_REFUSED")
        assert (await other.get(day)).status == 200


async def test_full_queue_is_shed_before_the_signature_is_checked(database: Database) -> None:
    async with running(database, configured(sandbox=False, server=Server(queue_limit=3))) as gateway:
        terminal, impostor = gateway.terminal("T1"), gateway.terminal("T1", Ed25519PrivateKey.generate())
        holder = await register(gateway.books)
        connection = await gateway.books.database.connect()
        async with connection.transaction():
            await connection.execute("SELECT FROM account WHERE account_id = $1 FOR UPDATE", holder.account)
            bodies = [claim(holder.card.number) for _ in range(3)]
            held = [asyncio.create_task(terminal.put(f"/v1/claims/{new_id()}", body)) for body in bodies]
            while not gateway.books.lanes.full:
                await terminal.get(f"/v1/days/{today()}")  # anything that lets the three come in
            for shed in (terminal, impostor):
                (await shed.put(f"/v1/claims/{new_id()}", bodies[0])).problem("OVERLOADED")
            async with gateway.session.get(f"{gateway.url}/readyz") as ready:
                assert (ready.status, (await ready.json())["checks"]["queue"]) == (503, "full")
        await connection.close()
        assert {answer.status for answer in await asyncio.gather(*held)} == {201}
        (await impostor.put(f"/v1/claims/{new_id()}", bodies[0])).problem("SIGNATURE_REFUSED")


async def test_draining_gateway_takes_nothing_new(database: Database) -> None:
    async with running(database, configured(sandbox=False)) as gateway:
        gateway.app[GATE].draining = True
        (await gateway.terminal("T1").put(f"/v1/claims/{new_id()}", claim("X1"))).problem("DRAINING")
        async with gateway.session.get(f"{gateway.url}/readyz") as ready:
            assert (ready.status, (await ready.json())["checks"]["draining"]) == (503, "draining")
        async with gateway.session.get(f"{gateway.url}/healthz") as alive:
            assert alive.status == 200
