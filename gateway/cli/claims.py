"""Claims at the command line: quote, deduct, explain. The same verbs as a clinic's, straight on the database."""

from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import click
import msgspec
from msgspec import Struct

from gateway.api.answers import (
    ClaimAnswer,
    CounterHit,
    PayerShare,
    Reason,
    ReversalAnswer,
    Split,
    TakenBack,
    answer,
    counter_hits,
    split_of,
)
from gateway.cli.exits import Exit
from gateway.cli.ids import OperationId, new_id
from gateway.cli.lazy import Failed
from gateway.cli.session import as_json, opened, put_out, run
from gateway.cli.tables import COLUMNS, padded, table, width, wrapped, yuan
from gateway.deduct import deduct as deduct_
from gateway.domain.calendar import SHANGHAI
from gateway.domain.claim import Claim, contradictions
from gateway.domain.operation import Verdict
from gateway.domain.refusal import SAYINGS, Refusal
from gateway.explain import Explanation
from gateway.explain import explain as explain_
from gateway.find import find_author
from gateway.issue_quote import issue_quote
from gateway.lanes import Done

_FILE = click.argument("file", type=click.File("rb"))
_TERMINAL = click.option("--terminal", required=True, help="The terminal that asks; a registered one.")


class QuoteShown(Struct, frozen=True):
    """A quote, and what the counters would say to it."""

    split: Split
    action: str
    """allow, flag, challenge or refuse."""
    counters: tuple[CounterHit, ...]


@click.command()
@_FILE
@_TERMINAL
@as_json
@click.pass_obj
def quote(home: Path, file: BinaryIO, terminal: str, as_json: bool) -> None:
    """Show what aid would pay of a claim; change nothing.

    FILE holds the claim as JSON, as it would be sent to /v1/quotes; `-` reads standard input.
    """
    claim, _ = _claim(file)
    quoted = run(_quote(home, terminal, claim))
    put_out(quoted, as_json, lambda: _shown_quote(quoted))
    if quoted.split.no_aid:
        raise Failed(Exit.NO, _saying(quoted.split.no_aid))


@click.command()
@_FILE
@_TERMINAL
@click.option(
    "--id", "id_", type=OperationId(new=True), help="The claim's id; the same id again asks what became of it."
)
@as_json
@click.pass_obj
def deduct(home: Path, file: BinaryIO, terminal: str, id_: UUID | None, as_json: bool) -> None:
    """Decide a claim and post it, exactly once.

    FILE holds the claim as JSON, as it would be sent to /v1/claims; `-` reads standard input. The books do not hold a
    terminal's signature for such a claim: this is for support and for trying things out, not for counters.
    """
    claim, raw = _claim(file)
    id_ = id_ or new_id()
    click.echo(f"claim {id_} (when in doubt, repeat with --id {id_})", err=True)
    done = run(_deduct(home, terminal, id_, claim, raw))
    put_out(answer(done.stored), as_json, lambda: _shown_done(done))
    if done.stored.verdict is not Verdict.APPROVED:
        raise Failed(Exit.NO, _saying(done.stored.reason))


@click.command()
@click.argument("operation", type=OperationId())
@as_json
@click.pass_obj
def explain(home: Path, operation: UUID, as_json: bool) -> None:
    """Work out again why an operation came out as it did.

    From its stored record and the rulebooks it was decided by. Ends with 1 when the result is not the stored one.
    """
    explained = run(_explain(home, operation))
    if explained is None:
        raise Failed(Exit.USAGE, f"There is no operation {operation}.")
    put_out(explained, as_json, lambda: _shown_explanation(explained))
    if explained.differences:
        raise Failed(
            Exit.NO, f"Worked out again it differs in: {', '.join(explained.differences)}. Run `aidgate selfcheck`."
        )


def _claim(file: BinaryIO) -> tuple[Claim, bytes]:
    raw = file.read()
    try:
        claim = msgspec.json.decode(raw, type=Claim)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Failed(Exit.USAGE, f"{file.name} is no claim: {error}. docs/integrator.md shows one.") from error
    wrong = contradictions(claim)
    if wrong:
        raise Failed(Exit.USAGE, f"{file.name} contradicts itself in: {', '.join(wrong)}.")
    return claim, raw


async def _quote(home: Path, terminal: str, claim: Claim) -> QuoteShown:
    async with opened(home) as books:
        quoted = await issue_quote(books, await find_author(books, terminal), claim)
    assessed = quoted.assessed
    split = split_of(assessed.assessment, assessed.quote, claim)
    return QuoteShown(split, assessed.screening.action, counter_hits(assessed.screening))


async def _deduct(home: Path, terminal: str, id_: UUID, claim: Claim, raw: bytes) -> Done:
    async with opened(home) as books:
        return await deduct_(books, await find_author(books, terminal), id_, claim, raw)


async def _explain(home: Path, operation: UUID) -> Explanation | None:
    async with opened(home) as books:
        return await explain_(books, operation)


def _saying(reason: str) -> str:
    saying = SAYINGS[Refusal(reason)]
    return f"{reason}: {saying.en} {saying.zh}"


def _shown_quote(quoted: QuoteShown) -> str:
    lines = [_shown_split(quoted.split)]
    if quoted.action != "allow":
        lines += ["", f"The counters would say: {quoted.action}", _shown_counters(quoted.counters)]
    return "\n".join([*lines, "", f"quote {quoted.split.quote}"])


def _shown_split(split: Split) -> str:
    return "\n".join([shown_steps(split.steps), "", shown_shares(split.shares, split.total)])


def shown_steps(steps: tuple[Reason, ...]) -> str:
    """Of each step the numbers, then the ground they stand on."""
    lines = []
    for step in steps:
        amounts = f"{padded(yuan(step.base), 10, right=True)} → {padded(yuan(step.result), 10, right=True)}"
        line = f"{padded(step.rule, 33)} {amounts}"
        if width(line) + 2 + width(step.detail) <= COLUMNS:
            lines.append(f"{line}  {step.detail}")
        else:
            lines += [line, wrapped(step.detail, indent="    ")]
        if step.source:
            lines.append(wrapped(f"{step.status}: {step.source}", indent="    "))
    return "\n".join(lines)


def shown_shares(shares: tuple[PayerShare, ...], total: int) -> str:
    """Who pays what, and the sum."""
    rows = [(share.payer, yuan(share.amount)) for share in shares]
    return table(("payer", "yuan"), [*rows, ("total", yuan(total))], right=(1,))


def _shown_counters(counters: tuple[CounterHit, ...]) -> str:
    rows = [(hit.counter, hit.window, f"{hit.value}/{hit.threshold}", hit.action) for hit in counters]
    return table(("counter", "window", "value", "action"), rows)


def _shown_done(done: Done) -> str:
    found = answer(done.stored)
    assert isinstance(found, ClaimAnswer)
    lines = [
        f"{found.verdict}{' (decided before)' if done.replayed else ''}",
        "",
        shown_shares(found.shares, found.total),
    ]
    if found.counters:
        lines += ["", _shown_counters(found.counters)]
    return "\n".join(lines)


def _shown_explanation(explained: Explanation) -> str:
    found = explained.answer
    posted = found.posted_at.astimezone(SHANGHAI)
    lines = [
        f"{found.kind} {found.id}",
        f"{found.verdict}{': ' + _saying(found.reason) if found.reason else ''}",
        f"posted {posted:%Y-%m-%d %H:%M:%S} Shanghai, business day {found.business_day}, "
        f"account version {found.account_version}",
        "",
    ]
    taken_back = found.taken_back if isinstance(found, ReversalAnswer) else None
    if isinstance(found, ClaimAnswer):
        taken_back = found.replaces
        if explained.split is None:
            lines.append("Refused before the rules were asked: there is nothing to work out.")
        else:
            lines.append(_shown_split(explained.split))
        if found.counters:
            lines += ["", _shown_counters(found.counters)]
        if found.shortfall is not None:
            lines += [
                "",
                f"Promised offline {yuan(found.shortfall.promised)}, paid by aid {yuan(found.shortfall.exact)}; "
                f"the rest is borne by {found.shortfall.owner}.",
            ]
    if taken_back is not None:
        lines += _shown_taken_back(taken_back)
    if explained.split is not None or taken_back is not None:
        lines += [
            "",
            "Worked out again: " + ("NOT the stored result." if explained.differences else "the same to the fen."),
        ]
    return "\n".join(lines)


def _shown_taken_back(taken: TakenBack) -> list[str]:
    what = "the whole claim" if taken.whole and not taken.lines else f"lines {', '.join(taken.lines)}"
    how = "void, on the claim's own business day" if taken.same_day else "refund, on a later business day"
    rows = [(share.payer, yuan(share.amount)) for share in taken.shares]
    return [f"takes back {what} of claim {taken.claim} ({how})", "", table(("given back to", "yuan"), rows, right=(1,))]
