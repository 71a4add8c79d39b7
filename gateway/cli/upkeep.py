"""What operators run around the gateway: migrations, checks, versions, configuration, the embedded database."""

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from gateway.cli.exits import Exit
from gateway.cli.lazy import Failed
from gateway.cli.session import as_json, installed, opened, put_out, run
from gateway.cli.tables import table
from gateway.config import Config, load_config
from gateway.diagnose import Versions, versions
from gateway.installation import Installation
from gateway.selfcheck import Finding, selfcheck_records, wrong
from gateway.selfcheck import selfcheck as selfcheck_
from gateway.store import embedded
from gateway.store.line import connect
from gateway.store.migrate import SCHEMAS, pending
from gateway.store.migrate import migrate as migrate_

_PASSWORD = re.compile(r"(?<=:)[^:/@]+(?=@)|(?<=password=)[^&\s]+")


class Setting(Struct, frozen=True):
    """One value of the configuration and where it comes from."""

    name: str
    value: str
    source: str
    """file, environment or default."""


@click.command()
@click.option(
    "--phase", type=click.Choice(("pre", "post")), help="Only what runs before, or after, the new code is in use."
)
@click.option("--status", is_flag=True, help="Change nothing; list what is missing, and end with 1 if anything is.")
@as_json
@click.pass_obj
def migrate(home: Path, phase: str | None, status: bool, as_json: bool) -> None:
    """Set up the database, or bring it to this version's schema.

    A new installation gets its master key and the shipped rulebooks as well. With several gateways: `--phase pre` with
    the new code, restart all gateways, then `--phase post`.
    """
    if status:
        missing = run(_missing(installed(home).dsn, phase))
        put_out(missing, as_json, lambda: "\n".join(f"missing  {name}" for name in missing) or "Nothing is missing.")
        if missing:
            raise Failed(Exit.NO, "Run `aidgate migrate`.")
        return
    applied = run(_applied(Installation.open(home), phase))
    put_out(applied, as_json, lambda: "\n".join(f"applied  {name}" for name in applied) or "Nothing was missing.")


@click.command()
@click.option("--records", is_flag=True, help="Also open every stored operation and work it out again: for the night.")
@as_json
@click.pass_obj
def selfcheck(home: Path, records: bool, as_json: bool) -> None:
    """Check what must always be true of the books.

    Safe at any time, also while claims are served. Ends with 1 when anything is violated.
    """
    findings = run(_findings(home, records=records))
    put_out(findings, as_json, lambda: _shown_findings(findings))
    broken = wrong(findings)
    if broken:
        raise Failed(
            Exit.NO, f"Violated: {', '.join(finding.id for finding in broken)}. See ops/runbooks/selfcheck.md."
        )


@click.group()
def database() -> None:
    """See or stop the embedded database."""


@database.command("status")
@as_json
@click.pass_obj
def status_(home: Path, as_json: bool) -> None:
    """Show what the embedded database is doing."""
    found = embedded.status(_embedded_home(home))
    rows = [(name, getattr(found, name)) for name in found.__dataclass_fields__ if getattr(found, name)]
    put_out(found, as_json, lambda: table(("", ""), rows).split("\n", 2)[2])


@database.command()
@click.pass_obj
def stop(home: Path) -> None:
    """Stop the embedded database; it outlives the commands and gateways that use it."""
    embedded.stop(_embedded_home(home))
    click.echo("Stopped.")


@click.group()
def config() -> None:
    """Show the configuration in force."""


@config.command("show")
@as_json
@click.pass_obj
def show(home: Path, as_json: bool) -> None:
    """Show every setting and where it comes from. Passwords are left out."""
    settings = list(_settings(home))
    rows = [(setting.name, setting.value, setting.source) for setting in settings]
    put_out(settings, as_json, lambda: table(("setting", "value", "source"), rows))


@click.command()
@as_json
@click.pass_obj
def version(home: Path, as_json: bool) -> None:
    """Print the versions of everything involved."""
    found = run(versions(home))
    put_out(found, as_json, lambda: _shown_versions(found))


async def _missing(dsn: str, phase: str | None) -> list[str]:
    phases = (phase,) if phase else ("pre", "post")
    connection = await connect(dsn)
    try:
        return [f"{schema}/{name}" for schema in SCHEMAS for name in await pending(connection, schema, phases=phases)]
    finally:
        await connection.close()


async def _applied(installation: Installation, phase: str | None) -> list[str]:
    if phase is None:
        return await installation.prepare()
    connection = await connect(installation.dsn)
    try:
        return await migrate_(connection, phases=(phase,))
    finally:
        await connection.close()


async def _findings(home: Path, *, records: bool) -> list[Finding]:
    async with opened(home) as books:
        connection = await books.database.connect()
        try:
            findings = await selfcheck_(connection)
        finally:
            await connection.close()
        return findings + (await selfcheck_records(books) if records else [])


def _shown_findings(findings: list[Finding]) -> str:
    rows = [(finding.id.partition(".")[0], finding.title, finding.checked, finding.violations) for finding in findings]
    lines = [table(("no.", "must hold", "checked", "wrong"), rows, right=(2, 3))]
    lines += [f"{finding.id}: {', '.join(finding.examples)}" for finding in wrong(findings)]
    return "\n".join(lines)


def _embedded_home(home: Path) -> Path:
    if load_config(home).database.dsn:
        raise Failed(Exit.USAGE, "The configuration names a database of its own; the embedded one is not used.")
    return home / "postgresql"


def _settings(home: Path) -> Iterable[Setting]:
    """Sections in the order of the configuration; terminals by their ids only."""
    in_force, in_file, defaults = load_config(home), load_config(home, {}), Config()
    for section in msgspec.structs.fields(Config):
        if section.name == "terminal":
            continue
        now, file, default = (getattr(each, section.name) for each in (in_force, in_file, defaults))
        for setting in msgspec.structs.fields(now):
            value, filed = getattr(now, setting.name), getattr(file, setting.name)
            in_environment = f"AIDGATE__{section.name}__{setting.name}".upper() in os.environ
            source = (
                "environment" if in_environment else "file" if filed != getattr(default, setting.name) else "default"
            )
            yield Setting(f"{section.name}.{setting.name}", _PASSWORD.sub("…", str(value)), source)
    for terminal in in_force.terminal:
        yield Setting(f"terminal {terminal.id}", f"clinic {terminal.clinic}", "file")


def _shown_versions(found: Versions) -> str:
    return "\n".join(
        (
            f"aidgate   {found.aidgate}",
            f"python    {found.python} ({platform.system()} {platform.machine()})",
            f"database  {found.database}",
            f"schema    {found.schema}",
        )
    )
