"""Why a claim gets no aid: a closed list."""

from enum import StrEnum


class NoAid(StrEnum):
    """In the order of how far the claim came; of several schemes the reason that came farthest is given."""

    NO_RULEBOOK = "NO_RULEBOOK"
    """No scheme is in force on the day of service."""
    NOT_ENTITLED = "NOT_ENTITLED"
    """No category that any scheme knows on that day."""
    VISIT_TYPE_NOT_COVERED = "VISIT_TYPE_NOT_COVERED"
    """The category gives aid, but not for this type of visit."""
    NOTHING_IN_SCOPE = "NOTHING_IN_SCOPE"
    """Nothing of the bill is of the kind that aid pays of (or the aid comes to less than half a fen)."""
    PRIOR_PAID_ALL = "PRIOR_PAID_ALL"
    """Who pays before aid left nothing of it."""
    ALREADY_AIDED = "ALREADY_AIDED"
    """The insurer's own settlement already paid medical aid, and the rulebook says that this ends it or covers it."""
    CEILING_REACHED = "CEILING_REACHED"
    """The ceiling of the visit or of the year is used up."""
    BELOW_DEDUCTIBLE = "BELOW_DEDUCTIBLE"
    """What is left lies within the deductible. Last, because it is the one reason under which the claim still has an
    effect: its cost counts towards the deductible, and no ceiling reached elsewhere may hide that.
    """


FARTHEST = tuple(NoAid)
