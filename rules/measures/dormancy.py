"""A card that wakes up."""

from rules.day_books import CounterDay
from rules.measures.scene import Scene, Values
from rules.measures.supply import DAY


def dormant_days(scene: Scene, counter: CounterDay) -> Values:
    """Whole days since the last attempt of any outcome, when the total is above the stated amount; 0 for a first
    one ever.
    """
    attempt = scene.attempt
    if attempt.total <= counter.amount_above:
        return []
    last = max([entry.at for entry in scene.present.entries if entry.at <= attempt.at], default=attempt.at)
    return [("", (attempt.at - last) // DAY)]
