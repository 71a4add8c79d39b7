"""What commands share: the installation and its books, who is acting, and how an answer is put out."""

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from gateway.books import Books
from gateway.config import FILE_NAME
from gateway.installation import Installation
from gateway.store.line import connect
from gateway.store.migrate import pending

_Result = TypeVar("_Result")
_SCHEMA = "aidgate"


class NotSetUp(Exception):
    """There is no installation in this home, or its database lacks migrations; the message says what to do."""


def installed(home: Path) -> Installation:
    """The installation of a home. Raises NotSetUp.

    Only `serve` and `migrate` make one: a mistyped --home must not become a new, empty gateway.
    """
    if not (home / "master.key").exists():
        raise NotSetUp(
            f"There is no installation in {home}. Name its folder with --home, or make one with `aidgate migrate`."
        )
    return Installation.open(home)


@asynccontextmanager
async def opened(home: Path) -> AsyncIterator[Books]:
    """The real books of an installation whose schema is this code's. Raises NotSetUp."""
    installation = installed(home)
    connection = await connect(installation.dsn)
    try:
        missing = await pending(connection, _SCHEMA)
    finally:
        await connection.close()
    if missing:
        raise NotSetUp(f"The database lacks {', '.join(missing)}. Run `aidgate migrate`.")
    books = await Books.open(installation.dsn, _SCHEMA, installation.key, name="aidgate cli")
    try:
        yield books
    finally:
        await books.close()


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Runs a command's work."""
    return asyncio.run(main)


def system_user() -> str:
    """Who is logged in, for the books; the number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


as_staff = click.option(
    "--as", "staff", default=system_user, help="Who acts; kept in the books. Default: your user name."
)
"""The author of what a command does."""
as_json = click.option("--json", "as_json", is_flag=True, help="Put out JSON; amounts are integer fen.")
"""For programs."""


def put_out(value: object, as_json: bool, show: Callable[[], str]) -> None:
    """The value as JSON, or as people read it."""
    click.echo(json_text(value) if as_json else show())


def json_text(value: object) -> str:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def config_path(home: Path) -> Path:
    """Where the configuration of a home stands."""
    return home / FILE_NAME
