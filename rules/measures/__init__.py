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
    "claims": Measure(claims, "claims"),
    "exact_duplicates": Measure(exact_duplicates, "claims"),
    "near_duplicates": Measure(near_duplicates, "claims", needs=("tolerance",)),
    "distinct_clinics": Measure(distinct_clinics, "clinics"),
    "travel_speed": Measure(travel_speed, "km/h", needs=("distance_above",)),
    "aid_amount": Measure(aid_amount, "yuan", scale=100),
    "days_on_hand": Measure(days_on_hand, "days"),
    "distinct_clinics_of_ingredient": Measure(distinct_clinics_of_ingredient, "clinics"),
    "declines": Measure(declines, "declines", of_any_attempt=True),
    "reversals": Measure(reversals, "reversals", needs=("share_above",), of_any_attempt=True),
    "open_stays_elsewhere": Measure(open_stays_elsewhere, "stays", windowed=False),
    "dormant_days": Measure(dormant_days, "days", windowed=False, needs=("amount_above",)),
}
