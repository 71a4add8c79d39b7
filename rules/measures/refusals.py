"""What did not go through or was taken back: declines and reversals."""

from rules.day_books import CounterDay
from rules.measures.scene import APPROVED, CLAIMS, DECLINED, Scene, Values
from rules.money import PPM


def declines(scene: Scene, counter: CounterDay) -> Values:
    """Declined claims in the window, except those that a counter declined: else a counter would feed itself."""
    own = int(scene.attempt.decision == DECLINED and not scene.attempt.by_counter)
    return [("", own + max([len(span) for span in scene.declines.spans(counter.seconds)]))]


def reversals(scene: Scene, counter: CounterDay) -> Values:
    """Reversals in the window, when they are more than the stated part of the approved claims in it; else 0.

    A replacement is both a reversal and a claim.
    """
    attempt = scene.attempt
    own_reversal = int(attempt.kind != "claim" and attempt.decision != DECLINED)
    own_claim = int(attempt.kind in CLAIMS and attempt.decision == APPROVED)
    made, back = scene.claims, scene.reversals
    worst = 0
    for end in {attempt.at, *made.later(counter.seconds), *back.later(counter.seconds)}:
        count = own_reversal + back.count(end, counter.seconds)
        if count * PPM > (own_claim + made.count(end, counter.seconds)) * counter.share_above:
            worst = max(worst, count)
    return [("", worst)]
