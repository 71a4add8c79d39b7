"""Diagnose: looks at everything a gateway stands on, check after check, and says what to do. Changes nothing."""

import os
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from msgspec import Struct

import gateway
from gateway.config import FILE_NAME, Config, ConfigError, load_config
from gateway.rulebooks import history
from gateway.store import embedded
from gateway.store.database import Database
from gateway.store.durability import UnsafeDurability, refuse_unsafe
from gateway.store.failures import STATEMENT_FAILURES
from gateway.store.line import Connection, connect
from gateway.store.migrate import MigrationRefused, pending
from gateway.store.statements import load
from gateway.trust.keyfile import KeyFileError, MasterKey
from gateway.trust.keyfile import load as load_key

_SQL = load("diagnose")
_SETTINGS = load("settings")
_SCHEMA = "aidgate"
OLDEST_PYTHON = (3, 11)
MOST_SKEW = timedelta(seconds=2)
"""Signatures of terminals are accepted within a minute of this machine's clock; business days follow the database's."""
LEAST_DISK = 2 * 1024**3
"""Bytes: some weeks of a district's claims."""
AHEAD = timedelta(days=60)
"""Partitions must reach this far: every start makes them for half a year."""

State = Literal["ok", "note", "bad", "not asked"]


class Check(Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    advice: str = ""
    """What to do, unless it is ok."""


@dataclass
class _Patient:
    """What the checks find on their way, for those that follow."""

    home: Path
    config: Config = field(default_factory=Config)
    key: MasterKey | None = None
    dsn: str = ""
    connection: Connection | None = None


class Versions(Struct, frozen=True):
    """What is installed, and what it works with."""

    aidgate: str
    python: str
    database: str
    """Version and kind, or why it is not known."""
    schema: str
    """Level of the real books: the number of the last migration."""


async def diagnose(home: Path) -> list[Check]:
    """Every check in order; one that cannot be asked because an earlier one failed says so."""
    patient = _Patient(home)
    checks = [_python(), _configuration(patient), _key(patient), await _database(patient)]
    for name, ask in _OF_DATABASE:
        if patient.connection is None:
            checks.append(Check(name, "not asked", "the database was not reached"))
        else:
            checks.append(await _asked(name, ask, patient, patient.connection))
    if patient.connection is not None:
        await patient.connection.close()
    return [*checks, _disk(home), _port(patient.config)]


async def versions(home: Path) -> Versions:
    """The versions of everything involved. Starts nothing; what cannot be asked is said to be unknown."""
    patient = _Patient(home)
    _configuration(patient)
    database = await _database(patient)
    schema = "not known"
    if patient.connection is not None:
        schema = (await _asked("schema", _migrations, patient, patient.connection)).found
        await patient.connection.close()
    return Versions(gateway.__version__, _python().found, database.found, schema)


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return Check("python", "bad", found, "Install Python 3.11 or newer.")
    return Check("python", "ok", found)


def _configuration(patient: _Patient) -> Check:
    path = patient.home / FILE_NAME
    try:
        patient.config = load_config(patient.home)
    except ConfigError as error:
        return Check("configuration", "bad", str(error), "Correct the file; docs/operator.md lists names and types.")
    if not path.exists():
        return Check(
            "configuration", "note", f"no {path}", "The defaults hold. No terminal is known: `aidgate terminal add`."
        )
    return Check("configuration", "ok", f"{path}, {len(patient.config.terminal)} terminals")


def _key(patient: _Patient) -> Check:
    path = patient.home / "master.key"
    try:
        patient.key = load_key(path)
    except KeyFileError as error:
        return Check(
            "master key",
            "bad",
            str(error),
            "Without it nothing can be read. `aidgate migrate` makes a new installation.",
        )
    return Check("master key", "ok", f"{path}, check value {patient.key.check_value}")


async def _database(patient: _Patient) -> Check:
    dsn = patient.config.database.dsn
    try:
        if not dsn:
            status = embedded.status(patient.home / "postgresql")
            if status.state == "stopped":
                return Check("database", "note", "the embedded PostgreSQL is not running", "`aidgate serve` starts it.")
            dsn = embedded.ensure_running(patient.home / "postgresql").dsn()
        patient.connection = await connect(dsn, timeout=10)
    except (*STATEMENT_FAILURES, embedded.EmbeddedUnavailable) as error:
        what = str(error) or type(error).__name__
        return Check("database", "bad", what, "Start PostgreSQL, or correct [database] dsn in aidgate.toml.")
    patient.dsn = dsn
    version = await patient.connection.fetchval(_SQL["server_version"].sql)
    where = "the one of the configuration" if patient.config.database.dsn else "embedded"
    return Check("database", "ok", f"PostgreSQL {version}, {where}")


async def _asked(
    name: str, ask: Callable[[_Patient, Connection], Awaitable[Check]], patient: _Patient, connection: Connection
) -> Check:
    try:
        return await ask(patient, connection)
    except STATEMENT_FAILURES as error:
        return Check(
            name,
            "bad",
            str(error) or type(error).__name__,
            "Run `aidgate migrate`; see the server's log if that fails.",
        )


async def _durability(_: _Patient, connection: Connection) -> Check:
    try:
        await refuse_unsafe(connection)
    except UnsafeDurability as error:
        return Check("durability", "bad", str(error), "No gateway starts on this server until it is changed.")
    return Check("durability", "ok", "what is acknowledged survives a crash")


async def _migrations(patient: _Patient, connection: Connection) -> Check:
    whole = await connect(patient.dsn)
    try:
        missing = await pending(whole, _SCHEMA)
    except MigrationRefused as error:
        return Check("migrations", "bad", str(error), "Install the version that this database was last served by.")
    finally:
        await whole.close()
    if missing:
        return Check("migrations", "bad", f"missing: {', '.join(missing)}", "Run `aidgate migrate`.")
    # From here on the checks ask our own tables, as a gateway would.
    patient.connection = await Database(patient.dsn, schema=_SCHEMA).connect()
    await connection.close()
    level = await patient.connection.fetchval(_SQL["schema_level"].sql)
    return Check("migrations", "ok", f"level {level}")


async def _same_key(patient: _Patient, connection: Connection) -> Check:
    stored = await connection.fetchval(_SETTINGS["key_check"].sql)
    if stored is None:
        return Check("key of database", "note", "nothing is sealed yet", "The first start writes down this key.")
    if patient.key is None or patient.key.check_value != stored:
        return Check("key of database", "bad", f"sealed with {stored}", "Put back the master.key of this database.")
    return Check("key of database", "ok", "the master key is this database's")


async def _rulebooks(_: _Patient, connection: Connection) -> Check:
    activations = await history(connection)
    if not activations:
        return Check("rulebooks", "bad", "none is in force", "Run `aidgate rulebook activate`.")
    newest = activations[0]
    return Check(
        "rulebooks", "ok", f"{newest.digest[:16]}… since {newest.activated_at:%Y-%m-%d}, by {newest.activated_by}"
    )


async def _partitions(_: _Patient, connection: Connection) -> Check:
    last = await connection.fetchval(_SQL["last_partition"].sql)
    if last is None:
        return Check("partitions", "bad", "there are none", "Run `aidgate migrate`.")
    ends = _end_of_half(last)
    if ends < datetime.now(UTC).date() + AHEAD:
        return Check(
            "partitions", "bad", f"made until {ends}", "Run `aidgate migrate`, or restart a gateway: both make them."
        )
    return Check("partitions", "ok", f"made until {ends}")


async def _clock(_: _Patient, connection: Connection) -> Check:
    before = datetime.now(UTC)
    theirs = await connection.fetchval(_SQL["clock"].sql)
    ours = before + (datetime.now(UTC) - before) / 2
    skew = abs(theirs - ours)
    found = f"{skew.total_seconds():.3f} s from the database's"
    if skew > MOST_SKEW:
        return Check("clock", "bad", found, "Set the clocks by NTP: signatures and business days depend on them.")
    return Check("clock", "ok", found)


_OF_DATABASE = (
    ("durability", _durability),
    ("migrations", _migrations),
    ("key of database", _same_key),
    ("rulebooks", _rulebooks),
    ("partitions", _partitions),
    ("clock", _clock),
)


def _disk(home: Path) -> Check:
    place = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GB free at {place}"
    if free < LEAST_DISK:
        return Check("disk", "bad", found, "Make room: a full disk stops PostgreSQL.")
    if not os.access(place, os.W_OK):
        return Check("disk", "bad", f"{place} cannot be written", "Run as the user the gateway runs as.")
    return Check("disk", "ok", found)


def _port(config: Config) -> Check:
    host, port = config.server.host, config.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            found = f"{host}:{port}: {error.strerror}"
            return Check(
                "port", "note", found, "In order when the gateway runs already; otherwise choose another [server] port."
            )
    return Check("port", "ok", f"{host}:{port} is free")


def _end_of_half(partition: str) -> date:
    """operation_2027h1 -> 2027-07-01, the first day after it."""
    year, half = map(int, partition.rpartition("_")[2].split("h"))
    return date(year, 7, 1) if half == 1 else date(year + 1, 1, 1)
