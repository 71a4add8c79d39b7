"""What may stand in a rulebook's files: one record per kind of table. Whatever is not named here is an error."""

from datetime import date
from typing import Annotated, Literal

import msgspec

Status = Literal["law", "press", "synthetic"]
VisitType = Literal["outpatient", "emergency", "inpatient"]
Part = Literal["in_scope", "own_share", "over_limit", "nursing", "out_of_catalogue"]
Action = Literal["allow", "flag", "challenge", "refuse"]
Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
"""Text that says something: what is empty or blank is an error."""
Some = msgspec.Meta(min_length=1)
"""Of a list: a subject that names nothing would silently do nothing."""


class Dated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whatever holds from a day on, with its ground."""

    starts: date
    ends: date | None = None
    """Last day; without it the value holds until the next one of its subject starts."""
    published: date | None = None
    """When it was made known, where that is not the day it starts: corrections reach back."""
    source: Text
    status: Status
    starts_status: Status | None = None
    """Where the day it starts stands on weaker ground than the number."""
    note: str = ""


class Number(Dated, frozen=True, kw_only=True):
    """A value with its unit: percent, yuan, …"""

    unit: str


class Scheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[scheme]`: what the programme is called and when it comes in the row of schemes."""

    name_zh: Text
    name_en: Text
    rank: int
    """Lower ones pay first; a later one pays of what they leave."""
    district: str = ""
    """Six digits: only entitlements granted by this district count. Empty = all."""


class Rounding(Dated, frozen=True, kw_only=True):
    """`[[rounding]]`: how a part of a fen is rounded."""

    mode: Literal["half_up", "half_even", "down"]


class BenefitYear(Dated, frozen=True, kw_only=True):
    """`[[benefit_year]]`: when the year begins (MM-DD), and which day of a stay decides the year."""

    begins: str
    stay: Literal["admission", "discharge", "service"]


class AlreadyAided(Dated, frozen=True, kw_only=True):
    """`[[already_aided]]`: what medical aid already paid by the insurer's own settlement means for this scheme.

    ends: nothing more is given; reduces: it is deducted from the aid; prior: it counts as any payer before.
    """

    means: Literal["ends", "reduces", "prior"]


class Category(Dated, frozen=True, kw_only=True):
    """`[[category]]`: the name of a category from a day on. The order of the file decides between equal benefits."""

    code: Text
    name_zh: Text
    name_en: Text


class Base(Dated, frozen=True, kw_only=True):
    """`[[base]]`: which parts of the bill the scheme pays of."""

    categories: Annotated[list[Text], Some]
    counts: Annotated[list[Part], Some]


class Deductible(Number, frozen=True, kw_only=True):
    """`[[deductible]]`: what of the base the resident bears alone, per visit or per year."""

    categories: Annotated[list[Text], Some]
    visit_types: Annotated[list[VisitType], Some]
    per: Literal["visit", "year"]
    accumulator: str
    """Deductibles that name the same accumulator are shared."""
    value: int | str


class Band(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rate of what lies above a threshold (yuan), up to the next band's."""

    above: int | str
    value: int | str


class Rate(Number, frozen=True, kw_only=True):
    """`[[rate]]`: what part of the base is given; either one `value` or `bands`."""

    categories: Annotated[list[Text], Some]
    visit_types: Annotated[list[VisitType], Some]
    value: int | str | None = None
    bands: list[Band] = []
    method: Literal["whole", "marginal"] = "whole"
    """whole: the band the base lies in rates all of it; marginal: each band rates its own slice."""
    measured: Literal["claim", "year"] = "claim"
    """What is held against the thresholds: this claim's base, or the year's including it."""
    accumulator: str = ""
    """Where the year's base is kept; only for measured = year."""


class Ceiling(Number, frozen=True, kw_only=True):
    """`[[ceiling]]`: how much aid at most, per visit or per year; `none` says openly that there is no limit."""

    categories: Annotated[list[Text], Some]
    visit_types: Annotated[list[VisitType], Some]
    per: Literal["visit", "year"]
    accumulator: str
    """Ceilings that name the same accumulator are shared."""
    value: int | str


class FundPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fund and its part in percent; the last of a list has none: it takes the remainder."""

    fund: str
    """Ledger account; `{district}` stands for the district of the entitlement (no district: the part falls to the
    last).
    """
    value: int | str | None = None


class Funding(Number, frozen=True, kw_only=True):
    """`[[funding]]`: who bears the aid."""

    funds: list[FundPart]


class Payer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[payer]]`: a payer besides medical aid, and the other codes it goes by."""

    code: Text
    name_zh: Text
    name_en: Text
    aliases: list[Text] = []
    medical_aid: bool = False
    """The insurer's own settlement of medical aid."""
    source: Text
    status: Status


class PayerOrder(Dated, frozen=True, kw_only=True):
    """`[[order]]`: who pays after whom. `aid` marks the place of medical aid, `unknown` that of payers nobody knows."""

    payers: list[str]


class CounterBand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens when the value reaches `at`."""

    at: int
    action: Action


class Counter(Number, frozen=True, kw_only=True):
    """`[[counter]]`: one velocity counter in one window."""

    key: Text
    name_zh: Text
    name_en: Text
    measure: str
    window: str
    """Such as 10min, 24h, 30d; `current` or `event` where no window is meant."""
    per: Literal["account", "card"] = "account"
    bands: list[CounterBand]
    snooze: str
    """For how long further hits belong to the same alert."""
    tolerance: int | str | None = None
    """Percent."""
    distance_above: int | str | None = None
    """Kilometres."""
    amount_above: int | str | None = None
    """Yuan."""
    share_above: int | str | None = None
    """Percent."""
