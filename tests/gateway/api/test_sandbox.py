"""The sandbox: every card does what its name says, and nothing of it touches the real books."""

import pytest

from gateway.api.problems import STATUS
from gateway.domain.refusal import SAYINGS, Refusal
from tests.books import new_id
from tests.gateway.api.running import Running, Terminal
from tests.gateway.api.wire import claim, reversal

STORED = [refusal for refusal in Refusal if SAYINGS[refusal].stored and refusal is not Refusal.BELOW_DEDUCTIBLE]
NOT_STORED = [refusal for refusal in Refusal if not SAYINGS[refusal].stored and refusal is not Refusal.OUTCOME_UNKNOWN]
TABLES = ("account", "card", "resident", "operation", "posting", "movement", "activity", "security_event", "stay")


@pytest.mark.parametrize("refusal", STORED)
async def test_card_gets_its_refusal_stored(sandboxed: Terminal, refusal: Refusal) -> None:
    path, body = f"/v1/claims/{new_id()}", claim(f"SANDBOX-{refusal}")
    first, again = await sandboxed.put(path, body), await sandboxed.put(path, body)
    assert (first.status, again.status, again.headers["Idempotency-Replayed"]) == (201, 200, "true")
    assert first.body == again.body == (await sandboxed.get(path)).body
    said = first.json()
    assert said["verdict"] == ("challenged" if refusal is Refusal.CHECK_IDENTITY else "declined")
    assert said["reason"] == refusal
    assert said["say"] == {"zh": SAYINGS[refusal].zh, "en": SAYINGS[refusal].en}
    assert (said["aid"], said["cash"]) == (0, 10_000)


@pytest.mark.parametrize("refusal", NOT_STORED)
async def test_card_gets_its_refusal_not_stored(sandboxed: Terminal, refusal: Refusal) -> None:
    path, body = f"/v1/claims/{new_id()}", claim(f"SANDBOX-{refusal}")
    for _ in range(2):
        answer = await sandboxed.put(path, body)
        answer.problem(refusal)
        assert answer.status == STATUS[refusal]
    (await sandboxed.get(path)).problem("NOT_FOUND")


@pytest.mark.parametrize("card", ["SANDBOX-APPROVED", "SANDBOX-APPROVED-TEKUN"])
async def test_approved_is_computed_and_never_used_up(sandboxed: Terminal, card: str) -> None:
    said = [(await sandboxed.put(f"/v1/claims/{new_id()}", claim(card, 50_000))).json() for _ in range(15)]
    assert {(one["verdict"], one["aid"]) for one in said} == {("approved", said[0]["aid"])}
    assert said[0]["aid"] > 0


async def test_first_answer_is_withheld_and_the_second_tells(sandboxed: Terminal) -> None:
    path, body = f"/v1/claims/{new_id()}", claim("SANDBOX-OUTCOME_UNKNOWN")
    (await sandboxed.put(path, body)).problem("OUTCOME_UNKNOWN")
    told = await sandboxed.put(path, body)
    assert (told.status, told.json()["verdict"]) == (200, "approved")
    assert (await sandboxed.get(path)).body == told.body


async def test_challenge_is_answered_with_the_check_that_was_made(sandboxed: Terminal) -> None:
    body = claim("SANDBOX-CHECK_IDENTITY")
    challenged = (await sandboxed.put(f"/v1/claims/{new_id()}", body)).json()
    check = {"method": "id_card", "by": "cashier 1", "at": body["at"]}
    answered = {**body, "supersedes": challenged["id"], "identity_check": check}
    assert (await sandboxed.put(f"/v1/claims/{new_id()}", answered)).json()["verdict"] == "approved"


async def test_changed_quote_is_answered_with_the_new_one(sandboxed: Terminal) -> None:
    body = claim("SANDBOX-QUOTE_CHANGED")
    changed = (await sandboxed.put(f"/v1/claims/{new_id()}", body)).json()
    answered = {**body, "supersedes": changed["id"], "quote": changed["offer"]["quote"]}
    made = (await sandboxed.put(f"/v1/claims/{new_id()}", answered)).json()
    assert (made["verdict"], made["aid"]) == ("approved", changed["offer"]["aid"])


async def test_nothing_of_it_is_in_the_real_books(gateway: Running, sandboxed: Terminal, terminal: Terminal) -> None:
    async def rows() -> list[int]:
        return [await gateway.books.pool.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES]

    before, path, body = await rows(), f"/v1/claims/{new_id()}", claim("SANDBOX-APPROVED")
    made = await sandboxed.put(path, body)
    assert made.status == 201
    (await sandboxed.put(path, {**body, "cashier": "another"})).problem("ID_REUSED")
    (await gateway.terminal("S2").get(path)).problem("NOT_FOUND")
    await sandboxed.put(f"{path}/reversals/{new_id()}", reversal())
    await sandboxed.put(f"/v1/claims/{new_id()}", claim("nobody's"))
    await sandboxed.post("/v1/lookups", {"card": {"number": "nobody's either"}})
    await sandboxed.post("/v1/quotes", claim("SANDBOX-APPROVED"))
    assert await rows() == before
    events = await gateway.sandbox.pool.fetch(
        "SELECT kind, terminal FROM security_event WHERE operation_id = $1::uuid ORDER BY event_id", path[-36:]
    )
    assert [tuple(row) for row in events] == [("ID_REUSED", "S1"), ("NOT_THE_CLINICS", "S2")]


async def test_neither_side_sees_the_other(terminal: Terminal, sandboxed: Terminal) -> None:
    path, body = f"/v1/claims/{new_id()}", claim("SANDBOX-APPROVED")
    made = (await sandboxed.put(path, body)).json()
    (await terminal.get(path)).problem("NOT_FOUND")
    bill = body["visit"]["bill"]
    assert (await terminal.get(f"/v1/claims?bill={bill}")).json() == {"found": []}
    assert len((await sandboxed.get(f"/v1/claims?bill={bill}")).json()["found"]) == 1
    assert made["business_day"]
    real = (await terminal.put(path, body)).json()
    assert (real["verdict"], real["reason"]) == ("declined", "CARD_UNKNOWN")
