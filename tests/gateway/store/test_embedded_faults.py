"""The embedded server when something dies, hangs or fills up. Every process is real, and is really killed."""

import fcntl
import logging
import os
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import permutations
from pathlib import Path

import pytest

from gateway.store.embedded import EmbeddedUnavailable, ensure_running, status, stop
from tests.gateway.store.embedded_homes import (
    ENSURE,
    ask,
    kill_supervisor,
    logged,
    made_home,
    new_home,
    output_of,
    python,
    start_by_hand,
    wait_until,
)


@pytest.fixture
def home() -> Iterator[Path]:
    with made_home() as place:
        yield place


@pytest.fixture
def new() -> Iterator[Path]:
    with new_home() as place:
        yield place


async def test_a_killed_postmaster_is_started_again_by_its_supervisor(home: Path) -> None:
    first = ensure_running(home)
    await ask(first, "CREATE TABLE kept AS SELECT 7 AS number")
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: status(home).restarts == 1 and status(home).state == "ready")
    second = ensure_running(home)
    assert second.pid != first.pid
    assert await ask(second, "SELECT number FROM kept") == 7


def test_a_killed_supervisor_takes_its_server_down_cleanly(home: Path) -> None:
    first = ensure_running(home)
    kill_supervisor(home)
    wait_until(lambda: not Path(f"/proc/{first.pid}/cwd").exists())
    assert logged(home).rstrip().endswith("database system is shut down")
    assert ensure_running(home).pid != first.pid
    assert "was interrupted" not in logged(home)


def test_a_supervisor_killed_during_initdb_leaves_no_half_database(new: Path) -> None:
    unfinished = new / "postgres" / "data.tmp"
    caller = python(ENSURE, str(new))
    wait_until((unfinished / "base").exists)
    kill_supervisor_by_log(new)
    assert int(output_of(caller)) == ensure_running(new).pid, "the caller's own second try should have succeeded"
    assert not unfinished.exists()


def kill_supervisor_by_log(home: Path) -> None:
    """Before it answers questions, only its log says which process it is."""
    words = (home / "log" / "supervisor.log").read_text().split()
    os.kill(int(words[words.index("supervisor") + 1]), signal.SIGKILL)


def test_a_strangers_process_with_the_old_number_is_neither_waited_for_nor_signalled(home: Path) -> None:
    ensure_running(home)
    stop(home)
    data = home / "postgres" / "data"
    owner = data.stat().st_uid
    other = {"user": owner} if owner != os.geteuid() else {}
    with subprocess.Popen(["sleep", "1000"], cwd="/", **other) as stranger:  # the same user: kill(pid, 0) succeeds
        stale = f"{stranger.pid}\n{data}\n1700000000\n5432\n{home}/postgres/socket\n\n\nready   \n"
        (data / "postmaster.pid").write_text(stale)
        (home / "postgres" / "socket" / ".s.PGSQL.5432.lock").write_text(stale)
        assert ensure_running(home).pid != stranger.pid
        stop(home)
        assert stranger.poll() is None
        stranger.kill()


ZOMBIE = """
import ctypes, os, signal, sys, time
from pathlib import Path
from gateway.store.embedded import ensure_running, status
home = Path(sys.argv[1])
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans become my children, and I reap none
first = ensure_running(home)
supervisor = status(home).supervisor_pid
os.kill(supervisor, signal.SIGKILL)
os.kill(first.pid, signal.SIGKILL)
state = lambda pid: Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
while state(first.pid) != "Z":
    time.sleep(0.005)
second = ensure_running(home)
print(second.pid != first.pid and state(first.pid) == state(supervisor) == "Z")
"""


def test_a_zombie_that_nobody_reaps_does_not_block_the_start(home: Path) -> None:
    assert output_of(python(ZOMBIE, str(home))) == "True"


def test_a_server_that_somebody_started_by_hand_is_waited_for_and_left_alone(home: Path) -> None:
    program = os.readlink(f"/proc/{ensure_running(home).pid}/exe")
    stop(home)
    by_hand = start_by_hand(program, home / "postgres")
    wait_until((home / "postgres" / "socket" / ".s.PGSQL.5432").exists)
    found: list[int] = []
    caller = threading.Thread(target=lambda: found.append(ensure_running(home).pid))
    caller.start()
    wait_until(lambda: str(by_hand.pid) in status(home).last_error)
    assert by_hand.poll() is None
    by_hand.terminate()
    by_hand.wait(60)
    caller.join()
    assert found != [by_hand.pid]


def test_processes_that_cannot_be_seen_hold_a_lock_that_is_waited_for(home: Path) -> None:
    """In another container of this machine, process ids say nothing; the lock that server processes inherit does."""
    server = ensure_running(home)
    with (home / "postgres" / "server.lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        stop(home)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found: list[int] = []
        caller = threading.Thread(target=lambda: found.append(ensure_running(home).pid))
        caller.start()
        wait_until(lambda: "not visible from here" in status(home).last_error)
    caller.join()
    assert found != [server.pid]


def test_a_backend_that_hangs_after_its_postmaster_died_is_ended_and_nobody_else(home: Path) -> None:
    first = ensure_running(home)
    backend = children(first.pid)[0]
    with subprocess.Popen(["sleep", "1000"], cwd=home / "postgres" / "data") as visitor:
        os.kill(backend, signal.SIGSTOP)
        os.kill(first.pid, signal.SIGKILL)
        assert ensure_running(home).pid != first.pid
        assert not Path(f"/proc/{backend}/cwd").exists()
        assert visitor.poll() is None
        visitor.kill()


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_recovery_of_more_than_ten_seconds_is_waited_for(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An archive recovery whose archive answers after 11 s the first time: the server itself takes that long."""
    ensure_running(home)
    stop(home)
    data = home / "postgres" / "data"
    asked = data / "asked"
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'test -e {asked} || {{ touch {asked}; sleep 11; }}; false'\n")
    (data / "recovery.signal").touch()
    states = []
    watcher = threading.Thread(target=lambda: (wait_until(asked.exists), states.append(status(home).state)))
    watcher.start()
    with caplog.at_level(logging.WARNING):
        ensure_running(home)
    watcher.join()
    assert states == ["starting"]
    assert "still starting" in caplog.text
    assert "archive recovery complete" in logged(home)


LIMITED = """
import resource, sys
from pathlib import Path
from gateway.store.embedded import EmbeddedUnavailable, ensure_running
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    ensure_running(Path(sys.argv[1]))
except EmbeddedUnavailable as reason:
    print(reason)
"""


def test_an_initdb_that_cannot_write_says_why_and_leaves_nothing(new: Path) -> None:
    said = output_of(python(LIMITED, str(new)))
    assert "initdb could not make the database" in said
    assert "File too large" in said
    assert not (new / "postgres" / "data").exists()
    assert ensure_running(new).pid


def test_a_server_that_refuses_to_start_is_quoted(home: Path) -> None:
    ensure_running(home)
    stop(home)
    (home / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedUnavailable, match="pg_control"):
        ensure_running(home)
    assert status(home).state == "stopped"


WRITER = """
import asyncio, sys
from pathlib import Path
import asyncpg
from gateway.store.embedded import ensure_running
async def main():
    connection = await asyncpg.connect(ensure_running(Path(sys.argv[1])).dsn())
    while True:
        number = await connection.fetchval("INSERT INTO acknowledged DEFAULT VALUES RETURNING number")
        print(number, flush=True)
asyncio.run(main())
"""


async def survive(home: Path, victims: tuple[str, ...], writes: int) -> None:
    """A client writes, the victims are killed in their order, and whatever was acknowledged is there afterwards."""
    pids = {"postmaster": ensure_running(home).pid, "supervisor": status(home).supervisor_pid}
    client = python(WRITER, str(home))
    assert client.stdout is not None
    acknowledged = [int(client.stdout.readline()) for _ in range(writes)]
    for victim in victims:
        with suppress(ProcessLookupError):  # the postmaster goes by itself once its supervisor is dead
            os.kill(client.pid if victim == "client" else pids[victim], signal.SIGKILL)
    rest, _ = client.communicate(timeout=60)  # it ends with its connection, if it was not killed
    acknowledged += [int(line) for line in rest.split()]
    numbers = await ask(ensure_running(home), "SELECT array_agg(number) FROM acknowledged")
    assert set(acknowledged) <= set(numbers), f"{victims} killed"


async def test_whatever_is_killed_twenty_times_in_a_row_what_was_acknowledged_is_there(home: Path) -> None:
    await ask(
        ensure_running(home), "CREATE TABLE acknowledged (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)"
    )
    chance = random.Random(20)
    everyone = ("client", "supervisor", "postmaster")
    orders = [order for size in (1, 2, 3) for order in permutations(everyone, size)]
    for victims in chance.sample(orders, len(orders)) + chance.choices(orders, k=20 - len(orders)):
        await survive(home, victims, writes=chance.randint(1, 60))


def test_many_processes_bring_it_back_together(home: Path) -> None:
    first = ensure_running(home)
    kill_supervisor(home)
    os.kill(first.pid, signal.SIGKILL)
    callers = [python(ENSURE, str(home)) for _ in range(6)]
    assert len({output_of(caller) for caller in callers}) == 1


def test_a_frozen_supervisor_is_reported_not_waited_for_forever(home: Path) -> None:
    ensure_running(home)
    pid = status(home).supervisor_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedUnavailable, match="still shutting down"):
            stop(home, timeout=0.1)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: status(home).state == "stopped")
