"""Every address of the API with what it takes and gives: the one list that serving and /openapi.json are made from."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.api import answers, handlers
from gateway.domain.claim import Claim, Reversal, StayReport
from gateway.look_up import LookupAnswer
from gateway.offline_terms import OfflineTerms


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address."""

    method: str
    path: str
    handler: Handler
    answer: Any
    body: Any = None
    created: bool = False
    """Answers 201 the first time, 200 on repeats."""
    query: tuple[str, ...] = ()
    signed: bool = True


_DECIDED = answers.ClaimAnswer | answers.PlainAnswer
"""A claim that was taken back before it arrived has no split to answer with."""

ROUTES = (
    Route("POST", "/v1/lookups", handlers.post_lookup, LookupAnswer, handlers.LookupQuestion),
    Route("POST", "/v1/quotes", handlers.post_quote, handlers.QuoteAnswer, Claim),
    Route("PUT", "/v1/claims/{id}", handlers.put_claim, _DECIDED, Claim, created=True),
    Route("GET", "/v1/claims/{id}", handlers.get_claim, answers.OperationAnswer),
    Route("GET", "/v1/claims", handlers.get_claims, handlers.SearchAnswer, query=("bill", "visit", "invoice")),
    Route(
        "PUT",
        "/v1/claims/{id}/reversals/{reversal_id}",
        handlers.put_reversal,
        answers.ReversalAnswer,
        Reversal,
        created=True,
    ),
    Route(
        "PUT",
        "/v1/claims/{id}/replacement/{new_id}",
        handlers.put_replacement,
        _DECIDED,
        Claim,
        created=True,
    ),
    Route("PUT", "/v1/stays/{id}", handlers.put_stay, answers.PlainAnswer, StayReport, created=True),
    Route("GET", "/v1/offline-terms", handlers.get_offline_terms, OfflineTerms),
    Route("GET", "/v1/days/{day}", handlers.get_day, handlers.DayAnswer),
    Route("GET", "/healthz", handlers.get_health, None, signed=False),
    Route("GET", "/readyz", handlers.get_ready, None, signed=False),
)


def add_routes(app: web.Application) -> None:
    """Serves the list."""
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.handler)
