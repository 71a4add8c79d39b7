"""Ids carry the time they were made."""

from datetime import timedelta
from uuid import UUID, uuid4

from gateway.domain.ids import AHEAD, RETENTION, acceptable, floor_of, made_at
from tests.gateway.domain.scenes import NOW, uid

MOMENT = timedelta(milliseconds=1)


def test_when_an_id_was_made() -> None:
    assert made_at(uid(5)) == NOW
    assert made_at(uuid4()) is None
    assert made_at(UUID(int=0)) is None


def test_ids_of_the_retention_period_are_accepted() -> None:
    for at, accepted in (
        (NOW - RETENTION, True),
        (NOW - RETENTION - MOMENT, False),
        (NOW + AHEAD, True),
        (NOW + AHEAD + MOMENT, False),
    ):
        assert acceptable(floor_of(at), NOW) is accepted
    assert not acceptable(uuid4(), NOW)


def test_the_floor_of_a_moment_is_below_every_id_of_it() -> None:
    assert floor_of(NOW) == uid(0)
    assert floor_of(NOW - MOMENT) < floor_of(NOW) <= uid(1) < floor_of(NOW + MOMENT)
