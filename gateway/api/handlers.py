"""What terminals can ask: thin. Each handler decodes, calls one verb, renders. No SQL and no rule in here."""

from datetime import UTC, date, datetime
from typing import Any, Literal, TypeVar, cast
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Struct

from gateway.api import answers
from gateway.api.gate import Caller
from gateway.api.keys import BOOKS, CONFIG, GATE, MASTER_KEY
from gateway.api.problems import Problem
from gateway.deduct import deduct
from gateway.domain.claim import Card, Claim, Reversal, StayReport, contradictions
from gateway.domain.ids import RETENTION, acceptable
from gateway.domain.refusal import Refusal
from gateway.find import DayTotal, Found, day_totals, find_by_number, find_operation
from gateway.issue_quote import issue_quote
from gateway.lanes import Done
from gateway.look_up import look_up
from gateway.offline_terms import OfflineTerms, issue_offline_terms, terms_hold
from gateway.replace import replace
from gateway.report_stay import report_stay
from gateway.reverse import reverse
from gateway.sandbox import SANDBOX_SCHEMA, withholds_answer

REPLAYED = "Idempotency-Replayed"
_Content = TypeVar("_Content", bound=Struct)
_JSON = "application/json"


class LookupQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """Which card, and for which day (today where none is given)."""

    card: Card
    day: date | None = None


class QuoteStep(Struct, frozen=True):
    """One step of the calculation: what went in, what came out, and on what ground."""

    rule: str
    base: int
    result: int
    detail: str = ""
    source: str = ""
    status: str = ""


class QuoteAnswer(Struct, frozen=True):
    """A split that is not charged. To charge it, send the claim with this digest."""

    quote: str
    rulebooks: str
    total: int
    aid: int
    cash: int
    shares: tuple[answers.PayerShare, ...]
    steps: tuple[QuoteStep, ...]
    category: str = ""
    reason: str = ""
    say: answers.Say | None = None
    unmapped: tuple[str, ...] = ()
    counters: tuple[answers.CounterHit, ...] = ()
    action: str = "allow"
    """What the counters would say: allow, flag, challenge or refuse."""


class SearchAnswer(Struct, frozen=True):
    """The clinic's own operations with a number, newest first, at most 100."""

    found: list[Found]


class DayAnswer(Struct, frozen=True):
    """A terminal's business day."""

    day: date
    totals: list[DayTotal]


async def put_claim(request: web.Request) -> web.Response:
    """Deduct: decide a claim and post it, exactly once."""
    caller = await _caller(request)
    id_ = _id(request, "id")
    claim = _claim(caller.body)
    _check_terms(request, claim)
    done = await deduct(
        caller.books, caller.author, id_, claim, caller.body, signature=caller.signature, deadline=caller.deadline
    )
    if caller.books.schema == SANDBOX_SCHEMA and withholds_answer(claim.card, replayed=done.replayed):
        raise Problem(Refusal.OUTCOME_UNKNOWN)
    return _answer(done)


async def put_reversal(request: web.Request) -> web.Response:
    """Take a claim back, wholly or some lines; also before it has arrived."""
    caller = await _caller(request)
    reversal = _decode(caller.body, Reversal)
    done = await reverse(
        caller.books,
        caller.author,
        _id(request, "id"),
        _id(request, "reversal_id"),
        reversal,
        caller.body,
        signature=caller.signature,
        deadline=caller.deadline,
    )
    return _answer(done)


async def put_replacement(request: web.Request) -> web.Response:
    """Take a claim back and put a corrected one in its place, as one operation."""
    caller = await _caller(request)
    claim = _claim(caller.body)
    done = await replace(
        caller.books,
        caller.author,
        _id(request, "id"),
        _id(request, "new_id"),
        claim,
        caller.body,
        signature=caller.signature,
        deadline=caller.deadline,
    )
    return _answer(done)


async def put_stay(request: web.Request) -> web.Response:
    """Report that a resident was admitted or discharged."""
    caller = await _caller(request)
    report = _decode(caller.body, StayReport)
    if (report.admitted is None) == (report.discharged is None):
        raise Problem(Refusal.IMPOSSIBLE, fields=["admitted", "discharged"])
    if not acceptable(report.operation, datetime.now(UTC)):
        raise Problem(Refusal.ID_OUT_OF_RANGE)
    stay = request.match_info["id"]
    if not 0 < len(stay) <= 64:
        raise Problem(Refusal.MALFORMED, "a stay id has 1 to 64 characters")
    return _answer(
        await report_stay(caller.books, caller.author, stay, report, caller.body, signature=caller.signature)
    )


async def post_quote(request: web.Request) -> web.Response:
    """Assess a claim and change nothing."""
    caller = await _caller(request)
    claim = _claim(caller.body)
    quoted = await issue_quote(caller.books, caller.author, claim, deadline=caller.deadline)
    assessment = quoted.assessed.assessment
    line_ids = tuple(line.id for line in claim.lines)
    shares = answers.payer_shares(assessment.shares, line_ids)
    answer = QuoteAnswer(
        quote=quoted.assessed.quote,
        rulebooks=assessment.rulebooks,
        total=assessment.total,
        aid=assessment.aid,
        cash=shares[-1].amount,
        shares=shares,
        steps=tuple(QuoteStep(*msgspec.structs.astuple(step)) for step in assessment.steps),
        category=assessment.category,
        reason=assessment.no_aid,
        say=answers.say(assessment.no_aid),
        unmapped=assessment.unmapped,
        counters=answers.counter_hits(quoted.assessed.screening),
        action=quoted.assessed.screening.action,
    )
    return _json(answer)


async def post_lookup(request: web.Request) -> web.Response:
    """Who is entitled to what, and what is left this year."""
    caller = await _caller(request)
    question = _decode(caller.body, LookupQuestion)
    return _json(await look_up(caller.books, question.card, question.day))


async def get_claim(request: web.Request) -> web.Response:
    """The stored answer of one of the clinic's own operations."""
    caller = await _caller(request)
    stored = await find_operation(caller.books, _id(request, "id"))
    if stored is None or stored.clinic != caller.author.clinic:
        raise Problem(Refusal.NOT_FOUND)
    return web.Response(body=answers.render(stored), content_type=_JSON, headers={REPLAYED: "true"})


async def get_claims(request: web.Request) -> web.Response:
    """Search the clinic's own operations by exactly one of bill, visit and invoice."""
    caller = await _caller(request)
    given = [name for name in ("bill", "visit", "invoice") if name in request.query]
    if len(given) != 1 or len(request.query) != 1:
        raise Problem(Refusal.MALFORMED, "search by exactly one of bill, visit, invoice")
    by = cast(Literal["bill", "visit", "invoice"], given[0])
    since = datetime.now(UTC) - RETENTION
    found = await find_by_number(caller.books, caller.author.clinic, by, _text(request.query[by]), since)
    return _json(SearchAnswer(found))


async def get_day(request: web.Request) -> web.Response:
    """The terminal's totals of a business day, to compare with its journal."""
    caller = await _caller(request)
    try:
        day = date.fromisoformat(request.match_info["day"])
    except ValueError:
        raise Problem(Refusal.MALFORMED, "a day is written YYYY-MM-DD") from None
    totals = await day_totals(caller.books, caller.author.clinic, caller.author.terminal, day)
    return _json(DayAnswer(day, totals))


async def get_offline_terms(request: web.Request) -> web.Response:
    """Signed terms on which the clinic's terminals may grant aid while they are cut off."""
    caller = await _caller(request)
    terms: OfflineTerms = await issue_offline_terms(
        caller.books, caller.author.clinic, request.app[CONFIG].offline, request.app[MASTER_KEY].signing_key()
    )
    return _json(terms)


async def get_health(_: web.Request) -> web.Response:
    """The process is alive. No input or output."""
    return web.json_response({"alive": True})


async def get_ready(request: web.Request) -> web.Response:
    """May requests be sent here? 503 while not, with the reason of each check."""
    checks = await readiness(request.app)
    ready = all(value == "ok" for value in checks.values())
    return web.json_response({"ready": ready, "checks": checks}, status=200 if ready else 503)


async def readiness(app: web.Application) -> dict[str, str]:
    """Each check with `ok` or what is wrong."""
    books = app[BOOKS]
    checks = {"draining": "draining" if app[GATE].draining else "ok"}
    try:
        async with books.pool.acquire(timeout=2) as connection:
            await books.shelf.newest(connection)
        checks["database"] = checks["rulebooks"] = "ok"
    except Exception as error:  # Whatever it is, the answer is that this instance is not ready, and why.
        checks["database"] = type(error).__name__
    checks["queue"] = "full" if books.lanes.full else "ok"
    return checks


async def _caller(request: web.Request) -> Caller:
    return await request.app[GATE].admit(request, request.app[BOOKS])


def _decode(body: bytes, type_: type[_Content]) -> _Content:
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise Problem(Refusal.MALFORMED, _placed(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(Refusal.MALFORMED, "the body is not JSON") from None


def _placed(error: msgspec.ValidationError) -> str:
    """What is wrong and where, without the value that was sent."""
    text = str(error)
    where = text.rpartition(" - at ")[2] if " - at " in text else "`$`"
    if text.startswith("Invalid enum value"):
        return f"Invalid enum value - at {where}"
    return text


def _claim(body: bytes) -> Claim:
    claim = _decode_claim(body)
    wrong = contradictions(claim)
    if wrong:
        raise Problem(Refusal.IMPOSSIBLE, fields=wrong)
    return claim


_claim_decoder = msgspec.json.Decoder(Claim)


def _decode_claim(body: bytes) -> Claim:
    try:
        return _claim_decoder.decode(body)
    except msgspec.MsgspecError:
        return _decode(body, Claim)


def _check_terms(request: web.Request, claim: Claim) -> None:
    if claim.offline is None or not claim.offline.terms:
        return
    key = request.app[MASTER_KEY].signing_key().public_key()
    card_key = request.app[BOOKS].directory.card_key(claim.card)
    if not terms_hold(claim.offline, card_key, claim.at, key):
        raise Problem(Refusal.TERMS_INVALID)


def _id(request: web.Request, name: str) -> UUID:
    text = request.match_info[name]
    try:
        id_ = UUID(text)
    except ValueError:
        raise Problem(Refusal.MALFORMED, f"{name} is a UUIDv7") from None
    if str(id_) != text.lower():
        raise Problem(Refusal.MALFORMED, f"{name} is a UUIDv7 in its usual form, 8-4-4-4-12")
    if not acceptable(id_, datetime.now(UTC)):
        raise Problem(Refusal.ID_OUT_OF_RANGE)
    return id_


def _text(value: str) -> str:
    if not 0 < len(value) <= 64 or "\x00" in value:
        raise Problem(Refusal.MALFORMED, "a number to search by has 1 to 64 characters")
    return value


def _answer(done: Done) -> web.Response:
    """201 the first time; 200 with the identical body on every repeat."""
    if done.replayed:
        return web.Response(
            body=answers.render(done.stored), status=200, content_type=_JSON, headers={REPLAYED: "true"}
        )
    return web.Response(body=answers.render(done.stored), status=201, content_type=_JSON)


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type=_JSON)
