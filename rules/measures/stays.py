"""Stays in hospital."""

from rules.measures.scene import CounterDay, Scene


def open_stays_elsewhere(scene: Scene, counter: CounterDay) -> int:
    """Inpatient stays at other clinics that were open when the attempt happened."""
    attempt = scene.attempt
    return len(
        [
            stay
            for stay in scene.stays
            if stay.clinic != attempt.clinic
            and stay.admitted <= attempt.at
            and (stay.discharged is None or stay.discharged > attempt.at)
        ]
    )
