"""`aidgate import`: lists that people keep in spreadsheets, checked to the last row before anything is written."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from gateway.books import Books
from gateway.cli.exits import Exit
from gateway.cli.lazy import Failed
from gateway.cli.session import as_json, as_staff, opened, put_out, run
from gateway.cli.tables import table
from gateway.domain.calendar import SHANGHAI
from gateway.importing import layouts
from gateway.importing.errors import as_json_lines, as_xlsx
from gateway.importing.parse import Layout, parse
from gateway.importing.problems import RowError
from gateway.importing.tables import Table, read_table
from gateway.register import (
    Changed,
    check_cards,
    check_entitlements,
    check_opening_use,
    register_cards,
    register_clinics,
    register_entitlements,
    register_opening_use,
    register_residents,
    yearly_accumulators,
)
from rules import Rulebooks

SHOWN = 20
"""Errors printed; all of them go into --errors-to."""


class Kind(Struct, frozen=True):
    """A kind of list: how it is laid out under the rulebooks in force, checked and registered."""

    layout: Callable[[Rulebooks], Layout[Any]]
    register: Callable[[Books, Sequence[Any], str], Awaitable[Changed]]
    check: Callable[[Books, Sequence[Any]], Awaitable[list[RowError]]] | None = None


class Outcome(Struct):
    """What became of a list."""

    rows: int
    imported: bool
    errors: list[RowError]
    unread: tuple[str, ...]
    """Headers that mean nothing here."""
    changed: Changed


def _today() -> date:
    return datetime.now(UTC).astimezone(SHANGHAI).date()


def _categories(rulebooks: Rulebooks) -> Layout[layouts.EntitlementRow]:
    names = {
        name: code
        for scheme in rulebooks.on(_today()).schemes
        for code, both in scheme.names.items()
        for name in (code, *both)
    }
    return layouts.entitlements(names)


def _opening_use(rulebooks: Rulebooks) -> Layout[layouts.OpeningUseRow]:
    year = _today().year
    return layouts.opening_use(accumulators=yearly_accumulators(rulebooks, (year - 1, year)))


KINDS = {
    "clinics": Kind(lambda _: layouts.clinics(), lambda books, rows, _: register_clinics(books, rows)),
    "residents": Kind(
        lambda _: layouts.residents(today=_today()), lambda books, rows, _: register_residents(books, rows)
    ),
    "cards": Kind(lambda _: layouts.cards(), lambda books, rows, _: register_cards(books, rows), check_cards),
    "entitlements": Kind(
        _categories, lambda books, rows, by: register_entitlements(books, rows, by=by), check_entitlements
    ),
    "opening-use": Kind(
        _opening_use, lambda books, rows, by: register_opening_use(books, rows, by=by), check_opening_use
    ),
}


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sheet", default="", help="Which sheet, where several hold data.")
@click.option("--partial", is_flag=True, help="Import the faultless rows although others are faulty.")
@click.option(
    "--errors-to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the faulty rows there, to be corrected: a workbook, or JSON lines where the name ends in .jsonl.",
)
@as_staff
@as_json
@click.pass_obj
def import_(
    home: Path, kind: str, file: Path, sheet: str, partial: bool, errors_to: Path | None, staff: str, as_json: bool
) -> None:
    """Register what is kept in spreadsheets.

    FILE is CSV (UTF-8 or GB18030), xlsx, xls or ods. Nothing is imported while a row is faulty, unless --partial. The
    same file again changes nothing.
    """
    read, outcome = run(_import(home, KINDS[kind], file.read_bytes(), sheet, partial=partial, staff=staff))
    if errors_to is not None and outcome.errors:
        as_lines = errors_to.suffix == ".jsonl"
        errors_to.touch(mode=0o600)  # the rows say who people are
        errors_to.write_bytes(as_json_lines(outcome.errors) if as_lines else as_xlsx(outcome.errors, read))
    put_out(outcome, as_json, lambda: _shown(outcome))
    if outcome.errors:
        raise Failed(Exit.NO, _advice(outcome, errors_to))


async def _import(
    home: Path, kind: Kind, content: bytes, sheet: str, *, partial: bool, staff: str
) -> tuple[Table, Outcome]:
    async with opened(home) as books:
        async with books.pool.acquire() as connection:
            layout = kind.layout(await books.shelf.newest(connection))
        read = read_table(content, layout.columns, sheet=sheet)
        rows, errors = parse(read, layout)
        if kind.check is not None:
            found = [_with_header(read, error) for error in await kind.check(books, rows)]
            faulty = {error.row for error in found}
            rows = [row for row in rows if row.row not in faulty]
            errors = sorted([*errors, *found], key=lambda error: error.row)
        wanted = partial or not errors
        changed = await kind.register(books, rows, staff) if wanted else Changed()
        return read, Outcome(len(read.rows), wanted, errors, read.unknown, changed)


def _with_header(read: Table, error: RowError) -> RowError:
    """The column as the file's own header calls it."""
    at = read.place.get(error.column)
    header = error.column if at is None else read.headers[at]
    return RowError(error.row, header, error.problem, error.message, error.message_zh)


def _shown(outcome: Outcome) -> str:
    parts = []
    if outcome.unread:
        parts.append(f"Columns that were not read: {', '.join(outcome.unread)}")
    if outcome.errors:
        rows = [(error.row, error.column, error.message) for error in outcome.errors[:SHOWN]]
        parts.append(table(("row", "column", "problem"), rows, right=(0,)))
        if len(outcome.errors) > SHOWN:
            parts.append(f"… and {len(outcome.errors) - SHOWN} more.")
    if outcome.imported:
        done, count = outcome.changed, "1 row" if outcome.rows == 1 else f"{outcome.rows} rows"
        parts.append(f"{count}: {done.added} added, {done.changed} changed, {done.unchanged} already there.")
    return "\n".join(parts)


def _advice(outcome: Outcome, errors_to: Path | None) -> str:
    said = f"{len({error.row for error in outcome.errors})} of {outcome.rows} rows are faulty"
    said += "; the others were imported." if outcome.imported else "; nothing was imported."
    if errors_to is not None:
        return f"{said} Correct them in {errors_to} and import that file."
    return f"{said} --errors-to FILE.xlsx writes them to a file to correct; --partial imports the others."
