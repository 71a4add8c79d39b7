"""The line to the gateway: one signed request at a time, and the patience to repeat it.

No answer means nothing is known: every way of not getting one is OutcomeUnknown, never "declined". Asking again with
the same id is always safe, since the gateway keeps the outcome of an id (`settle`).
"""

import asyncio
import ipaddress
import random
import re
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from clinic_agent.signing import Signer

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 8.0

_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_TOO_MANY_REQUESTS = 429
_JITTER = random.SystemRandom()


class OutcomeUnknown(Exception):
    """No answer came: the request may or may not have been carried out. Ask again with the same id, or reverse it."""


class Answer(msgspec.Struct, frozen=True):
    """What the gateway said."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes

    def json(self) -> Any:
        """The decoded body; raises msgspec.DecodeError when it is not JSON."""
        return msgspec.json.decode(self.body)


class Uplink:
    """Signed requests to one gateway over kept connections. Use as `async with Uplink(…) as uplink`."""

    def __init__(
        self,
        base_url: str,
        signer: Signer,
        *,
        deadline_s: float = 10.0,
        connections: int = 100,
        tls: SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare for the gateway at `base_url` (scheme, host, port; https, or http on loopback).

        `deadline_s` bounds a request from connecting to the last byte; `tls` replaces the system's trust; `clock` gives
        epoch seconds, which must be within 60 s of the gateway's.
        """
        self._origin = _origin(base_url)
        self._signer = signer
        self._deadline_s = deadline_s
        self._connections = connections
        self._tls: SSLContext | bool = True if tls is None else tls
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ssl=self._tls),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def quote(self, body: Mapping[str, Any]) -> Answer:
        """Ask what a claim would be paid; changes nothing."""
        return await self.send("POST", "/v1/quotes", body)

    async def claim(self, claim_id: str, body: Mapping[str, Any]) -> Answer:
        """Claim a deduction under an id that is already in the journal."""
        return await self.send("PUT", f"/v1/claims/{_checked(claim_id)}", body)

    async def get_claim(self, claim_id: str) -> Answer:
        """Ask what became of a claim."""
        return await self.send("GET", f"/v1/claims/{_checked(claim_id)}", None)

    async def reverse(self, claim_id: str, reversal_id: str, body: Mapping[str, Any]) -> Answer:
        """Take a claim back, wholly or some lines, also one that the gateway may never have seen."""
        return await self.send("PUT", f"/v1/claims/{_checked(claim_id)}/reversals/{_checked(reversal_id)}", body)

    async def replace(self, claim_id: str, new_id: str, body: Mapping[str, Any]) -> Answer:
        """Take a claim back and claim anew at its date of service, as one operation."""
        return await self.send("PUT", f"/v1/claims/{_checked(claim_id)}/replacement/{_checked(new_id)}", body)

    async def lookup(self, body: Mapping[str, Any]) -> Answer:
        """Ask what the holder of a card is entitled to. A POST, because a card number has no place in a URL."""
        return await self.send("POST", "/v1/lookups", body)

    async def offline_terms(self, query: Mapping[str, str]) -> Answer:
        """Fetch the signed terms for times without a network."""
        # An empty query must leave no question mark: what is signed is what is sent.
        return await self.send("GET", "/v1/offline-terms" + (f"?{urlencode(query)}" if query else ""), None)

    async def stay(self, stay_id: str, body: Mapping[str, Any]) -> Answer:
        """Report an inpatient stay or its end."""
        return await self.send("PUT", f"/v1/stays/{_checked(stay_id)}", body)

    async def send(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, deadline_s: float | None = None
    ) -> Answer:
        """Sign and send one request. `path` is percent-encoded and starts with a slash.

        Any answer is returned, whatever its status; redirects are not followed, since the signature names the target.
        Raises OutcomeUnknown when no whole answer comes within the deadline. aiohttp itself repeats a GET or PUT once,
        byte for byte, when the connection breaks before an answer; the id in the path makes that harmless.
        """
        if self._session is None:
            raise RuntimeError("The uplink is closed; use it inside `async with Uplink(…)`.")
        target = f"{self._origin}{path}"
        content = b"" if body is None else msgspec.json.encode(body)
        headers = self._signer.sign(method, target, content, int(self._clock()))
        if content:
            headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=self._deadline_s if deadline_s is None else deadline_s)
        try:
            async with self._session.request(
                method,
                URL(target, encoded=True),
                data=content or None,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            resource = path.partition("?")[0]
            raise OutcomeUnknown(f"No answer to {method} {resource} ({type(error).__name__}); ask again.") from error


async def settle(
    attempt: Callable[[], Awaitable[Answer]],
    *,
    limit_s: float,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Repeat an attempt until it is answered: `await settle(lambda: uplink.claim(claim_id, body), limit_s=30)`.

    The attempt must send the same request under the same id each time. It is repeated when no answer came, and on 429
    and 5xx, which say that the gateway could not decide. Pauses double from FIRST_PAUSE_S to LONGEST_PAUSE_S, half of
    each left to chance so that a clinic's terminals do not return in step, and never end before Retry-After.
    Raises OutcomeUnknown when the next attempt would start later than `limit_s` seconds after the first.
    """
    ends = clock() + limit_s
    longest = FIRST_PAUSE_S
    while True:
        wait = _JITTER.uniform(longest / 2, longest)
        longest = min(2 * longest, LONGEST_PAUSE_S)
        cause: OutcomeUnknown | None = None
        try:
            answer = await attempt()
            if answer.status < 500 and answer.status != _TOO_MANY_REQUESTS:
                return answer
            said = f"it last answered {answer.status}"
            wait = max(wait, _retry_after_s(answer.headers))
        except OutcomeUnknown as error:
            cause = error
            said = str(error)
        if clock() + wait > ends:
            raise OutcomeUnknown(f"The gateway did not settle this within {limit_s:g} s: {said}") from cause
        await pause(wait)


def new_id() -> str:
    """A new id for an operation: UUIDv7 (RFC 9562 §5.7), each greater than the one before in this process."""
    return _IDS.next()


class Uuid7Source:
    """Makes UUIDv7 in rising order, also within a millisecond and when the clock is set back a little."""

    _SET_BACK = 60_000 << 12
    """When the clock was set back by more than a minute, ids follow it: dated ahead for long, they would be refused."""

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> str:
        """Milliseconds (48 bits), a counter (12 bits) that starts at random in its lower half, 62 random bits."""
        random_bits = random.SystemRandom().getrandbits(73)
        stamp = ((self._clock_ns() // 1_000_000) << 12) | (random_bits >> 62)
        with self._lock:
            if self._last - stamp < self._SET_BACK:
                stamp = max(stamp, self._last + 1)
            self._last = stamp
        tail = random_bits & ((1 << 62) - 1)
        return str(uuid.UUID(int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | tail))


_IDS = Uuid7Source()


def _checked(operation_id: str) -> str:
    if not _ID.fullmatch(operation_id):
        raise ValueError(f"Not an id: {operation_id!r}; use one made by new_id().")
    return operation_id


def _origin(base_url: str) -> str:
    """Scheme and authority as they stand in the signed target URI: lower case, the default port left out."""
    url = URL(base_url)
    bare = not (url.user or url.password or url.query_string or url.fragment) and url.raw_path in {"", "/"}
    if url.scheme not in {"http", "https"} or not url.host or not bare:
        raise ValueError(f"The gateway's address must look like https://gateway.example:8443 and not {base_url!r}.")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ValueError(f"{base_url!r} would send cards in clear over the network; use https.")
    port = "" if url.is_default_port() else f":{url.port}"
    return f"{url.scheme}://{url.host_subcomponent}{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Retry-After in seconds (RFC 9110 §10.2.3); a date, its other form, counts as none: clocks may disagree."""
    text = headers.get("Retry-After", "")
    return float(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0.0
