"""The velocity counters: what is counted, where windows end, and what becomes of hits."""

import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rules
from rules.measures.travel import haversine
from tests.rules import reading

BOOKS = reading.books("shipped")
AT = int(datetime(2026, 5, 20, 2, 0, tzinfo=UTC).timestamp())
"""10:00 in Shanghai."""
MINUTE, HOUR, DAY = 60, 3600, 86_400


def entry(identity: str, ago: int = 0, **given: Any) -> rules.Activity:
    """An approved claim `ago` seconds before the attempt, unlike all others unless told."""
    usual: dict[str, Any] = {
        "kind": "claim",
        "at": AT - ago,
        "decision": "approved",
        "card": "card",
        "clinic": "XH01",
        "terminal": "T1",
        "total": 10_000 + 700 * sum(identity.encode()),
        "aid": 5_000,
        "items": f"items of {identity}",
    }
    return rules.Activity(id=identity, **(usual | given))


ATTEMPT = entry("attempt")


def look(*activity: rules.Activity, attempt: rules.Activity = ATTEMPT, **given: Any) -> rules.Screening:
    return rules.screen(activity, attempt, BOOKS, **given)


def value(found: rules.Screening, counter: str, window: str) -> int:
    return {(key, name): number for key, name, number in found.values}.get((counter, window), 0)


def hit(found: rules.Screening, counter: str) -> rules.Hit | None:
    return next((each for each in found.hits if each.counter == counter), None)


def action(found: rules.Screening, counter: str) -> str:
    each = hit(found, counter)
    return each.action if each else "allow"


def test_a_lone_claim_is_allowed_and_its_values_are_told() -> None:
    found = look()
    assert found.action == "allow"
    assert found.hits == ()
    assert value(found, "C01", "10min") == 1
    assert value(found, "C06", "24h") == 5_000


@pytest.mark.parametrize(
    ("before", "expected"), [(1, "allow"), (2, "flag"), (3, "flag"), (4, "challenge"), (9, "challenge")]
)
def test_c01_claims_in_ten_minutes(before: int, expected: str) -> None:
    found = look(*(entry(f"e{index}", 30 * index + 30) for index in range(before)))
    assert value(found, "C01", "10min") == before + 1
    assert action(found, "C01") == expected
    assert found.action == expected


def test_a_window_includes_its_end_and_not_its_beginning() -> None:
    assert value(look(entry("a", 10 * MINUTE)), "C01", "10min") == 1
    assert value(look(entry("a", 10 * MINUTE - 1)), "C01", "10min") == 2
    assert value(look(entry("a", 0)), "C01", "10min") == 2


def test_c01_other_windows() -> None:
    found = look(*(entry(f"e{index}", HOUR * 3 * (index + 1)) for index in range(5)))
    assert (value(found, "C01", "1h"), value(found, "C01", "24h")) == (1, 6)
    assert hit(found, "C01") == rules.Hit("C01", "24h", 6, 6, "flag", "account", AT - 10 * HOUR)
    assert action(look(*(entry(f"e{index}", DAY * (index + 1)) for index in range(18))), "C01") == "allow"
    assert action(look(*(entry(f"e{index}", DAY * (index + 1)) for index in range(19))), "C01") == "flag"


def test_c02_exact_duplicate() -> None:
    same = {"items": ATTEMPT.items, "total": ATTEMPT.total}
    assert action(look(entry("a", 5 * MINUTE, **same)), "C02") == "refuse"
    assert action(look(entry("a", 5 * HOUR, **same)), "C02") == "challenge"
    assert action(look(entry("a", 25 * HOUR, **same)), "C02") == "allow"
    assert action(look(entry("a", 5 * MINUTE, **same, clinic="XH02")), "C02") == "allow"
    assert action(look(entry("a", 5 * MINUTE, items=ATTEMPT.items, total=ATTEMPT.total + 1)), "C02") == "allow"
    assert action(look(entry("a", 5 * MINUTE, total=ATTEMPT.total)), "C02") == "allow"
    unknown = msgspec.structs.replace(ATTEMPT, items="")
    assert action(look(entry("a", MINUTE, items="", total=ATTEMPT.total), attempt=unknown), "C02") == "allow"


def test_the_strike_by_person_and_date_of_2011_is_by_id_here() -> None:
    """Two equal claims of one day are two claims: reversing one leaves the other standing, and only that one is a
    repeat."""
    same = {"items": ATTEMPT.items, "total": ATTEMPT.total}
    first, second = entry("first", 5 * HOUR, **same), entry("second", 4 * HOUR, **same)
    back = entry("back", 3 * HOUR, kind="reversal", refers="first")
    assert value(look(first, second), "C02", "24h") == 3
    assert value(look(first, second, back), "C02", "24h") == 2


def test_superseded_and_reversed_attempts_are_no_repeats() -> None:
    same = {"items": ATTEMPT.items, "total": ATTEMPT.total}
    challenged = entry("a", 2 * MINUTE, decision="challenged", by_counter=True, **same)
    assert action(look(challenged, attempt=msgspec.structs.replace(ATTEMPT, refers="a")), "C02") == "allow"
    approved = entry("a", 2 * MINUTE, **same)
    assert action(look(approved), "C02") == "refuse"
    assert action(look(approved, entry("r", MINUTE, kind="reversal", refers="a")), "C02") == "allow"
    refused = entry("r", MINUTE, kind="reversal", refers="a", decision="declined")
    assert action(look(approved, refused), "C02") == "refuse", "a reversal that was declined takes nothing back"
    replacing = msgspec.structs.replace(ATTEMPT, kind="replacement", refers="a")
    assert action(look(approved, attempt=replacing), "C02") == "allow"


def test_a_replacement_that_was_challenged_takes_nothing_back() -> None:
    same = {"items": ATTEMPT.items, "total": ATTEMPT.total}
    approved = entry("a", 2 * MINUTE, **same)
    challenged = entry("b", MINUTE, kind="replacement", refers="a", decision="challenged", by_counter=True)
    assert action(look(approved, challenged), "C02") == "refuse"


def test_an_approved_claim_cannot_be_superseded_away() -> None:
    """Naming an approved claim as the one to supersede does not hide the repeat: only a reversal takes it back."""
    same = {"items": ATTEMPT.items, "total": ATTEMPT.total}
    attempt = msgspec.structs.replace(ATTEMPT, refers="a")
    assert action(look(entry("a", 2 * MINUTE, **same), attempt=attempt), "C02") == "refuse"


def test_a_partial_reversal_leaves_the_claim_standing_but_its_aid_less() -> None:
    part = entry("r", MINUTE, kind="reversal", refers="a", whole=False, aid=2_000)
    found = look(entry("a", 2 * MINUTE), part)
    assert value(found, "C01", "10min") == 2
    assert value(found, "C06", "24h") == 5_000 + 5_000 - 2_000
    refused = msgspec.structs.replace(part, decision="declined")
    assert value(look(entry("a", 2 * MINUTE), refused), "C06", "24h") == 5_000 + 5_000


def test_c03_near_duplicate() -> None:
    attempt = msgspec.structs.replace(ATTEMPT, diagnosis="d", total=10_000)
    near = {"diagnosis": "d"}
    assert action(look(entry("a", HOUR, total=10_200, **near), attempt=attempt), "C03") == "flag"
    assert action(look(entry("a", HOUR, total=9_800, **near), attempt=attempt), "C03") == "flag"
    assert action(look(entry("a", HOUR, total=10_201, **near), attempt=attempt), "C03") == "allow"
    assert action(look(entry("a", HOUR, total=10_000, diagnosis="e"), attempt=attempt), "C03") == "allow"
    exact = entry("a", HOUR, total=10_000, items=ATTEMPT.items, **near)
    assert action(look(exact, attempt=attempt), "C03") == "allow"
    assert action(look(exact, attempt=attempt), "C02") == "challenge"
    unknown = msgspec.structs.replace(attempt, items="")
    nameless = msgspec.structs.replace(exact, items="")
    assert action(look(nameless, attempt=unknown), "C03") == "flag", "what cannot be an exact repeat can be a near one"


def test_c04_distinct_clinics() -> None:
    assert action(look(entry("a", 30 * MINUTE, clinic="XH02")), "C04") == "flag"
    assert action(look(entry("a", 2 * HOUR, clinic="XH02")), "C04") == "allow"
    four = [entry(f"e{index}", HOUR * (index + 2), clinic=f"XH1{index}") for index in range(4)]
    assert action(look(*four[:3]), "C04") == "flag"
    assert action(look(*four), "C04") == "challenge"
    assert value(look(*four, entry("again", 3 * HOUR, clinic="XH10")), "C04", "12h") == 5


XUHUI, SUZHOU = {"lat": 31.19, "lon": 121.44}, {"lat": 31.30, "lon": 120.59}
"""About 82 km apart."""


@pytest.mark.parametrize(
    ("ago", "expected"),
    [(15 * MINUTE, "challenge"), (30 * MINUTE, "flag"), (HOUR, "allow"), (-15 * MINUTE, "challenge")],
)
def test_c05_impossible_travel(ago: int, expected: str) -> None:
    attempt = msgspec.structs.replace(ATTEMPT, **XUHUI)
    found = look(entry("far", ago, clinic="SZ01", **SUZHOU), attempt=attempt)
    assert action(found, "C05") == expected


def test_c05_counts_declined_attempts_and_passes_over_unknown_places_other_cards_and_short_ways() -> None:
    attempt = msgspec.structs.replace(ATTEMPT, **XUHUI)
    far = entry("far", 15 * MINUTE, clinic="SZ01", decision="declined", **SUZHOU)
    assert action(look(far, entry("nowhere", 5 * MINUTE), attempt=attempt), "C05") == "challenge"
    assert action(look(far), "C05") == "allow"
    assert action(look(msgspec.structs.replace(far, card="other"), attempt=attempt), "C05") == "allow"
    near = entry("near", 1, clinic="XH02", lat=31.20, lon=121.45)
    assert action(look(far, near, attempt=attempt), "C05") == "allow", "only the last place before counts"
    assert action(look(near, attempt=attempt), "C05") == "allow"


def test_c05_a_challenged_attempt_does_not_vouch_for_the_next_one_at_the_same_clinic() -> None:
    attempt = msgspec.structs.replace(ATTEMPT, **XUHUI)
    far = entry("far", 15 * MINUTE, clinic="SZ01", **SUZHOU)
    stopped = entry("stopped", MINUTE, decision="challenged", by_counter=True, **XUHUI)
    assert action(look(far, stopped, attempt=attempt), "C05") == "challenge"
    answered = msgspec.structs.replace(stopped, decision="approved", by_counter=False)
    assert action(look(far, answered, attempt=attempt), "C05") == "allow"


def test_haversine_against_known_distances() -> None:
    assert haversine(0, 0, 0, 90) == pytest.approx(10_007_557, rel=1e-6)
    assert haversine(31.2, 121.4, 31.2, 121.4) == 0
    # Shanghai to Beijing; published great-circle distances lie between 1,064 and 1,071 km.
    assert 1_060_000 < haversine(31.2304, 121.4737, 39.9042, 116.4074) < 1_072_000


def test_c06_aid_amount() -> None:
    assert action(look(entry("a", HOUR, aid=194_999)), "C06") == "allow"
    assert action(look(entry("a", HOUR, aid=195_000)), "C06") == "flag"
    assert action(look(entry("a", 20 * DAY, aid=795_000)), "C06") == "flag"
    assert action(look(entry("a", HOUR, aid=4_995_000)), "C06") == "challenge"


def fill(identity: str, days_ago: int, days: int, **given: Any) -> rules.Activity:
    return entry(identity, days_ago * DAY, supplies=(rules.Supply("metformin", days),), **given)


@pytest.mark.parametrize(
    ("days", "expected"), [(45, "allow"), (46, "flag"), (120, "flag"), (121, "challenge"), (181, "refuse")]
)
def test_c07_days_on_hand(days: int, expected: str) -> None:
    attempt = msgspec.structs.replace(ATTEMPT, supplies=(rules.Supply("metformin", days),))
    found = look(attempt=attempt)
    assert value(found, "C07", "90d") == days
    assert action(found, "C07") == expected


def test_c07_supply_is_used_up_day_by_day_and_never_below_nothing() -> None:
    attempt = msgspec.structs.replace(ATTEMPT, supplies=(rules.Supply("metformin", 30), rules.Supply("aspirin", 30)))
    found = look(fill("a", 60, 14), fill("b", 20, 30), attempt=attempt)
    assert value(found, "C07", "90d") == 10 + 30
    assert value(look(fill("a", 89, 14), attempt=attempt), "C07", "90d") == 30
    stocked = look(fill("a", 10, 40), attempt=attempt, account="A7")
    assert [each.subject for each in stocked.hits] == ["A7/metformin"]


def test_c08_same_ingredient_from_several_clinics() -> None:
    attempt = msgspec.structs.replace(ATTEMPT, supplies=(rules.Supply("metformin", 5),))
    two = [fill("a", 10, 5, clinic="XH02"), fill("b", 20, 5, clinic="XH03")]
    assert action(look(two[0], attempt=attempt), "C08") == "allow"
    assert action(look(*two, attempt=attempt), "C08") == "flag"
    assert action(look(*two, fill("c", 25, 5, clinic="XH04"), attempt=attempt), "C08") == "challenge"
    assert action(look(*two, fill("c", 31, 5, clinic="XH04"), attempt=attempt), "C08") == "flag"


def test_c10_declines_except_those_of_counters_and_superseded_ones() -> None:
    declined = [entry(f"d{index}", MINUTE * (index + 1), decision="declined", aid=0) for index in range(3)]
    assert action(look(*declined), "C10") == "flag"
    assert value(look(*declined), "C01", "10min") == 1
    by_counter = [msgspec.structs.replace(each, by_counter=True) for each in declined]
    assert action(look(*by_counter), "C10") == "allow"
    next_claim = entry("n", 30, refers="d0")
    assert value(look(*declined, next_claim), "C10", "1h") == 2
    ten = [entry(f"d{index}", MINUTE * (index + 1), decision="declined", aid=0) for index in range(10)]
    assert action(look(*ten), "C10") == "refuse"
    six = [entry(f"d{index}", HOUR * (index + 1), decision="declined", aid=0) for index in range(6)]
    assert action(look(*six), "C10") == "challenge"
    assert action(look(*declined, *six[1:]), "C10") == "challenge", "the flag of the last hour is the lighter one"


def test_a_declined_attempt_feeds_only_the_declines() -> None:
    attempt = msgspec.structs.replace(ATTEMPT, decision="declined", aid=0)
    declined = [entry(f"d{index}", MINUTE * (index + 1), decision="declined", aid=0) for index in range(2)]
    busy = [entry(f"e{index}", 30 * index + 30) for index in range(6)]
    found = look(*declined, *busy, attempt=attempt)
    assert [each.counter for each in found.hits] == ["C10"]
    assert value(found, "C10", "1h") == 3
    own = msgspec.structs.replace(attempt, by_counter=True)
    assert value(look(*declined, *busy, attempt=own), "C10", "1h") == 2
    reversal = entry("r", kind="reversal", refers="e0", decision="declined")
    assert value(look(*declined, *busy, attempt=reversal), "C10", "1h") == 2


def test_c11_reversals() -> None:
    claims = [entry(f"e{index}", HOUR * (index + 1)) for index in range(4)]
    back = [entry(f"r{index}", HOUR * (index + 1) - 1, kind="reversal", refers=f"e{index}") for index in range(4)]
    attempt = entry("now", kind="reversal", refers="e2")
    assert action(look(*claims[:3], *back[:2], attempt=attempt), "C11") == "flag"
    assert value(look(*claims[:3], *back[:1], attempt=attempt), "C11", "24h") == 2
    many = [entry(f"m{index}", HOUR * (index + 5)) for index in range(4)]
    assert value(look(*claims[:3], *back[:2], *many, attempt=attempt), "C11", "24h") == 0
    assert action(look(*claims, *back), "C11") == "flag"
    assert value(look(*claims, *many[:1], *back[:3]), "C11", "24h") == 0, "3 of 6: the attempt is a claim too"
    assert value(look(*claims, *back[:3]), "C11", "24h") == 3
    refused = [msgspec.structs.replace(each, decision="declined") for each in back[:3]]
    assert value(look(*claims, *refused), "C11", "24h") == 0, "a reversal that was declined is none"


def test_c12_open_stay_elsewhere() -> None:
    elsewhere = rules.Stay("XH09", AT - DAY)
    assert action(look(stays=[elsewhere]), "C12") == "challenge"
    assert action(look(stays=[rules.Stay("XH01", AT - DAY)]), "C12") == "allow"
    assert action(look(stays=[rules.Stay("XH09", AT - DAY, AT)]), "C12") == "allow"
    assert action(look(stays=[rules.Stay("XH09", AT - DAY, AT + 1)]), "C12") == "challenge"
    assert action(look(stays=[rules.Stay("XH09", AT + 1)]), "C12") == "allow"


def test_c16_dormancy() -> None:
    attempt = msgspec.structs.replace(ATTEMPT, total=100_001)
    assert action(look(entry("a", 181 * DAY), attempt=attempt), "C16") == "flag"
    assert action(look(entry("a", 181 * DAY - 1), attempt=attempt), "C16") == "allow"
    assert action(look(attempt=attempt), "C16") == "allow"
    assert action(look(entry("a", 300 * DAY), entry("b", DAY), attempt=attempt), "C16") == "allow"
    assert (
        action(look(entry("a", 181 * DAY), attempt=msgspec.structs.replace(attempt, total=100_000)), "C16") == "allow"
    )


def test_an_identity_check_answers_a_challenge_and_no_refusal() -> None:
    busy = [entry(f"e{index}", 30 * index + 30) for index in range(4)]
    assert look(*busy).action == "challenge"
    checked = look(*busy, identity_checked=True)
    assert (checked.action, action(checked, "C01")) == ("flag", "flag")
    repeat = entry("a", MINUTE, items=ATTEMPT.items, total=ATTEMPT.total)
    assert look(repeat, identity_checked=True).action == "refuse"


def test_a_claim_that_arrives_late_is_judged_among_the_entries_around_it() -> None:
    """It happened before three claims that were decided without it: with it, there were four in ten minutes."""
    later = [entry(f"e{index}", -2 * MINUTE * (index + 1)) for index in range(3)]
    found = look(*later)
    assert value(found, "C01", "10min") == 4
    assert action(found, "C01") == "flag"
    both = look(entry("before", 9 * MINUTE), *later)
    assert value(both, "C01", "10min") == 4, "no window of ten minutes holds all five"
    assert value(look(entry("far", -10 * MINUTE)), "C01", "10min") == 1, "its window begins with the attempt, excluded"


def test_a_late_fill_is_seen_by_the_fills_after_it() -> None:
    attempt = msgspec.structs.replace(ATTEMPT, supplies=(rules.Supply("metformin", 30),))
    assert value(look(fill("later", -10, 40), attempt=attempt), "C07", "90d") == 20 + 40


def test_one_alert_per_counter_subject_and_snooze() -> None:
    busy = [entry(f"e{index}", 30 * index + 30) for index in range(3)]
    one = hit(look(*busy), "C01")
    other = hit(look(*busy, attempt=msgspec.structs.replace(ATTEMPT, at=AT + 59)), "C01")
    assert one is not None
    assert other is not None
    assert one.since == other.since == AT
    keys = [
        (each.counter, each.subject) for each in look(*busy, *(entry(f"f{index}", HOUR) for index in range(9))).hits
    ]
    assert len(keys) == len(set(keys))


def test_a_counter_per_card_sees_the_reversals_of_that_card() -> None:
    """Reversals are made without a card."""
    files = rules.read_folder(rules.SHIPPED)
    text = files["counters/card.toml"].decode().replace('measure = "claims"', 'measure = "claims"\nper = "card"')
    books = rules.load_rulebooks(files | {"counters/card.toml": text.encode()})
    back = entry("r", MINUTE, kind="reversal", refers="a", card="")
    other = entry("o", MINUTE, card="other")
    assert value(rules.screen([entry("a", 2 * MINUTE), other], ATTEMPT, books), "C01", "10min") == 2
    assert value(rules.screen([entry("a", 2 * MINUTE), other, back], ATTEMPT, books), "C01", "10min") == 1


def test_the_attempt_itself_may_stand_in_the_activity() -> None:
    assert look(ATTEMPT) == look()


def test_horizon_is_the_longest_window() -> None:
    assert rules.activity_horizon(BOOKS) == 90 * DAY


@st.composite
def histories(draw: st.DrawFn) -> list[rules.Activity]:
    found = []
    for index in range(draw(st.integers(0, 10))):
        kind = draw(st.sampled_from(["claim", "claim", "claim", "reversal", "replacement"]))
        found.append(
            entry(
                f"h{index}",
                draw(st.integers(-3, 40)) * draw(st.sampled_from([MINUTE, HOUR, DAY])),
                kind=kind,
                decision=draw(st.sampled_from(["approved", "approved", "declined", "challenged"])),
                clinic=draw(st.sampled_from(["XH01", "XH02", "XH03"])),
                refers=f"h{draw(st.integers(0, 10))}" if kind != "claim" else "",
                items=draw(st.sampled_from([ATTEMPT.items, "other"])),
                total=ATTEMPT.total,
                aid=draw(st.integers(0, 10**6)),
                whole=draw(st.booleans()),
                supplies=(rules.Supply("metformin", draw(st.integers(1, 60))),),
            )
        )
    return found


@settings(max_examples=150)
@given(histories(), st.randoms(use_true_random=False))
def test_values_agree_with_counting_by_hand_in_any_order(history: list[rules.Activity], chance: random.Random) -> None:
    attempt = msgspec.structs.replace(ATTEMPT, supplies=(rules.Supply("metformin", 5),))
    found = look(*history, attempt=attempt)
    shuffled = list(history)
    chance.shuffle(shuffled)
    assert look(*shuffled, attempt=attempt).values == found.values
    back = {
        each.refers
        for each in history
        if each.kind != "claim" and each.whole and each.decision == "approved" and each.refers
    }
    standing = [
        each for each in history if each.kind != "reversal" and each.decision == "approved" and each.id not in back
    ]
    for window, seconds in (("10min", 10 * MINUTE), ("1h", HOUR), ("24h", DAY), ("30d", 30 * DAY)):
        ends = [AT, *(each.at for each in standing if AT < each.at < AT + seconds)]
        counts = [sum(end - seconds < each.at <= end for each in standing) for end in ends]
        assert value(found, "C01", window) == 1 + max(counts)
    ends = [AT, *(each.at for each in standing if AT < each.at < AT + DAY)]
    sums = []
    for end in ends:
        inside = [each for each in standing if end - DAY < each.at <= end]
        partly = sum(
            each.aid for each in history if each.kind == "reversal" and not each.whole
            and each.decision == "approved" and each.refers in {claim.id for claim in inside}
        )  # fmt: skip
        sums.append(sum(each.aid for each in inside) - partly)
    assert value(found, "C06", "24h") == max(0, attempt.aid + max(0, *sums, 0))
