"""The gateway as it serves, with something in it replaced: what both servers to compare with are made by.

Loaded by `python -m loadtest.server_… <home>`; like `gateway serve --port 0` it says its address on the first line.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
from aiohttp import web

from gateway import serve as serving
from gateway.app import create_app
from gateway.installation import Installation


def serve_with(home: Path, change: Callable[[web.Application], Awaitable[None]]) -> None:
    """Serves until SIGTERM. `change` is called once everything is open and before anything is answered."""

    def create(*arguments: Any, **options: Any) -> web.Application:
        app = create_app(*arguments, **options)
        app.on_startup.append(change)
        return app

    with patch.object(serving, "create_app", create):
        serving.run(serving.serve(Installation.open(home), port=0, on_ready=click.echo))
