"""How much aid at most, per visit and per year."""

from rules.assessment import Step
from rules.day_books import Limit
from rules.money import yuan
from rules.steps.usage import Usage


def apply(
    name: str, limits: tuple[Limit, ...], aid: int, usage: Usage, steps: list[Step]
) -> tuple[int, list[tuple[str, int | None]]]:
    """The aid within all ceilings, and (accumulator, ceiling) of each, to be charged with it."""
    keys: list[tuple[str, int | None]] = []
    for limit in limits:
        key, before = usage.of(limit)
        keys.append((key, limit.fen))
        if limit.fen is None:
            steps.append(Step(f"{name}.ceiling", aid, aid, "none", *limit.ground))
            continue
        # Used may exceed the ceiling: it was lowered, or an offline excess was recorded.
        given = min(aid, max(0, limit.fen - before))
        detail = f"{yuan(limit.fen)} - {yuan(before)} used" if before else yuan(limit.fen)
        steps.append(Step(f"{name}.ceiling", aid, given, detail, *limit.ground))
        aid = given
    return aid, keys
