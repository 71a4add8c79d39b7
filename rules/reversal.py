"""What a reversal gives back: line by line what each payer was given, never a new calculation."""

from collections.abc import Sequence

from rules.assessment import Movement, Share


def lines_back(
    shares: tuple[Share, ...], movements: tuple[Movement, ...], lines: Sequence[int]
) -> tuple[tuple[Share, ...], tuple[Movement, ...]]:
    """What reversing the lines at these indexes gives back: amounts >= 0 to be posted the other way round.

    Every line was allocated once, so reversing disjoint sets of lines one after another gives back exactly what
    was given. Shares and movements that get nothing back are left out. Raises ValueError for a line that is not
    there or named twice.
    """
    count = len(shares[0].lines) if shares else 0
    chosen = set(lines)
    if len(chosen) != len(lines) or not all(0 <= line < count for line in chosen):
        raise ValueError(f"reverse each of the lines 0 to {count - 1} at most once, not {list(lines)}")
    back_shares = []
    for share in shares:
        pieces = _only(share.lines, chosen)
        if amount := sum(pieces):
            back_shares.append(Share(share.payer, share.fund, amount, pieces))
    back_movements = []
    for movement in movements:
        pieces = _only(movement.lines, chosen)
        if amount := sum(pieces):
            back_movements.append(Movement(movement.accumulator, amount, movement.ceiling, pieces))
    return tuple(back_shares), tuple(back_movements)


def _only(amounts: tuple[int, ...], chosen: set[int]) -> tuple[int, ...]:
    return tuple(amount if index in chosen else 0 for index, amount in enumerate(amounts))
