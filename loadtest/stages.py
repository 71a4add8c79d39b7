"""Where the CPU of a claim goes, stage by stage: `python -m loadtest.stages`.

The functions that serve a claim are called one after another in this process, in rounds of a fixed size, on a copy of
the town; HTTP itself is not among them. Waiting costs nothing here: only the CPU of this process and of its
PostgreSQL backend is counted.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import process_time_ns, time
from typing import ParamSpec, TypeVar
from unittest.mock import patch
from uuid import UUID

import msgspec
from msgspec import Struct

from clinic_agent.signing import Signer
from clinic_agent.uplink import new_id
from gateway.api import answers
from gateway.books import Books
from gateway.deduct import claim_operation
from gateway.domain import decision
from gateway.domain.claim import Claim, contradictions
from gateway.domain.operation import Author, Kind
from gateway.lanes import Done
from gateway.rounds import Tools, Waiting, answer_posted, decide_all, read_facts
from gateway.store.line import Connection
from gateway.trust.signature import verify
from loadtest import town
from loadtest.house import HOME, House
from loadtest.seed import Size

ROUND_SIZES = (1, 16, 64)
DATABASE = "bench_stages"
_ORIGIN = "http://127.0.0.1:8470"
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Cost(Struct):
    """Nanoseconds of CPU of one stage, here and in PostgreSQL."""

    python: int = 0
    postgres: int = 0


class Meter:
    """Adds up what each stage costs."""

    def __init__(self, backend: int) -> None:
        self._statistics = Path(f"/proc/{backend}/schedstat")
        self.costs: dict[str, Cost] = {}

    @contextmanager
    def stage(self, name: str, *, database: bool = False) -> Iterator[None]:
        """What is done inside belongs to the stage."""
        cost = self.costs.setdefault(name, Cost())
        backend = self._backend() if database else 0
        begin = process_time_ns()
        yield
        cost.python += process_time_ns() - begin
        if database:
            cost.postgres += self._backend() - backend

    def part(self, name: str, work: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        """The function, metered."""

        def metered(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
            with self.stage(name):
                return work(*arguments, **options)

        return metered

    def _backend(self) -> int:
        """Nanoseconds on a processor (proc(5), schedstat)."""
        return int(self._statistics.read_text().split()[0])


class Request(Struct, frozen=True):
    """A signed claim as it comes in."""

    id: UUID
    terminal: int
    path: str
    headers: dict[str, str]
    body: bytes


def requests(first: int, count: int, residents: int) -> list[Request]:
    """Signed just now."""
    signers = [Signer(town.terminal_id(n), town.terminal_key(n)) for n in range(town.TERMINALS)]
    made = []
    for serial in range(first, first + count):
        id_ = new_id()
        body = msgspec.json.encode(town.claim(serial, residents, "stages", datetime.now(UTC)))
        terminal = town.terminal_of(town.resident_of(serial, residents))
        path = f"/v1/claims/{id_}"
        headers = signers[terminal].sign("PUT", _ORIGIN + path, body, int(time()))
        made.append(Request(UUID(id_), terminal, path, headers, body))
    return made


async def run_round(books: Books, connection: Connection, meter: Meter, batch: list[Request]) -> None:
    """One round of claims, the way `gateway.api` and `gateway.lanes` go."""
    keys = {town.terminal_id(n): _public[n] for n in range(town.TERMINALS)}
    waiting = []
    tools = Tools(books.lanes.rounds, books.shelf, decision.decide)
    for request in batch:
        with meter.stage("verify"):
            verify("PUT", _ORIGIN + request.path, request.headers, request.body, keys=keys.get, now=int(time()))
        with meter.stage("decode"):
            claim = _decoder.decode(request.body)
            contradictions(claim)
        author = Author(town.terminal_id(request.terminal), town.clinic_id(request.terminal))
        with meter.stage("look up card"):
            operation = await claim_operation(
                books, author, Kind.CLAIM, request.id, claim, request.body, signature=bytes(200)
            )
        waiting.append(Waiting(operation, quote=False))
    with meter.stage("facts", database=True):
        facts, rulebooks = await read_facts(connection, tools, waiting)
    with (
        meter.stage("decide, whole"),
        patch.object(decision, "assess", meter.part("  of it rules", vars(decision)["assess"])),
        patch.object(decision, "screen", meter.part("  of it screen", vars(decision)["screen"])),
    ):
        decided, _ = decide_all(tools, facts, rulebooks)
    with meter.stage("post", database=True):
        posted = await tools.rounds.post(connection, [item for _, item in decided])
    for item in answer_posted(decided, posted):
        raise RuntimeError(f"operation {item.operation.id} was not posted")
    for item in waiting:
        done = await item.answer
        assert isinstance(done, Done)
        with meter.stage("answer"):
            answers.render(done.stored)


_decoder = msgspec.json.Decoder(Claim)
_public = [town.terminal_key(n).public_key() for n in range(town.TERMINALS)]


async def measure(house: House, template: str, residents: int, claims: int) -> None:
    """Prints the costs in rounds of each size."""
    await house.copy(template, DATABASE)
    installation = house.installation(DATABASE)
    books = await Books.open(installation.dsn, "aidgate", installation.key)
    line = books.database.line()
    connection = await line.connection()
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    first = 0
    costs: dict[int, dict[str, Cost]] = {}
    for size in ROUND_SIZES:
        # As many rounds again beforehand: caches, plans and statements of the first are not those of the many.
        for meter in (Meter(backend), Meter(backend)):
            count = max(1, (claims if size > 1 else claims // 4) // size)
            for _ in range(count):
                await run_round(books, connection, meter, requests(first, size, residents))
                first += size
            costs[size] = {
                name: Cost(cost.python // count // size, cost.postgres // count // size)
                for name, cost in meter.costs.items()
            }
    await line.close()
    await books.close()
    await house.drop(DATABASE)
    _print(costs)


def _print(costs: dict[int, dict[str, Cost]]) -> None:
    print("µs of CPU per claim by stage" + "".join(f"{f'rounds of {size}':>22}" for size in costs))
    print(f"{'':28}" + f"{'gateway':>11}{'postgres':>11}" * len(costs))
    for name in next(iter(costs.values())):
        cells = "".join(f"{cost[name].python / 1e3:11.0f}{cost[name].postgres / 1e3:11.0f}" for cost in costs.values())
        print(f"{name:28}{cells}")
    whole = [
        (
            sum(cost.python for name, cost in stages.items() if not name.startswith(" ")),
            sum(cost.postgres for cost in stages.values()),
        )
        for stages in costs.values()
    ]
    print(f"{'all of it':28}" + "".join(f"{python / 1e3:11.0f}{postgres / 1e3:11.0f}" for python, postgres in whole))
    print("not in here: HTTP, and PostgreSQL's other processes (WAL writer, checkpointer)\n")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.stages", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--template", default="", help="name of a filled database; a small one is made otherwise")
    parser.add_argument("--residents", type=int, default=20_000)
    parser.add_argument("--claims", type=int, default=2_000)
    chosen = parser.parse_args(arguments)
    house = House(chosen.home)

    async def run() -> None:
        template = chosen.template or await house.template(Size(chosen.residents, 5 * chosen.residents))
        await measure(house, template, chosen.residents, chosen.claims)

    asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
