"""The door for counters: what the velocity counters make of one attempt among what happened to the account around it.

Nothing is stored between calls: every value is computed exactly from the activity that is handed in.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from rules.activity import Activity, Hit, Screening, Stay
from rules.day_books import CounterDay
from rules.measures import MEASURES
from rules.measures.scene import APPROVED, CLAIMS, Scene
from rules.rulebook import Rulebooks

ACTIONS = ("allow", "flag", "challenge", "refuse")
"""From the lightest to the gravest."""
_GRAVITY = {action: rank for rank, action in enumerate(ACTIONS)}
SHANGHAI = timezone(timedelta(hours=8))
"""Asia/Shanghai without daylight saving time."""
_OFFSET = 8 * 3600


def activity_horizon(rulebooks: Rulebooks) -> int:
    """Seconds of activity before an attempt that `screen` needs (beside the last entry before it, and everything
    after it).
    """
    return rulebooks.horizon


def screen(
    activity: Sequence[Activity],
    attempt: Activity,
    rulebooks: Rulebooks,
    *,
    account: str = "account",
    stays: Sequence[Stay] = (),
    identity_checked: bool = False,
) -> Screening:
    """The verdict on `attempt`: the record that this operation would leave.

    `activity` may be in any order, contain the attempt and entries after it. Of each counter and subject only the
    gravest band of all its windows becomes a hit, so that (counter, subject, since) names one alert. An identity
    check answers a challenge, which then is a flag; it answers no refusal.
    """
    counters = rulebooks.on(datetime.fromtimestamp(attempt.at, SHANGHAI).date()).counters
    accepted = attempt.kind in CLAIMS and attempt.decision == APPROVED
    whole: Scene | None = None
    of_card: Scene | None = None
    hits: dict[tuple[str, str], Hit] = {}
    values: list[tuple[str, str, int]] = []
    for counter in counters:
        measure = MEASURES[counter.measure]
        if not (accepted or measure.of_any_attempt):
            continue
        if counter.per_card:
            scene = of_card = of_card or Scene([each for each in activity if each.card == attempt.card], attempt, stays)
        else:
            scene = whole = whole or Scene(activity, attempt, stays)
        highest = 0
        for part, value in measure.value(scene, counter):
            highest = max(highest, value)
            if value >= counter.bands[-1][0]:
                subject = f"{account}/{part}" if part else account
                _note(hits, _hit(counter, value, subject, attempt.at, identity_checked))
        if highest:
            values.append((counter.key, counter.window, highest))
    found = tuple([hit for hit in hits.values() if hit.action != "allow"])
    action = max([hit.action for hit in found], key=_GRAVITY.__getitem__, default="allow")
    return Screening(action, found, tuple(values))


def _hit(counter: CounterDay, value: int, subject: str, at: int, identity_checked: bool) -> Hit:
    threshold, action = next(band for band in counter.bands if value >= band[0])
    if action == "challenge" and identity_checked:
        action = "flag"
    # Snoozes of days begin at midnight in Shanghai.
    since = at - (at + _OFFSET) % counter.snooze
    return Hit(counter.key, counter.window, value, threshold, action, subject, since)


def _note(hits: dict[tuple[str, str], Hit], hit: Hit) -> None:
    known = hits.get((hit.counter, hit.subject))
    if known is None or _GRAVITY[hit.action] > _GRAVITY[known.action]:
        hits[hit.counter, hit.subject] = hit
