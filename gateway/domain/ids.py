"""Ids of operations: UUIDv7, made by the author of the operation, which carry the millisecond they were made in."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

RETENTION = timedelta(days=400)
"""An id made longer ago is refused: what it would have to be compared with may already be archived."""
AHEAD = timedelta(hours=26)
"""How far a terminal's clock may run ahead before its ids are refused: wrong time zone and a bit."""


def made_at(id_: UUID) -> datetime | None:
    """When a UUIDv7 was made (UTC); None for any other kind of UUID, and beyond the last year there is."""
    if id_.version != 7:
        return None
    try:
        return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError):
        return None


def acceptable(id_: UUID, now: datetime) -> bool:
    """Is this a UUIDv7 made within the retention horizon and not from the future?"""
    at = made_at(id_)
    return at is not None and now - RETENTION <= at <= now + AHEAD


def floor_of(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond: the bound of partitions and of searches by time."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))
