"""The activity around one attempt, sorted once for all counters."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

from rules.activity import Activity, Stay

CLAIMS = ("claim", "replacement")
APPROVED = "approved"
DECLINED = "declined"
ACTIONS = ("allow", "flag", "challenge", "refuse")
"""From the lightest to the gravest."""

_at = attrgetter("at")


class Entries:
    """Entries of one kind in order of event time, without the attempt.

    A window includes its end and not its beginning: what happened exactly its length before the end is outside.
    Besides the window that ends at the attempt, those count that end at a later entry and still contain the
    attempt: an attempt that arrives late is judged where it happened, and so are the entries after it that it
    would have been counted with.
    """

    __slots__ = ("_attempt_at", "_spans", "_times", "_upto", "entries")

    def __init__(self, entries: list[Activity], attempt_at: int) -> None:
        self.entries = entries
        self._times = [entry.at for entry in entries]
        self._attempt_at = attempt_at
        self._upto = bisect_right(self._times, attempt_at)
        self._spans: dict[int, list[list[Activity]]] = {}

    def later(self, seconds: int) -> list[int]:
        """Event times of the entries after the attempt whose windows of that length contain it."""
        return [time for time in self._times[self._upto :] if time < self._attempt_at + seconds]

    def count(self, end: int, seconds: int) -> int:
        """How many entries the window of that length has that ends at `end`."""
        return bisect_right(self._times, end) - bisect_right(self._times, end - seconds)

    def most(self, seconds: int) -> int:
        """The most entries that one window of that length has."""
        if not self._times:
            return 0
        here = self._upto - bisect_right(self._times, self._attempt_at - seconds)
        if self._upto == len(self._times):
            return here
        return max([here, *[self.count(end, seconds) for end in self.later(seconds)]])

    def spans(self, seconds: int) -> list[list[Activity]]:
        """The entries of every window of that length, the one that ends at the attempt first."""
        spans = self._spans.get(seconds)
        if spans is None:
            times, entries = self._times, self.entries
            spans = [entries[bisect_right(times, self._attempt_at - seconds) : self._upto]]
            for end in self.later(seconds):
                spans.append(entries[bisect_right(times, end - seconds) : bisect_right(times, end)])
            self._spans[seconds] = spans
        return spans

    def before(self) -> list[Activity]:
        """The entries up to the attempt."""
        return self.entries[: self._upto]

    def after(self) -> list[Activity]:
        """The entries after the attempt."""
        return self.entries[self._upto :]


class Scene:
    """What the measures look at. Entries that were superseded, and what a replacement takes back, are no repeats."""

    __slots__ = ("attempt", "claims", "declines", "given_back", "present", "repeats", "reversals", "standing", "stays")

    def __init__(self, activity: Sequence[Activity], attempt: Activity, stays: Sequence[Stay]) -> None:
        self.attempt = attempt
        self.stays = stays
        entries = sorted([entry for entry in activity if entry.id != attempt.id], key=_at)
        taken_whole, superseded = _referred((*entries, attempt))
        standing: list[Activity] = []
        declines: list[Activity] = []
        claims: list[Activity] = []
        reversals: list[Activity] = []
        present: list[Activity] = []
        self.given_back: dict[str, int] = {}
        """Aid that partial reversals gave back, by claim."""
        for entry in entries:
            if entry.kind == "reversal":
                if entry.decision == APPROVED:
                    reversals.append(entry)
                    if not entry.whole:
                        self.given_back[entry.refers] = self.given_back.get(entry.refers, 0) + entry.aid
                continue
            if not entry.by_counter:
                present.append(entry)
            if entry.decision == APPROVED:
                claims.append(entry)
                if entry.kind == "replacement":
                    reversals.append(entry)
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
        """Every attempt at a counter, whatever came of it, except those that a velocity counter stopped: else the
        same doubtful card, tried again, would vouch for itself.
        """
        items, total, clinic = attempt.items, attempt.total, attempt.clinic
        same = [each for each in standing if each.items == items and each.total == total and each.clinic == clinic]
        self.repeats = Entries(same if items else [], at)
        """Standing claims of the same clinic, total and items."""


def _referred(entries: Sequence[Activity]) -> tuple[set[str], set[str]]:
    """Ids that were taken back wholly, and ids that a later claim superseded."""
    taken_whole: set[str] = set()
    superseded: set[str] = set()
    for entry in entries:
        if entry.refers:
            if entry.kind == "claim":
                superseded.add(entry.refers)
            elif entry.whole and entry.decision == APPROVED:
                taken_whole.add(entry.refers)
    return taken_whole, superseded


class CounterDay(NamedTuple):
    """One counter in one window, as it holds on a day."""

    key: str
    measure: "Measure"
    window: str
    seconds: int
    per_card: bool
    lowest: int
    """The lowest threshold."""
    bands: tuple[tuple[int, str], ...]
    """Threshold and action, highest threshold first."""
    snooze: int
    """Seconds."""
    tolerance: int
    """Ppm."""
    distance_above: int
    """Metres."""
    amount_above: int
    """Fen."""
    share_above: int
    """Ppm."""


class Measure(NamedTuple):
    """How a counter is computed, and what its definition has to state."""

    unit: str
    of_account: Callable[[Scene, CounterDay], int] | None = None
    """The value; either this or the next."""
    of_parts: Callable[[Scene, CounterDay], list[tuple[str, int]]] | None = None
    """The value for each part of the account, such as an ingredient."""
    needs: tuple[str, ...] = ()
    """Settings that the definition must state, and no others."""
    scale: int = 1
    """How many of the value's units one unit of a threshold is: amounts are fen, thresholds are stated in yuan."""
    windowed: bool = True
    of_any_attempt: bool = False
    """Also computed when the attempt is a reversal or is declined anyway; the others only count accepted claims."""
