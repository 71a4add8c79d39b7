"""The systems that are compared: gateway processes of several kinds, and pgbench; and one slice of load on each.

CPU is what the processes themselves have used (utime and stime), of the gateway and of all of PostgreSQL, divided by
the claims of the slice: of all figures the one that a busy machine disturbs least.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from loadtest import cpu
from loadtest.generator import Outcome, Task
from loadtest.house import House

AIDGATE = ("-m", "gateway", "--home", "{home}", "serve", "--port", "0")
CEILING = ("-m", "loadtest.server_ceiling", "{home}")
ONE_BY_ONE = ("-m", "loadtest.server_one_by_one", "{home}", "{connections}")
_ROOT = Path(__file__).resolve().parents[1]


class Slice(Struct, frozen=True):
    """What one system did in one slice of load."""

    per_second: float
    p50: float
    """Milliseconds, like p99."""
    p99: float
    gateway_us: float
    """CPU per claim."""
    postgres_us: float
    """CPU per claim or transaction."""
    generator_us: float = 0.0
    problems: dict[str, int] = {}


class Town(Struct, frozen=True):
    """Whom the load is made of."""

    residents: int
    tag: str


class Gateway:
    """One gateway process on one database, and how many claims it has acknowledged."""

    def __init__(self, house: House, town: Town, name: str, database: str) -> None:
        self.name = name
        self.database = database
        self.acknowledged = 0
        self.problems: dict[str, int] = {}
        self._house = house
        self._town = town
        self._next = 0
        self._rates: dict[int, float] = {}

    async def start(self, command: Sequence[str], **words: object) -> None:
        """Starts the process; returns when it serves."""
        words["home"] = self._house.home
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(word.format(**words) for word in command),
            cwd=_ROOT,
            env=self._house.environment(self.database),
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        said = (await self._process.stdout.readline()).decode().split()
        if not said:
            raise RuntimeError(f"{self.name} did not start")
        self._url = said[-1]

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def stop(self) -> None:
        """Ends the process as an operator would."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()

    async def warm_up(self, connections: int, requests: int = 500) -> None:
        """The first claims of a process find nothing prepared. Also tells how many make a second."""
        await self.closed(connections, requests=requests)

    async def closed(self, connections: int, *, seconds: float = 0.0, requests: int = 0) -> Slice:
        """As fast as answers come, for about as many seconds, or that many requests."""
        known = self._rates.get(connections) or max(self._rates.values(), default=500.0)
        requests = requests or max(20, int(seconds * known))
        found = await self.slice(Task(self._url, requests, connections, self._town.residents))
        self._rates[connections] = found.per_second
        return found

    async def open(self, rate: float, *, seconds: float, connections: int) -> Slice:
        """At a rate of its own."""
        requests = max(20, int(rate * seconds))
        return await self.slice(Task(self._url, requests, connections, self._town.residents, rate=rate))

    async def slice(self, task: Task) -> Slice:
        """Runs one task, everybody's claims going on where the last one ended."""
        task = msgspec.structs.replace(task, url=self._url, first=self._next, tag=self._town.tag)
        self._next += task.requests
        server = self._house.server.pid
        generator = await Generator.start(task)
        gateway_before, postgres_before = cpu.of_process(self.pid), cpu.of_family(server)
        outcome = await generator.go()
        gateway, postgres = cpu.of_process(self.pid) - gateway_before, cpu.of_family(server) - postgres_before
        self.acknowledged += outcome.acknowledged
        for problem, times in outcome.problems.items():
            self.problems[problem] = self.problems.get(problem, 0) + times
        return Slice(
            per_second=outcome.requests / outcome.seconds,
            p50=outcome.p50,
            p99=outcome.p99,
            gateway_us=gateway / outcome.requests * 1e6,
            postgres_us=postgres / outcome.requests * 1e6,
            generator_us=outcome.cpu_us,
            problems=outcome.problems,
        )


class Generator:
    """A process that makes one slice of load."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, task: Task) -> "Generator":
        """Returns when everything is signed and connected."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadtest.generator",
            msgspec.json.encode(task).decode(),
            cwd=_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        generator = cls(process)
        await generator._line()
        return generator

    async def go(self) -> Outcome:
        """Sends the slice."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        outcome = msgspec.json.decode(await self._line(), type=Outcome)
        await self._process.wait()
        return outcome

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended before its time")
        return line


async def tpcb(house: House, database: str, connections: int, seconds: float) -> Slice:
    """pgbench's own transaction, prepared, on the same server."""
    server = house.server.pid
    threads = min(connections, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        before = cpu.of_family(server)
        said = await asyncio.to_thread(
            house.pgbench,
            database,
            "--no-vacuum",
            "--protocol=prepared",
            f"--client={connections}",
            f"--jobs={threads}",
            f"--time={max(1, round(seconds))}",
            "--log",
            f"--log-prefix={folder}/latency",
        )
        used = cpu.of_family(server) - before
        latencies = _latencies(Path(folder))
    rate = next(float(line.split()[2]) for line in said.splitlines() if line.startswith("tps ="))
    count = len(latencies)
    return Slice(rate, latencies[count // 2] / 1e3, latencies[count * 99 // 100] / 1e3, 0.0, used / count * 1e6)


def _latencies(folder: Path) -> list[int]:
    """Microseconds of every transaction, sorted. A line is client, transaction, latency, … (pgbench manual)."""
    lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]
    return sorted(int(line.split()[2]) for line in lines)
