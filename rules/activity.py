"""What happened to an account lately, and what the velocity counters make of one more attempt. Times are epoch
seconds.
"""

import msgspec


class Supply(msgspec.Struct, frozen=True, array_like=True):
    """A dispensed ingredient and how many days it lasts."""

    ingredient: str
    days: int


class Activity(msgspec.Struct, frozen=True, array_like=True):
    """One thing that happened to the account: the append-only record the counters are computed from.

    A reversal is an entry of its own that names what it takes back; nothing is ever changed. Kept small (about 100
    bytes packed): a claim reads every entry of the last 90 days and the last one before.
    """

    id: str
    kind: str
    """claim, reversal or replacement (a replacement takes `refers` back wholly and is itself a claim)."""
    at: int
    """Event time, epoch seconds: when it happened at the counter, not when it arrived."""
    decision: str
    """approved, declined or challenged."""
    by_counter: bool = False
    """The decline or challenge was caused by a counter (such declines do not feed the counter of declines)."""
    card: str = ""
    """Short keyed hash of the card: an account can have several cards."""
    clinic: str = ""
    terminal: str = ""
    lat: float = 0.0
    lon: float = 0.0
    """WGS84 of the clinic; 0, 0 = unknown."""
    total: int = 0
    aid: int = 0
    items: str = ""
    """Short digest of the claim's items and quantities, independent of line order."""
    diagnosis: str = ""
    """Short keyed hash of the main diagnosis."""
    supplies: tuple[Supply, ...] = ()
    refers: str = ""
    """What a reversal or replacement takes back, or what a claim supersedes."""
    whole: bool = True
    """False for a reversal of some lines only."""
    offline: bool = False


class Stay(msgspec.Struct, frozen=True, array_like=True):
    """An inpatient stay of the account. `discharged` None = still open. Epoch seconds."""

    clinic: str
    admitted: int
    discharged: int | None = None


class Hit(msgspec.Struct, frozen=True, array_like=True):
    """A counter whose band was reached."""

    counter: str
    """C01, C02, …"""
    window: str
    """The window as the rulebook names it, such as `10min`."""
    value: int
    threshold: int
    action: str
    """flag, challenge or refuse."""
    subject: str
    """What the alert is about: the account, or e.g. an ingredient of it; unique with counter and `since`."""
    since: int
    """Start of the alert's window (epoch seconds): one alert per counter, subject and window."""


class Screening(msgspec.Struct, frozen=True):
    """The counters' verdict on one attempt."""

    action: str
    """allow, flag, challenge or refuse: the gravest of the hits; an answered challenge counts as flag."""
    hits: tuple[Hit, ...] = ()
    values: tuple[tuple[str, str, int], ...] = ()
    """(counter, window, value) of every counter that was evaluated and is not zero, in rulebook order."""
