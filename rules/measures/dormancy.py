"""A card that wakes up."""

from rules.measures.scene import CounterDay, Scene
from rules.measures.supply import DAY


def dormant_days(scene: Scene, counter: CounterDay) -> int:
    """Whole days since the last attempt that no counter stopped, when the total is above the stated amount; 0 for a
    first one ever.
    """
    attempt = scene.attempt
    before = scene.present.before() if attempt.total > counter.amount_above else []
    return (attempt.at - before[-1].at) // DAY if before else 0
