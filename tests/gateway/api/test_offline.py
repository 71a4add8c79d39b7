"""Offline terms: signed beforehand, kept to by the agent, checked when the claim is forwarded."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.offline_terms import Promise
from tests.books import KEY, Holder, new_id, register
from tests.gateway.api.running import Running, Terminal
from tests.gateway.api.wire import changed, claim


async def terms_of(terminal: Terminal, card: str) -> dict[str, Any]:
    """The terms of one card, recognised as an agent would."""
    answer = await terminal.get("/v1/offline-terms")
    assert answer.status == 200
    issue = answer.json()
    assert card not in answer.body.decode()
    digest = hmac.digest(bytes.fromhex(issue["salt"]), f"ssc:{card}".encode(), hashlib.sha256).hex()
    (terms,) = [terms for terms in issue["terms"] if terms["card"] == digest]
    return {**terms, "per_claim": issue["per_claim"]}


@pytest.fixture
async def known(terminal: Terminal, holder: Holder) -> Holder:
    """A holder who was at the clinic lately."""
    before = claim(holder.card.number, 3_300)  # what is claimed later is something else, or it would be a repeat
    assert (await terminal.put(f"/v1/claims/{new_id()}", before)).json()["verdict"] == "approved"
    return holder


def offline(card: str, token: str, provisional: int, **changes: Any) -> dict[str, Any]:
    return claim(card, offline={"provisional": provisional, "terms": token, "sequence": 1}, **changes)


def forged(token: str, **changes: Any) -> str:
    """The token with its promise changed and signed anew by the gateway's own key: terms of another kind, but ours."""
    packed, _ = (base64.urlsafe_b64decode(part) for part in token.split("."))
    promise = msgspec.structs.replace(msgspec.msgpack.decode(packed, type=Promise), **changes)
    packed = msgspec.msgpack.encode(promise)
    parts = packed, KEY.signing_key().sign(packed)
    return b".".join(base64.urlsafe_b64encode(part) for part in parts).decode()


async def test_claim_within_its_terms_is_taken(terminal: Terminal, known: Holder) -> None:
    terms = await terms_of(terminal, known.card.number)
    assert terms["category"] == "DIBAO"
    path, body = f"/v1/claims/{new_id()}", offline(known.card.number, terms["token"], 5_000)
    first = await terminal.put(path, body)
    assert (first.status, first.json()["verdict"]) == (201, "approved")
    assert "shortfall" not in first.json()
    assert (await terminal.put(path, body)).body == first.body


async def test_promise_beyond_what_aid_pays_is_a_shortfall_with_an_owner(terminal: Terminal, known: Holder) -> None:
    terms = await terms_of(terminal, known.card.number)
    said = (await terminal.put(f"/v1/claims/{new_id()}", offline(known.card.number, terms["token"], 10_000))).json()
    exact = said["aid"]
    assert said["shortfall"] == {"promised": 10_000, "exact": exact, "owner": "clinic:C1", "reason": ""}
    assert 0 < exact < 10_000


async def test_terms_that_do_not_hold(gateway: Running, terminal: Terminal, known: Holder) -> None:
    card, stranger = known.card.number, await register(gateway.books)
    terms = await terms_of(terminal, card)
    token, past = terms["token"], int(datetime.now(UTC).timestamp()) - 10
    wrong = {
        "another card's": offline(stranger.card.number, token, 100),
        "too much for one claim": {
            **claim(card, 50_000),
            "offline": {"provisional": terms["per_claim"] + 1, "terms": token},
        },
        "not granted for the visit": changed(offline(card, forged(token, grants=()), 100), "cashier", "x"),
        "expired": offline(card, forged(token, until=past), 100),
        "captured before the issue": offline(card, token, 100, at=(datetime.now(UTC) - timedelta(hours=1)).isoformat()),
        "tampered": offline(card, ("B" if token[0] == "A" else "A") + token[1:], 100),
        "signature tampered": offline(card, token[:-20] + ("B" if token[-20] == "A" else "A") + token[-19:], 100),
        "no signature": offline(card, token.partition(".")[0], 100),
        "not terms": offline(card, "Canary7788", 100),
        "not ascii": offline(card, "凭据.凭据", 100),
    }
    for why, body in wrong.items():
        path = f"/v1/claims/{new_id()}"
        answer = await terminal.put(path, body)
        assert answer.status == 422, why
        answer.problem("TERMS_INVALID")
        (await terminal.get(path)).problem("NOT_FOUND")


async def test_cap_of_the_year_bounds_one_claim(terminal: Terminal, known: Holder) -> None:
    token = (await terms_of(terminal, known.card.number))["token"]
    packed = base64.urlsafe_b64decode(token.partition(".")[0])
    grants = tuple(
        msgspec.structs.replace(grant, cap=500) for grant in msgspec.msgpack.decode(packed, type=Promise).grants
    )
    capped = forged(token, grants=grants)
    (await terminal.put(f"/v1/claims/{new_id()}", offline(known.card.number, capped, 501))).problem("TERMS_INVALID")
    made = await terminal.put(f"/v1/claims/{new_id()}", offline(known.card.number, capped, 500))
    assert made.json()["verdict"] == "approved"


async def test_claim_without_terms_is_decided_and_the_clinic_bears_the_rest(terminal: Terminal, holder: Holder) -> None:
    at = (datetime.now(UTC) - timedelta(hours=71)).isoformat()
    body = offline(holder.card.number, "", 10_000, at=at)
    said = (await terminal.put(f"/v1/claims/{new_id()}", changed(body, "visit.day", at[:10]))).json()
    assert said["verdict"] == "approved"
    assert said["shortfall"]["owner"] == "clinic:C1"


async def test_claim_of_more_than_three_days_ago_comes_too_late(terminal: Terminal, holder: Holder) -> None:
    at = (datetime.now(UTC) - timedelta(hours=73)).isoformat()
    body = changed(offline(holder.card.number, "", 0, at=at), "visit.day", at[:10])
    path = f"/v1/claims/{new_id()}"
    (await terminal.put(path, body)).problem("EVENT_TIME_OUT_OF_RANGE")
    (await terminal.get(path)).problem("NOT_FOUND")


async def test_terms_are_for_the_clinics_own_cards(terminal: Terminal, elsewhere: Terminal, known: Holder) -> None:
    issue = (await elsewhere.get("/v1/offline-terms")).json()
    digest = hmac.digest(bytes.fromhex(issue["salt"]), f"ssc:{known.card.number}".encode(), hashlib.sha256).hex()
    assert digest not in {terms["card"] for terms in issue["terms"]}
