"""The bands and rates: what part of the base is given."""

from rules.assessment import Step
from rules.day_books import SchemeDay, Tariff
from rules.money import HALF_UP, PPM, part, percent, rounded, yuan


def apply(scheme: SchemeDay, tariff: Tariff, base: int, year_base: int, steps: list[Step]) -> int:
    """Aid in fen, rounded once. `year_base`: what the year's base was before this claim (0 when bands go by the
    claim).
    """
    bands, rounding = tariff.bands, scheme.rounding
    if len(bands) == 1:
        aid = part(base, bands[0].ppm, rounding)
        detail = bands[0].percent
    elif tariff.marginal:
        aid, detail = _marginal(tariff, base, year_base, rounding)
    else:
        # A base that just reaches a threshold still lies in the band below it.
        band = next(each for each in reversed(bands) if each.above < year_base + base or each.above == 0)
        aid = part(base, band.ppm, rounding)
        detail = f"{band.percent} (above {yuan(band.above)})"
    if rounding != HALF_UP:
        detail += f", {rounding}"
    steps.append(Step(f"{scheme.code}.rate", base, aid, detail, *tariff.rate_ground))
    return aid


def _marginal(tariff: Tariff, base: int, year_base: int, rounding: str) -> tuple[int, str]:
    """Each band rates the slice of the base that lies in it; the slices are summed exactly and rounded once."""
    numerator = 0
    slices = []
    end = year_base + base
    tops = [band.above for band in tariff.bands[1:]]
    for band, top in zip(tariff.bands, [*tops, None], strict=True):
        low = max(year_base, band.above)
        high = end if top is None else min(end, top)
        if high > low:
            numerator += (high - low) * band.ppm
            slices.append(f"{yuan(high - low)} x {percent(band.ppm)}")
    assert numerator <= base * PPM
    return rounded(numerator, rounding), " + ".join(slices)
