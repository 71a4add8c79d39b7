"""What terminals can ask: thin. Each handler decodes, calls one verb, renders. No SQL and no rule in here."""

from datetime import UTC, date, datetime
from typing import Any, Literal, cast

import msgspec
from aiohttp import web
from msgspec import Struct

from gateway.api import answers
from gateway.api.gate import Caller
from gateway.api.keys import BOOKS, CALLER, CONFIG, GATE, MASTER_KEY
from gateway.api.problems import Problem
from gateway.api.reading import (
    claim_in,
    day_in,
    decoded,
    id_in,
    name_in,
    reversal_in,
    stay_in,
    two_ids_in,
    within_the_calendar,
)
from gateway.api.security import note
from gateway.deduct import deduct
from gateway.domain.claim import Card, Claim
from gateway.domain.ids import RETENTION
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
_JSON = "application/json"


class LookupQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """Which card, and for which day (today where none is given)."""

    card: Card
    day: date | None = None


class QuoteAnswer(answers.Split, frozen=True, omit_defaults=True):
    """A split that is not charged. To charge it, send the claim with its `quote` digest."""

    say: answers.Say | None = None
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
    id_ = id_in(request, "id")
    claim = claim_in(caller.body)
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
    reversal = reversal_in(caller.body)
    claim_id, reversal_id = two_ids_in(request, "id", "reversal_id")
    done = await reverse(
        caller.books,
        caller.author,
        claim_id,
        reversal_id,
        reversal,
        caller.body,
        signature=caller.signature,
        deadline=caller.deadline,
    )
    return _answer(done)


async def put_replacement(request: web.Request) -> web.Response:
    """Take a claim back and put a corrected one in its place, as one operation."""
    caller = await _caller(request)
    claim = claim_in(caller.body)
    claim_id, new_id = two_ids_in(request, "id", "new_id")
    done = await replace(
        caller.books,
        caller.author,
        claim_id,
        new_id,
        claim,
        caller.body,
        signature=caller.signature,
        deadline=caller.deadline,
    )
    return _answer(done)


async def put_stay(request: web.Request) -> web.Response:
    """Report that a resident was admitted or discharged."""
    caller = await _caller(request)
    report = stay_in(caller.body)
    stay = name_in(request.match_info["id"], "a stay id")
    return _answer(
        await report_stay(caller.books, caller.author, stay, report, caller.body, signature=caller.signature)
    )


async def post_quote(request: web.Request) -> web.Response:
    """Assess a claim and change nothing."""
    caller = await _caller(request)
    claim = claim_in(caller.body)
    quoted = await issue_quote(caller.books, caller.author, claim, deadline=caller.deadline)
    assessed = quoted.assessed
    split = answers.split_of(assessed.assessment, assessed.quote, claim)
    return _json(
        QuoteAnswer(
            **msgspec.structs.asdict(split),
            say=answers.say(split.no_aid),
            counters=answers.counter_hits(assessed.screening),
            action=assessed.screening.action,
        )
    )


async def post_lookup(request: web.Request) -> web.Response:
    """Who is entitled to what, and what is left this year."""
    caller = await _caller(request)
    question = decoded(caller.body, LookupQuestion)
    return _json(await look_up(caller.books, question.card, within_the_calendar(question.day, "day")))


async def get_claim(request: web.Request) -> web.Response:
    """The stored answer of one of the clinic's own operations."""
    caller = await _caller(request)
    stored = await find_operation(caller.books, id_in(request, "id"))
    if stored is None:
        raise Problem(Refusal.NOT_FOUND)
    if stored.clinic != caller.author.clinic:
        # Answered as if it did not exist: ids tell nothing to those who guess them.
        await note(request, Refusal.NOT_THE_CLINICS)
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
    found = await find_by_number(caller.books, caller.author.clinic, by, name_in(request.query[by], by), since)
    return _json(SearchAnswer(found))


async def get_day(request: web.Request) -> web.Response:
    """The terminal's totals of a business day, to compare with its journal."""
    caller = await _caller(request)
    day = day_in(request.match_info["day"])
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
    caller = await request.app[GATE].admit(request, request.app[BOOKS])
    request[CALLER] = caller
    return caller


def _check_terms(request: web.Request, claim: Claim) -> None:
    if claim.offline is None or not claim.offline.terms:
        return
    key = request.app[MASTER_KEY].signing_key().public_key()
    card_key = request.app[BOOKS].directory.card_key(claim.card)
    if not terms_hold(claim, card_key, key):
        raise Problem(Refusal.TERMS_INVALID)


def _answer(done: Done) -> web.Response:
    """201 the first time; 200 with the identical body on every repeat."""
    if done.replayed:
        return web.Response(
            body=answers.render(done.stored), status=200, content_type=_JSON, headers={REPLAYED: "true"}
        )
    return web.Response(body=answers.render(done.stored), status=201, content_type=_JSON)


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type=_JSON)
