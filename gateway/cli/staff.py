"""What staff do at the command line: alerts, freezes."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import cast
from uuid import UUID

import click

from gateway.acknowledge import Alert, acknowledge, list_alerts
from gateway.api.answers import answer
from gateway.cli.exits import Exit
from gateway.cli.ids import OperationId, new_id
from gateway.cli.lazy import Failed
from gateway.cli.session import as_json, as_staff, opened, put_out, run
from gateway.cli.tables import table
from gateway.domain.calendar import SHANGHAI
from gateway.freeze import Subject
from gateway.freeze import freeze as freeze_
from gateway.freeze import unfreeze as unfreeze_
from gateway.lanes import Done
from gateway.rulebooks import counter_names

_SUBJECTS = click.Choice(("card", "account", "terminal", "clinic"))


@click.group()
def alerts() -> None:
    """See what the velocity counters found."""


@alerts.command("list")
@click.option("--all", "also_seen", is_flag=True, help="Also those that somebody has acknowledged.")
@click.option("--most", type=click.IntRange(1, 1000), default=100, show_default=True)
@as_json
@click.pass_obj
def list_alerts_(home: Path, also_seen: bool, most: int, as_json: bool) -> None:
    """List alerts, the newest first."""
    found, names = run(_alerts(home, open_only=not also_seen, most=most))
    put_out(found, as_json, lambda: _shown(found, names) if found else "No alerts.")


@alerts.command("acknowledge")
@click.argument("operation", type=OperationId())
@click.argument("counter")
@as_staff
@click.pass_obj
def acknowledge_(home: Path, operation: UUID, counter: str, staff: str) -> None:
    """Note that you have seen the alert of COUNTER that OPERATION raised."""
    if not run(_acknowledge(home, operation, counter, staff)):
        raise Failed(Exit.NO, f"There is no open alert of counter {counter} at {operation}. See `aidgate alerts list`.")
    click.echo(f"Acknowledged by {staff}.")


@click.command()
@click.argument("subject", type=_SUBJECTS)
@click.argument("name")
@click.option("--reason", required=True, help="Why; kept in the books.")
@click.option(
    "--until",
    type=click.DateTime(("%Y-%m-%d",)),
    help="First day on which aid pays again; none = until further notice.",
)
@as_staff
@as_json
@click.pass_obj
def freeze(home: Path, subject: str, name: str, reason: str, until: datetime | None, staff: str, as_json: bool) -> None:
    """Stop aid for a card, account, terminal or clinic.

    It holds from the next claim on. NAME is the card's number, the account's number, or the code of terminal or clinic;
    `-` reads it from standard input, so that a card's number need not stand in the shell's history.
    """
    day = until.date() if until else None
    done = run(_freeze(home, staff, cast(Subject, subject), _name(name), reason, day))
    lasts = f"until {day}" if day else "until further notice"
    put_out(answer(done.stored), as_json, lambda: f"Aid does not pay for this {subject} {lasts}.")


@click.command()
@click.argument("subject", type=_SUBJECTS)
@click.argument("name")
@click.option("--reason", required=True, help="Why; kept in the books.")
@as_staff
@as_json
@click.pass_obj
def unfreeze(home: Path, subject: str, name: str, reason: str, staff: str, as_json: bool) -> None:
    """End a freeze at once.

    NAME as for `aidgate freeze`.
    """
    done = run(_unfreeze(home, staff, cast(Subject, subject), _name(name), reason))
    put_out(answer(done.stored), as_json, lambda: f"Aid pays for this {subject} again.")


def _name(name: str) -> str:
    return sys.stdin.readline().strip() if name == "-" else name


async def _alerts(home: Path, *, open_only: bool, most: int) -> tuple[list[Alert], dict[str, tuple[str, str]]]:
    """The alerts, and what the counters are called."""
    async with opened(home) as books:
        async with books.pool.acquire() as connection:
            names = counter_names(await books.shelf.newest(connection))
        return await list_alerts(books, open_only=open_only, most=most), names


async def _acknowledge(home: Path, operation: UUID, counter: str, staff: str) -> int:
    async with opened(home) as books:
        return await acknowledge(books, operation, counter, by=staff)


async def _freeze(home: Path, staff: str, subject: Subject, name: str, reason: str, until: date | None) -> Done:
    async with opened(home) as books:
        return await freeze_(books, staff, new_id(), subject, name, reason, until)


async def _unfreeze(home: Path, staff: str, subject: Subject, name: str, reason: str) -> Done:
    async with opened(home) as books:
        return await unfreeze_(books, staff, new_id(), subject, name, reason)


def _shown(found: list[Alert], names: dict[str, tuple[str, str]]) -> str:
    rows = [
        (
            f"{alert.raised_at.astimezone(SHANGHAI):%m-%d %H:%M}",
            alert.counter,
            f"{alert.value}/{alert.threshold} in {alert.period}",
            alert.action,
            alert.clinic,
            alert.operation_id,
        )
        for alert in found
    ]
    lines = [table(("raised", "no.", "value", "action", "at", "operation"), rows), ""]
    for counter in sorted({alert.counter for alert in found}):
        chinese, english = names.get(counter, (counter, counter))
        lines.append(f"{counter}  {english} {chinese}")
    lines += [
        f"{alert.counter} at {alert.operation_id}: seen by {alert.acknowledged_by}"
        for alert in found
        if alert.acknowledged_by
    ]
    return "\n".join(lines)
