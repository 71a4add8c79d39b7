"""What counters can measure, one file per kind; rulebooks refer to them by name."""

from rules.measures.amounts import aid_amount
from rules.measures.claims import claims, distinct_clinics, exact_duplicates, near_duplicates
from rules.measures.dormancy import dormant_days
from rules.measures.refusals import declines, reversals
from rules.measures.scene import Measure
from rules.measures.stays import open_stays_elsewhere
from rules.measures.supply import days_on_hand, distinct_clinics_of_ingredient
from rules.measures.travel import travel_speed

MEASURES: dict[str, Measure] = {
    "claims": Measure("claims", claims),
    "exact_duplicates": Measure("claims", exact_duplicates),
    "near_duplicates": Measure("claims", near_duplicates, needs=("tolerance",)),
    "distinct_clinics": Measure("clinics", distinct_clinics),
    "travel_speed": Measure("km/h", travel_speed, needs=("distance_above",)),
    "aid_amount": Measure("yuan", aid_amount, scale=100),
    "days_on_hand": Measure("days", of_parts=days_on_hand),
    "distinct_clinics_of_ingredient": Measure("clinics", of_parts=distinct_clinics_of_ingredient),
    "declines": Measure("declines", declines, of_any_attempt=True),
    "reversals": Measure("reversals", reversals, needs=("share_above",), of_any_attempt=True),
    "open_stays_elsewhere": Measure("stays", open_stays_elsewhere, windowed=False),
    "dormant_days": Measure("days", dormant_days, windowed=False, needs=("amount_above",)),
}
