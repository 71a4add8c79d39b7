"""What is known of a resident, a visit and its lines on the day of service: everything `assess` may look at.

All amounts are integer fen. Nothing here knows who the resident is.
"""

from collections.abc import Mapping
from datetime import date

import msgspec


class Entitlement(msgspec.Struct, frozen=True, array_like=True):
    """A category of the resident from a day to a day (both included; no last day = until further notice)."""

    category: str
    """Stable code: TEKUN, DIBAO, LOWINC, EXPEND, ORPHAN, QUOTA, VETERAN, LOCAL."""
    starts: date
    ends: date | None = None
    district: str = ""
    """Six-digit code of the district that grants it; district top-ups go by it."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One fee line of the visit, as the clinic charged it."""

    id: str
    """Unique within the claim; the order of lines has no meaning."""
    item: str
    """The clinic's own item code, or a catalogue code; mapped by the rulebooks."""
    amount: int
    """Fen, > 0: what the clinic charges for the line."""
    quantity: int = 1
    """Units charged, in thousandths (1.5 packs = 1500)."""
    days: int = 0
    """Days of supply dispensed; 0 = what the catalogue says for the quantity."""


class Prior(msgspec.Struct, frozen=True, array_like=True):
    """What one payer before medical aid has paid of this claim (basic pool, major illness, supplementary,
    commercial, …).
    """

    payer: str
    """Payer code; open-ended. What an unknown one counts as is in the rulebook."""
    amount: int
    """Fen, >= 0."""


class Situation(msgspec.Struct, frozen=True):
    """Everything the benefit of one claim depends on."""

    day: date
    """Date of service; for a stay the rulebook says whether admission or discharge decides the benefit year."""
    visit_type: str
    """outpatient, emergency or inpatient."""
    visit: str
    """What per-visit deductibles go by: clinic and visit id, joined by the caller."""
    clinic: str
    """Clinic code, for the mapping of its own item codes."""
    lines: tuple[Line, ...]
    prior: tuple[Prior, ...] = ()
    entitlements: tuple[Entitlement, ...] = ()
    used: Mapping[str, int] = {}
    """What the resident has used of each accumulator (fen), by the keys that `accumulators()` names; absent = 0."""
    admitted: date | None = None
    discharged: date | None = None
