"""What a claim costs when the books are small and when they are full: `python -m loadtest.growth`.

The same load runs on two databases with the same residents, one with ten thousand claims stored and one with five
million, spread over two years of event time. Reported is PostgreSQL's CPU per claim on both, and the ratio: it should
stay near one, because everything on the path of a claim goes by the account or an id.

`--claims 1000000` instead sends that many through one gateway process and reports its memory.
"""

import argparse
import asyncio
import secrets
import statistics
import sys
from pathlib import Path

from loadtest import cpu, systems
from loadtest.house import HOME, House
from loadtest.seed import Size
from loadtest.systems import Gateway, Slice, Town

RESIDENTS = 500_000
SMALL, LARGE = 10_000, 5_000_000
DAYS = 730
CONNECTIONS = 32
SLICE = 20_000
"""Claims of a slice: signed in far less time than a signature holds."""


async def compare(house: House, residents: int, sizes: tuple[int, int], rounds: int, requests: int) -> int:
    """Slices in turn on both databases; the exit code."""
    gateways = []
    stored = {}
    for size in sizes:
        template = await house.template(Size(residents, size, DAYS))
        gateway = Gateway(house, Town(residents, secrets.token_hex(3)), f"{size:,} stored", f"bench_growth_{size}")
        await house.copy(template, gateway.database)
        stored[gateway.name] = await house.claims(template)
        gateways.append(gateway)
    await house.checkpoint()
    found: dict[str, list[Slice]] = {gateway.name: [] for gateway in gateways}
    try:
        for gateway in gateways:
            await gateway.start(systems.AIDGATE)
            await gateway.warm_up(CONNECTIONS, min(2_000, requests))
        for _ in range(rounds):
            for gateway in gateways:
                found[gateway.name].append(await gateway.closed(CONNECTIONS, requests=requests))
    finally:
        for gateway in gateways:
            await gateway.stop()
    costs = []
    for name, slices in found.items():
        used = [one.postgres_us for one in slices]
        rate = statistics.median(one.per_second for one in slices)
        costs.append(statistics.median(used))
        print(f"{name:>20}: {rate:6.0f}/s, PostgreSQL {costs[-1]:.0f} µs per claim ({min(used):.0f}-{max(used):.0f})")
    code = await _check(house, gateways, stored)
    print(f"postgres_cpu_ratio={costs[1] / costs[0]:.3f}")
    return code


async def memory(house: House, residents: int, claims: int) -> int:
    """Sends the claims in slices through one process; the exit code."""
    template = await house.template(Size(residents, min(SMALL, residents)))
    gateway = Gateway(house, Town(residents, secrets.token_hex(3)), "aidgate", "bench_memory")
    await house.copy(template, gateway.database)
    stored = {gateway.name: await house.claims(template)}
    await gateway.start(systems.AIDGATE)
    try:
        await gateway.warm_up(CONNECTIONS, min(1_000, claims))
        begin = cpu.memory(gateway.pid)
        while gateway.acknowledged < claims:
            slice_ = await gateway.closed(CONNECTIONS, requests=min(SLICE, claims - gateway.acknowledged))
            print(f"{gateway.acknowledged:>9} claims, {_mb(gateway)} MB, {slice_.per_second:.0f}/s", flush=True)
            if gateway.problems:
                break
        grown = _mb(gateway)
    finally:
        await gateway.stop()
    code = await _check(house, [gateway], stored)
    print(f"rss_mb_at_start={begin // 1_000_000} rss_mb_after_{claims}={grown}")
    return code


def _mb(gateway: Gateway) -> int:
    return cpu.memory(gateway.pid) // 1_000_000


async def _check(house: House, gateways: list[Gateway], stored: dict[str, int]) -> int:
    """0 when the books are sound and hold what was acknowledged; else 1, and what is wrong on the error output."""
    code = 0
    for gateway in gateways:
        problems = [f"{times} answers: {answer}" for answer, times in gateway.problems.items()]
        problems += await house.check(gateway.database, stored[gateway.name] + gateway.acknowledged)
        for problem in problems:
            print(f"VOID: {gateway.name}: {problem}", file=sys.stderr)
            code = 1
        await house.drop(gateway.database)
    return code


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.growth", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--residents", type=int, default=RESIDENTS)
    parser.add_argument("--small", type=int, default=SMALL, help="claims stored in the small books")
    parser.add_argument("--large", type=int, default=LARGE, help="claims stored in the large books")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=SLICE, help="claims of a slice")
    parser.add_argument("--claims", type=int, default=0, help="send this many and report the gateway's memory instead")
    chosen = parser.parse_args(arguments)
    with House(chosen.home) as house:
        if chosen.claims:
            return asyncio.run(memory(house, chosen.residents, chosen.claims))
        sizes = (chosen.small, chosen.large)
        return asyncio.run(compare(house, chosen.residents, sizes, chosen.rounds, chosen.requests))


if __name__ == "__main__":
    sys.exit(main())
