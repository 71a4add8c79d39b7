"""How fast the card must have travelled."""

from collections.abc import Iterable
from math import asin, cos, radians, sin, sqrt

from rules.activity import Activity
from rules.measures.scene import CounterDay, Scene

EARTH_RADIUS = 6_371_008.8
"""Metres, mean radius (IUGG)."""


def travel_speed(scene: Scene, counter: CounterDay) -> int:
    """km/h between the attempt and the entry before and the one after it, where their clinics lie far enough apart.

    A declined attempt counts too: the card was at the counter. What a velocity counter stopped does not, nor do clinics
    without coordinates (0, 0).
    """
    attempt = scene.attempt
    if not _placed(attempt):
        return 0
    neighbours = (_first_placed(reversed(scene.present.before())), _first_placed(scene.present.after()))
    return max([_speed(attempt, entry, counter) for entry in neighbours if entry is not None], default=0)


def _placed(entry: Activity) -> bool:
    return entry.lat != 0 or entry.lon != 0


def _first_placed(entries: Iterable[Activity]) -> Activity | None:
    return next((entry for entry in entries if _placed(entry)), None)


def _speed(one: Activity, other: Activity, counter: CounterDay) -> int:
    seconds = abs(one.at - other.at)
    if one.clinic == other.clinic or seconds >= counter.seconds:
        return 0
    metres = haversine(one.lat, one.lon, other.lat, other.lon)
    if metres <= counter.distance_above:
        return 0
    # Two clinics in the same second: one second is the finest difference that event times can show.
    return int(metres * 3.6 / max(1, seconds))


def haversine(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Metres between two WGS84 points, on a sphere (within 0.5 %)."""
    phi, other_phi = radians(lat), radians(other_lat)
    half = sin((other_phi - phi) / 2) ** 2 + cos(phi) * cos(other_phi) * sin(radians(other_lon - lon) / 2) ** 2
    return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(half)))
