"""A gateway that runs within the test, and terminals that talk to it over a real socket."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from yarl import URL

from clinic_agent.signing import Signer
from gateway.api.keys import BOOKS, SANDBOX
from gateway.api.runner import Runner
from gateway.app import create_app
from gateway.books import Books
from gateway.config import Config, Limits, TerminalConfig
from gateway.domain.operation import Author
from gateway.store.embedded import Server
from rules import shipped
from tests.books import KEY, Desk
from tests.gateway.api.problems import the_problem

CLINICS = {"T1": "C1", "T2": "C1", "T3": "C2", "GONE": "C1", "LOST": "C9", "S1": "SC1", "S2": "SC2"}
"""Terminal -> clinic. S1 and S2 are of the sandbox; GONE was revoked; nobody knows the clinic of LOST."""
UNLIMITED = Limits(per_second=1e6, burst=1_000_000)
Body = Mapping[str, Any] | bytes | None


def key_of(terminal: str) -> Ed25519PrivateKey:
    """The terminal's private key: the same in every run, and good for nothing else."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(terminal.encode()).digest())


def public_key_of(terminal: str) -> str:
    """As the configuration wants it."""
    return base64.b64encode(key_of(terminal).public_key().public_bytes_raw()).decode()


def configured(*, sandbox: bool = True, **sections: Any) -> Config:
    """The configuration of every test here: all terminals, and no limit per terminal unless one is given."""
    terminals = tuple(
        TerminalConfig(id=id_, clinic=clinic, key=public_key_of(id_), sandbox=id_[0] == "S", revoked=id_ == "GONE")
        for id_, clinic in CLINICS.items()
        if sandbox or id_[0] != "S"
    )
    return Config(**{"limits": UNLIMITED, "terminal": terminals, **sections})


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def problem(self, code: str) -> Any:
        """The problem, after its shape was checked."""
        return the_problem(self.status, self.headers, self.body, code)


@dataclass(frozen=True)
class Terminal:
    """Signs and sends."""

    session: aiohttp.ClientSession
    url: str
    id: str
    key: Ed25519PrivateKey = field(repr=False)

    async def send(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        headers: Mapping[str, str] | None = None,
        signed_at: float | None = None,
    ) -> Answer:
        """`headers` replace what would be sent; an empty value leaves the header out."""
        content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        signed = Signer(self.id, self.key).sign(method, self.url + path, content, int(signed_at or time.time()))
        if content:
            signed["Content-Type"] = "application/json"
        sent = {name: value for name, value in {**signed, **(headers or {})}.items() if value}
        async with self.session.request(
            method,
            URL(self.url + path, encoded=True),
            data=content or None,
            headers=sent,
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.send("GET", path, **options)

    async def put(self, path: str, body: Body, **options: Any) -> Answer:
        return await self.send("PUT", path, body, **options)

    async def post(self, path: str, body: Body, **options: Any) -> Answer:
        return await self.send("POST", path, body, **options)

    def desk(self, books: Books) -> Desk:
        """Writes this terminal's claims, as records."""
        return Desk(books, Author(self.id, CLINICS[self.id]))


@dataclass(frozen=True)
class Running:
    """A gateway that serves."""

    url: str
    app: web.Application
    session: aiohttp.ClientSession

    @property
    def books(self) -> Books:
        return self.app[BOOKS]

    @property
    def sandbox(self) -> Books:
        return self.app[SANDBOX]

    def terminal(self, id_: str, key: Ed25519PrivateKey | None = None) -> Terminal:
        return Terminal(self.session, self.url, id_, key or key_of(id_))


@asynccontextmanager
async def running(server: Server, config: Config | None = None) -> AsyncIterator[Running]:
    """Serves one database on a free port of the loopback until the block ends."""
    await _set_up(server)
    app = create_app(config or configured(), server.dsn(), KEY)
    runner = Runner(app, access_log=None, handler_cancellation=False, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session:
            yield Running(f"http://127.0.0.1:{runner.addresses[0][1]}", app, session)
    finally:
        await runner.cleanup()


async def _set_up(server: Server) -> None:
    books = await Books.open(server.dsn(), "aidgate", KEY)
    await books.activate(shipped(), by="tests")
    for id_, clinic in CLINICS.items():
        if id_ != "LOST":
            await books.directory.register_clinic(clinic, clinic, "310104003")
    await books.close()
