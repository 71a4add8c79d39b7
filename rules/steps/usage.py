"""What the resident has used, seen from one claim."""

from collections.abc import Mapping
from typing import NamedTuple

from rules.day_books import Limit


class Usage(NamedTuple):
    """The claim's benefit year and visit, and the amounts used of every accumulator (fen; absent = 0)."""

    year: int
    visit: str
    used: Mapping[str, int]

    def of(self, limit: Limit) -> tuple[str, int]:
        """The accumulator's key for this claim, and what is used of it."""
        key = limit.key(self.year, self.visit)
        # A correction may have left less than nothing; it must not lift a ceiling.
        return key, max(0, self.used.get(key, 0))
