"""Which funds bear the aid."""

from rules.assessment import Share, Step
from rules.day_books import SchemeDay
from rules.money import largest_remainder, percent, split, yuan
from rules.steps.bill import Bill

DISTRICT = "{district}"


def shares(scheme: SchemeDay, district: str, lines: list[int], bill: Bill, steps: list[Step]) -> list[Share]:
    """The aid (by line) split over the scheme's funds: exact parts, the last fund takes the remainder."""
    aid = sum(lines)
    parts = [(fund, ppm) for fund, ppm in scheme.funds if district or DISTRICT not in fund]
    pieces = split(aid, [ppm for _, ppm in parts], scheme.rounding)
    named = [(fund.replace(DISTRICT, district), percent(ppm)) for fund, ppm in parts]
    named.append((scheme.last_fund.replace(DISTRICT, district), "rest"))
    found = []
    left = lines
    for (fund, _), piece in zip(named, pieces, strict=True):
        if piece:
            mine = largest_remainder(piece, left)
            left = [have - taken for have, taken in zip(left, mine, strict=True)]
            found.append(Share(scheme.code, fund, piece, bill.as_sent(mine)))
    detail = " + ".join([f"{fund} {rate} = {yuan(piece)}" for (fund, rate), piece in zip(named, pieces, strict=True)])
    steps.append(Step(f"{scheme.code}.funds", aid, aid, detail, *scheme.funding_ground))
    return found
