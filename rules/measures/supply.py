"""How much of an ingredient the resident has: days of supply on hand, and clinics that dispensed it."""

from rules.activity import Activity
from rules.day_books import CounterDay
from rules.measures.scene import Scene, Values

DAY = 86_400
"""Seconds."""


def days_on_hand(scene: Scene, counter: CounterDay) -> Values:
    """For each ingredient of the attempt: the most days of supply on hand after it, or after a later fill in the
    window.

    Every fill since the window's start is taken from the day it was dispensed, at one day per day; whole days are
    given.
    """
    attempt = scene.attempt
    if not attempt.supplies:
        return []
    fills = [entry for entry in scene.standing.entries if abs(entry.at - attempt.at) < counter.seconds]
    fills.append(attempt)
    fills.sort(key=lambda entry: entry.at)
    return [(supply.ingredient, _on_hand(fills, supply.ingredient, attempt)) for supply in attempt.supplies]


def _on_hand(fills: list[Activity], ingredient: str, attempt: Activity) -> int:
    seconds = most = last = 0
    for entry in fills:
        days = sum([supply.days for supply in entry.supplies if supply.ingredient == ingredient])
        if days:
            seconds = max(0, seconds - (entry.at - last)) + days * DAY
            last = entry.at
            if entry.at >= attempt.at:
                most = max(most, seconds)
    return most // DAY


def distinct_clinics_of_ingredient(scene: Scene, counter: CounterDay) -> Values:
    """For each ingredient of the attempt: clinics that dispensed it in the window, the attempt's included."""
    attempt = scene.attempt
    if not attempt.supplies:
        return []
    spans = scene.standing.spans(counter.seconds)
    return [
        (
            supply.ingredient,
            max([len({attempt.clinic, *_dispensers(span, supply.ingredient)}) for span in spans]),
        )
        for supply in attempt.supplies
    ]


def _dispensers(span: list[Activity], ingredient: str) -> list[str]:
    return [entry.clinic for entry in span for supply in entry.supplies if supply.ingredient == ingredient]
