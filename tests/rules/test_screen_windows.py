"""The velocity counters: late claims, alerts and windows."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

import rules
from tests.rules.activities import AT, ATTEMPT, BOOKS, DAY, HOUR, MINUTE, XUHUI, action, entry, fill, hit, look, value


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


def test_a_window_of_supply_excludes_both_ends() -> None:
    """A fill exactly 90 days before is outside, and so is a later one whose window begins with the attempt."""
    attempt = msgspec.structs.replace(ATTEMPT, supplies=(rules.Supply("metformin", 5),))
    assert value(look(fill("a", 90, 100), attempt=attempt), "C07", "90d") == 5
    assert value(look(fill("a", -90, 100), attempt=attempt), "C07", "90d") == 5
    assert value(look(fill("a", -89, 100), attempt=attempt), "C07", "90d") == 100


def test_what_was_on_hand_before_the_attempt_is_not_its_doing() -> None:
    attempt = msgspec.structs.replace(ATTEMPT, supplies=(rules.Supply("metformin", 5),))
    assert value(look(fill("a", 80, 60), attempt=attempt), "C07", "90d") == 5


def test_a_journey_of_exactly_the_window_is_outside() -> None:
    """About 20,000 km in a day are too fast; that day ends a second before."""
    attempt = msgspec.structs.replace(ATTEMPT, **XUHUI)
    antipode = {"lat": -31.19, "lon": -58.56}
    assert action(look(entry("far", DAY - 1, clinic="AR01", **antipode), attempt=attempt), "C05") == "challenge"
    assert action(look(entry("far", DAY, clinic="AR01", **antipode), attempt=attempt), "C05") == "allow"


def test_a_late_reversal_is_counted_among_the_later_ones() -> None:
    later = [entry(f"r{index}", -HOUR * (index + 1), kind="reversal", refers=f"gone{index}") for index in range(2)]
    attempt = entry("now", kind="reversal", refers="gone")
    assert value(look(*later, attempt=attempt), "C11", "24h") == 3


def test_of_two_windows_with_the_same_action_the_first_of_the_book_is_told() -> None:
    found = look(
        *(entry(f"e{index}", 30 * index + 30) for index in range(3)),
        *(entry(f"f{index}", HOUR * 2) for index in range(3)),
    )
    assert (value(found, "C01", "24h"), value(found, "C01", "10min")) == (7, 4)
    told = hit(found, "C01")
    assert told is not None
    assert (told.window, told.value) == ("10min", 4)


def counters_with(old: str, new: str) -> rules.Rulebooks:
    files = rules.read_folder(rules.SHIPPED)
    text = files["counters/card.toml"].decode()
    assert old in text
    return rules.load_rulebooks(files | {"counters/card.toml": text.replace(old, new).encode()})


def test_a_band_that_allows_is_no_hit() -> None:
    found = rules.screen([entry("a", MINUTE), entry("b", MINUTE)], ATTEMPT, counters_with('"flag"', '"allow"'))
    assert (found.action, found.hits) == ("allow", ())
    assert value(found, "C01", "10min") == 3


def test_a_counter_begins_at_midnight_in_shanghai() -> None:
    books = counters_with("starts = 1997-01-01", "starts = 2026-05-20")
    midnight = AT - 10 * HOUR
    assert rules.screen([], msgspec.structs.replace(ATTEMPT, at=midnight - 1), books).values == ()
    assert value(rules.screen([], msgspec.structs.replace(ATTEMPT, at=midnight), books), "C01", "10min") == 1
