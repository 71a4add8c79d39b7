"""What commands are known to fail with: the exit code and the sentence of each."""

import errno
from asyncio import CancelledError

from gateway.cli.exits import Exit
from gateway.cli.session import NotSetUp
from gateway.config import ConfigError
from gateway.domain.refusal import SAYINGS, Refusal
from gateway.importing.problems import UnreadableTable
from gateway.lanes import NotDone
from gateway.rulebooks import NoRulebooks
from gateway.store.directory import Unknown
from gateway.store.durability import UnsafeDurability
from gateway.store.embedded import EmbeddedUnavailable
from gateway.store.failures import STATEMENT_FAILURES, DatabaseError
from gateway.store.migrate import MigrationRefused
from gateway.trust.keyfile import KeyFileError
from rules import RulebookError

_SETUP = (NotSetUp, ConfigError, KeyFileError, MigrationRefused, UnsafeDurability, NoRulebooks)
_USAGE = (Unknown, UnreadableTable, RulebookError)
_NO_PORT = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
_AWAY = ("08", "53", "57")
"""Classes of SQLSTATE: connection lost, out of resources, shut down or starting up."""
_NOT_LET_IN = ("28", "3D", "42501")
"""Classes of SQLSTATE: the DSN names a user, password, database or right that the server does not accept."""


def told(error: Exception) -> tuple[Exit, str] | None:
    """Exit code and sentence; None for what nobody expects, which keeps its traceback."""
    if isinstance(error, CancelledError):
        return None
    if isinstance(error, _SETUP):
        return Exit.SETUP, str(error)
    if isinstance(error, _USAGE):
        return Exit.USAGE, str(error)
    if isinstance(error, NotDone):
        return _not_done(error)
    if isinstance(error, EmbeddedUnavailable):
        return Exit.UNREACHABLE, str(error)
    if isinstance(error, DatabaseError):
        return _database(error)
    if isinstance(error, OSError) and error.errno in _NO_PORT:
        return Exit.SETUP, f"{error.strerror}. Choose another with --port, or [server] host and port."
    if isinstance(error, OSError) and error.filename is not None:
        return Exit.USAGE, f"{error.filename}: {error.strerror}."
    if isinstance(error, STATEMENT_FAILURES):
        return Exit.UNREACHABLE, f"The database cannot be reached ({error}). `aidgate doctor` looks at the way to it."
    return None


def _not_done(error: NotDone) -> tuple[Exit, str]:
    saying = SAYINGS[error.refusal]
    fields = f" ({', '.join(error.fields)})" if error.fields else ""
    code = Exit.UNREACHABLE if error.refusal is Refusal.OUTCOME_UNKNOWN else Exit.NO
    return code, f"{error.refusal}{fields}: {saying.en} {saying.zh}\n{saying.action}"


def _database(error: DatabaseError) -> tuple[Exit, str] | None:
    state = error.sqlstate or ""
    if state.startswith(_AWAY):
        return Exit.UNREACHABLE, f"The database is away: {error}."
    if state.startswith(_NOT_LET_IN):
        return Exit.SETUP, f"The database does not let us in: {error}. Correct [database] dsn in aidgate.toml."
    return None
