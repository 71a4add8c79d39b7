"""What of the base the resident bears alone, per visit and then per year, until it is used up."""

from rules.assessment import Step
from rules.day_books import Limit
from rules.money import yuan
from rules.steps.usage import Usage


def apply(
    name: str, limits: tuple[Limit, ...], base: int, usage: Usage, steps: list[Step]
) -> tuple[int, list[tuple[str, int, int | None]]]:
    """The base after the deductibles, and (accumulator, fen, ceiling) of each that this claim uses."""
    uses: list[tuple[str, int, int | None]] = []
    for limit in limits:
        assert limit.fen is not None
        key, before = usage.of(limit)
        borne = min(base, max(0, limit.fen - before))
        detail = f"{yuan(limit.fen)} - {yuan(before)} used" if before else yuan(limit.fen)
        steps.append(Step(f"{name}.deductible", base, base - borne, detail, *limit.ground))
        base -= borne
        if borne:
            uses.append((key, borne, limit.fen))
    return base, uses
