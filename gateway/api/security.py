"""Security events that show at the door: what a known terminal should not have sent."""

import logging
from uuid import UUID

from aiohttp import web

from gateway.api.keys import CALLER
from gateway.domain.refusal import Refusal

log = logging.getLogger(__name__)
_OWN_ID = ("new_id", "reversal_id", "id")
"""Names of path parameters; the first that is there is the operation's own id."""


async def note(request: web.Request, kind: Refusal, fields: tuple[str, ...] = ()) -> None:
    """Keeps an event with the terminal and the operation's id, in the terminal's own books. Failing to keep it must
    not change the answer."""
    caller = request[CALLER]
    try:
        await caller.books.directory.note_security_event(
            kind, caller.author.terminal, _operation_id(request), ", ".join(fields)
        )
    except Exception:  # Whatever went wrong, the answer is about something else.
        log.exception("a security event could not be kept")


def _operation_id(request: web.Request) -> UUID | None:
    """None for a stay, whose path holds the clinic's own name for it."""
    name = next((name for name in _OWN_ID if name in request.match_info), "")
    try:
        return UUID(request.match_info.get(name, ""))
    except ValueError:
        return None
