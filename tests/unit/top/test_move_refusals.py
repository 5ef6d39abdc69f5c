"""What a move refuses, and whom it keeps out while it is at work."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from crypto import new_id
from crypto.key_file import FileKeyRing
from domain.actor import EVERYTHING, SYSTEM
from domain.errors import Damaged, Misconfigured, MoveUnfinished, SiteLocked, SiteMoved, StateConflict
from engines import BLOBS, KEY_FILE
from server import open_site
from storage.records.sqlite import DATABASE
from tests.moving import dump, embedded, fill, findings, is_usable, move, stopped
from tests.small_site import START
from tickets import TicketFact


def test_a_site_that_is_served_stays(here, tmp_path):
    with open_site(embedded(here), serving=True), pytest.raises(SiteLocked):
        move(here, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_while_it_is_moved_no_command_opens_it(here, there):
    refused = []

    def steps(step: str) -> None:
        if step in {"begun", "blobs"}:
            with pytest.raises(MoveUnfinished) as raised, open_site(embedded(here), serving=False):
                pass
            refused.append(raised.value.detail)
            with pytest.raises(SiteLocked), open_site(embedded(here), serving=True):
                pass

    assert move(here, there, steps=steps).complete
    assert len(refused) == 2
    assert "being moved right now" in refused[0]


def test_what_a_command_still_wrote_that_was_open_before_is_fetched(here, there):
    """It opened the site before the move began, so nothing kept it out."""
    with open_site(embedded(here), serving=False) as late:
        written: list[object] = []

        def steps(step: str) -> None:
            if step == "compared" and not written:
                put = late.facts.put_ticket
                written.append(late.records.write(lambda unit: put(unit, SYSTEM, TicketFact("T-late"))))

        assert move(here, there, steps=steps).complete
    assert written
    with open_site(embedded(there), serving=True) as site:
        assert site.records.read(lambda unit: unit.tickets.get("T-late", EVERYTHING)) is not None
        assert findings(site) == []


def test_a_site_that_never_rests_is_not_switched(here, there):
    with open_site(embedded(here), serving=False) as late:

        def steps(step: str) -> None:
            if step == "compared":
                fact = TicketFact(f"T-{new_id()}")
                late.records.write(lambda unit: late.facts.put_ticket(unit, SYSTEM, fact))

        with pytest.raises(StateConflict):
            move(here, there, steps=steps)
    assert is_usable(here)
    assert not is_usable(there)


def test_a_target_in_use_is_refused_and_left_as_it_was(here, there):
    (there / DATABASE).unlink()
    fill(embedded(there), files=1)
    before = dump(there / DATABASE)
    with pytest.raises(Misconfigured, match="in use"):
        move(here, there)
    assert dump(there / DATABASE) == before
    assert is_usable(there)
    assert is_usable(here)


def test_a_target_whose_store_or_keys_are_somebodys_is_refused(here, there):
    (there / BLOBS / "ab").mkdir(parents=True)
    stray = there / BLOBS / "ab" / ("ab" * 16)
    stray.write_bytes(b"x")
    with pytest.raises(Misconfigured, match="store is not empty"):
        move(here, there)
    assert stray.exists()
    stray.unlink()
    FileKeyRing.create(there / KEY_FILE, START)
    kept = (there / KEY_FILE).read_bytes()
    with pytest.raises(Misconfigured, match="another site"):
        move(here, there)
    assert (there / KEY_FILE).read_bytes() == kept


def test_half_of_one_site_is_no_target_for_another(here, there, tmp_path):
    stopped(here, there, "blob")
    other = tmp_path / "other"
    fill(embedded(other), files=1)
    with pytest.raises(Misconfigured, match="half of another site"):
        move(other, there)
    with pytest.raises(MoveUnfinished):
        move(there, tmp_path / "c")
    assert move(here, there).complete


def test_a_site_that_moved_does_not_move_again_not_even_to_where_it_once_began(here, there, tmp_path):
    stopped(here, tmp_path / "first", "blobs")
    assert move(here, there).complete
    before = dump(there / DATABASE)
    assert move(here, there).already  # as one that died before it could say that it was through
    assert dump(there / DATABASE) == before
    for target in (tmp_path / "first", tmp_path / "third"):
        with pytest.raises(SiteMoved):
            move(here, target)
    assert is_usable(there)
    assert not is_usable(tmp_path / "first")


def test_where_there_is_no_site_none_is_made(tmp_path):
    with pytest.raises(Misconfigured, match="no site"):
        move(tmp_path / "nothing", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_the_target_needs_a_database_of_its_own(here):
    with pytest.raises(Misconfigured, match="of its own"):
        move(here, here)
    assert is_usable(here)


def test_the_source_needs_its_own_keys(here, tmp_path):
    FileKeyRing.discard(here / KEY_FILE)
    with pytest.raises(Misconfigured, match="KEYS_URL"):
        move(here, tmp_path / "b")
    FileKeyRing.create(here / KEY_FILE, START)
    with pytest.raises(Misconfigured, match="KEYS_URL"):
        move(here, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_log_with_another_past_is_never_written_over(here, there):
    stopped(here, there, "blob")
    with closing(sqlite3.connect(here / DATABASE, isolation_level=None)) as driver:
        driver.execute("DROP TRIGGER journal_entries_keep")
        driver.execute("UPDATE journal_entries SET kind = 'purge.failed' WHERE position = 1")
    with pytest.raises(Misconfigured, match="another history"):
        move(here, there)


def test_a_row_that_is_not_the_same_there_is_noticed_before_anything_is_switched(here, there):
    def steps(step: str) -> None:
        if step == "blobs":
            with closing(sqlite3.connect(there / DATABASE, isolation_level=None)) as driver:
                driver.execute("UPDATE tickets SET channel = 'fel'")

    with pytest.raises(Damaged, match="table tickets"):
        move(here, there, steps=steps)
    assert is_usable(here)
    assert move(here, there).complete
