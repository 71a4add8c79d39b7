"""The one place where an error becomes an answer."""

import logging
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.api.problems import Problem, response
from gateway.api.security import note
from gateway.domain.refusal import Refusal
from gateway.lanes import NotDone
from gateway.store.failures import STATEMENT_FAILURES, Failure, meaning

log = logging.getLogger(__name__)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in the one shape. What is our own fault is logged with its cause and says so without it."""
    try:
        return await handler(request)
    except Problem as problem:
        return response(problem.refusal, problem.detail, **problem.more)
    except NotDone as not_done:
        if not_done.refusal is Refusal.FAULT:
            return _fault(request, not_done)
        if not_done.security:
            await note(request, not_done.refusal, not_done.fields)
        return response(not_done.refusal, fields=list(not_done.fields))
    except web.HTTPException as error:
        return http_problem(error)
    except STATEMENT_FAILURES as error:
        return _database_problem(request, error)
    except Exception as error:
        return _fault(request, error)


def http_problem(error: web.HTTPException) -> web.Response:
    """What aiohttp itself refuses, in our shape."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        answer = response(Refusal.METHOD_NOT_ALLOWED)
        answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return answer
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return response(Refusal.TOO_LARGE)
    return response(Refusal.NOT_FOUND if error.status == 404 else Refusal.MALFORMED)


def _database_problem(request: web.Request, error: Exception) -> web.Response:
    """A statement outside the lanes failed: nothing was posted by it, and the same request may be sent again."""
    match meaning(error):
        case Failure.CONFLICT | Failure.LOCKED:
            return response(Refusal.IN_FLIGHT)
        case Failure.LOST:
            log.warning("the database is away: %s", type(error).__name__)
            return response(Refusal.OUTCOME_UNKNOWN)
        case Failure.DATA:
            return _fault(request, error)


def _fault(request: web.Request, error: Exception) -> web.Response:
    """Logged with the id that the answer carries; only the address pattern is logged, for paths may hold numbers."""
    request_id = secrets.token_hex(8)
    resource = request.match_info.route.resource
    log.error("request %s: %s %s failed", request_id, request.method, resource and resource.canonical, exc_info=error)
    return response(Refusal.FAULT, request_id=request_id)
