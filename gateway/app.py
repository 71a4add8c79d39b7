"""Builds the application: what is opened, in which order, and closed again."""

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from gateway.api.gate import Gate, with_a_clinic
from gateway.api.keys import BOOKS, CONFIG, GATE, MASTER_KEY, SANDBOX
from gateway.api.middleware import problems
from gateway.api.openapi import get_openapi
from gateway.api.routes import add_routes
from gateway.books import Books
from gateway.config import Config
from gateway.sandbox import open_sandbox
from gateway.trust.keyfile import MasterKey


def create_app(
    config: Config, dsn: str, key: MasterKey, *, revive: Callable[[], object] | None = None, instance: str = "0"
) -> web.Application:
    """The application; nothing is opened before it starts. PostgreSQL knows its connections by the instance."""
    app = web.Application(middlewares=[problems], client_max_size=config.server.body_bytes)
    app[CONFIG] = config
    app[MASTER_KEY] = key

    async def books(app: web.Application) -> AsyncIterator[None]:
        server = config.server
        app[BOOKS] = await Books.open(
            dsn,
            "aidgate",
            key,
            lanes=server.lanes,
            queue_limit=server.queue_limit,
            name=f"aidgate/{instance}",
            revive=revive,
        )
        remembering = asyncio.create_task(app[BOOKS].directory.remember_known_cards())
        yield
        remembering.cancel()
        await asyncio.gather(remembering, return_exceptions=True)
        await app[BOOKS].close()

    async def sandbox(app: web.Application) -> AsyncIterator[None]:
        if not any(terminal.sandbox for terminal in config.terminal):
            yield
            return
        app[SANDBOX] = await open_sandbox(dsn, key, config, revive=revive)
        yield
        await app[SANDBOX].close()

    async def gate(app: web.Application) -> AsyncIterator[None]:
        app[GATE] = Gate(await with_a_clinic(config.terminal, app[BOOKS]), config, app[BOOKS], app.get(SANDBOX))
        yield
        app[GATE].draining = True

    app.cleanup_ctx.extend([books, sandbox, gate])
    add_routes(app)
    app.router.add_get("/openapi.json", get_openapi)
    return app
