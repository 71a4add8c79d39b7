"""The load: a process that signs a slice of claims, sends it, and says what came back.

Run by the comparison runs as `python -m loadtest.generator '<task as JSON>'`. It signs first (a signature holds for
60 s), prints `ready`, waits for a line on its input, sends, and prints the outcome as JSON. HTTP is spoken on raw
sockets: what the load costs, the system under test on the same cores cannot use.

Closed loop: each connection sends its next claim when the last one is answered, and latency counts from there. Open
loop (`rate` > 0): claims are due at random moments of that mean rate, whether or not the last ones were answered, and
latency counts from the moment a claim was due.
"""

import asyncio
import gc
import random
import selectors
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop
from msgspec import Struct

from clinic_agent.signing import Signer
from loadtest import town

LATE = 30.0
"""Seconds after which an answer counts as none."""


class Task(Struct, frozen=True):
    """One slice of load."""

    url: str
    requests: int
    connections: int
    residents: int
    first: int = 0
    """Number of the first claim; see `town.claim`."""
    tag: str = "run"
    rate: float = 0.0
    """Claims per second on average, at random moments; 0 = as fast as they are answered."""
    resident: int = -1
    """All claims are this resident's; -1 = everybody in turn."""
    approved_only: bool = True
    """Whether any other decision is a problem."""


class Outcome(Struct, frozen=True):
    """What came back of a slice. Latencies in milliseconds."""

    requests: int
    acknowledged: int
    """Answers 201: claims that are stored."""
    approved: int
    seconds: float
    p50: float
    p99: float
    worst: float
    cpu_us: float
    """CPU of this process per request while it sent, in microseconds."""
    sign_us: float
    """CPU of making and signing one request beforehand, in microseconds."""
    problems: dict[str, int] = {}
    """Answers that are no approval, by their first words."""


def signed_requests(task: Task) -> list[bytes]:
    """The slice's requests, byte for byte."""
    origin = task.url
    host = urlsplit(task.url).netloc
    signers = [Signer(town.terminal_id(n), town.terminal_key(n)) for n in range(town.TERMINALS)]
    encode = msgspec.json.Encoder().encode
    requests = []
    for serial in range(task.first, task.first + task.requests):
        now = time.time()
        # Looked up by serial, so that one resident's claims are made as everybody's are.
        body = town.claim(serial, task.residents, task.tag, datetime.fromtimestamp(now, UTC))
        resident = town.resident_of(serial, task.residents)
        if task.resident >= 0:
            resident = task.resident
            body["card"] = {"number": town.card_number(resident)}
        content = encode(body)
        path = f"/v1/claims/{_new_id()}"
        headers = signers[town.terminal_of(resident)].sign("PUT", origin + path, content, int(now))
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n{fields}\r\n"
        )
        requests.append(head.encode() + content)
    return requests


def _new_id() -> str:
    """A UUIDv7 of now. The agent's own source comes with its whole HTTP client, which each slice would have to load."""
    chance = random.getrandbits(74)
    stamp = time.time_ns() // 1_000_000
    return str(uuid.UUID(int=stamp << 80 | 7 << 76 | (chance >> 62) << 64 | 2 << 62 | chance & (1 << 62) - 1))


class Load:
    """A slice under way: what is still to be sent, and what came back."""

    def __init__(self, requests: Sequence[bytes], *, approved_only: bool) -> None:
        self._queue: deque[tuple[bytes, float]] = deque()
        self._idle: list[_Connection] = []
        self._approved_only = approved_only
        self._left = len(requests)
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.acknowledged = 0
        self.approved = 0
        self.problems: Counter[str] = Counter()

    def add(self, request: bytes, due: float) -> None:
        """Sends on a connection that is free, or on the next that will be. `due` 0 = it counts from when it is sent."""
        if self._idle:
            self._idle.pop().send(request, due)
        else:
            self._queue.append((request, due))

    def ready(self, connection: "_Connection") -> None:
        """The connection has nothing to do."""
        if self._queue:
            connection.send(*self._queue.popleft())
        else:
            self._idle.append(connection)

    def answered(self, answer: bytes, latency: float) -> None:
        """One answer, whole."""
        self.latencies.append(latency)
        created = answer.startswith(b"HTTP/1.1 201")
        approved = created and b'"verdict":"approved"' in answer
        self.acknowledged += created
        self.approved += approved
        if not approved and (self._approved_only or not created):
            self.problems[_in_short(answer)] += 1
        self._one_less()

    def lost(self, cause: str) -> None:
        """One request will not be answered."""
        self.problems[cause] += 1
        self._one_less()

    def _one_less(self) -> None:
        self._left -= 1
        if not self._left and not self.finished.done():
            self.finished.set_result(None)


class _Connection(asyncio.Protocol):
    """One kept connection with one request under way at most."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""
        self._expected = 0
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, due: float) -> None:
        self._since = due or time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        if not self._expected:
            head = received.find(b"\r\n\r\n")
            if head < 0:
                return
            at = received.find(b"Content-Length: ", 0, head) + 16
            self._expected = head + 4 + int(received[at : received.find(b"\r", at)])
        if len(received) < self._expected:
            return
        self._received = b""
        self._expected = 0
        latency = time.perf_counter() - self._since
        self._since = 0.0
        self._load.answered(received, latency)
        self._load.ready(self)

    def connection_lost(self, _: Exception | None) -> None:
        if self._since:
            self._load.lost("connection lost")


async def send(task: Task, requests: Sequence[bytes]) -> tuple[Load, float]:
    """Sends the slice; the load as it ended, and the seconds it took."""
    host, port = _address(task.url)
    loop = asyncio.get_running_loop()
    load = Load(requests, approved_only=task.approved_only)
    connections = []
    for _ in range(task.connections):
        _, connection = await loop.create_connection(lambda: _Connection(load), host, port)
        connections.append(connection)
    _say("ready")
    sys.stdin.readline()
    gc.disable()
    begin = time.perf_counter()
    if task.rate:
        for connection in connections:
            load.ready(connection)
        chance = random.Random(task.first)
        for request, due in zip(requests, accumulate(chance.expovariate(task.rate) for _ in requests), strict=False):
            # The loop's clock and this one are the same.
            loop.call_at(begin + due, load.add, request, begin + due)
    else:
        for request in requests:
            load.add(request, 0.0)
        for connection in connections:
            load.ready(connection)
    longest = LATE + (task.requests / task.rate if task.rate else 60.0)
    await asyncio.wait([load.finished], timeout=longest)
    seconds = time.perf_counter() - begin
    if not load.finished.done():
        load.problems["no answer"] += task.requests - len(load.latencies)
    return load, seconds


def _address(url: str) -> tuple[str, int]:
    host, _, port = urlsplit(url).netloc.partition(":")
    return host, int(port)


def run(task: Task) -> Outcome:
    """Signs and sends one slice."""
    begin = time.process_time()
    requests = signed_requests(task)
    sign_us = (time.process_time() - begin) / task.requests * 1e6
    # uvloop's timers count whole milliseconds; select() takes microseconds, which an open loop needs.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector()) if task.rate else uvloop.new_event_loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        begin = time.process_time()
        load, seconds = runner.run(send(task, requests))
        cpu_us = (time.process_time() - begin) / task.requests * 1e6
    ordered = sorted(load.latencies) or [0.0]
    return Outcome(
        requests=task.requests,
        acknowledged=load.acknowledged,
        approved=load.approved,
        seconds=seconds,
        p50=_percentile(ordered, 50),
        p99=_percentile(ordered, 99),
        worst=ordered[-1] * 1e3,
        cpu_us=cpu_us,
        sign_us=sign_us,
        problems=dict(load.problems),
    )


def _percentile(ordered: list[float], percent: int) -> float:
    """In milliseconds."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1e3


def _in_short(answer: bytes) -> str:
    """Status, and the reason that the body gives."""
    status = answer[9:12].decode()
    body = answer.partition(b"\r\n\r\n")[2]
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return f"{status} {body[:80]!r}"
    return (
        f"{status} {said.get('verdict', '')} {said.get('reason') or said.get('code') or said.get('detail', '')}".strip()
    )


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    _say(msgspec.json.encode(run(msgspec.json.decode(sys.argv[1], type=Task))).decode())
