"""Reads requests: bodies, ids, days, search terms. What cannot be read is refused with its place, never its value."""

import re
from datetime import UTC, date, datetime
from typing import TypeVar
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Struct

from gateway.api.problems import Problem
from gateway.domain.claim import Claim, Name, Reversal, StayReport, contradictions
from gateway.domain.ids import acceptable
from gateway.domain.refusal import Refusal

_Content = TypeVar("_Content", bound=Struct)
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
"""Days outside are typing errors, and near the ends of the calendar a change of time zone overflows."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_claim_decoder = msgspec.json.Decoder(Claim)


def decoded(body: bytes, type_: type[_Content]) -> _Content:
    """The body as a record. Raises Problem."""
    return _decoded(body, msgspec.json.Decoder(type_))


def claim_in(body: bytes) -> Claim:
    """The body as a claim that is possible. Raises Problem."""
    claim = _decoded(body, _claim_decoder)
    visit, check = claim.visit, claim.identity_check
    _within_the_calendar(
        {
            "at": claim.at,
            "visit.day": visit.day,
            "visit.admitted": visit.admitted,
            "visit.discharged": visit.discharged,
            "identity_check.at": check.at if check else None,
        }
    )
    wrong = contradictions(claim)
    if wrong:
        raise Problem(Refusal.IMPOSSIBLE, fields=wrong)
    return claim


def reversal_in(body: bytes) -> Reversal:
    """The body as a reversal. Raises Problem."""
    reversal = decoded(body, Reversal)
    _within_the_calendar({"at": reversal.at})
    return reversal


def stay_in(body: bytes) -> StayReport:
    """The body as a report of exactly one of admission and discharge. Raises Problem."""
    report = decoded(body, StayReport)
    if (report.admitted is None) == (report.discharged is None):
        raise Problem(Refusal.IMPOSSIBLE, fields=["admitted", "discharged"])
    _within_the_calendar({"at": report.at, "admitted": report.admitted, "discharged": report.discharged})
    require_acceptable(report.operation)
    return report


def id_in(request: web.Request, name: str) -> UUID:
    """A UUIDv7 of the path. Raises Problem."""
    text = request.match_info[name]
    try:
        id_ = UUID(text)
    except ValueError:
        raise Problem(Refusal.MALFORMED, f"{name} is a UUIDv7") from None
    if str(id_) != text.lower():
        raise Problem(Refusal.MALFORMED, f"{name} is a UUIDv7 in its usual form, 8-4-4-4-12")
    require_acceptable(id_)
    return id_


def two_ids_in(request: web.Request, of_claim: str, own: str) -> tuple[UUID, UUID]:
    """The claim's id, and the request's own, which must be another. Raises Problem."""
    claim_id, own_id = id_in(request, of_claim), id_in(request, own)
    if claim_id == own_id:
        raise Problem(Refusal.IMPOSSIBLE, fields=[own])
    return claim_id, own_id


def require_acceptable(id_: UUID) -> None:
    """Refuses ids of other kinds and of other times. Raises Problem."""
    try:
        timely = acceptable(id_, datetime.now(UTC))
    except ValueError:  # 48 bits of milliseconds reach beyond the last year that a datetime can say
        timely = False
    if not timely:
        raise Problem(Refusal.ID_OUT_OF_RANGE)


def name_in(text: str, what: str) -> str:
    """A name or number that the clinic's own system gave. Raises Problem."""
    try:
        return msgspec.convert(text, Name)
    except msgspec.ValidationError:
        raise Problem(Refusal.MALFORMED, f"{what} has 1 to 64 characters, none of them a control character") from None


def day_in(text: str) -> date:
    """A day of the path. Raises Problem."""
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Problem(Refusal.MALFORMED, "a day is written YYYY-MM-DD")


def within_the_calendar(day: date | None, name: str) -> date | None:
    """The day. Raises Problem when no claim can be of it."""
    _within_the_calendar({name: day})
    return day


def _within_the_calendar(moments: dict[str, date | None]) -> None:
    # A datetime is a date too; its own offset moves it by a day at most, which the bounds leave room for.
    wrong = [
        name
        for name, moment in moments.items()
        if moment is not None and not _EARLIEST <= date(moment.year, moment.month, moment.day) <= _LATEST
    ]
    if wrong:
        raise Problem(Refusal.IMPOSSIBLE, fields=wrong)


def _decoded(body: bytes, decoder: msgspec.json.Decoder[_Content]) -> _Content:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Problem(Refusal.MALFORMED, _placed(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(Refusal.MALFORMED, "the body is not JSON in UTF-8") from None


def _placed(error: msgspec.ValidationError) -> str:
    """What is wrong and where, without what was sent: neither values nor the names of fields that are not ours."""
    what, _, where = str(error).partition(" - at ")
    if what.startswith("Object contains unknown field"):
        what = "Object contains an unknown field"
    elif what.startswith("Invalid enum value"):
        what = "Invalid enum value"
    return f"{what} - at {where or '`$`'}"
