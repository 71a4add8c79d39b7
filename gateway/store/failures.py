"""What can go wrong between a statement and its answer, in the words the lanes act on."""

from enum import Enum, auto

import asyncpg

from gateway.store.line import NotReplicated

DatabaseError = asyncpg.PostgresError
"""PostgreSQL said no."""
STATEMENT_FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    NotReplicated,
    OSError,
    TimeoutError,
)
"""Everything a statement may raise when the server says no, says nothing, or is not there."""


class Failure(Enum):
    """What a failed statement means for the operations in it."""

    DATA = auto()
    """One operation is impossible for the database (SQLSTATE 22, 23); the others are not to blame."""
    CONFLICT = auto()
    """Deadlock, serialization failure (40), or a statement someone cancelled: rolled back, so try again."""
    LOCKED = auto()
    """Somebody holds a lock for longer than is waited."""
    LOST = auto()
    """The server is gone, or the commit may not be where a failover would find it: nobody knows the outcome."""


def meaning(error: Exception) -> Failure:
    """What this failure means."""
    state = error.sqlstate or "" if isinstance(error, asyncpg.PostgresError) else ""
    if state == "55P03":
        return Failure.LOCKED
    if state.startswith("40") or state == "57014":
        return Failure.CONFLICT
    if state[:2] in ("22", "23"):
        return Failure.DATA
    return Failure.LOST


def violated(error: Exception) -> str:
    """Name of the constraint that was violated; empty for any other failure."""
    return getattr(error, "constraint_name", None) or ""


def lost_a_race(error: Exception) -> bool:
    """Did somebody else take the settlement, or the id a tombstone would spend, since the facts were read? Fresh facts
    will say so."""
    if not isinstance(error, asyncpg.UniqueViolationError):
        return False
    return violated(error) == "one_standing_claim_per_settlement" or (error.table_name or "").startswith("operation")
