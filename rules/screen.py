"""The door for counters: what the velocity counters make of one attempt among what happened to the account around it.

Nothing is stored between calls: every value is computed exactly from the activity that is handed in.
"""

from collections.abc import Sequence
from datetime import date

from rules.activity import Activity, Hit, Screening, Stay
from rules.measures.scene import ACTIONS, APPROVED, CLAIMS, CounterDay, Scene
from rules.rulebook import Rulebooks

_GRAVITY = {action: rank for rank, action in enumerate(ACTIONS)}
_SHANGHAI = 8 * 3600
"""Seconds that Asia/Shanghai is ahead of UTC, all year round."""
_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()


def activity_horizon(rulebooks: Rulebooks) -> int:
    """Seconds of activity before an attempt that `screen` needs (beside the last entry before it, and all after it)."""
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
    counters = rulebooks.on(date.fromordinal(_EPOCH + (attempt.at + _SHANGHAI) // _DAY)).counters
    accepted = attempt.kind in CLAIMS and attempt.decision == APPROVED
    whole = of_card = Scene(activity, attempt, stays)
    card = attempt.card
    if any(entry.card != card for entry in activity):
        of_card = Scene(_of_card(activity, card), attempt, stays)
    hits: dict[tuple[str, str], Hit] = {}
    values: list[tuple[str, str, int]] = []
    for counter in counters:
        measure = counter.measure
        if not (accepted or measure.of_any_attempt):
            continue
        scene = of_card if counter.per_card else whole
        if measure.of_account is not None:
            highest = measure.of_account(scene, counter)
            if highest >= counter.lowest:
                _note(hits, _hit(counter, highest, account, attempt.at, identity_checked=identity_checked))
        else:
            assert measure.of_parts is not None
            highest = 0
            for part, value in measure.of_parts(scene, counter):
                highest = max(highest, value)
                if value >= counter.lowest:
                    subject = f"{account}/{part}"
                    _note(hits, _hit(counter, value, subject, attempt.at, identity_checked=identity_checked))
        if highest:
            values.append((counter.key, counter.window, highest))
    if not hits:
        return Screening("allow", (), tuple(values))
    found = tuple([hit for hit in hits.values() if hit.action != "allow"])
    action = max([hit.action for hit in found], key=_GRAVITY.__getitem__, default="allow")
    return Screening(action, found, tuple(values))


def _of_card(activity: Sequence[Activity], card: str) -> list[Activity]:
    """What one card did, with the reversals of it: those are made without a card."""
    mine = {entry.id for entry in activity if entry.card == card}
    return [entry for entry in activity if entry.id in mine or (entry.kind == "reversal" and entry.refers in mine)]


def _hit(counter: CounterDay, value: int, subject: str, at: int, *, identity_checked: bool) -> Hit:
    threshold, action = next(band for band in counter.bands if value >= band[0])
    if action == "challenge" and identity_checked:
        action = "flag"
    # Snoozes of days begin at midnight in Shanghai.
    since = at - (at + _SHANGHAI) % counter.snooze
    return Hit(counter.key, counter.window, value, threshold, action, subject, since)


def _note(hits: dict[tuple[str, str], Hit], hit: Hit) -> None:
    known = hits.get((hit.counter, hit.subject))
    if known is None or _GRAVITY[hit.action] > _GRAVITY[known.action]:
        hits[hit.counter, hit.subject] = hit
