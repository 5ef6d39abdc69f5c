"""The job of rotation with a managed ring, whose document lies among the records that it works on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crypto import GenerationState, WrappedKey
from crypto.key_managed import ManagedKeyRing
from domain.actor import SYSTEM
from domain.errors import KeysUnavailable, StateConflict
from domain.event import EventKind
from keys import TICKET, Keys, RecordsDocuments, Rotation
from storage.records import JournalFilter, Records
from storage.records.sqlite import DATABASE, SqliteRecords
from tests.contract.keyring.memory_master import MemoryMaster
from tests.site import ground, is_embedded
from tests.small_site import Crash, Steps

OWNERS = [f"owner-{number:02}" for number in range(7)]


@pytest.fixture
def beside(site, tmp_path):
    """The records of the document: a connection of their own."""
    records: Records
    if is_embedded():
        records = SqliteRecords(tmp_path / DATABASE, clock=site.clock, checkpoints=False, readers=1)
    else:
        records = ground(tmp_path).records(site.clock)
    yield records
    records.close()


@pytest.fixture
def documents(beside):
    return RecordsDocuments(beside)


@pytest.fixture
def master():
    return MemoryMaster()


@pytest.fixture
def ring(master, documents, site):
    return ManagedKeyRing.create(master, documents, site.clock)


@pytest.fixture
def keys(ring):
    return Keys(ring)


@pytest.fixture
def steps():
    return Steps()


@pytest.fixture
def rotation(site, ring, keys, steps):
    return Rotation(site.records, ring, keys, site.log, site.clock, horizon=timedelta(days=30), steps=steps, batch=3)


@pytest.fixture
def owned(site, keys):
    return {owner: site.records.write(lambda unit, owner=owner: keys.new(unit, owner, TICKET)) for owner in OWNERS}


def opened(site, keys):
    return {owner: site.records.read(lambda unit, owner=owner: keys.get(unit, owner, TICKET)) for owner in OWNERS}


def destroyed(site):
    what = JournalFilter(kind=EventKind.KEY_DESTROYED.value)
    return [entry.subject for entry in site.records.read(lambda unit: unit.journal.find(what, before=None, limit=9))]


class TestTheJobWithTheMasterKeyElsewhere:
    def test_moves_everything_on_and_destroys_what_rested(self, site, ring, keys, rotation, owned, master):
        before = site.records.read(lambda unit: unit.keys.get(OWNERS[0], TICKET))
        site.clock.go(days=22)
        assert rotation.tick().rotated == 2
        site.clock.go(days=7)
        assert rotation.tick().destroyed == [1]
        assert opened(site, keys) == owned
        with pytest.raises(KeysUnavailable):
            ring.unwrap(WrappedKey(before.generation, before.sealed), keys.context(OWNERS[0], TICKET))
        assert destroyed(site) == ["generation-1"]
        assert len(master.made) == 1

    def test_keys_are_made_and_opened_inside_of_works(self, site, keys, owned, ring):
        """A ring looks its document up while a work holds the writer, and does not wait for it."""
        ring._views._entries.clear()

        def work(unit):
            keys.new(unit, "another", TICKET)
            ring._views._entries.clear()
            return keys.get(unit, OWNERS[0], TICKET)

        assert site.records.write(work) == owned[OWNERS[0]]

    def test_destroys_nothing_that_is_in_use(self, site, rotation, owned, master):
        rotation.rotate(SYSTEM)
        site.clock.go(minutes=5)
        with pytest.raises(StateConflict, match="still wraps 7 keys"):
            rotation.destroy(SYSTEM, 1, force=True)
        assert len(master.made) == 2

    def test_by_force_waits_until_every_node_knows(self, site, keys, rotation, owned):
        rotation.rotate(SYSTEM)
        rotation.rewrap(SYSTEM)
        with pytest.raises(StateConflict, match="a moment ago"):
            rotation.destroy(SYSTEM, 1, force=True)
        assert destroyed(site) == []
        site.clock.go(minutes=2)
        rotation.destroy(SYSTEM, 1, force=True)
        assert destroyed(site) == ["generation-1"]
        assert opened(site, keys) == owned

    def test_with_the_manager_down_goes_on_with_it_later(self, site, ring, keys, rotation, owned, master):
        site.clock.go(days=22)
        rotation.tick()
        site.clock.go(days=7)
        master.down = True
        with pytest.raises(KeysUnavailable):
            rotation.tick()
        assert destroyed(site) == []
        assert [one.state for one in ring.generations()] == [GenerationState.RETIRED, GenerationState.ACTIVE]
        master.down = False
        ring._master._breaker.succeeded()
        assert rotation.tick().destroyed == [1]
        assert destroyed(site) == ["generation-1"]
        assert opened(site, keys) == owned

    def test_killed_before_it_wrote_down_what_it_destroyed_makes_good_for_it(self, site, rotation, owned, steps):
        site.clock.go(days=22)
        rotation.tick()
        site.clock.go(days=7)
        steps.at = ("generation gone", 1)
        with pytest.raises(Crash):
            rotation.tick()
        assert destroyed(site) == []
        steps.at = None
        site.clock.go(minutes=2)
        rotation.tick()
        assert destroyed(site) == ["generation-1"]

    def test_purging_needs_no_manager(self, site, keys, owned, master):
        master.down = True
        assert site.records.write(lambda unit: keys.destroy(unit, OWNERS[0])) == 1
