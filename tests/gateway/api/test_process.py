"""The real command as processes: stopped politely, killed, and several of them on one port."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.books import Books
from gateway.store.embedded import Server
from gateway.trust.keyfile import load_or_create
from rules import shipped
from tests.books import new_id, register
from tests.gateway.api.running import Answer, Terminal, key_of, public_key_of
from tests.gateway.api.wire import claim

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Site:
    """An installation whose home names a database of its own."""

    home: Path
    books: Books

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[tuple[Process, str]]:
        """A gateway process and its address; gone when the block ends, one way or the other."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "--home", str(self.home), "serve"),
            *("--port", str(port), "--reuse-port", "--instance", "west"),
            cwd=ROOT,
            env=os.environ,
            stdout=PIPE,
        )
        assert process.stdout is not None
        try:
            said = (await process.stdout.readline()).decode()
            assert said, "the gateway ended before it served"
            yield process, said.split()[-1]
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def site(database: Server, tmp_path: Path) -> AsyncIterator[Site]:
    terminal = f'[[terminal]]\nid = "T1"\nclinic = "C1"\nkey = "{public_key_of("T1")}"\n'
    limits = "[limits]\nper_second = 1e6\nburst = 1000\n"
    (tmp_path / "aidgate.toml").write_text(f'{terminal}{limits}[database]\ndsn = "{database.dsn()}"\n')
    books = await Books.open(database.dsn(), "aidgate", load_or_create(tmp_path / "master.key"))
    await books.activate(shipped(), by="tests")
    await books.directory.register_clinic("C1", "C1", "310104003")
    await books.directory.register_terminal("T1", "C1")
    yield Site(tmp_path, books)
    await books.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A connection of its own for each request, so that the kernel may choose another process for each."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as session:
        yield session


async def test_postgresql_knows_the_instance(site: Site) -> None:
    connection = await site.books.database.connect()
    try:
        async with site.serving():
            names = await connection.fetch(
                "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
            )
    finally:
        await connection.close()
    assert "aidgate/west" in {row["application_name"] for row in names}


async def test_stop_answers_what_is_under_way_and_takes_nothing_new(site: Site, session: aiohttp.ClientSession) -> None:
    holder = await register(site.books)
    async with site.serving() as (process, url):
        terminal = Terminal(session, url, "T1", key_of("T1"))
        path, body = f"/v1/claims/{new_id()}", claim(holder.card.number)
        connection = await site.books.database.connect()
        async with connection.transaction():
            await connection.execute("SELECT FROM account WHERE account_id = $1 FOR UPDATE", holder.account)
            under_way = asyncio.create_task(terminal.put(path, body))
            while not await site.books.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert not under_way.done()
            process.send_signal(signal.SIGTERM)
            while (await terminal.get("/v1/days/2026-03-01")).status != 503:
                assert process.returncode is None
            (await terminal.put(f"/v1/claims/{new_id()}", body)).problem("DRAINING")
        await connection.close()
        answer = await under_way
        assert (answer.status, answer.json()["verdict"]) == (201, "approved")
        assert await process.wait() == 0


async def test_killed_among_claims_each_has_one_effect_through_the_other_instance(
    site: Site, session: aiohttp.ClientSession
) -> None:
    holders = [await register(site.books) for _ in range(30)]
    claims = {f"/v1/claims/{new_id()}": claim(holder.card.number) for holder in holders}
    async with site.serving() as (victim, url), site.serving(int(url.rpartition(":")[2])) as (_, same):
        assert same == url
        terminal = Terminal(session, url, "T1", key_of("T1"))

        async def ask(path: str) -> Answer | None:
            try:
                return await terminal.put(path, claims[path])
            except aiohttp.ClientError:
                return None

        asking = [asyncio.create_task(ask(path)) for path in claims]
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        victim.kill()
        await victim.wait()
        first = dict(zip(claims, await asyncio.gather(*asking), strict=True))
        for path, before in first.items():
            again = await terminal.put(path, claims[path])
            assert again.json().get("verdict") == "approved", again.body
            if before is not None:
                assert (again.status, again.body) == (200, before.body)
            assert (await terminal.put(path, claims[path])).body == again.body
    posted = await site.books.pool.fetchval("SELECT count(*) FROM operation WHERE kind = 'claim'")
    assert posted == len(claims)
