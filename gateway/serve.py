"""Serve: one gateway process, from start to a drained stop."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from gateway.api.keys import BOOKS, GATE
from gateway.api.runner import Runner
from gateway.app import create_app
from gateway.installation import Installation

log = logging.getLogger(__name__)


async def serve(
    installation: Installation,
    *,
    host: str | None = None,
    port: int | None = None,
    reuse_port: bool = False,
    instance: str = "0",
    drain_seconds: float = 1.0,
    on_ready: Callable[[str], None] = print,
) -> None:
    """Serves until SIGTERM or SIGINT, then: not ready any more, finish what is under way, stop.

    With `reuse_port` several processes share the port; the kernel spreads connections over them.
    """
    config = installation.config
    await installation.prepare()
    app = create_app(config, installation.dsn, installation.key, revive=installation.revive, instance=instance)
    # An access log line costs as much as the request; a client that hangs up must not cancel what was begun.
    runner = Runner(app, access_log=None, handler_cancellation=False, keepalive_timeout=75, shutdown_timeout=10)
    await runner.setup()
    host, port = host or config.server.host, config.server.port if port is None else port
    site = web.TCPSite(runner, host, port, reuse_port=reuse_port or None, backlog=1024)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await site.start()
        # What was made so far stays, and requests leave little behind in cycles: a collection of everything in the
        # middle of a round would be felt by every claim in it.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        on_ready(f"aidgate serves on http://{host}:{_port(runner)}")
        await stop.wait()
        app[GATE].draining = True
        log.info("draining: %d operations under way", app[BOOKS].lanes.waiting)
        await asyncio.sleep(drain_seconds)
    finally:
        await runner.cleanup()


def _port(runner: web.AppRunner) -> int:
    """The port that was bound, also when 0 was asked for."""
    address = runner.addresses[0]
    return int(address[1])


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs on uvloop where it exists."""
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
