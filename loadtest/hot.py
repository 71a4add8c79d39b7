"""What one account does to the others: `python -m loadtest.hot`.

First 200 clients claim on one account at once: its operations go one after another, and all must be answered. Then
somebody else holds the row of one account for five seconds, while everybody claims, also on that account: only its
own claims may wait.
"""

import argparse
import asyncio
import secrets
import sys
from pathlib import Path

from loadtest import systems
from loadtest.generator import Task
from loadtest.house import HOME, House
from loadtest.seed import Size
from loadtest.systems import Gateway, Slice, Town

SIZE = Size(20_000, 100_000)
CLIENTS = 200
HELD_S = 5.0
_LOCK = """
SELECT account_id FROM aidgate.account WHERE subject = 'resident' ORDER BY account_id DESC LIMIT 1 FOR NO KEY UPDATE
"""


async def measure(house: House, size: Size, requests: int, held: float) -> int:
    """Both runs; the exit code."""
    template = await house.template(size)
    gateway = Gateway(house, Town(size.residents, secrets.token_hex(3)), "aidgate", "bench_hot")
    await house.copy(template, gateway.database)
    stored = await house.claims(template)
    await gateway.start(systems.AIDGATE)
    try:
        await gateway.warm_up(32)
        _print("everybody, 32 clients", usual := await gateway.closed(32, requests=requests))
        _print(f"one account, {CLIENTS} clients", await _on_one_account(gateway, size, requests))
        beside, waiting = await _while_held(house, gateway, size, usual, held)
        _print(f"everybody, while one account is held for {held:g} s", beside)
        _print("the account that is held", waiting)
    finally:
        await gateway.stop()
    problems = [f"{times} answers: {answer}" for answer, times in gateway.problems.items() if "IN_FLIGHT" not in answer]
    problems += await house.check(gateway.database, stored + gateway.acknowledged)
    for problem in problems:
        print(f"VOID: {problem}", file=sys.stderr)
    await house.drop(gateway.database)
    print(
        f"{gateway.acknowledged} claims acknowledged and stored"
        if not problems
        else "the books are not as they should be"
    )
    return 1 if problems else 0


def _stranger(size: Size) -> int:
    """Whom everybody's load never meets: the last one registered (loadtest/seed.py)."""
    return size.residents


async def _on_one_account(gateway: Gateway, size: Size, requests: int) -> Slice:
    """The counters soon ask for the holder's identity, and refuse: such answers are as stored as any."""
    return await gateway.slice(
        Task("", requests, CLIENTS, size.residents, resident=_stranger(size), approved_only=False)
    )


async def _while_held(house: House, gateway: Gateway, size: Size, usual: Slice, held: float) -> tuple[Slice, Slice]:
    """Everybody's slice, about as long as the account is held, and that of the account itself."""
    everybody = Task("", max(100, int(usual.per_second * held * 0.8)), 32, size.residents)
    holder = Task("", 2, 2, size.residents, resident=_stranger(size), approved_only=False)
    connection = await house.connect(gateway.database)
    try:
        async with connection.transaction():
            await connection.fetchval(_LOCK)
            runs = asyncio.gather(gateway.slice(everybody), gateway.slice(holder))
            await asyncio.sleep(held)
        beside, waiting = await runs
    finally:
        await connection.close()
    return beside, waiting


def _print(name: str, found: Slice) -> None:
    others = ", ".join(f"{times} × {answer}" for answer, times in found.problems.items())
    print(f"{name:52}{found.per_second:7.0f}/s   p50 {found.p50:8.1f} ms   p99 {found.p99:8.1f} ms   {others}")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.hot", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--residents", type=int, default=SIZE.residents)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--held", type=float, default=HELD_S, help="seconds for which one account is held")
    chosen = parser.parse_args(arguments)
    size = Size(chosen.residents, 5 * chosen.residents)
    with House(chosen.home) as house:
        return asyncio.run(measure(house, size, chosen.requests, chosen.held))


if __name__ == "__main__":
    sys.exit(main())
