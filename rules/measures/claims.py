"""How often: accepted claims, distinct clinics, exact and near duplicates."""

from rules.measures.scene import CounterDay, Scene
from rules.money import PPM


def claims(scene: Scene, counter: CounterDay) -> int:
    """Accepted claims in the window, the attempt included."""
    return 1 + scene.standing.most(counter.seconds)


def distinct_clinics(scene: Scene, counter: CounterDay) -> int:
    """Clinics with an accepted claim in the window, the attempt's included."""
    here = scene.attempt.clinic
    return max([len({here, *[entry.clinic for entry in span]}) for span in scene.standing.spans(counter.seconds)])


def exact_duplicates(scene: Scene, counter: CounterDay) -> int:
    """Accepted claims of the same clinic, total and items in the window with the attempt; 0 when it repeats none."""
    same = scene.repeats.most(counter.seconds)
    return same + 1 if same else 0


def near_duplicates(scene: Scene, counter: CounterDay) -> int:
    """Accepted claims of the same clinic and diagnosis with nearly the same total, with the attempt; 0 when there
    are none.

    Exact repeats are not counted here again.
    """
    attempt = scene.attempt
    if not attempt.diagnosis:
        return 0
    apart = attempt.total * counter.tolerance // PPM
    near = 0
    for span in scene.standing.spans(counter.seconds):
        count = 0
        for entry in span:
            if entry.diagnosis == attempt.diagnosis and entry.clinic == attempt.clinic:
                exact = attempt.items != "" and entry.items == attempt.items and entry.total == attempt.total
                count += not exact and abs(entry.total - attempt.total) <= apart
        near = max(near, count)
    return near + 1 if near else 0
