"""What dies, dies for real: gateways, PostgreSQL's backends, its whole server, in the middle of claims.

Clients keep what they were told and ask again, under the same id, for what they do not know. Afterwards everything that
was acknowledged is there, everything happened once, everything came to an end, and the model agrees.
"""

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import asyncpg
import pytest

from gateway.store.embedded import Server, ensure_running, status
from gateway.store.migrate import migrate
from tests.gateway.store.embedded_homes import new_home
from tests.whole.ledger import settle_accounts
from tests.whole.process import GatewayProcess
from tests.whole.swarm import bustle_in, gateways
from tests.whole.town import build

Disturb = Callable[[Server, list[GatewayProcess], Random], Awaitable[None]]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A server of its own, which may be killed."""
    with new_home() as home:
        yield home


@pytest.fixture
async def server(home: Path) -> AsyncIterator[Server]:
    """A migrated database on it."""
    running = await asyncio.to_thread(ensure_running, home)
    owner = await asyncpg.connect(running.dsn())
    await owner.execute("CREATE DATABASE crashes")
    await owner.close()
    server = dataclasses.replace(running, database="crashes")
    connection = await asyncpg.connect(server.dsn())
    await migrate(connection)
    await connection.close()
    yield server
    running = await asyncio.to_thread(ensure_running, home)
    owner = await asyncpg.connect(running.dsn())
    await owner.execute("DROP DATABASE crashes WITH (FORCE)")
    await owner.close()


async def bustle_through(server: Server, seed: int, operations: int, disturb: Disturb, times: int = 4) -> None:
    """A town whose peace is disturbed so many times, and then healed; in the end what was said is compared."""
    town = dataclasses.replace(await build(server, seed), operations=operations, clients=10)
    disturbed = 0

    async def again_and_again() -> None:
        nonlocal disturbed
        random = Random(seed)
        for _ in range(times):
            await disturb(server, running, random)
            disturbed += 1

    async with gateways(server) as running:
        disturbing = asyncio.create_task(again_and_again())
        try:
            journal = await bustle_in(server, town, running, lambda: disturbed >= times or disturbing.done())
        finally:
            disturbing.cancel()
            with suppress(asyncio.CancelledError):
                await disturbing
    assert disturbed >= times
    await settle_accounts(server, journal)


async def kill_a_gateway(server: Server, running: list[GatewayProcess], random: Random) -> None:
    await asyncio.sleep(random.uniform(0.1, 0.6))
    gateway = random.choice(running)
    await asyncio.shield(_kill_and_restart(gateway))


async def _kill_and_restart(gateway: GatewayProcess) -> None:
    await gateway.kill()
    await gateway.start()


async def kill_a_backend(server: Server, running: list[GatewayProcess], random: Random) -> None:
    """One backend killed makes PostgreSQL restart all of them."""
    await asyncio.sleep(random.uniform(0.3, 1.0))
    for _ in range(400):
        if pids := await _pids(server, "application_name = 'aidgate'"):
            os.kill(random.choice(pids), signal.SIGKILL)
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the gateways never came back to the database")


async def cancel_statements(server: Server, running: list[GatewayProcess], random: Random) -> None:
    """A storm: every few milliseconds, whatever a gateway is doing in the database is cancelled."""
    await _pids(server, "application_name = 'aidgate' AND state = 'active' AND pg_cancel_backend(pid)")
    await asyncio.sleep(random.uniform(0.002, 0.03))


async def terminate_backends(server: Server, running: list[GatewayProcess], random: Random) -> None:
    await asyncio.sleep(0.2)
    await _pids(server, "application_name = 'aidgate' AND random() < 0.5 AND pg_terminate_backend(pid)")


async def _pids(server: Server, which: str) -> list[int]:
    """Backends of the gateways; none while the server is coming back."""
    with suppress(OSError, asyncpg.PostgresError):
        owner = await asyncpg.connect(server.dsn(), timeout=10)
        try:
            return [row["pid"] for row in await owner.fetch(f"SELECT pid FROM pg_stat_activity WHERE {which}")]
        finally:
            owner.terminate()
    return []


def killing_the_server(home: Path, pause: tuple[float, float]) -> Disturb:
    """The postmaster is killed; its supervisor starts another."""

    async def kill_the_server(server: Server, running: list[GatewayProcess], random: Random) -> None:
        await asyncio.sleep(random.uniform(*pause))
        pid = (await asyncio.to_thread(status, home)).server_pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(ensure_running, home)

    return kill_the_server


async def nothing(server: Server, running: list[GatewayProcess], random: Random) -> None:
    await asyncio.sleep(1)


async def inject_serialization_failures(server: Server) -> None:
    """Every fifth attempt to insert operations fails as PostgreSQL fails a transaction that lost a race."""
    owner = await asyncpg.connect(server.dsn())
    await owner.execute("""
        SET search_path TO aidgate;
        CREATE FUNCTION fail_sometimes() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF random() < 0.2 THEN
                RAISE EXCEPTION 'injected' USING ERRCODE = 'serialization_failure';
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER fail_sometimes AFTER INSERT ON operation FOR EACH STATEMENT EXECUTE FUNCTION fail_sometimes();
    """)
    await owner.close()


async def test_a_gateway_is_killed(server: Server) -> None:
    await bustle_through(server, 21, 300, kill_a_gateway)


async def test_a_backend_is_killed(server: Server) -> None:
    await bustle_through(server, 22, 250, kill_a_backend, times=2)


async def test_the_server_is_killed(server: Server, home: Path) -> None:
    await bustle_through(server, 23, 250, killing_the_server(home, (0.2, 0.8)), times=2)


async def test_statements_are_cancelled(server: Server) -> None:
    await bustle_through(server, 24, 200, cancel_statements, times=60)


async def test_sessions_are_terminated(server: Server) -> None:
    await bustle_through(server, 25, 200, terminate_backends)


async def test_one_in_five_rounds_fails(server: Server) -> None:
    await inject_serialization_failures(server)
    await bustle_through(server, 26, 200, nothing, times=0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(40, 46))
async def test_everything_fails_for_long(server: Server, home: Path, seed: int) -> None:
    """All of it, by turns."""
    kill_the_server = killing_the_server(home, (0.2, 3.0))

    async def anything(server: Server, running: list[GatewayProcess], random: Random) -> None:
        which = random.choice((kill_a_gateway, kill_a_backend, terminate_backends, kill_the_server))
        await which(server, running, random)

    await inject_serialization_failures(server)
    await bustle_through(server, seed, 2_000, anything, times=20)
