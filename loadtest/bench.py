"""What posting costs, against this machine's own baselines: `python -m loadtest.bench [--quick]`.

Four systems take turns on one machine and one PostgreSQL: the gateway as shipped; the same gateway with a store that
keeps nothing (the ceiling); the same gateway with a transaction for each claim; and pgbench's TPC-B. Absolute figures
move with the machine by half; the ratios of slices that follow one another, and CPU per claim, move little. So ratios
are taken within each round, and the median of the rounds is reported, with the lowest and highest beside it.

A figure stands only if the books do: afterwards both databases are checked whole, and must hold exactly the claims
that were acknowledged. Otherwise the figures are void, and the exit code is 1.
"""

import argparse
import asyncio
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from msgspec import Struct

from loadtest import systems
from loadtest.house import HOME, House
from loadtest.seed import Size
from loadtest.systems import Gateway, Slice, Town

SYSTEMS = ("ceiling", "one by one", "aidgate", "tpcb")


class Plan(Struct, frozen=True):
    """How much is measured."""

    size: Size
    connections: tuple[int, int, int]
    """One, the usual load, and the most."""
    rounds: int
    seconds: float
    """Of a slice."""
    search_seconds: float
    open_rounds: int
    tpcb_scale: int
    stage_claims: int
    warm_up: int = 1_000
    """Claims before the first slice of a system."""
    pool_sizes: tuple[int, ...] = (4, 8, 16, 32)
    """Connections to PostgreSQL that are tried for one by one."""


FULL = Plan(Size(100_000, 500_000), (1, 32, 128), 3, 5.0, 2.0, 3, 20, 3_000)
QUICK = Plan(Size(20_000, 100_000), (1, 32, 128), 1, 1.5, 1.0, 1, 10, 1_000)


class Figures:
    """Slices by system and number of connections, in the order of the rounds."""

    def __init__(self) -> None:
        self._slices: dict[tuple[str, object], list[Slice]] = {}

    def add(self, system: str, load: object, found: Slice) -> None:
        self._slices.setdefault((system, load), []).append(found)

    def of(self, system: str, load: object) -> list[Slice]:
        return self._slices.get((system, load), [])

    def median(self, system: str, load: object, name: str) -> float:
        return float(statistics.median(getattr(found, name) for found in self.of(system, load)))

    def ratios(self, system: str, other: str, load: object) -> list[float]:
        """How many times as fast as the other, round by round."""
        pairs = zip(self.of(system, load), self.of(other, load), strict=True)
        return [one.per_second / two.per_second for one, two in pairs]


async def measure(house: House, plan: Plan) -> int:
    """Runs the plan; the exit code."""
    began = time.monotonic()
    template = await house.template(plan.size)
    print(f"database {template} ready after {time.monotonic() - began:.0f} s")
    town = Town(plan.size.residents, secrets.token_hex(3))
    aidgate = Gateway(house, town, "aidgate", "bench_aidgate")
    one_by_one = Gateway(house, town, "one by one", "bench_one_by_one")
    ceiling = Gateway(house, town, "ceiling", aidgate.database)
    stored = await house.claims(template)
    for gateway in (aidgate, one_by_one):
        await house.copy(template, gateway.database)
    tpcb = await house.prepare_tpcb(plan.tpcb_scale)
    await house.checkpoint()
    figures = Figures()
    try:
        await best_pool(one_by_one, plan)
        await aidgate.start(systems.AIDGATE)
        await ceiling.start(systems.CEILING)
        await closed_loops(house, plan, figures, (ceiling, one_by_one, aidgate), tpcb)
        await one_by_one.stop()
        await open_loops(plan, figures, aidgate, ceiling)
    finally:
        for gateway in (aidgate, one_by_one, ceiling):
            await gateway.stop()
    report(figures, plan)
    stages(house, plan, template)
    problems = await after_checks(house, stored, aidgate, one_by_one, ceiling)
    print(f"took {time.monotonic() - began:.0f} s")
    summary(figures, plan)
    for problem in problems:
        print(f"VOID: {problem}", file=sys.stderr)
    return 1 if problems else 0


async def best_pool(gateway: Gateway, plan: Plan) -> None:
    """Tries the sizes on the usual load and leaves the gateway running with the best."""
    found: dict[int, float] = {}
    for size in plan.pool_sizes:
        await gateway.start(systems.ONE_BY_ONE, connections=size)
        await gateway.warm_up(plan.connections[1], plan.warm_up // 2)
        found[size] = (await gateway.closed(plan.connections[1], seconds=plan.search_seconds)).per_second
        await gateway.stop()
    best = max(found, key=found.__getitem__)
    shown = ", ".join(f"{size}: {rate:.0f}/s" for size, rate in found.items())
    print(f"one by one, by connections to PostgreSQL: {shown}; taken: {best}")
    await gateway.start(systems.ONE_BY_ONE, connections=best)


async def closed_loops(house: House, plan: Plan, figures: Figures, gateways: tuple[Gateway, ...], tpcb: str) -> None:
    """Round after round, each system at each number of connections; another one begins each time."""
    for gateway in gateways:
        for connections in plan.connections:
            await gateway.warm_up(connections, plan.warm_up // 5 if connections == 1 else plan.warm_up)
    runs: dict[str, Callable[[int], Awaitable[Slice]]] = {
        gateway.name: partial(gateway.closed, seconds=plan.seconds) for gateway in gateways
    }
    runs["tpcb"] = partial(systems.tpcb, house, tpcb, seconds=plan.seconds)
    order = list(runs)
    for number in range(plan.rounds):
        for connections in plan.connections:
            turn = number % len(order)
            for name in order[turn:] + order[:turn]:
                found = await runs[name](connections)
                figures.add(name, connections, found)
                print(f"  round {number + 1}, {connections:3} connections, {name:10} {found.per_second:6.0f}/s")


async def open_loops(plan: Plan, figures: Figures, aidgate: Gateway, ceiling: Gateway) -> None:
    """Latency at half of what the gateway can, and alone."""
    rate = figures.median("aidgate", plan.connections[1], "per_second") / 2
    print(f"open loop at {rate:.0f}/s: half of what {plan.connections[1]} connections get through")
    for _ in range(plan.open_rounds):
        for gateway in (aidgate, ceiling):
            figures.add(gateway.name, "half", await gateway.open(rate, seconds=plan.seconds, connections=128))
    for gateway in (aidgate, ceiling):
        figures.add(gateway.name, "alone", await gateway.open(10, seconds=plan.seconds, connections=1))


def report(figures: Figures, plan: Plan) -> None:
    """The table."""
    print(f"\n{'':12}{'connections':>12}{'per second':>12}{'lowest-highest':>18}{'p50 ms':>9}{'p99 ms':>9}", end="")
    print(f"{'gateway µs':>12}{'postgres µs':>13}{'load µs':>9}")
    loads: list[object] = [*plan.connections, "half", "alone"]
    for load in loads:
        for system in SYSTEMS:
            found = figures.of(system, load)
            if not found:
                continue
            rates = [one.per_second for one in found]
            cells = {name: figures.median(system, load, name) for name in Slice.__struct_fields__[:6]}
            print(
                f"{system:12}{load!s:>12}{cells['per_second']:12.0f}{f'{min(rates):.0f}-{max(rates):.0f}':>18}"
                f"{cells['p50']:9.2f}{cells['p99']:9.2f}{cells['gateway_us']:12.0f}{cells['postgres_us']:13.0f}"
                f"{cells['generator_us']:9.0f}"
            )
    print()


def stages(house: House, plan: Plan, template: str) -> None:
    """Where the CPU goes, in a process of its own that runs the same functions."""
    sys.stdout.flush()
    subprocess.run(  # noqa: S603 - our own program, no shell
        [sys.executable, "-m", "loadtest.stages", "--home", str(house.home), "--template", template,
         "--residents", str(plan.size.residents), "--claims", str(plan.stage_claims)],
        check=True,
        cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip


async def after_checks(house: House, stored: int, *gateways: Gateway) -> list[str]:
    """What makes the figures void."""
    problems = [
        f"{gateway.name}: {times} answers were no approval: {answer}"
        for gateway in gateways
        for answer, times in gateway.problems.items()
    ]
    for gateway in gateways:
        if gateway.name == "ceiling":
            continue
        found = await house.check(gateway.database, stored + gateway.acknowledged)
        problems += [f"{gateway.name}: {problem}" for problem in found]
        print(f"{gateway.name}: {gateway.acknowledged} claims acknowledged, books {'NOT ' if found else ''}sound")
    return problems


def summary(figures: Figures, plan: Plan) -> None:
    """Every ratio with its spread; the last line holds those that are promised."""
    for other in ("ceiling", "tpcb", "one by one"):
        for connections in plan.connections:
            ratios = figures.ratios("aidgate", other, connections)
            print(
                f"aidgate to {other:10} at {connections:3} connections: {statistics.median(ratios):.2f} "
                f"({min(ratios):.2f}-{max(ratios):.2f})"
            )
    slower = figures.median("aidgate", "half", "p99") / figures.median("ceiling", "half", "p99")
    print(f"p99 at half load to the ceiling's at the same rate: {slower:.2f}")
    most, usual = plan.connections[-1], plan.connections[1]
    print(
        f"ratio_to_ceiling={statistics.median(figures.ratios('aidgate', 'ceiling', most)):.3f} "
        f"ratio_to_tpcb={statistics.median(figures.ratios('aidgate', 'tpcb', usual)):.3f} "
        f"ratio_to_one_by_one={statistics.median(figures.ratios('aidgate', 'one by one', usual)):.3f}"
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round in a smaller town: about a minute")
    parser.add_argument("--home", type=Path, default=HOME, help="where the installation under test lives")
    chosen = parser.parse_args(arguments)
    with House(chosen.home) as house:
        return asyncio.run(measure(house, QUICK if chosen.quick else FULL))


if __name__ == "__main__":
    sys.exit(main())
