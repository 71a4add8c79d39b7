"""The one place where an error becomes an answer."""

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.api.keys import BOOKS
from gateway.api.problems import Problem, response
from gateway.domain.refusal import Refusal
from gateway.lanes import NotDone

log = logging.getLogger(__name__)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in the one shape. What is our own fault is logged with its cause and says so without it."""
    try:
        return await handler(request)
    except Problem as problem:
        return response(problem.refusal, problem.detail, **problem.more)
    except NotDone as not_done:
        if not_done.security:
            await _note(request, not_done)
        return response(not_done.refusal, fields=list(not_done.fields))
    except web.HTTPException as error:
        return _http_problem(error)
    except Exception:
        log.exception(
            "%s %s failed",
            request.method,
            request.match_info.route.resource and request.match_info.route.resource.canonical,
        )
        return response(Refusal.FAULT)


def _http_problem(error: web.HTTPException) -> web.Response:
    """What aiohttp itself refuses, in our shape."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        answer = response(Refusal.METHOD_NOT_ALLOWED)
        answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return answer
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return response(Refusal.TOO_LARGE)
    return response(Refusal.NOT_FOUND if error.status == 404 else Refusal.MALFORMED, error.reason)


async def _note(request: web.Request, not_done: NotDone) -> None:
    """A security event; failing to keep it must not change the answer."""
    try:
        await request.app[BOOKS].directory.note_security_event(
            not_done.refusal, request.headers.get("Signature-Input", "")[-120:], None, ", ".join(not_done.fields)
        )
    except Exception:
        log.exception("a security event could not be kept")
