"""How much of an ingredient the resident has: days of supply on hand, and clinics that dispensed it."""

from rules.measures.scene import CounterDay, Scene

DAY = 86_400
"""Seconds."""


def days_on_hand(scene: Scene, counter: CounterDay) -> list[tuple[str, int]]:
    """For each ingredient of the attempt: the most days of supply on hand after it, or after a later fill in the
    window.

    Every fill since the window's start is used up from the day it was dispensed, at one day per day; whole days
    are given.
    """
    attempt = scene.attempt
    if not attempt.supplies:
        return []
    begin, end = attempt.at - counter.seconds, attempt.at + counter.seconds
    on_hand = {supply.ingredient: 0 for supply in attempt.supplies}
    most = dict(on_hand)
    last = dict(on_hand)
    for entry in (*scene.standing.before(), attempt, *scene.standing.after()):
        if not begin < entry.at < end:
            continue
        for supply in entry.supplies:
            name = supply.ingredient
            if name in on_hand:
                on_hand[name] = max(0, on_hand[name] - (entry.at - last[name])) + supply.days * DAY
                last[name] = entry.at
                if entry.at >= attempt.at:
                    most[name] = max(most[name], on_hand[name])
    return [(name, seconds // DAY) for name, seconds in most.items()]


def distinct_clinics_of_ingredient(scene: Scene, counter: CounterDay) -> list[tuple[str, int]]:
    """For each ingredient of the attempt: clinics that dispensed it in the window, the attempt's included."""
    attempt = scene.attempt
    most: dict[str, int] = {supply.ingredient: 1 for supply in attempt.supplies}
    if most:
        for span in scene.standing.spans(counter.seconds):
            clinics = {name: {attempt.clinic} for name in most}
            for entry in span:
                for supply in entry.supplies:
                    if supply.ingredient in clinics:
                        clinics[supply.ingredient].add(entry.clinic)
            most = {name: max(most[name], len(found)) for name, found in clinics.items()}
    return list(most.items())
