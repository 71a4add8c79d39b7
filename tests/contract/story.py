"""What an agent and the gateway say to each other, step by step, from which the golden messages are made.

Each step is one call of the agent's uplink. Ids, times and tokens differ in every run; in the golden messages they have
the names given here. `python -m tests.contract.record` writes the messages anew: do that when the wire is meant to
change, and read the difference.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clinic_agent.uplink import Answer, Uplink

DAY = "2026-03-02"
"""Of service: fixed, so that the same rulebook numbers hold whenever the messages are made."""
IDS = (
    "claim",
    "declined",
    "challenged",
    "checked",
    "changed",
    "unknown",
    "part",
    "whole",
    "early",
    "never",
    "replaced",
    "replacement",
    "offline",
    "admission",
    "nobody",
)
"""Every id of the story, by its name there."""


AT = "2026-03-03T01:30:00Z"
BUSINESS_DAY = "2026-03-03"
QUOTE = "0" * 64
TOKEN = "dGVybXM=.c2lnbmF0dXJl"


def placeholder(name: str) -> str:
    """An id of a golden message: a UUIDv7 of the year 1970 with the number of its name."""
    return f"00000000-0000-7000-8000-{IDS.index(name) + 1:012}"


@dataclass
class Values:
    """What differs from run to run."""

    ids: Mapping[str, str]
    at: str = AT
    business_day: str = BUSINESS_DAY
    quote: str = QUOTE
    token: str = TOKEN

    def claim(self, card: str, *, visit: str = "V-1001", **more: Any) -> dict[str, Any]:
        """A visit of two lines, of which the basic pool has paid its part."""
        number = visit.removeprefix("V-")
        return {
            "card": {"number": card},
            "visit": {"id": visit, "type": "outpatient", "day": DAY, "bill": f"B-{number}", "invoice": f"I-{number}"},
            "at": self.at,
            "total": 12_000,
            "lines": [
                {"id": "1", "item": "ZZ0101", "amount": 4_000},
                {"id": "2", "item": "ZZ0104", "amount": 8_000},
            ],
            "prior": [{"payer": "basic_pool", "amount": 5_000, "settlement": f"S-{number}"}],
            "cashier": "07",
            **more,
        }

    def small(self, card: str, visit: str, **more: Any) -> dict[str, Any]:
        """A visit of one line that nobody else pays for."""
        lines = [{"id": "1", "item": "ZZ0101", "amount": 3_000}]
        return {**self.claim(card, visit=visit), "total": 3_000, "lines": lines, "prior": [], **more}

    def back(self, reason: str, **more: Any) -> dict[str, Any]:
        return {"reason": reason, "at": self.at, **more}


@dataclass(frozen=True)
class Step:
    """One request and what it shows."""

    name: str
    family: str
    call: Callable[[Uplink, Values], Awaitable[Answer]]


APPROVED = "SANDBOX-APPROVED"


def _check(values: Values) -> dict[str, Any]:
    return {"method": "id_card", "by": "07", "at": values.at}


STEPS = (
    Step("lookup", "ask", lambda up, v: up.lookup({"card": {"number": APPROVED}, "day": DAY})),
    Step("lookup of an unknown card", "ask", lambda up, v: up.lookup({"card": {"number": "X00000000"}, "day": DAY})),
    Step("quote", "ask", lambda up, v: up.quote(v.claim(APPROVED))),
    Step("quote of no aid", "ask", lambda up, v: up.quote(v.small("SANDBOX-NOT_ENTITLED", "V-1002"))),
    Step("claim", "deduct", lambda up, v: up.claim(v.ids["claim"], v.claim(APPROVED, quote=v.quote))),
    Step("claim again", "deduct", lambda up, v: up.claim(v.ids["claim"], v.claim(APPROVED, quote=v.quote))),
    Step("get claim", "deduct", lambda up, v: up.get_claim(v.ids["claim"])),
    Step("declined", "deduct", lambda up, v: up.claim(v.ids["declined"], v.small("SANDBOX-CARD_FROZEN", "V-1003"))),
    Step(
        "challenged",
        "deduct",
        lambda up, v: up.claim(v.ids["challenged"], v.small("SANDBOX-CHECK_IDENTITY", "V-1004")),
    ),
    Step(
        "challenge answered",
        "deduct",
        lambda up, v: up.claim(
            v.ids["checked"],
            v.small("SANDBOX-CHECK_IDENTITY", "V-1004", supersedes=v.ids["challenged"], identity_check=_check(v)),
        ),
    ),
    Step(
        "quote changed",
        "deduct",
        lambda up, v: up.claim(v.ids["changed"], v.small("SANDBOX-QUOTE_CHANGED", "V-1005", quote="f" * 64)),
    ),
    Step(
        "outcome unknown",
        "deduct",
        lambda up, v: up.claim(v.ids["unknown"], v.small("SANDBOX-OUTCOME_UNKNOWN", "V-1006")),
    ),
    Step(
        "outcome known",
        "deduct",
        lambda up, v: up.claim(v.ids["unknown"], v.small("SANDBOX-OUTCOME_UNKNOWN", "V-1006")),
    ),
    Step("id reused", "deduct", lambda up, v: up.claim(v.ids["claim"], v.small(APPROVED, "V-1007"))),
    Step(
        "impossible",
        "deduct",
        lambda up, v: up.claim(v.ids["nobody"], v.small(APPROVED, "V-1008", total=2_999)),
    ),
    Step("malformed", "deduct", lambda up, v: up.claim(v.ids["nobody"], {"card": {"number": APPROVED}})),
    Step(
        "lines taken back",
        "take_back",
        lambda up, v: up.reverse(v.ids["claim"], v.ids["part"], v.back("refund", lines=["2"])),
    ),
    Step("taken back wholly", "take_back", lambda up, v: up.reverse(v.ids["claim"], v.ids["whole"], v.back("void"))),
    Step(
        "taken back before it arrived",
        "take_back",
        lambda up, v: up.reverse(v.ids["never"], v.ids["early"], v.back("timeout", card={"number": APPROVED})),
    ),
    Step("late original", "take_back", lambda up, v: up.claim(v.ids["never"], v.small(APPROVED, "V-1009"))),
    Step("to be replaced", "take_back", lambda up, v: up.claim(v.ids["replaced"], v.small(APPROVED, "V-1010"))),
    Step(
        "replacement",
        "take_back",
        lambda up, v: up.replace(v.ids["replaced"], v.ids["replacement"], v.claim(APPROVED, visit="V-1010")),
    ),
    Step("offline terms", "offline", lambda up, v: up.offline_terms({})),
    Step(
        "offline claim",
        "offline",
        lambda up, v: up.claim(
            v.ids["offline"],
            v.small(APPROVED, "V-1011", offline={"provisional": 3_000, "terms": v.token, "sequence": 1}),
        ),
    ),
    Step(
        "offline terms refused",
        "offline",
        lambda up, v: up.claim(
            v.ids["nobody"],
            v.small("SANDBOX-NOT_ENTITLED", "V-1012", offline={"provisional": 1, "terms": v.token, "sequence": 2}),
        ),
    ),
    Step(
        "admission",
        "find",
        lambda up, v: up.stay(
            "Z-77", {"card": {"number": APPROVED}, "operation": v.ids["admission"], "at": v.at, "admitted": v.at}
        ),
    ),
    Step("search", "find", lambda up, v: up.send("GET", "/v1/claims?bill=B-1010", None)),
    Step("day totals", "find", lambda up, v: up.send("GET", f"/v1/days/{v.business_day}", None)),
    Step("not found", "find", lambda up, v: up.get_claim(v.ids["nobody"])),
)
FAMILIES = tuple(dict.fromkeys(step.family for step in STEPS))

_MOMENT = re.compile(rb'"(posted_at|issued_at|expires_at|admitted)":"[^"]*"')
_BUSINESS_DAY = re.compile(rb'"(business_day|day)":"[^"]*"')
_DIGEST = re.compile(rb'"(rulebooks|quote)":"[0-9a-f]{16,}"')
_TERMS = re.compile(rb'"salt":"[0-9a-f]*"|"card":"[0-9a-f]{64}"|"token":"[^"]*"')


def filled(text: str, values: Values) -> str:
    """A golden request with its placeholders filled."""
    for name, id_ in values.ids.items():
        text = text.replace(placeholder(name), id_)
    text = text.replace(AT, values.at).replace(BUSINESS_DAY, values.business_day)
    return text.replace(QUOTE, values.quote).replace(TOKEN, values.token)


def normal(body: bytes, values: Values) -> bytes:
    """The body with everything that differs from run to run replaced."""
    for name, id_ in values.ids.items():
        body = body.replace(id_.encode(), placeholder(name).encode())
    body = _MOMENT.sub(rb'"\1":"' + AT.encode() + b'"', body)
    body = _BUSINESS_DAY.sub(rb'"\1":"' + BUSINESS_DAY.encode() + b'"', body)
    body = _DIGEST.sub(rb'"\1":"' + QUOTE.encode() + b'"', body)
    return _TERMS.sub(_masked, body)


def _masked(found: re.Match[bytes]) -> bytes:
    name = found[0].split(b":")[0]
    value = {b'"salt"': b"0" * 32, b'"card"': b"0" * 64, b'"token"': TOKEN.encode()}[name]
    return name + b':"' + value + b'"'
