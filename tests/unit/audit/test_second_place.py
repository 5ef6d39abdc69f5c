"""The second place gets every checkpoint, in order and once, whatever fails in between, and knows an older database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from audit import FileExport, Log, kept_checkpoints, kept_entries, verify, verify_export, write_export
from audit.lasting import Lasting
from audit.statement import Statement
from audit.verify import Verification
from crypto import Signer, open_note
from domain.actor import SYSTEM
from domain.errors import ChainBroken, Misconfigured, RestoreNeeded
from domain.event import Event, EventKind
from storage.records.sqlite import DATABASE, SqliteRecords
from tests.small_site import MemoryExport, SmallSite

PURGED = Event(EventKind.PURGE_FINISHED, SYSTEM, "a-1", {"certificate_id": "c-1", "ticket_id": "t-1"})
STARTED = Event(EventKind.SERVICE_STARTED, SYSTEM)
NAMED = "två\n\n— a b\n"

pytestmark = pytest.mark.embedded("puts the file of a database back")


class Drill(SmallSite):
    """A small site whose database can be put back."""

    def __init__(self, folder: Path) -> None:
        self.place = MemoryExport()
        super().__init__(folder, self.place)
        self.folder = folder

    def write(self, *events: Event) -> None:
        self.records.write(lambda unit: [self.log.append(unit, event) for event in events])

    def checkpoint(self):
        return self.log.checkpoint(self.records)

    def back_up(self) -> bytes:
        with closing(sqlite3.connect(self.folder / DATABASE)) as here, closing(sqlite3.connect(":memory:")) as copy:
            here.backup(copy)
            return copy.serialize()

    def put_back(self, backup: bytes) -> None:
        """The backup's database, and a new process."""
        self.records.close()
        for path in self.folder.glob(f"{DATABASE}*"):
            path.unlink()
        (self.folder / DATABASE).write_bytes(backup)
        self.records = SqliteRecords(self.folder / DATABASE, clock=self.clock, checkpoints=True)
        self.log = Log(self.signer, self.clock, self.ring.installation, self.export)

    def begin_again(self) -> list[Lasting]:
        newest, forgotten = self.log.forgotten(self.records)
        self.records.write(lambda unit: self.log.begin_again(unit, newest, {"sessions": 0}))
        return forgotten

    def statements(self) -> list[Statement]:
        return [Statement.parse(open_note(note, self.log.public_key)) for note in self.place.kept]

    def report(self):
        return verify(kept_entries(self.records), kept_checkpoints(self.records), self.log.public_key)


@pytest.fixture
def site(tmp_path):
    site = Drill(tmp_path)
    yield site
    site.close()


def test_a_checkpoint_names_what_must_outlast_a_restore_and_nothing_else(site):
    site.write(
        STARTED,
        Event(EventKind.PURGE_STARTED, SYSTEM, "a-1", {"ticket_id": "t-1"}),
        PURGED,
        Event(EventKind.LINK_REVOKED, SYSTEM, "l-1", {"kind": "download"}),
        Event(EventKind.SCAN_FINISHED, SYSTEM, "a-2", {"scan": "clean"}),
        Event(EventKind.SCAN_FINISHED, SYSTEM, "a-3", {"scan": "infected", "signature": "Eicar"}),
        Event(EventKind.HOLD_PLACED, SYSTEM, "h-1", {"ticket_id": None, "organisation_id": "o-1"}),
    )
    site.checkpoint()
    site.write(STARTED)
    site.checkpoint()
    first, second = site.place.kept
    assert open_note(first, site.log.public_key).split("\n")[3:] == [
        "purge.started 1 a-1",
        "purge.finished 2 a-1 c-1",
        "link.revoked 3 l-1",
        "scan.finished 5 a-3",
        "hold.placed 6 h-1 o-1",
        "",
    ]
    assert site.statements()[1].lasting == ()
    assert second.count("\n") == 5
    assert site.report().intact


def test_what_must_outlast_a_restore_is_due_at_once(site):
    site.write(STARTED)
    site.checkpoint()
    site.write(STARTED)
    assert not site.records.read(site.log.due)
    site.write(PURGED)
    assert site.records.read(site.log.due)
    site.checkpoint()
    site.write(STARTED)
    assert not site.records.read(site.log.due)


def test_what_another_node_signed_is_due_no_more_here(site):
    other = Log(site.signer, site.clock, site.ring.installation, site.export)
    site.write(PURGED)
    assert other.checkpoint(site.records) is not None
    site.write(STARTED)
    assert not site.records.read(site.log.due)


def test_whoever_was_taken_over_from_signs_nothing_and_may_sign_later(site):
    class TakenOver(Exception):
        pass

    def guard(unit):
        raise TakenOver

    site.write(PURGED)
    with pytest.raises(TakenOver):
        site.log.checkpoint(site.records, guard=guard)
    assert list(kept_checkpoints(site.records)) == []
    assert site.statements() == []
    site.checkpoint()
    assert len(site.statements()) == 1
    assert site.report().intact


def test_a_checkpoint_that_names_other_facts_than_the_entries_is_broken(site):
    site.write(PURGED)
    site.checkpoint()
    entry, checkpoint = next(kept_entries(site.records)), next(kept_checkpoints(site.records))
    for lasting in ((), (Lasting(EventKind.PURGE_FINISHED, 0, "a-2", "c-1"),)):
        note = site.signer.sign_note(str(Statement(site.log.origin, 1, checkpoint.root, lasting)))
        verification = Verification(site.log.public_key)
        verification.entry(entry)
        verification.checkpoint(1, note)
        assert verification.finish().first_bad == 0


@pytest.mark.parametrize("line", ["purge.finished", "purge.finished 01 a", "other 1 a", "purge.finished 1 a b c", ""])
def test_a_line_that_is_none_is_no_checkpoint(site, line):
    with pytest.raises(ChainBroken):
        Statement.parse(f"{site.log.origin}\n1\n{'A' * 43}=\n{line}\n")


def test_many_facts_are_spread_over_checkpoints_whose_notes_stay_small(site):
    site.log = Log(site.signer, site.clock, site.ring.installation, site.place, most=3)
    site.write(*[PURGED, STARTED] * 7)
    made = site.checkpoint()
    assert [len(one.lasting) for one in site.statements()] == [3, 3, 1]
    assert made.size == 14
    assert site.report().intact


def test_the_second_place_is_caught_up_with_all_it_missed(site):
    site.place.full = True
    for _ in range(250):
        site.write(PURGED)
        site.checkpoint()
    assert site.place.kept == []
    site.place.full = False
    site.checkpoint()
    assert [one.size for one in site.statements()] == list(range(1, 251))
    assert [one.index for statement in site.statements() for one in statement.lasting] == list(range(250))
    kept = site.records.read(lambda unit: unit.journal.checkpoints(0, 1000))
    assert all(one.exported_at is not None for one in kept)


def test_a_crash_between_the_second_place_and_the_mark_brings_nothing_twice(site):
    site.write(PURGED)
    site.checkpoint()
    with closing(sqlite3.connect(site.folder / DATABASE)) as database:
        database.execute("update journal_checkpoints set exported_at = null")
        database.commit()
    backup = site.back_up()
    site.put_back(backup)
    site.log.check_start(site.records)
    site.write(PURGED)
    site.checkpoint()
    assert [one.size for one in site.statements()] == [1, 2]


def test_a_part_that_was_brought_before_a_crash_is_gone_on_from(site):
    for _ in range(3):
        site.write(PURGED)
        site.place.full = True
        site.checkpoint()
    site.place.full = False
    site.place.append([next(kept_checkpoints(site.records)).note], after=None)
    site.checkpoint()
    assert [one.size for one in site.statements()] == [1, 2, 3]


# -- the file ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("torn", [b'{"note":"cut', b'{"no', b"\n", b'{"note":1}\n', b"\xff\xfe", b"[]\n"])
def test_a_line_cut_short_by_a_crash_is_passed_over_and_ended(tmp_path, torn):
    export = FileExport(tmp_path / "notes")
    export.append(["one"], after=None)
    with (tmp_path / "notes").open("ab") as file:
        file.write(torn)
    assert export.last() == "one"
    export.append(["two", NAMED], after="one")
    assert list(export.notes()) == ["one", "two", NAMED]
    assert export.last() == NAMED


def test_nothing_is_appended_where_another_process_was_meanwhile(tmp_path):
    one, other = FileExport(tmp_path / "notes"), FileExport(tmp_path / "notes")
    one.append(["one"], after=None)
    with pytest.raises(OSError, match="another process"):
        other.append(["one"], after=None)
    assert list(one.notes()) == ["one"]


def test_the_newest_note_is_found_behind_more_than_a_block_of_waste(tmp_path):
    export = FileExport(tmp_path / "notes")
    long = "x" * 300_000
    export.append(["one", long], after=None)
    assert export.last() == long
    with (tmp_path / "notes").open("ab") as file:
        file.write(b"waste" * 100_000)
    assert export.last() == long


def test_no_file_has_no_notes_and_a_folder_that_is_gone_is_an_error(tmp_path):
    export = FileExport(tmp_path / "gone" / "notes")
    assert export.last() is None
    assert list(export.notes()) == []
    with pytest.raises(OSError, match="No such file"):
        export.append(["one"], after=None)


# -- an older database -------------------------------------------------------------------------------------------------
def test_an_older_database_is_found_also_once_it_has_grown_past_what_was_signed(site):
    site.write(STARTED)
    site.checkpoint()
    backup = site.back_up()
    site.write(PURGED)
    site.checkpoint()
    site.put_back(backup)
    site.write(*[STARTED] * 5)
    for _ in range(2):
        with pytest.raises(RestoreNeeded):
            site.log.check_start(site.records)
        with pytest.raises(RestoreNeeded):
            site.checkpoint()
    assert [one.size for one in site.statements()] == [1, 2]


def test_a_log_that_goes_on_after_a_restore_has_an_origin_of_its_own(site):
    site.write(STARTED)
    site.checkpoint()
    backup = site.back_up()
    site.write(PURGED)
    site.checkpoint()
    site.put_back(backup)
    assert site.begin_again() == [Lasting(EventKind.PURGE_FINISHED, 1, "a-1", "c-1")]
    site.log.check_start(site.records)
    site.checkpoint()
    old, given_up, new = site.statements()
    assert (old.origin, given_up.origin) == (site.log.origin,) * 2
    assert new.origin.startswith(f"{site.log.origin}/")
    assert (new.size, given_up.size) == (2, 2)
    report = site.report()
    assert (report.intact, report.signed, report.restored) == (True, 2, (1,))
    written: list[bytes] = []
    write_export(site.records, site.log, written.append)
    assert verify_export(written, site.log.public_key) == report
    site.put_back(site.back_up())
    site.log.check_start(site.records)
    site.write(STARTED)
    assert site.checkpoint().size == 3
    assert site.report().intact


def test_a_crash_before_the_new_epoch_reached_the_second_place_needs_no_other_restore(site):
    backup = site.back_up()
    site.write(PURGED)
    site.checkpoint()
    site.put_back(backup)
    site.begin_again()
    site.put_back(site.back_up())
    site.log.check_start(site.records)
    site.write(STARTED)
    site.checkpoint()
    assert [one.size for one in site.statements()] == [1, 2]


def test_what_an_earlier_restore_has_done_is_not_done_again(site):
    site.write(STARTED)
    site.checkpoint()
    first = site.back_up()
    site.write(PURGED)
    site.checkpoint()
    site.put_back(first)
    site.begin_again()
    site.checkpoint()
    second = site.back_up()
    site.write(Event(EventKind.LINK_REVOKED, SYSTEM, "l-1"))
    site.checkpoint()
    site.put_back(second)
    with pytest.raises(RestoreNeeded):
        site.log.check_start(site.records)
    assert [one.subject for one in site.begin_again()] == ["l-1"]
    site.put_back(first)
    assert [one.subject for one in site.begin_again()] == ["a-1", "l-1"]
    site.checkpoint()
    assert site.report().intact
    origins = [one.origin for one in site.statements()]
    assert len(set(origins)) == 3


def test_what_the_backup_knows_of_itself_is_not_forgotten(site):
    site.write(PURGED, Event(EventKind.TICKET_ERASED, SYSTEM, "t-1"))
    site.checkpoint()
    site.write(Event(EventKind.LINK_REVOKED, SYSTEM, "l-1"))
    backup = site.back_up()  # the revocation is in it, the checkpoint over it is not
    site.write(Event(EventKind.LINK_REVOKED, SYSTEM, "l-2"))
    site.checkpoint()
    site.put_back(backup)
    assert [one.subject for one in site.begin_again()] == ["l-2"]


def test_a_changed_log_is_no_older_one(site):
    site.write(STARTED, STARTED)
    site.checkpoint()
    with closing(sqlite3.connect(site.folder / DATABASE)) as database:
        database.execute("drop trigger journal_entries_keep")
        database.execute("update journal_entries set body = x'7b7d' where position = 1")
        database.commit()
    with pytest.raises(ChainBroken):
        site.log.check_start(site.records)


def test_a_note_of_another_key_is_a_changed_second_place(site):
    site.write(STARTED)
    site.checkpoint()
    other = Signer(f"bilaga/{site.ring.installation}", site.ring.secret("other"))
    site.place.kept.append(other.sign_note(str(site.statements()[0])))
    with pytest.raises(ChainBroken):
        site.log.check_start(site.records)
    with pytest.raises(ChainBroken):
        site.log.forgotten(site.records)


def test_a_second_place_that_does_not_answer_stops_the_start_and_not_the_service(site):
    site.write(STARTED)
    site.place.away = True
    for ask in (site.log.check_start, site.log.checkpoint):
        with pytest.raises(Misconfigured, match="AUDIT_EXPORT"):
            ask(site.records)
    site.place.away = False
    site.log.check_start(site.records)
    site.place.away = True
    assert site.checkpoint().size == 1
    site.place.away = False
    site.write(STARTED)
    site.checkpoint()
    assert [one.size for one in site.statements()] == [1, 2]


def test_a_second_place_that_has_lost_everything_is_found_and_a_new_one_is_filled(site):
    site.place.full = True
    site.write(STARTED)
    site.checkpoint()
    site.log.check_start(site.records)
    site.place.full = False
    site.checkpoint()
    site.place.kept.clear()
    with pytest.raises(Misconfigured, match="put it back"):
        site.log.check_start(site.records)
    site.begin_again()
    site.log.check_start(site.records)
    site.checkpoint()
    assert [one.size for one in site.statements()] == [1, 2]
    site.log.check_start(site.records)


@pytest.mark.parametrize("origin", ["bilaga/elsewhere/1", "x"])
def test_an_epoch_under_a_foreign_origin_is_refused(site, origin):
    facts = {"origin": origin, "old_origin": None, "old_size": None, "old_root": None}
    site.write(STARTED, Event(EventKind.SITE_RESTORED, SYSTEM, None, facts))
    with pytest.raises(ChainBroken):
        site.checkpoint()
    assert site.report().first_bad == 1
