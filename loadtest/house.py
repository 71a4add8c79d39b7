"""The installation that the comparison runs measure: a home of its own under var/bench, with an embedded PostgreSQL as
shipped.

A database is filled once per size and kept as a template (see loadtest/seed.py); every system under test gets a copy,
so that all begin alike and none sees another's claims. Beside the servers under test, this, the seed and the stages
are the only places of loadtest that know the gateway.
"""

import asyncio
import os
import subprocess
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.installation import Installation
from gateway.selfcheck import selfcheck, wrong
from gateway.store.database import Database
from gateway.store.embedded import Server, ensure_running, stop
from gateway.store.line import Connection, connect
from gateway.store.migrate import migrations
from gateway.store.postgres_binaries import find_all
from loadtest import seed, town

HOME = Path(__file__).resolve().parents[1] / "var" / "bench"
SETTINGS = {"max_connections": "200"}
"""The embedded server's own settings hold but for this one: pgbench with 128 clients needs 128 connections."""


class House:
    """The home, its database server and its databases."""

    def __init__(self, home: Path = HOME) -> None:
        """Starts the server, or finds it. Blocks."""
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.home = home
        (home / "aidgate.toml").write_text(_configuration(), encoding="utf-8")
        self.server: Server = ensure_running(home / "postgresql", settings=SETTINGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stops the server; its databases stay for the next run."""
        stop(self.home / "postgresql")

    def dsn(self, database: str) -> str:
        """Of one of its databases, as superuser."""
        return replace(self.server, database=database).dsn()

    def environment(self, database: str) -> dict[str, str]:
        """For a gateway on that database."""
        return {**os.environ, "AIDGATE__DATABASE__DSN": self.dsn(database)}

    def installation(self, database: str) -> Installation:
        """The home with that database, as a gateway opens it."""
        return replace(Installation.open(self.home), dsn=self.dsn(database))

    async def template(self, size: seed.Size) -> str:
        """Name of the filled database of this size, made now if it is not there."""
        schema = sha256("".join(migration.checksum for migration in migrations()).encode()).hexdigest()[:8]
        key = self.installation("postgres").key.check_value[:4]
        name = f"town_{size.residents}_{size.claims}_{size.days}_{schema}{key}"
        if not await self._exists(name):
            await self.drop(f"{name}_unfinished")
            await self._administer(f"CREATE DATABASE {name}_unfinished TEMPLATE template0")
            installation = self.installation(f"{name}_unfinished")
            await installation.prepare()
            await seed.fill(installation, size)
            await self._administer(f"ALTER DATABASE {name}_unfinished RENAME TO {name}")
        return name

    async def copy(self, template: str, name: str) -> None:
        """A fresh copy of a template, in place of what had that name."""
        await self.drop(name)
        await self._administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")

    async def drop(self, name: str) -> None:
        """Removes a database, whoever is connected to it."""
        await self._administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def checkpoint(self) -> None:
        """Writes everything back, so that the next slice does not pay for the last one."""
        await self._administer("CHECKPOINT")

    async def connect(self, database: str) -> Connection:
        """A plain connection as superuser."""
        return await connect(self.dsn(database))

    async def claims(self, database: str) -> int:
        """How many claims are stored."""
        connection = await Database(self.dsn(database), schema="aidgate").connect()
        try:
            return int(await connection.fetchval("SELECT count(*) FROM operation WHERE kind = 'claim'"))
        finally:
            await connection.close()

    async def check(self, database: str, expected: int) -> list[str]:
        """What is wrong with the books after a run that should have left `expected` claims; nothing, hopefully."""
        stored = await self.claims(database)
        problems = [f"{expected} claims should be stored, {stored} are"] if stored != expected else []
        connection = await Database(self.dsn(database), schema="aidgate").connect()
        try:
            findings = wrong(await selfcheck(connection))
        finally:
            await connection.close()
        return problems + [f"{finding.id}: {finding.violations} ({finding.title})" for finding in findings]

    async def prepare_tpcb(self, scale: int) -> str:
        """pgbench's own tables in a database of their own; its name. Made once per scale."""
        name = f"tpcb_{scale}"
        if not await self._exists(name):
            await self._administer(f"CREATE DATABASE {name} TEMPLATE template0")
            await asyncio.to_thread(self.pgbench, name, "--initialize", "--quiet", f"--scale={scale}")
        return name

    def pgbench(self, database: str, *words: str) -> str:
        """Runs the server's own pgbench and returns what it says. Blocks."""
        binaries = next(binaries for binaries in find_all() if binaries.version == self.server.version)
        done = subprocess.run(  # noqa: S603 - a program of an installed package, no shell
            [binaries.program("pgbench"), *words, database],
            env={
                **os.environ,
                "PGHOST": self.server.host,
                "PGPORT": str(self.server.port),
                "PGUSER": self.server.user,
                "PGPASSWORD": self.server.password,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"pgbench failed: {done.stderr.strip()}")
        return done.stdout

    async def _exists(self, name: str) -> bool:
        connection = await self.connect("postgres")
        try:
            return bool(await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name))
        finally:
            await connection.close()

    async def _administer(self, statement: str) -> None:
        connection = await self.connect("postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _configuration() -> str:
    """aidgate.toml: the town's terminals, and a throttle that no terminal of a load test reaches."""
    parts = ["[limits]\nper_second = 1000000.0\nburst = 1000000\n"]
    for terminal in range(town.TERMINALS):
        public = town.terminal_key(terminal).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        parts.append(
            f'[[terminal]]\nid = "{town.terminal_id(terminal)}"\nclinic = "{town.clinic_id(terminal)}"\n'
            f'key = "{b64encode(public).decode()}"\n'
        )
    return "\n".join(parts)
