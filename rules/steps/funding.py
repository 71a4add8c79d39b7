"""Which funds bear the aid."""

from operator import sub

from rules.assessment import Share, Step
from rules.day_books import DISTRICT, SchemeDay
from rules.money import largest_remainder, split, yuan
from rules.steps.bill import Bill


def shares(scheme: SchemeDay, district: str, lines: list[int], bill: Bill, steps: list[Step]) -> list[Share]:
    """The aid (by line) split over the scheme's funds: exact parts, the last fund takes the remainder."""
    aid = sum(lines)
    parts = [each for each in scheme.funds if district or DISTRICT not in each[0]]
    pieces = split(aid, [ppm for _, ppm, _ in parts], scheme.rounding) if parts else [aid]
    found = []
    details = []
    left = lines
    for (name, _, rate), piece in zip((*parts, (scheme.last_fund, 0, "rest")), pieces, strict=True):
        fund = name.replace(DISTRICT, district)
        details.append(f"{fund} {rate} = {yuan(piece)}")
        if piece:
            mine = largest_remainder(piece, left)
            left = list(map(sub, left, mine))
            found.append(Share(scheme.code, fund, piece, bill.as_sent(mine)))
    steps.append(Step(f"{scheme.code}.funds", aid, aid, " + ".join(details), *scheme.funding_ground))
    return found
