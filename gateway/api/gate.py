"""What every request of a terminal passes before its verb: load, signature, standing of the key, rate."""

import asyncio
import base64
import logging
import time
from collections.abc import Iterable

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.api.problems import Problem
from gateway.books import Books
from gateway.config import Config, ConfigError, Limits, TerminalConfig
from gateway.domain.operation import Author
from gateway.domain.refusal import Refusal
from gateway.store.directory import Unknown
from gateway.trust.signature import Reason, SignatureRefused, verify

log = logging.getLogger(__name__)

DEADLINE_HEADER = "Aidgate-Deadline"
"""Epoch milliseconds after which the work is not to be started."""
BODY_SECONDS = 10
"""How long a body may take to arrive: one that trickles in must not hold a connection for ever."""


class Caller(msgspec.Struct, frozen=True):
    """A terminal that has shown who it is."""

    author: Author
    books: Books
    body: bytes
    signature: bytes
    """What proves the request later: the signature's input line, then the signature."""
    deadline: float | None


class _Terminal:
    __slots__ = ("author", "books", "config", "key", "ready_at")

    def __init__(self, config: TerminalConfig, books: Books) -> None:
        self.config = config
        self.author = Author(terminal=config.id, clinic=config.clinic)
        self.books = books
        self.key = _public_key(config)
        self.ready_at = 0.0


class Gate:
    """The terminals of this gateway and how they get in."""

    def __init__(self, terminals: Iterable[TerminalConfig], config: Config, real: Books, sandbox: Books | None) -> None:
        self._base_url = config.server.base_url.rstrip("/")
        self._interval = 1.0 / config.limits.per_second
        self._tolerance = self._interval * (config.limits.burst - 1)
        self._terminals = _terminals(terminals, real, sandbox)
        self._limits: Limits = config.limits
        self.draining = False

    def shed(self, books: Books) -> None:
        """Refuses at once what could not be served in good time, while that is still cheap."""
        if self.draining:
            raise Problem(Refusal.DRAINING)
        if books.lanes.full:
            raise Problem(Refusal.OVERLOADED)

    async def admit(self, request: web.Request, real: Books) -> Caller:
        """The terminal behind a request. Raises Problem."""
        self.shed(real)
        body = await _body(request) if request.can_read_body else b""
        now = time.time()
        try:
            verified = verify(
                request.method, self._target(request), request.headers, body, keys=self._key, now=int(now)
            )
        except SignatureRefused as refused:
            if refused.reason is Reason.KEY_UNKNOWN:
                raise Problem(Refusal.TERMINAL_UNKNOWN, server_time=refused.server_time) from None
            raise Problem(
                Refusal.SIGNATURE_REFUSED, refused.message, cause=refused.reason, server_time=refused.server_time
            ) from None
        terminal = self._terminals[verified.keyid]
        if terminal.config.revoked:
            raise Problem(Refusal.TERMINAL_REVOKED)
        self._throttle(terminal)
        deadline = _deadline(request)
        if deadline is not None and deadline < now:
            raise Problem(Refusal.DEADLINE_PASSED)
        return Caller(
            terminal.author,
            terminal.books,
            body,
            verified.signature_input.encode() + b"\n" + verified.signature,
            deadline,
        )

    def _key(self, keyid: str) -> Ed25519PublicKey | None:
        terminal = self._terminals.get(keyid)
        return terminal.key if terminal else None

    def _target(self, request: web.Request) -> str:
        """The absolute URI as the terminal wrote it."""
        base = self._base_url or f"http://{request.headers.get('Host', '').lower()}"
        return base + request.raw_path

    def _throttle(self, terminal: _Terminal) -> None:
        """A steady rate with a burst (GCRA): one number per terminal, and one terminal's flood is its own."""
        now = time.monotonic()
        ready_at = max(terminal.ready_at, now)
        if ready_at - now > self._tolerance:
            raise Problem(Refusal.THROTTLED)
        terminal.ready_at = ready_at + self._interval


async def with_a_clinic(terminals: Iterable[TerminalConfig], real: Books) -> list[TerminalConfig]:
    """The terminals whose clinic is known; each is registered. One without a clinic has nobody to be paid."""
    admitted = []
    for terminal in terminals:
        try:
            if not terminal.sandbox:
                await real.directory.register_terminal(terminal.id, terminal.clinic)
        except Unknown:
            log.warning("terminal %s is not admitted: import its clinic %s, then restart", terminal.id, terminal.clinic)
        else:
            admitted.append(terminal)
    return admitted


def _terminals(configs: Iterable[TerminalConfig], real: Books, sandbox: Books | None) -> dict[str, _Terminal]:
    terminals: dict[str, _Terminal] = {}
    for config in configs:
        if config.id in terminals:
            raise ConfigError(f"terminal {config.id!r} stands twice in the configuration")
        if not config.sandbox:
            terminals[config.id] = _Terminal(config, real)
        elif sandbox is not None:
            terminals[config.id] = _Terminal(config, sandbox)
    return terminals


def _public_key(config: TerminalConfig) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(config.key, validate=True))
    except ValueError as error:
        raise ConfigError(
            f"terminal {config.id!r}: key must be an Ed25519 public key, 32 bytes in base64 ({error})"
        ) from error


async def _body(request: web.Request) -> bytes:
    """The body as it was sent: JSON, not compressed, since that is what the digest was made of."""
    if request.content_type != "application/json":
        raise Problem(Refusal.WRONG_MEDIA_TYPE)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(Refusal.WRONG_MEDIA_TYPE, "the body must not be compressed")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(Refusal.MALFORMED, "the body was cut off") from None
    except TimeoutError:
        raise Problem(Refusal.MALFORMED, f"the body did not arrive within {BODY_SECONDS} s") from None


def _deadline(request: web.Request) -> float | None:
    text = request.headers.get(DEADLINE_HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Problem(Refusal.MALFORMED, f"{DEADLINE_HEADER} is a number of milliseconds since 1970")
    return int(text) / 1000
