"""Fen, rates and rounding: the only place where money is multiplied or split. Amounts are integer fen, rates
integer ppm.
"""

import re
from collections.abc import Sequence

PPM = 1_000_000
"""One whole, in parts per million: the finest rate a rulebook can state is 0.0001 %."""

MILLI = 1000
"""Quantities are in thousandths of a unit."""

HALF_UP = "half_up"
HALF_EVEN = "half_even"
DOWN = "down"
ROUNDINGS = (HALF_UP, HALF_EVEN, DOWN)

_DECIMAL = re.compile(r"([0-9]{1,12})(?:\.([0-9]+))?")


def rounded(numerator: int, rounding: str) -> int:
    """Fen from fen x ppm (>= 0), by the rulebook's rounding."""
    whole, rest = divmod(numerator, PPM)
    twice = rest * 2
    if rounding == HALF_UP:
        return whole + (twice >= PPM)
    if rounding == HALF_EVEN:
        return whole + (twice > PPM or (twice == PPM and whole % 2 == 1))
    return whole


def part(amount: int, ppm: int, rounding: str) -> int:
    """`amount` fen at a rate, rounded once."""
    return rounded(amount * ppm, rounding)


def price(unit_price: int, quantity: int) -> int:
    """The most that `quantity` thousandths cost at a ceiling per unit: a part of a fen is above it."""
    return unit_price * quantity // MILLI


def largest_remainder(amount: int, weights: Sequence[int]) -> list[int]:
    """Splits `amount` in proportion to `weights` so that the pieces sum to it; 0 <= amount <= sum(weights).

    What the floors leave over goes, one fen each, to the largest remainders, the earlier one first where they are
    equal. No piece is larger than its weight.
    """
    whole = sum(weights)
    if amount == whole:
        return list(weights)
    if amount == 0:
        return [0] * len(weights)
    scaled = [amount * weight for weight in weights]
    pieces = [product // whole for product in scaled]
    left = amount - sum(pieces)
    if left == 1:
        rests = [product % whole for product in scaled]
        pieces[rests.index(max(rests))] += 1
    elif left:
        rests = [product % whole for product in scaled]
        for index in sorted(range(len(rests)), key=rests.__getitem__, reverse=True)[:left]:
            pieces[index] += 1
    return pieces


def split(amount: int, rates: Sequence[int], rounding: str) -> list[int]:
    """Splits `amount` by `rates` (ppm) plus a last piece that takes the remainder; no piece is negative.

    Running totals are rounded, not the pieces: rounding four quarters of 2 fen up one by one would give out 4.
    """
    pieces: list[int] = []
    given = running = 0
    for rate in rates:
        running += rate
        upto = part(amount, running, rounding)
        pieces.append(upto - given)
        given = upto
    pieces.append(amount - given)
    return pieces


def decimal(text: str, digits: int) -> int:
    """A plain decimal such as `59.96`, as an integer count of 10^-digits; ValueError when it is finer or no number."""
    match = _DECIMAL.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"“{text}” is not a plain decimal number, such as 59.96")
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if len(fraction) > digits:
        raise ValueError(f"“{text}” is finer than {digits} decimal places")
    return int(whole + fraction.ljust(digits, "0"))


def fen(yuan: str) -> int:
    """Fen from yuan written out."""
    return decimal(yuan, 2)


def ppm(percent: str) -> int:
    """Ppm (0 to 1,000,000) from a percentage written out, with or without the sign."""
    rate = decimal(percent.strip().removesuffix("%"), 4)
    if rate > PPM:
        raise ValueError(f"{percent} is more than the whole: a rate lies between 0 and 100 %")
    return rate


def yuan(amount: int) -> str:
    """Fen (>= 0) as yuan with two decimals."""
    return f"{amount // 100}.{amount % 100:02d}"


def percent(rate: int) -> str:
    """Ppm as a percentage without superfluous zeros, such as `12.5%`."""
    whole, rest = divmod(rate, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0") + "%" if rest else f"{whole}%"
