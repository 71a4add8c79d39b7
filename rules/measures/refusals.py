"""What did not go through or was taken back: declines and reversals."""

from rules.measures.scene import APPROVED, CLAIMS, DECLINED, CounterDay, Scene
from rules.money import PPM


def declines(scene: Scene, counter: CounterDay) -> int:
    """Declined claims in the window, except those that a counter declined: else a counter would feed itself."""
    attempt = scene.attempt
    own = attempt.kind in CLAIMS and attempt.decision == DECLINED and not attempt.by_counter
    return int(own) + scene.declines.most(counter.seconds)


def reversals(scene: Scene, counter: CounterDay) -> int:
    """Reversals in the window, when they are more than the stated part of the approved claims in it; else 0.

    A replacement is both a reversal and a claim.
    """
    attempt, made, back = scene.attempt, scene.claims, scene.reversals
    own_reversal = int(attempt.kind != "claim" and attempt.decision != DECLINED)
    if not own_reversal and not back.entries:
        return 0
    own_claim = int(attempt.kind in CLAIMS and attempt.decision == APPROVED)
    worst = 0
    for end in {attempt.at, *made.later(counter.seconds), *back.later(counter.seconds)}:
        count = own_reversal + back.count(end, counter.seconds)
        if count * PPM > (own_claim + made.count(end, counter.seconds)) * counter.share_above:
            worst = max(worst, count)
    return worst
