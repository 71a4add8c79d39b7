"""The velocity counters: what each of them counts."""

import msgspec
import pytest

import rules
from rules.measures.travel import haversine
from tests.rules.activities import AT, ATTEMPT, DAY, HOUR, MINUTE, SUZHOU, XUHUI, action, entry, fill, hit, look, value


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
