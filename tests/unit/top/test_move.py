"""A site moved between two folders in one process: what is equal, what is refused, what any death leaves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from domain.actor import EVERYTHING, SYSTEM
from domain.attachment import AttachmentState
from domain.errors import SiteMoved
from engines import BLOBS, KEY_FILE
from move import move_site
from retention import Reason
from server import open_site
from settings import load
from storage.records.sqlite import DATABASE
from tests.moving import ADMIN, SIZES, add, dump, embedded, entries, findings, is_usable, move, names, stopped
from tickets import TicketFact

STEPS = ("begun", "keys", "rows", "blob", "blobs", "compared", "left", "ended")


def assert_moved(before: dict, here: Path, there: Path) -> None:
    """All that was here is there, and one entry more; it is whole, and can be used there alone."""
    after = dump(there / DATABASE)
    assert set(after) == set(before)
    for table, rows in before.items():
        if table != "journal_entries":
            assert after[table] == rows, table
    assert len(after["journal_entries"]) == len(before["journal_entries"]) + 1
    assert set(before["journal_entries"]) < set(after["journal_entries"])
    with pytest.raises(SiteMoved), open_site(embedded(here), serving=False):
        pass
    with open_site(embedded(there), serving=True) as site:
        assert findings(site) == []
        assert [one["kind"] for one in entries(site)].count("site.moved") == 1
        assert sorted(name for name in names(site).values() if name) == [f"fil-{n} å.txt" for n in range(6)]
        site.log.check_start(site.records)
        site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, TicketFact("T-2", subject="Nytt")))


def test_everything_of_a_site_is_where_it_went_and_nothing_of_it_was_changed(here, there):
    before, blobs = dump(here / DATABASE), sorted((here / BLOBS).rglob("*"))
    moved = move(here, there)
    assert moved.complete
    assert (moved.blobs.copied, moved.blobs.there, moved.blobs.faults) == (6, 0, [])
    assert dump(here / DATABASE) == before
    assert sorted((here / BLOBS).rglob("*")) == blobs
    counted = {name: len(rows) for name, rows in before.items() if name != "schema_version"}
    assert {table.name: table.rows for table in moved.tables} == counted
    assert_moved(before, here, there)


@pytest.mark.parametrize(("step", "time"), [*((step, 1) for step in STEPS), ("rows", 4), ("blob", 4)])
def test_whatever_step_it_dies_at_it_is_run_again_and_never_are_both_sites_usable(here, there, step, time):
    before = dump(here / DATABASE)
    stopped(here, there, step, time)
    usable = [is_usable(folder) for folder in (here, there)]
    assert usable == {"left": [False, False], "ended": [False, True]}.get(step, [True, False])
    if step != "ended":
        assert move(here, there).complete
    assert_moved(before, here, there)


def test_what_changed_between_two_tries_is_changed_there_too(here, there):
    """The first try broke off; then the old site was used again, and something was erased there."""
    stopped(here, there, "blob", 5)
    with open_site(embedded(here), serving=True) as site:
        site.records.write(lambda unit: site.holds.release_from_ticket(unit, ADMIN, "T-1", None))
        erased = next(iter(names(site)))
        blob = site.records.read(lambda unit: {row.id: row.blob_id for row in unit.inventory.all()})[erased]
        site.purge.erase(ADMIN, erased, Reason.ERASED)
        ticket = site.records.read(lambda unit: next(iter(unit.inventory.all())).ticket_id)
        found = site.records.read(lambda unit: unit.tickets.by_id(ticket, EVERYTHING))
        add(site, found, 77, name="ny.txt")
        site.rotation.rotate(SYSTEM)
        site.log.checkpoint(site.records)
    before = dump(here / DATABASE)
    moved = move(here, there)
    assert moved.complete
    assert dump(there / DATABASE)["wrapped_keys"] == before["wrapped_keys"]
    assert not list((there / BLOBS).rglob(blob))
    with open_site(embedded(there), serving=True) as site:
        assert findings(site) == []
        assert "ny.txt" in names(site).values()
        assert erased not in names(site)


def test_a_site_comes_back_to_where_it_was_and_nothing_erased_meanwhile_is_there(here, there):
    assert move(here, there).complete
    with open_site(embedded(there), serving=True) as site:
        site.records.write(lambda unit: site.holds.release_from_ticket(unit, ADMIN, "T-1", None))
        erased = next(iter(names(site)))
        blob = site.records.read(lambda unit: {row.id: row.blob_id for row in unit.inventory.all()})[erased]
        site.purge.erase(ADMIN, erased, Reason.ERASED)
        site.rotation.rotate(SYSTEM)
        site.rotation.rewrap(SYSTEM)
        site.rotation.destroy(SYSTEM, 1, force=True)
    before = dump(there / DATABASE)
    assert list((here / BLOBS).rglob(blob))
    moved = move(there, here)
    assert (moved.complete, moved.blobs.copied, moved.blobs.there, moved.blobs.removed) == (True, 0, 5, 1)
    assert dump(here / DATABASE)["wrapped_keys"] == before["wrapped_keys"]
    assert not list((here / BLOBS).rglob(blob))
    with open_site(embedded(here), serving=True) as site:
        assert [one.state.value for one in site.ring.generations()] == ["destroyed", "retired", "active"]
        assert findings(site) == []
        assert len(names(site)) == 5
        assert [one["kind"] for one in entries(site)].count("site.moved") == 2
    assert not is_usable(there)


def test_the_target_may_go_on_with_the_same_store_and_the_same_keys(here, there):
    target = load(
        {
            "BILAGA_DATA_DIR": str(there),
            "BILAGA_STORAGE_URL": f"file:{here / BLOBS}",
            "BILAGA_KEYS_URL": f"file:{here / KEY_FILE}",
            "BILAGA_SPACE_RESERVE": "0",
        }
    )
    blobs = sorted((here / BLOBS).rglob("*"))
    moved = move_site(embedded(here), target)
    assert (moved.complete, moved.blobs.copied, moved.blobs.there, moved.blobs.removed) == (True, 0, 6, 0)
    assert sorted((here / BLOBS).rglob("*")) == blobs
    with open_site(target, serving=True) as site:
        assert findings(site) == []
        assert len([name for name in names(site).values() if name]) == 6


@pytest.mark.parametrize("how", ["truncated", "changed", "missing"])
def test_a_damaged_blob_is_named_and_nothing_is_switched_before_it_is_accepted(here, there, how):
    damaged = max((path for path in (here / BLOBS).rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    match how:
        case "truncated":
            os.truncate(damaged, 4000)
        case "changed":
            damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
        case "missing":
            damaged.unlink()
    moved = move(here, there)
    assert not moved.complete
    assert [fault.blob_id for fault in moved.blobs.faults] == [damaged.name]
    assert is_usable(here)
    assert not is_usable(there)
    moved = move(here, there, accept=True)
    assert (moved.complete, [fault.blob_id for fault in moved.blobs.faults]) == (True, [damaged.name])
    there_too = there / BLOBS / damaged.name[:2] / damaged.name
    assert there_too.exists() is damaged.exists()
    assert not damaged.exists() or there_too.read_bytes() == damaged.read_bytes()
    with open_site(embedded(there), serving=True) as site:
        assert len(findings(site)) == 1


def test_what_its_row_calls_damaged_keeps_nothing_back(here, there):
    with open_site(embedded(here), serving=True) as site:
        row = site.records.read(lambda unit: next(one for one in unit.inventory.all() if one.size == SIZES[2]))
        damaged = replace(row, state=AttachmentState.DAMAGED, version=row.version + 1)
        site.records.write(lambda unit: unit.attachments.save(damaged))
    path = here / BLOBS / row.blob_id[:2] / row.blob_id
    path.write_bytes(b"y" * row.size)
    moved = move(here, there)
    assert (moved.complete, [fault.known for fault in moved.blobs.faults]) == (True, [True])
    assert (there / BLOBS / row.blob_id[:2] / row.blob_id).read_bytes() == path.read_bytes()
