"""Every owner has its own key, in the records alone; with its row it is gone."""

from __future__ import annotations

import pytest

from domain.errors import AlreadyPurged, KeysUnavailable, WrongContext
from keys import ATTACHMENT, TICKET
from storage.records import WrappedRow


def test_a_key_is_found_again_and_is_its_owners_alone(site):
    made = site.records.write(lambda unit: site.keys.new(unit, "a", ATTACHMENT))
    other = site.records.write(lambda unit: site.keys.new(unit, "b", ATTACHMENT))
    assert site.records.read(lambda unit: site.keys.get(unit, "a", ATTACHMENT)) == made
    assert made != other


def test_a_key_never_made_or_destroyed_is_gone(site):
    assert site.records.read(lambda unit: site.keys.find(unit, "a", ATTACHMENT)) is None
    site.records.write(lambda unit: site.keys.new(unit, "a", ATTACHMENT))
    assert site.records.write(lambda unit: site.keys.destroy(unit, "a")) == 1
    assert site.records.write(lambda unit: site.keys.destroy(unit, "a")) == 0
    with pytest.raises(AlreadyPurged):
        site.records.read(lambda unit: site.keys.get(unit, "a", ATTACHMENT))


def test_a_row_moved_to_another_owner_or_purpose_does_not_open(site):
    site.records.write(lambda unit: site.keys.new(unit, "a", ATTACHMENT))

    def move(unit):
        row = unit.keys.get("a", ATTACHMENT)
        unit.keys.add(WrappedRow("b", ATTACHMENT, row.generation, row.sealed))
        unit.keys.add(WrappedRow("a", TICKET, row.generation, row.sealed))

    site.records.write(move)
    for owner, purpose in (("b", ATTACHMENT), ("a", TICKET)):
        with pytest.raises(WrongContext):
            site.records.read(lambda unit, owner=owner, purpose=purpose: site.keys.get(unit, owner, purpose))


def test_texts_open_as_what_they_were_sealed_as(site):
    seal = lambda text: site.records.write(lambda u: site.keys.seal_text(u, "t", TICKET, "subject", text))  # noqa: E731
    one, two = seal("Skrivaren står still"), seal("Skrivaren står still")
    assert one != two
    opened = lambda label: site.records.read(lambda u: site.keys.open_text(u, "t", TICKET, label, one))  # noqa: E731
    assert opened("subject") == "Skrivaren står still"
    with pytest.raises(WrongContext):
        opened("note")
    site.records.write(lambda unit: site.keys.destroy(unit, "t"))
    assert opened("subject") is None


def test_a_commitment_is_the_owners_and_tells_texts_apart(site):
    commit = lambda owner, text: site.records.write(  # noqa: E731
        lambda unit: site.keys.commit_text(unit, owner, TICKET, "hold-reason", text)
    )
    assert commit("t", "court") == commit("t", "court")
    assert len({commit("t", "court"), commit("t", "Court"), commit("u", "court")}) == 3
    before = commit("t", "court")
    site.records.write(lambda unit: site.keys.destroy(unit, "t"))
    assert commit("t", "court") != before


def test_without_the_ring_nothing_is_stored(site):
    site.ring.reachable = False
    with pytest.raises(KeysUnavailable):
        site.records.write(lambda unit: site.keys.new(unit, "a", ATTACHMENT))
    assert site.records.read(lambda unit: unit.keys.get("a", ATTACHMENT)) is None
    assert site.records.write(lambda unit: site.keys.destroy(unit, "a")) == 0
