"""Runs the application so that also what aiohttp answers by itself has the one shape of every error."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.api.middleware import http_problem
from gateway.api.problems import response
from gateway.domain.refusal import Refusal

_Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
FIRST_REQUEST_SECONDS = 10
"""How long a new connection may take to ask something; aiohttp itself bounds only the pauses after that."""
log = logging.getLogger(__name__)


class Runner(web.AppRunner):
    """An AppRunner whose server answers in our shape before and outside any handler."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            _shaped(made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    """One connection."""

    __slots__ = ("asked",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.asked = False
        asyncio.get_running_loop().call_later(FIRST_REQUEST_SECONDS, self._hang_up_on_silence)

    def _hang_up_on_silence(self) -> None:
        if not self.asked:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is not HTTP gets 400. Neither answer nor log repeats a byte of it, as aiohttp's own would."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; the connection can only be closed")
        if status >= 500:
            log.error("a request failed outside its handler: %s", type(exc).__name__, exc_info=exc)
        answer = response(Refusal.FAULT if status >= 500 else Refusal.MALFORMED)
        answer.force_close()
        return answer


def _shaped(handler: _Handle) -> _Handle:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(request.protocol, _Protocol):
            request.protocol.asked = True
        try:
            return await handler(request)
        except web.HTTPException as error:  # such as an expectation that cannot be met, refused before any middleware
            return http_problem(error)

    return handle
