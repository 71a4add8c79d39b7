"""Ids of what is done at the command line."""

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

import click

from gateway.domain.ids import acceptable


def new_id() -> UUID:
    """A UUIDv7 of now."""
    return UUID(
        int=time.time_ns() // 1_000_000 << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    )


class OperationId(click.ParamType[UUID]):
    """An operation's id as it is written. With `new`, only one that an operation could still be given."""

    name = "id"

    def __init__(self, *, new: bool = False) -> None:
        self._new = new

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        """Fails with what is wrong."""
        if isinstance(value, UUID):
            return value
        try:
            id_ = UUID(str(value))
        except ValueError:
            self.fail(f"{value!r} is no id; ids are written 8-4-4-4-12, as answers and lists show them.", param, ctx)
        if self._new and not acceptable(id_, datetime.now(UTC)):
            self.fail(f"{value} is no UUIDv7 of the last 400 days; leave it out to have one made.", param, ctx)
        return id_
