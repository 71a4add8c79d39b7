"""PostgreSQL servers for a test session: started when first asked for, databases copied from a template."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from gateway.store.embedded import Server, ensure_running
from gateway.store.migrate import migrate
from tests.gateway.store.embedded_homes import new_home

EMBEDDED = "embedded"
DEBIAN_15 = "debian15"
_PROGRAMS = {DEBIAN_15: Path("/usr/lib/postgresql/15/bin")}
KINDS = (EMBEDDED, *(kind for kind, folder in _PROGRAMS.items() if (folder / "postgres").exists()))
"""Every server that can be started here; the embedded one always can."""

on_every_server = pytest.mark.parametrize("kind", KINDS, indirect=True)
"""Runs a test, or all of a module, once per server."""

MIGRATED = "template_migrated"


class Servers:
    """The session's servers, by kind, and the templates made on each."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._running: dict[str, Server] = {}
        self._templates: set[tuple[str, str]] = set()
        self._numbers = count(1)

    def get(self, kind: str) -> Server:
        """The server, as its superuser."""
        if kind not in self._running:
            opened = _embedded() if kind == EMBEDDED else _debian(_PROGRAMS[kind])
            self._running[kind] = self._open.enter_context(opened)
        return self._running[kind]

    async def superuser(self, kind: str) -> asyncpg.Connection:
        """A connection to the server's own database."""
        return await asyncpg.connect(self.get(kind).dsn())

    async def empty(self, kind: str) -> Server:
        """A new database with nothing in it."""
        return await self._create(kind, f"test_{next(self._numbers)}", "template0")

    async def migrated(self, kind: str) -> Server:
        """A new database with the schema in it, copied."""
        await self.template(kind)
        return await self.copy(kind, MIGRATED)

    async def template(self, kind: str) -> Server:
        """The database that was migrated once; nobody may stay connected to it."""
        if (kind, MIGRATED) not in self._templates:
            server = await self._create(kind, MIGRATED, "template0")
            connection = await asyncpg.connect(server.dsn())
            try:
                await migrate(connection)
            finally:
                await connection.close()
            self._templates.add((kind, MIGRATED))
        return replace(self.get(kind), database=MIGRATED)

    async def copy(self, kind: str, template: str, name: str = "") -> Server:
        """A copy of a database nobody is connected to."""
        return await self._create(kind, name or f"test_{next(self._numbers)}", template)

    async def drop(self, kind: str, server: Server) -> None:
        """Removes a database, whoever is connected to it."""
        connection = await self.superuser(kind)
        try:
            await connection.execute(f"DROP DATABASE {server.database} WITH (FORCE)")
        finally:
            await connection.close()

    def close(self) -> None:
        self._open.close()

    async def _create(self, kind: str, name: str, template: str) -> Server:
        connection = await self.superuser(kind)
        try:
            for _ in range(100):
                try:
                    # A copy of the files would take two checkpoints: slower for databases this small.
                    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
                    break
                except asyncpg.ObjectInUseError:
                    await asyncio.sleep(0.05)  # a backend that was told to go has not gone yet
            else:
                raise AssertionError(f"somebody stays connected to {template}")
        finally:
            await connection.close()
        return replace(self.get(kind), database=name)


@contextmanager
def _embedded() -> Iterator[Server]:
    with new_home() as home:
        yield ensure_running(home)


@contextmanager
def _debian(programs: Path) -> Iterator[Server]:
    """The distribution's server, as an unprivileged user, on a unix socket that only this user and root reach."""
    folder = Path(tempfile.mkdtemp(prefix="ag-", dir="/tmp"))
    prefix: tuple[str, ...] = ()
    user = pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        user = "postgres"
        shutil.chown(folder, user)
        prefix = ("setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups")

    def run(program: str, *words: str) -> None:
        done = subprocess.run(
            [*prefix, str(programs / program), *words],
            cwd=folder,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    data = folder / "data"
    run("initdb", "-D", str(data), "-U", "aidgate", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    run(
        "pg_ctl", "-w", "-t", "60", "-D", str(data), "-l", str(folder / "log"),
        "-o", f"-c listen_addresses= -c unix_socket_permissions=0700 -k {folder}", "start",
    )  # fmt: skip
    pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    try:
        yield Server(str(folder), 5432, "aidgate", "", "postgres", pid, "15")
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)
