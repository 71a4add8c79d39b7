"""How much aid."""

from rules.measures.scene import CounterDay, Scene


def aid_amount(scene: Scene, counter: CounterDay) -> int:
    """Fen of aid in the window, the attempt's included, less what partial reversals gave back."""
    back = scene.given_back
    most = 0
    for span in scene.standing.spans(counter.seconds):
        total = sum([entry.aid for entry in span])
        if back:
            total -= sum([back.get(entry.id, 0) for entry in span])
        most = max(most, total)
    return scene.attempt.aid + most
