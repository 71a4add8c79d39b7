"""The benefit: who pays what of a claim, and what the velocity counters make of it. Pure; the gateway imports from
here only.

`folder` reads files; everything else computes from what it is given.
"""

from rules.activity import Activity, Hit, Screening, Stay, Supply
from rules.assess import accumulators, assess
from rules.assessment import Assessment, Movement, Share, Step
from rules.catalogue import RowError
from rules.errors import RulebookError, SituationError
from rules.folder import SHIPPED, read_folder, shipped
from rules.items import items_digest, quote_digest, supplies, unmapped
from rules.no_aid import NoAid
from rules.outlook import Held, Left, Outlook, outlook
from rules.provisional import ProvisionalTerm, ProvisionalTerms, provisional_terms
from rules.recompute import RecomputeError, recompute
from rules.reversal import lines_back
from rules.rulebook import Rulebooks, load_rulebooks
from rules.screen import activity_horizon, screen
from rules.sheets import items_csv, mapping_csv, read_cells
from rules.situation import Entitlement, Line, Prior, Situation

__all__ = [
    "SHIPPED",
    "Activity",
    "Assessment",
    "Entitlement",
    "Held",
    "Hit",
    "Left",
    "Line",
    "Movement",
    "NoAid",
    "Outlook",
    "Prior",
    "ProvisionalTerm",
    "ProvisionalTerms",
    "RecomputeError",
    "RowError",
    "RulebookError",
    "Rulebooks",
    "Screening",
    "Share",
    "Situation",
    "SituationError",
    "Stay",
    "Step",
    "Supply",
    "accumulators",
    "activity_horizon",
    "assess",
    "items_csv",
    "items_digest",
    "lines_back",
    "load_rulebooks",
    "mapping_csv",
    "outlook",
    "provisional_terms",
    "quote_digest",
    "read_cells",
    "read_folder",
    "recompute",
    "screen",
    "shipped",
    "supplies",
    "unmapped",
]
