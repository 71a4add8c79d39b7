"""Stays in hospital."""

from rules.day_books import CounterDay
from rules.measures.scene import Scene, Values


def open_stays_elsewhere(scene: Scene, counter: CounterDay) -> Values:
    """Inpatient stays at other clinics that were open when the attempt happened."""
    attempt = scene.attempt
    return [
        (
            "",
            sum(
                [
                    stay.clinic != attempt.clinic
                    and stay.admitted <= attempt.at
                    and (stay.discharged is None or stay.discharged > attempt.at)
                    for stay in scene.stays
                ]
            ),
        )
    ]
