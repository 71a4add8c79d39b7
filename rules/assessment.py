"""Who pays what of a claim, per line and in total, and the steps that led there. All amounts are integer fen."""

import msgspec


class Share(msgspec.Struct, frozen=True, array_like=True):
    """One payer's part of the claim."""

    payer: str
    """A prior payer's code, a scheme's code (aid), or `cash` (what the resident pays; always last, takes the
    remainder).
    """
    fund: str
    """Ledger account that is debited, such as `fund:municipal`; empty when no fund of ours pays (prior payers,
    cash).
    """
    amount: int
    lines: tuple[int, ...]
    """The amount split over the claim's lines, in the situation's line order; sums to `amount`."""


class Movement(msgspec.Struct, frozen=True, array_like=True):
    """How much of a yearly or per-visit deductible or ceiling this claim uses."""

    accumulator: str
    amount: int
    ceiling: int | None
    """What the accumulator may not pass, where there is such a limit."""
    lines: tuple[int, ...]
    """The amount split over the lines, so that taking lines back gives back exactly their use."""


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One step of the calculation, enough to recompute it and to name its ground."""

    rule: str
    """Dotted name of the rule, such as `shanghai_medical_aid.rate`."""
    base: int
    """Fen that went in."""
    result: int
    """Fen that came out."""
    detail: str = ""
    """The numbers used, such as `80%` or `30000.00 x 50% + 2000.00 x 60%`."""
    source: str = ""
    """Article or publication the number comes from."""
    status: str = ""
    """law, press or synthetic."""


class Assessment(msgspec.Struct, frozen=True):
    """The benefit of one claim under one set of rulebooks."""

    rulebooks: str
    """Digest of the set of rulebooks that was applied."""
    total: int
    aid: int
    """Sum of all schemes' shares."""
    shares: tuple[Share, ...]
    """In order of payment; one per payer and fund; amounts sum to `total`, per line to the line's amount; none
    negative.
    """
    movements: tuple[Movement, ...]
    steps: tuple[Step, ...]
    category: str = ""
    """The category that was applied (of the first scheme that gave aid); empty when none was."""
    no_aid: str = ""
    """Empty when aid > 0, else why: one of `NoAid`."""
    unmapped: tuple[str, ...] = ()
    """Ids of lines whose item neither the clinic's mapping nor the catalogue knows (they count as out of catalogue)."""
