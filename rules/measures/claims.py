"""How often: accepted claims, distinct clinics, exact and near duplicates."""

from rules.day_books import CounterDay
from rules.measures.scene import Scene, Values
from rules.money import PPM


def claims(scene: Scene, counter: CounterDay) -> Values:
    """Accepted claims in the window, the attempt included."""
    return [("", 1 + max([len(span) for span in scene.standing.spans(counter.seconds)]))]


def distinct_clinics(scene: Scene, counter: CounterDay) -> Values:
    """Clinics with an accepted claim in the window, the attempt's included."""
    here = scene.attempt.clinic
    return [
        ("", max([len({here, *[entry.clinic for entry in span]}) for span in scene.standing.spans(counter.seconds)]))
    ]


def exact_duplicates(scene: Scene, counter: CounterDay) -> Values:
    """Accepted claims of the same clinic, total and items in the window; 0 when the attempt repeats none."""
    attempt = scene.attempt
    if not attempt.items:
        return []
    same = max(
        [
            sum(
                [
                    entry.items == attempt.items and entry.total == attempt.total and entry.clinic == attempt.clinic
                    for entry in span
                ]
            )
            for span in scene.standing.spans(counter.seconds)
        ]
    )
    return [("", same + 1 if same else 0)]


def near_duplicates(scene: Scene, counter: CounterDay) -> Values:
    """Accepted claims of the same clinic and diagnosis with nearly the same total; exact repeats are not counted
    here again.
    """
    attempt = scene.attempt
    if not attempt.diagnosis:
        return []
    apart = attempt.total * counter.tolerance // PPM
    near = 0
    for span in scene.standing.spans(counter.seconds):
        count = 0
        for entry in span:
            if entry.diagnosis == attempt.diagnosis and entry.clinic == attempt.clinic:
                exact = entry.items == attempt.items and entry.total == attempt.total
                count += not exact and abs(entry.total - attempt.total) <= apart
        near = max(near, count)
    return [("", near + 1 if near else 0)]
