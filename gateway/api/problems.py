"""Refusals on the wire: status, problem+json (RFC 9457), and how long to wait."""

import orjson
from aiohttp import web

from gateway.domain.refusal import SAYINGS, Refusal

STATUS: dict[Refusal, int] = {
    Refusal.DRAINING: 503,
    Refusal.OVERLOADED: 503,
    Refusal.NOT_FOUND: 404,
    Refusal.METHOD_NOT_ALLOWED: 405,
    Refusal.TOO_LARGE: 413,
    Refusal.WRONG_MEDIA_TYPE: 415,
    Refusal.TERMINAL_UNKNOWN: 401,
    Refusal.SIGNATURE_REFUSED: 401,
    Refusal.TERMINAL_REVOKED: 403,
    Refusal.THROTTLED: 429,
    Refusal.MALFORMED: 400,
    Refusal.IMPOSSIBLE: 422,
    Refusal.ID_OUT_OF_RANGE: 422,
    Refusal.EVENT_TIME_OUT_OF_RANGE: 422,
    Refusal.TERMS_INVALID: 422,
    Refusal.DEADLINE_PASSED: 503,
    Refusal.IN_FLIGHT: 409,
    Refusal.FAULT: 500,
    Refusal.OUTCOME_UNKNOWN: 503,
    Refusal.ID_REUSED: 422,
}
"""Of every refusal that is not stored. A stored one is a decision: 201 the first time, 200 afterwards."""

_RETRY_AFTER = {
    Refusal.DRAINING: "2",
    Refusal.OVERLOADED: "1",
    Refusal.THROTTLED: "1",
    Refusal.DEADLINE_PASSED: "1",
    Refusal.IN_FLIGHT: "1",
    Refusal.FAULT: "5",
    Refusal.OUTCOME_UNKNOWN: "1",
}


class Problem(Exception):
    """A refusal on its way out of a handler."""

    def __init__(self, refusal: Refusal, detail: str = "", **more: object) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.detail = detail
        self.more = more


def response(refusal: Refusal, detail: str = "", **more: object) -> web.Response:
    """The refusal as problem+json. `more` are members such as `fields`; never a value that was sent."""
    saying = SAYINGS[refusal]
    body = {
        "type": f"urn:aidgate:{refusal.lower()}",
        "title": saying.en,
        "status": STATUS[refusal],
        "code": refusal.value,
        "transient": saying.transient,
        "say": {"zh": saying.zh, "en": saying.en},
        "action": saying.action,
    }
    if detail:
        body["detail"] = detail
    headers = {"Retry-After": _RETRY_AFTER[refusal]} if refusal in _RETRY_AFTER else None
    return web.Response(
        body=orjson.dumps({**body, **{name: value for name, value in more.items() if value}}),
        status=STATUS[refusal],
        content_type="application/problem+json",
        headers=headers,
    )
