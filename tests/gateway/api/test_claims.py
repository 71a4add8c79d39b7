"""Deduct, ask again, take back, replace, find: the road that works, as an agent walks it."""

import asyncio

import pytest

from tests.books import Holder, new_card, new_id, today
from tests.gateway.api.running import Answer, Running, Terminal
from tests.gateway.api.wire import changed, claim, reversal

REPLAYED = "Idempotency-Replayed"


def assert_replays(first: Answer, again: Answer) -> None:
    """201 the first time, 200 and the identical body afterwards."""
    assert (first.status, REPLAYED in first.headers) == (201, False)
    assert (again.status, again.headers.get(REPLAYED)) == (200, "true")
    assert again.body == first.body
    assert first.headers["Content-Type"].startswith("application/json")


async def test_claim_is_approved_once_and_answered_alike_for_ever(terminal: Terminal, holder: Holder) -> None:
    path, body = f"/v1/claims/{new_id()}", claim(holder.card.number, 6_000, 4_000)
    first = await terminal.put(path, body)
    for again in (await terminal.put(path, body), await terminal.get(path)):
        assert_replays(first, again)
    said = first.json()
    assert said["verdict"] == "approved"
    assert said["total"] == sum(share["amount"] for share in said["shares"]) == 10_000
    assert said["aid"] > 0


async def test_the_same_id_in_capitals_is_the_same_id(terminal: Terminal, holder: Holder) -> None:
    id_, body = str(new_id()), claim(holder.card.number)
    assert_replays(await terminal.put(f"/v1/claims/{id_}", body), await terminal.put(f"/v1/claims/{id_.upper()}", body))


async def test_a_decline_is_an_outcome_like_any_other(terminal: Terminal) -> None:
    path, body = f"/v1/claims/{new_id()}", claim(new_card().number)
    first = await terminal.put(path, body)
    assert_replays(first, await terminal.put(path, body))
    said = first.json()
    assert (said["verdict"], said["reason"], said["aid"], said["cash"]) == ("declined", "CARD_UNKNOWN", 0, 10_000)
    assert said["say"]["zh"]
    assert said["say"]["en"]


async def test_quote_is_what_is_then_charged(terminal: Terminal, holder: Holder) -> None:
    body = claim(holder.card.number, 7_001)
    quoted = await terminal.post("/v1/quotes", body)
    assert quoted.status == 200
    said = quoted.json()
    made = (await terminal.put(f"/v1/claims/{new_id()}", {**body, "quote": said["quote"]})).json()
    assert made["verdict"] == "approved"
    assert [made[name] for name in ("aid", "cash", "shares", "quote")] == [
        said[name] for name in ("aid", "cash", "shares", "quote")
    ]
    assert said["steps"]


async def test_changed_quote_is_stored_with_the_new_offer(terminal: Terminal, holder: Holder) -> None:
    path, body = f"/v1/claims/{new_id()}", claim(holder.card.number, quote="0" * 64)
    first = await terminal.put(path, body)
    assert_replays(first, await terminal.put(path, body))
    said = first.json()
    assert said["reason"] == "QUOTE_CHANGED"
    accepted = {**body, "quote": said["offer"]["quote"], "supersedes": said["id"]}
    made = (await terminal.put(f"/v1/claims/{new_id()}", accepted)).json()
    assert (made["verdict"], made["aid"], made["supersedes"]) == ("approved", said["offer"]["aid"], said["id"])


async def test_lookup_says_who_is_entitled_and_names_nobody(terminal: Terminal, holder: Holder) -> None:
    answer = await terminal.post("/v1/lookups", {"card": {"number": holder.card.number}})
    assert answer.status == 200
    said = answer.json()
    assert (said["known"], said["frozen"]) == (True, False)
    assert [held["category"] for held in said["held"]] == ["DIBAO"]
    assert said["left"]
    assert holder.resident.name not in answer.body.decode()
    assert holder.resident.identity not in answer.body.decode()
    stranger = (await terminal.post("/v1/lookups", {"card": {"number": new_card().number}})).json()
    assert (stranger["known"], stranger["held"]) == (False, [])


async def test_reversal_takes_lines_back_and_replays(terminal: Terminal, holder: Holder) -> None:
    id_ = new_id()
    made = (await terminal.put(f"/v1/claims/{id_}", claim(holder.card.number, 6_000, 4_000))).json()
    path, body = f"/v1/claims/{id_}/reversals/{new_id()}", reversal(lines=["2"])
    first = await terminal.put(path, body)
    assert_replays(first, await terminal.put(path, body))
    part = first.json()["taken_back"]
    rest = (await terminal.put(f"/v1/claims/{id_}/reversals/{new_id()}", reversal())).json()["taken_back"]
    assert (part["lines"], part["whole"], part["same_day"]) == (["2"], False, True)
    assert (rest["lines"], rest["whole"]) == (["1"], True)
    assert part["aid"] + rest["aid"] == made["aid"]
    nothing_left = (await terminal.put(f"/v1/claims/{id_}/reversals/{new_id()}", reversal())).json()
    assert (nothing_left["verdict"], nothing_left["reason"]) == ("declined", "ALREADY_REVERSED")


async def test_reversal_before_the_claim_spends_its_id(terminal: Terminal, holder: Holder) -> None:
    id_, card = new_id(), {"number": holder.card.number}
    unknown = await terminal.put(f"/v1/claims/{id_}/reversals/{new_id()}", reversal(reason="timeout"))
    assert unknown.problem("NOT_FOUND")["fields"] == ["card"]
    spent = await terminal.put(f"/v1/claims/{id_}/reversals/{new_id()}", reversal(reason="timeout", card=card))
    assert (spent.status, spent.json()["tombstone"]) == (201, True)
    late = await terminal.put(f"/v1/claims/{id_}", claim(holder.card.number))
    assert (late.status, late.json()["reason"]) == (200, "REVERSED_BEFORE_ARRIVAL")
    assert (await terminal.get(f"/v1/claims/{id_}")).body == late.body


async def test_claim_and_its_reversal_at_once_end_in_one_of_two_histories(terminal: Terminal, holder: Holder) -> None:
    for _ in range(5):
        id_, card = new_id(), {"number": holder.card.number}
        made, back = await asyncio.gather(
            terminal.put(f"/v1/claims/{id_}", claim(holder.card.number)),
            terminal.put(f"/v1/claims/{id_}/reversals/{new_id()}", reversal(reason="timeout", card=card)),
        )
        assert back.json()["verdict"] == "approved"
        if back.json().get("tombstone"):
            assert made.json()["reason"] == "REVERSED_BEFORE_ARRIVAL"
        else:
            assert made.json()["aid"] == back.json()["taken_back"]["aid"] > 0


async def test_replacement_is_both_or_nothing(terminal: Terminal, holder: Holder) -> None:
    id_, body = new_id(), claim(holder.card.number, 6_000)
    made = (await terminal.put(f"/v1/claims/{id_}", body)).json()
    refused = await terminal.put(
        f"/v1/claims/{id_}/replacement/{new_id()}", changed(body, "visit.day", f"{today().year - 1}-06-01")
    )
    assert (refused.status, refused.json()["reason"]) == (201, "OTHER_DAY_OF_SERVICE")
    path, corrected = f"/v1/claims/{id_}/replacement/{new_id()}", {**claim(holder.card.number, 5_000)}
    first = await terminal.put(path, corrected)
    assert_replays(first, await terminal.put(path, corrected))
    said = first.json()
    assert (said["kind"], said["verdict"], said["total"]) == ("replacement", "approved", 5_000)
    assert (said["replaces"]["claim"], said["replaces"]["aid"]) == (str(id_), made["aid"])


async def test_one_request_sent_fifty_times_at_once_has_one_effect(terminal: Terminal, holder: Holder) -> None:
    path, body = f"/v1/claims/{new_id()}", claim(holder.card.number)
    answers = await asyncio.gather(*(terminal.put(path, body) for _ in range(50)))
    assert len({answer.body for answer in answers}) == 1
    assert sorted(answer.status for answer in answers) == [200] * 49 + [201]
    back = f"{path}/reversals/{new_id()}"
    answers = await asyncio.gather(*(terminal.put(back, {"reason": "void", "at": body["at"]}) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200] * 19 + [201]


@pytest.mark.parametrize("by", ["bill", "visit", "invoice"])
async def test_search_finds_the_clinics_own(
    terminal: Terminal, beside: Terminal, elsewhere: Terminal, holder: Holder, by: str
) -> None:
    id_, body = new_id(), claim(holder.card.number)
    await terminal.put(f"/v1/claims/{id_}", body)
    number = body["visit"]["id" if by == "visit" else by]
    for ours in (terminal, beside):
        found = (await ours.get(f"/v1/claims?{by}={number}")).json()["found"]
        assert [(one["id"], one[by], one["verdict"]) for one in found] == [(str(id_), number, "approved")]
    assert (await elsewhere.get(f"/v1/claims?{by}={number}")).json() == {"found": []}


async def test_search_takes_numbers_as_the_clinic_writes_them(terminal: Terminal, holder: Holder) -> None:
    body = changed(claim(holder.card.number), "visit.bill", "门诊 1/2+3&4")
    await terminal.put(f"/v1/claims/{new_id()}", body)
    found = await terminal.get("/v1/claims?bill=%E9%97%A8%E8%AF%8A%201%2F2%2B3%264")
    assert len(found.json()["found"]) == 1


async def test_day_totals_are_the_terminals(gateway: Running, terminal: Terminal, holder: Holder) -> None:
    async def totals(of: Terminal) -> dict[tuple[str, str], list[int]]:
        said = (await of.get(f"/v1/days/{day}")).json()
        assert said["day"] == day
        return {(one["kind"], one["verdict"]): [one["count"], one["total"], one["aid"]] for one in said["totals"]}

    id_ = new_id()
    made = (await terminal.put(f"/v1/claims/{id_}", claim(holder.card.number, 3_000))).json()
    day = made["business_day"]
    before = await totals(terminal)
    other = await totals(gateway.terminal("T2"))
    await terminal.put(f"/v1/claims/{new_id()}", claim(holder.card.number, 2_000))
    await terminal.put(f"/v1/claims/{id_}/reversals/{new_id()}", reversal())
    after = await totals(terminal)
    assert after["claim", "approved"][:2] == [
        before["claim", "approved"][0] + 1,
        before["claim", "approved"][1] + 2_000,
    ]
    taken = before.get(("reversal", "approved"), [0, 0, 0])
    assert after["reversal", "approved"] == [taken[0] + 1, taken[1] - 3_000, taken[2] - made["aid"]]
    assert await totals(gateway.terminal("T2")) == other


async def test_stay_begins_and_ends(terminal: Terminal, holder: Holder) -> None:
    card = {"number": holder.card.number}
    admitted = {"card": card, "operation": str(new_id()), "at": f"{today()}T01:00:00Z"}
    first = await terminal.put("/v1/stays/Z-1", {**admitted, "admitted": "2026-03-01T08:00:00+08:00"})
    again = await terminal.put("/v1/stays/Z-1", {**admitted, "admitted": "2026-03-01T08:00:00+08:00"})
    assert_replays(first, again)
    said = (await terminal.post("/v1/lookups", {"card": card})).json()
    assert [stay["clinic"] for stay in said["stays"]] == ["C1"]
    discharged = {**admitted, "operation": str(new_id()), "discharged": "2026-03-09T08:00:00+08:00"}
    assert (await terminal.put("/v1/stays/Z-1", discharged)).json()["verdict"] == "approved"
    assert (await terminal.post("/v1/lookups", {"card": card})).json()["stays"] == []
    unknown = {**discharged, "operation": str(new_id())}
    assert (await terminal.put("/v1/stays/Z-2", unknown)).json()["reason"] == "STAY_UNKNOWN"


async def test_health_and_readiness_need_no_signature(gateway: Running) -> None:
    async with gateway.session.get(f"{gateway.url}/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"alive": True})
    async with gateway.session.get(f"{gateway.url}/readyz") as answer:
        said = await answer.json()
        assert (answer.status, said["ready"]) == (200, True)
        assert set(said["checks"]) == {"draining", "database", "rulebooks", "queue"}
