"""The activity around one attempt, sorted once for all counters."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from rules.activity import Activity, Stay
from rules.day_books import CounterDay

CLAIMS = ("claim", "replacement")
APPROVED = "approved"
DECLINED = "declined"

_at = attrgetter("at")


class Entries:
    """Entries of one kind in order of event time, without the attempt."""

    __slots__ = ("_at", "_attempt_at", "_spans", "entries")

    def __init__(self, entries: list[Activity], attempt_at: int) -> None:
        entries.sort(key=_at)
        self.entries = entries
        self._at = [entry.at for entry in entries]
        self._attempt_at = attempt_at
        self._spans: dict[int, list[list[Activity]]] = {}

    def spans(self, seconds: int) -> list[list[Activity]]:
        """The entries of every window of that length that contains the attempt and ends at it or at a later entry.

        An attempt that arrives late is judged where it happened, and so are the entries after it that it would
        have been counted with. A window includes its end and not its beginning: what happened exactly `seconds`
        before is outside.
        """
        spans = self._spans.get(seconds)
        if spans is None:
            times, attempt_at = self._at, self._attempt_at
            upto = bisect_right(times, attempt_at)
            spans = [self.entries[bisect_right(times, attempt_at - seconds) : upto]]
            for index in range(upto, len(times)):
                if times[index] - seconds >= attempt_at:
                    break
                spans.append(
                    self.entries[bisect_right(times, times[index] - seconds) : bisect_right(times, times[index])]
                )
            self._spans[seconds] = spans
        return spans

    def later(self, seconds: int) -> list[int]:
        """Event times of the entries after the attempt whose windows of that length contain it."""
        return [time for time in self._at if self._attempt_at < time < self._attempt_at + seconds]

    def count(self, end: int, seconds: int) -> int:
        """How many entries the window of that length has that ends at `end`."""
        return bisect_right(self._at, end) - bisect_right(self._at, end - seconds)


class Scene:
    """What the measures look at. Entries that were superseded, and what a replacement takes back, are no repeats."""

    __slots__ = ("attempt", "claims", "declines", "given_back", "present", "reversals", "standing", "stays")

    def __init__(self, activity: Iterable[Activity], attempt: Activity, stays: Sequence[Stay]) -> None:
        self.attempt = attempt
        self.stays = stays
        taken_whole: set[str] = set()
        superseded: set[str] = set()
        entries = [entry for entry in activity if entry.id != attempt.id]
        for entry in (*entries, attempt):
            if not entry.refers:
                continue
            if entry.kind == "claim":
                superseded.add(entry.refers)
            elif entry.whole and entry.decision != DECLINED:
                taken_whole.add(entry.refers)
        standing: list[Activity] = []
        declines: list[Activity] = []
        claims: list[Activity] = []
        reversals: list[Activity] = []
        present: list[Activity] = []
        back: dict[str, int] = {}
        for entry in entries:
            if entry.kind == "reversal":
                reversals.append(entry)
                if not entry.whole:
                    back[entry.refers] = back.get(entry.refers, 0) + entry.aid
                continue
            present.append(entry)
            if entry.kind == "replacement" and entry.decision == APPROVED:
                reversals.append(entry)
            if entry.decision == APPROVED:
                claims.append(entry)
                if entry.id not in taken_whole:
                    standing.append(entry)
            elif entry.decision == DECLINED and not entry.by_counter and entry.id not in superseded:
                declines.append(entry)
        at = attempt.at
        self.standing = Entries(standing, at)
        """Approved claims that nothing has taken back wholly."""
        self.claims = Entries(claims, at)
        """Approved claims, also those taken back since."""
        self.declines = Entries(declines, at)
        """Declined claims, except by counters and except superseded ones."""
        self.reversals = Entries(reversals, at)
        self.present = Entries(present, at)
        """Every attempt at a counter, whatever came of it: the card was there."""
        self.given_back = back
        """Aid that partial reversals gave back, by claim."""


Values = Iterable[tuple[str, int]]
"""(subject within the account, value); the subject is empty when it is the account itself."""


class Measure(NamedTuple):
    """How a counter is computed, and what its definition has to state."""

    value: Callable[[Scene, CounterDay], Values]
    unit: str
    needs: tuple[str, ...] = ()
    scale: int = 1
    """How many of the value's units one unit of a threshold is: amounts are fen, thresholds are stated in yuan."""
    windowed: bool = True
    of_any_attempt: bool = False
    """Also computed when the attempt is a reversal or is declined anyway; the others only count accepted claims."""
