"""Generations move on in time for the horizon; no key is ever without a wrapping, none is destroyed while in use."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from audit import kept_entries
from crypto import WRAP_LIMIT, GenerationState
from domain.actor import SYSTEM, Actor, Role
from domain.errors import KeysUnavailable, Misconfigured, NotAllowed, NotFound, StateConflict
from keys import ATTACHMENT, Rotation
from storage.records import WrappedRow
from tests.small_site import Crash, Steps

DAY = timedelta(days=1)


@pytest.fixture
def steps():
    return Steps()


@pytest.fixture
def rotation(site, steps):
    return Rotation(
        site.records, site.ring, site.keys, site.log, site.clock, horizon=timedelta(days=30), steps=steps, batch=3
    )


def made(site, *owners):
    return {
        owner: site.records.write(lambda unit, owner=owner: site.keys.new(unit, owner, ATTACHMENT)) for owner in owners
    }


def kept(site, *owners):
    return {
        owner: site.records.read(lambda unit, owner=owner: site.keys.get(unit, owner, ATTACHMENT)) for owner in owners
    }


def generation(site, owner):
    return site.records.read(lambda unit: unit.keys.get(owner, ATTACHMENT)).generation


def events(site, kind):
    bodies = [json.loads(entry.body) for entry in kept_entries(site.records)]
    return [(one["subject"], one["facts"]) for one in bodies if one["kind"] == kind]


def test_a_new_generation_wraps_what_comes_and_the_old_one_still_opens(site, rotation):
    old = made(site, "a")
    assert rotation.rotate(SYSTEM).number == 2
    made(site, "b")
    assert (generation(site, "a"), generation(site, "b")) == (1, 2)
    assert kept(site, "a") == old
    assert events(site, "key.rotated") == [("generation-2", {"generation": 2})]


def test_rewrapping_moves_every_key_and_changes_none(site, rotation):
    keys = made(site, *"abcdefgh")
    rotation.rotate(SYSTEM)
    assert rotation.rewrap(SYSTEM).count == 8
    assert kept(site, *"abcdefgh") == keys
    assert {generation(site, owner) for owner in "abcdefgh"} == {2}
    assert [facts["keys"] for _, facts in events(site, "key.rewrapped")] == [3, 3, 2]
    assert rotation.rewrap(SYSTEM).count == 0
    views = rotation.list(SYSTEM)
    assert [(one.number, one.state, one.keys, one.uses) for one in views] == [
        (1, GenerationState.RETIRED, 0, 8),
        (2, GenerationState.ACTIVE, 8, 8),
    ]
    assert (views[0].retired_at, views[1].retired_at) == (views[1].created_at, None)


def test_rewrapping_cut_off_is_gone_on_with(site, rotation, steps):  # K1
    keys = made(site, *"abcdefgh")
    rotation.rotate(SYSTEM)
    steps.at = ("rewrapped", 2)
    with pytest.raises(Crash):
        rotation.rewrap(SYSTEM)
    assert sorted(generation(site, owner) for owner in "abcdefgh") == [1, 1, 2, 2, 2, 2, 2, 2]
    assert kept(site, *"abcdefgh") == keys
    steps.at = None
    assert rotation.rewrap(SYSTEM).count == 2
    assert kept(site, *"abcdefgh") == keys


def test_a_key_destroyed_meanwhile_does_not_come_back(site, rotation):
    made(site, *"abc")
    rotation.rotate(SYSTEM)
    read = site.records.read

    class Destroying:
        """Destroys an owner's key between the reading of a batch and its writing."""

        def __getattr__(self, name):
            return getattr(site.records, name)

        def read(self, work):
            found = read(work)
            site.records.write(lambda unit: site.keys.destroy(unit, "b"))
            return found

    racing = Rotation(
        Destroying(), site.ring, site.keys, site.log, site.clock, horizon=timedelta(days=30), batch=3
    )  # fmt: skip
    assert racing.rewrap(SYSTEM).count == 2
    assert site.records.read(lambda unit: unit.keys.get("b", ATTACHMENT)) is None


def test_one_key_that_does_not_open_is_named_and_stops_nobody(site, rotation):
    keys = made(site, *"abcde")

    def spoil(unit):
        row = unit.keys.get("c", ATTACHMENT)
        unit.keys.replace(WrappedRow("c", ATTACHMENT, 1, row.sealed[:-1] + b"\x00"), generation=1)
        unit.keys.replace(WrappedRow("d", ATTACHMENT, 0, b"x"), generation=1)

    site.records.write(spoil)
    rotation.rotate(SYSTEM)
    done = rotation.rewrap(SYSTEM)
    assert (done.count, done.failed) == (3, [("c", "integrity-failure"), ("d", "key-unavailable")])
    del keys["c"], keys["d"]
    assert kept(site, *"abe") == keys


def test_without_the_ring_rewrapping_stops_and_says_so(site, rotation):
    made(site, "a")
    rotation.rotate(SYSTEM)
    site.ring.reachable = False
    with pytest.raises(KeysUnavailable):
        rotation.rewrap(SYSTEM)


def test_what_still_wraps_something_is_never_destroyed(site, rotation):
    keys = made(site, "a")
    rotation.rotate(SYSTEM)
    site.clock.go(days=8)
    for force in (False, True):
        with pytest.raises(StateConflict) as refused:
            rotation.destroy(SYSTEM, 1, force=force)
        assert refused.value.facts == {"keys": 1}
    assert kept(site, "a") == keys


def test_a_retired_generation_rests_seven_days(site, rotation):
    made(site, "a")
    rotation.rotate(SYSTEM)
    rotation.rewrap(SYSTEM)
    site.clock.go(days=7, seconds=-1)
    with pytest.raises(StateConflict):
        rotation.destroy(SYSTEM, 1)
    site.clock.go(seconds=1)
    rotation.destroy(SYSTEM, 1)
    rotation.destroy(SYSTEM, 1)
    assert rotation.list(SYSTEM)[0].state is GenerationState.DESTROYED
    assert events(site, "key.destroyed") == [("generation-1", {"forced": False, "generation": 1})]
    kept(site, "a")


def test_force_does_not_wait(site, rotation):
    rotation.rotate(SYSTEM)
    rotation.destroy(SYSTEM, 1, force=True)
    assert events(site, "key.destroyed") == [("generation-1", {"forced": True, "generation": 1})]


def test_neither_the_active_generation_nor_one_never_made_is_destroyed(site, rotation):
    with pytest.raises(StateConflict):
        rotation.destroy(SYSTEM, 1, force=True)
    with pytest.raises(NotFound):
        rotation.destroy(SYSTEM, 9, force=True)


def test_a_generation_made_but_not_written_down_is_used_and_written_down_later(site, rotation, steps):  # K2
    steps.at = ("rotated", 1)
    with pytest.raises(Crash):
        rotation.rotate(SYSTEM)
    assert events(site, "key.rotated") == []
    steps.at = None
    rotation.tick()
    assert events(site, "key.rotated") == [("generation-2", {"generation": 2})]
    assert len(rotation.list(SYSTEM)) == 2


def test_a_destruction_whose_commit_failed_is_written_down_later(site, rotation):
    rotation.rotate(SYSTEM)
    site.ring.destroy(1)
    rotation.tick()
    assert events(site, "key.destroyed") == [("generation-1", {"generation": 1})]
    rotation.tick()
    assert len(events(site, "key.destroyed")) == 1


def test_the_job_keeps_the_horizon(site, rotation):
    """Whatever is purged on a day, no generation of that day is left thirty days later."""
    alive_on = {}
    for day in range(120):
        made(site, f"day-{day}")
        rotation.tick()
        alive_on[day] = {one.number for one in rotation.list(SYSTEM) if one.state is not GenerationState.DESTROYED}
        active = max(alive_on[day])
        assert generation(site, f"day-{day}") == active
        if day >= 30:
            assert not alive_on[day] & alive_on[day - 30]
        site.clock.go(days=1)
    owners = [f"day-{day}" for day in range(120)]
    assert len(kept(site, *owners)) == 120
    assert len(rotation.list(SYSTEM)) == 6


def test_the_job_rotates_where_a_generation_has_wrapped_enough(site, rotation):
    made(site, "a")

    class Worn:
        """Records whose first generation has wrapped as many keys as it may."""

        def __getattr__(self, name):
            return getattr(site.records, name)

        def read(self, work):
            return site.records.read(lambda unit: work(_Unit(unit)))

    class _Unit:
        def __init__(self, unit):
            self._unit = unit
            self.keys = self

        def __getattr__(self, name):
            return getattr(self._unit, name) if hasattr(self._unit, name) else getattr(self._unit.keys, name)

        def uses(self, number):
            return WRAP_LIMIT if number == 1 else 0

    job = Rotation(Worn(), site.ring, site.keys, site.log, site.clock, horizon=timedelta(days=30))
    assert job.tick().rotated == 2
    assert job.tick().rotated is None


def test_two_nodes_do_not_rotate_twice(site, rotation):
    site.clock.go(days=23)
    now = site.records.now()
    site.records.write(lambda unit: unit.leases.take("keys", owner="other", now=now, until=now + DAY))
    assert rotation.tick().rotated is None
    assert len(rotation.list(SYSTEM)) == 1


def test_a_horizon_too_short_to_keep_is_a_wrong_setting(site):
    with pytest.raises(Misconfigured) as wrong:
        Rotation(site.records, site.ring, site.keys, site.log, site.clock, horizon=timedelta(days=8))
    assert wrong.value.field == "keys.horizon"


@pytest.mark.parametrize("role", [Role.AGENT, Role.AUDITOR, Role.CONTACT, Role.CONNECTOR, Role.REQUESTER])
def test_who_may_not_touch_keys_is_refused(site, rotation, role):
    actor = Actor(role)
    for call in (
        lambda: rotation.list(actor),
        lambda: rotation.rotate(actor),
        lambda: rotation.rewrap(actor),
        lambda: rotation.destroy(actor, 1, force=True),
    ):
        with pytest.raises(NotAllowed):
            call()
    assert len(site.ring.generations()) == 1
