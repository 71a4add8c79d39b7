"""`aidgate rulebook`: check, show and activate sets of rulebooks."""

from datetime import datetime
from pathlib import Path

import click
from msgspec import Struct

from gateway.cli.exits import Exit
from gateway.cli.lazy import Failed
from gateway.cli.session import as_json, as_staff, opened, put_out, run
from gateway.cli.tables import table, yuan
from gateway.domain.calendar import SHANGHAI
from gateway.rulebooks import Activation, history, read_set
from rules import RulebookError, Rulebooks

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_DAY = click.DateTime(("%Y-%m-%d",))


class Summary(Struct, frozen=True):
    """A set of rulebooks from outside."""

    digest: str
    schemes: tuple[str, ...]
    """Folders of the schemes."""
    files: dict[str, int]
    """Path -> bytes."""
    in_force_since: datetime | None = None
    activated_by: str = ""


class Tariff(Struct, frozen=True):
    """What one scheme gives one category for one visit type. Fen."""

    scheme: str
    category: str
    name_zh: str
    name_en: str
    visit_type: str
    pays_of: str
    rate: str
    deductible: str
    ceiling: str
    status: str
    """Of the rate: law, press or synthetic."""
    source: str


@click.group()
def rulebook() -> None:
    """Check, show and activate sets of rulebooks."""


@rulebook.command()
@click.argument("folder", type=_FOLDER)
@as_json
def check(folder: Path, as_json: bool) -> None:
    """Check the set in FOLDER as it would be checked before it is put in force."""
    try:
        rulebooks = read_set(folder)
    except RulebookError as error:
        raise Failed(Exit.NO, str(error)) from error
    summary = _summary(rulebooks)
    put_out(summary, as_json, lambda: f"In order.\n{_shown(summary)}")


@rulebook.command()
@click.option("--file", "path", help="Print this file of the set.")
@as_json
@click.pass_obj
def show(home: Path, path: str | None, as_json: bool) -> None:
    """Show the set in force."""
    rulebooks, activations = run(_in_force(home))
    if path is not None:
        if path not in rulebooks.files:
            raise Failed(Exit.USAGE, f"The set has no file {path}. `aidgate rulebook show` lists them.")
        click.echo(rulebooks.files[path].decode("utf-8-sig"), nl=False)
        return
    summary = _summary(rulebooks, activations[0])
    put_out(summary, as_json, lambda: _shown(summary))


@rulebook.command()
@click.argument("day", type=_DAY)
@as_json
@click.pass_obj
def on(home: Path, day: datetime, as_json: bool) -> None:
    """Show the numbers that hold on DAY by the set in force."""
    rulebooks, _ = run(_in_force(home))
    tariffs = _tariffs(rulebooks, day)
    if not tariffs:
        raise Failed(Exit.NO, f"No scheme is in force on {day:%Y-%m-%d}.")
    put_out(tariffs, as_json, lambda: _shown_tariffs(tariffs))


@rulebook.command()
@click.argument("folder", type=_FOLDER, required=False)
@as_staff
@click.pass_obj
def activate(home: Path, folder: Path | None, staff: str) -> None:
    """Put the set in FOLDER in force, or the shipped one.

    Every gateway on this database applies it from its next claim on. Stored claims keep the set they were decided by.
    """
    rulebooks = read_set(folder)
    is_new = run(_activate(home, rulebooks, staff))
    click.echo(f"{'In force now' if is_new else 'In force already'}: {rulebooks.digest}")


@rulebook.command("history")
@as_json
@click.pass_obj
def history_(home: Path, as_json: bool) -> None:
    """List which set was put in force when, by whom."""
    _, activations = run(_in_force(home))
    put_out(activations, as_json, lambda: _shown_history(activations))


async def _in_force(home: Path) -> tuple[Rulebooks, list[Activation]]:
    async with opened(home) as books, books.pool.acquire() as connection:
        return await books.shelf.newest(connection), await history(connection)


async def _activate(home: Path, rulebooks: Rulebooks, staff: str) -> bool:
    async with opened(home) as books:
        return await books.activate(rulebooks, by=staff)


def _summary(rulebooks: Rulebooks, activation: Activation | None = None) -> Summary:
    schemes = {path.partition("/")[0] for path in rulebooks.files if path.endswith("/scheme.toml")}
    return Summary(
        digest=rulebooks.digest,
        schemes=tuple(sorted(schemes)),
        files={path: len(content) for path, content in sorted(rulebooks.files.items())},
        in_force_since=activation.activated_at if activation else None,
        activated_by=activation.activated_by if activation else "",
    )


def _shown(summary: Summary) -> str:
    lines = [f"digest   {summary.digest}", f"schemes  {', '.join(summary.schemes)}"]
    if summary.in_force_since is not None:
        since = summary.in_force_since.astimezone(SHANGHAI)
        lines.append(f"in force since {since:%Y-%m-%d %H:%M}, put there by {summary.activated_by}")
    return "\n".join([*lines, "", table(("file", "bytes"), summary.files.items(), right=(1,))])


def _shown_history(activations: list[Activation]) -> str:
    rows = [
        (f"{each.activated_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}", each.activated_by, each.digest)
        for each in activations
    ]
    return table(("since", "by", "digest"), rows)


def _tariffs(rulebooks: Rulebooks, day: datetime) -> list[Tariff]:
    return [
        Tariff(
            scheme=scheme.code,
            category=category,
            name_zh=scheme.names[category][0],
            name_en=scheme.names[category][1],
            visit_type=visit_type,
            pays_of=tariff.counts_text,
            rate=", ".join(
                f"{band.percent} above {yuan(band.above)}" if band.above else band.percent for band in tariff.bands
            ),
            deductible=", ".join(_limit(limit.fen, limit.per_visit) for limit in tariff.deductibles),
            ceiling=", ".join(_limit(limit.fen, limit.per_visit) for limit in tariff.ceilings),
            status=tariff.rate_ground.status,
            source=tariff.rate_ground.source,
        )
        for scheme in rulebooks.on(day.date()).schemes
        for (category, visit_type), tariff in scheme.tariffs.items()
    ]


def _limit(fen: int | None, per_visit: bool) -> str:
    return "none" if fen is None else f"{yuan(fen)} a {'visit' if per_visit else 'year'}"


def _shown_tariffs(tariffs: list[Tariff]) -> str:
    lines = []
    for scheme in dict.fromkeys(each.scheme for each in tariffs):
        rows = [
            (each.category, each.visit_type, each.rate, each.deductible or "none", each.ceiling or "none", each.status)
            for each in tariffs
            if each.scheme == scheme
        ]
        lines += [scheme, table(("category", "visit", "rate", "deductible", "ceiling", "status"), rows), ""]
    return "\n".join(lines).rstrip()
