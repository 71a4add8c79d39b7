"""Migrations, checks, versions, configuration."""

import asyncio
import dataclasses
import socket

import pytest

import gateway
from gateway.cli.exits import Exit
from gateway.store import embedded
from gateway.store.line import connect
from tests.books import new_id
from tests.gateway.cli.runner import Cli


def test_migrate_again(cli: Cli) -> None:
    assert cli("migrate") == "Nothing was missing.\n"
    assert cli("migrate", "--phase", "post") == "Nothing was missing.\n"
    assert cli.json("migrate", "--status") == []


def test_selfcheck(cli: Cli) -> None:
    findings = cli.json("selfcheck", "--records")
    assert {finding["violations"] for finding in findings} == {0}
    assert {finding["id"].partition(".")[0] for finding in findings} >= {"I01", "I03", "I14"}
    assert "every entry sums to zero" in cli("selfcheck")


def test_version(cli: Cli) -> None:
    found = cli.json("version")
    assert found["aidgate"] == gateway.__version__
    assert found["database"].startswith("PostgreSQL ")
    assert found["schema"].startswith("level ")


def test_version_where_nothing_is_set_up(empty_home: Cli) -> None:
    assert empty_home.json("version")["schema"] == "not known"


def test_config_shows_sources_and_no_passwords(empty_home: Cli) -> None:
    empty_home.file("aidgate.toml", "[server]", "port = 9000", "[database]", 'dsn = "postgresql://a:secret@db/x"')
    printed = empty_home("config", "show", env={"AIDGATE__SERVER__LANES": "2"})
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines()}
    assert rows["server.port"] == ["9000", "file"]
    assert rows["server.lanes"] == ["2", "environment"]
    assert rows["server.host"] == ["127.0.0.1", "default"]
    assert rows["database.dsn"] == ["postgresql://a:…@db/x", "file"]


def test_doctor(cli: Cli) -> None:
    checks = {check["name"]: check for check in cli.json("doctor")}
    assert not [check for check in checks.values() if check["state"] == "bad"]
    assert {"python", "durability", "migrations", "key of database", "rulebooks", "partitions", "clock", "disk"} <= {
        name for name, check in checks.items() if check["state"] == "ok"
    }


def test_doctor_on_a_taken_port(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        printed = cli("doctor", env={"AIDGATE__SERVER__PORT": port})
    assert f"note  port              127.0.0.1:{port}" in printed


def test_doctor_without_database(cli: Cli) -> None:
    printed = cli("doctor", code=Exit.UNREACHABLE, env={"AIDGATE__DATABASE__DSN": "postgresql://x@127.0.0.1:1/x"})
    assert "BAD   database" in printed
    assert "-     rulebooks" in printed


def test_doctor_with_the_key_of_another_database(cli: Cli) -> None:
    key = cli.home / "master.key"
    content = key.read_bytes()
    try:
        key.unlink()
        cli("alerts", "list", code=Exit.SETUP)
        cli("migrate")  # makes another key
        cli("alerts", "list", code=Exit.SETUP)
        assert "was set up with the master key" in cli.error
        assert "Put back the master.key of this database" in cli("doctor", code=Exit.NO)
    finally:
        key.write_bytes(content)
    cli("alerts", "list")


def test_database(cli: Cli) -> None:
    assert cli.json("database", "status")["state"] == "ready"
    env = {"AIDGATE__DATABASE__DSN": "postgresql://x@127.0.0.1:1/x"}
    cli("database", "stop", code=Exit.USAGE, env=env)
    assert embedded.status(cli.home / "postgresql").state == "ready"


def test_database_stops_and_comes_back(cli: Cli) -> None:
    cli("database", "stop")
    assert cli.json("database", "status")["state"] == "stopped"
    cli("alerts", "list")


@pytest.fixture
def server(cli: Cli) -> embedded.Server:
    return embedded.ensure_running(cli.home / "postgresql")


def execute(server: embedded.Server, *statements: str) -> None:
    """As the superuser."""

    async def run() -> None:
        connection = await connect(server.dsn())
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def test_selfcheck_finds_a_fen_too_many(cli: Cli, server: embedded.Server) -> None:
    posting = (
        "INSERT INTO aidgate.posting (operation_id, line, account_id, ledger, amount, business_day) "
        f"VALUES ('{new_id()}', 1, 1, 'bank', 1, '2026-01-01')"
    )
    execute(server, posting)
    try:
        assert "I01.entries_sum_to_zero: " in cli("selfcheck", code=Exit.NO)
        assert "Violated: I01.entries_sum_to_zero" in cli.error
    finally:
        execute(server, "DELETE FROM aidgate.posting WHERE ledger = 'bank'")
    cli("selfcheck")


def test_database_without_schema(cli: Cli, server: embedded.Server) -> None:
    execute(server, "CREATE DATABASE fresh")
    env = {"AIDGATE__DATABASE__DSN": dataclasses.replace(server, database="fresh").dsn()}
    try:
        assert "missing  aidgate/0001_first.pre.sql" in cli("migrate", "--status", code=Exit.NO, env=env)
        cli("alerts", "list", code=Exit.SETUP, env=env)
        assert "Run `aidgate migrate`" in cli.error
        assert "BAD   migrations" in cli("doctor", code=Exit.NO, env=env)
        assert "applied  aidgate/0001_first.pre.sql" in cli("migrate", env=env)
        assert "No alerts." in cli("alerts", "list", env=env)
    finally:
        execute(server, "DROP DATABASE fresh WITH (FORCE)")


def test_wrong_password(cli: Cli, server: embedded.Server) -> None:
    env = {"AIDGATE__DATABASE__DSN": dataclasses.replace(server, password="wrong").dsn()}
    cli("alerts", "list", code=Exit.SETUP, env=env)
    assert "does not let us in" in cli.error
    assert "wrong" not in cli.error


def test_server_that_may_lose_claims(cli: Cli, server: embedded.Server) -> None:
    execute(server, "ALTER ROLE postgres SET synchronous_commit = off")
    try:
        assert "BAD   durability" in cli("doctor", code=Exit.NO)
        cli("migrate", code=Exit.SETUP)
        assert "synchronous_commit=off" in cli.error
    finally:
        execute(server, "ALTER ROLE postgres RESET synchronous_commit")
