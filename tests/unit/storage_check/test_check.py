from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from domain.actor import EVERYTHING
from domain.attachment import AttachmentState as S
from domain.disposal import Hold
from domain.errors import BlobsUnavailable
from domain.ids import BlobId, HoldId, LinkId, TicketId
from storage import BlobStat, Check, FindingKind, Unit, WrappedRow
from storage.check import BATCH
from tests.unit.storage_check.installation import (
    HOUR,
    LINK,
    TICKET,
    Around,
    Installation,
    a_ticket,
    blob_of,
    changed,
    named,
)

K = FindingKind


def test_where_everything_agrees_nothing_is_found(site):
    assert site.check(digests=True, repair=True, alone=True) == []


# -- rows --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.SCANNING, S.AVAILABLE, S.QUARANTINED, S.DAMAGED])
def test_a_row_without_its_blob_is_found_and_stays(site, state):
    site.change(lambda unit: site.add(unit, 4, state))
    assert site.check(repair=True, alone=True) == [(K.BLOB_MISSING, named(4), False)]
    assert site.records.read(lambda unit: unit.attachments.get(named(4), EVERYTHING)) is not None


def test_a_blob_of_another_size_is_found_and_stays(site):
    site.change(lambda unit: site.add(unit, 4))
    site.put_blob(4, b"x" * 65)
    assert site.check(repair=True, alone=True) == [(K.SIZE_DIFFERS, named(4), False)]
    assert site.blobs.stat(blob_of(4)) is not None


def test_other_bytes_of_the_same_size_are_found_where_digests_are_asked_for(site):
    site.change(lambda unit: site.add(unit, 4))
    site.put_blob(4, b"x" * 66)
    assert site.check(repair=True) == []
    assert site.check(repair=True, digests=True) == [(K.DIGEST_DIFFERS, named(4), False)]
    assert site.blobs.stat(blob_of(4)) is not None


def test_digests_need_something_that_digests(site):
    with pytest.raises(ValueError):
        next(Check(site.records, site.blobs, site.clock).run(digests=True))


def test_a_blob_that_cannot_be_read_is_found_and_the_others_are_still_looked_at(site):
    class Sick(Around):
        def stat(self, blob_id: BlobId) -> BlobStat | None:
            if blob_id == blob_of(1):
                raise BlobsUnavailable
            return site.memory.stat(blob_id)

    site.memory.delete(blob_of(2))
    site.blobs = Sick(site.memory)
    assert site.check() == [(K.BLOB_UNREADABLE, named(1), False), (K.BLOB_MISSING, named(2), False)]


def test_a_store_that_does_not_answer_is_no_finding(site):
    class Down(Around):
        def ping(self) -> None:
            raise BlobsUnavailable

    site.blobs = Down(site.memory)
    with pytest.raises(BlobsUnavailable):
        site.check()


def test_a_living_row_without_its_key_is_found(site):
    site.change(lambda unit: unit.keys.destroy(named(1)))
    assert site.check(repair=True) == [(K.KEY_MISSING, named(1), False)]


def test_a_row_that_names_a_link_nobody_knows_is_found(site):
    site.sql(f"UPDATE attachments SET link_id = 'nobody' WHERE id = '{named(1)}'")
    assert (K.LINK_MISSING, named(1), False) in site.check()


def test_a_tombstone_without_a_certificate_is_found(site):
    site.sql(f"DELETE FROM certificates WHERE attachment_id = '{named(3)}'")
    assert site.check(repair=True) == [(K.CERTIFICATE_MISSING, named(3), False)]


def test_what_is_being_received_needs_no_blob(site):
    site.change(lambda unit: site.add(unit, 4, S.RECEIVING))
    assert site.check() == []


def test_more_rows_than_a_batch_are_all_looked_at(site):
    site.sql(
        "CREATE TEMP TABLE more AS WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n LIMIT 600) "
        "SELECT n.i AS n, attachments.* FROM n, attachments WHERE id = 'attachment-1'",
        "UPDATE more SET id = 'attachment-' || n, blob_id = printf('%032x', n)",
        "ALTER TABLE more DROP COLUMN n",
        "INSERT INTO attachments SELECT * FROM more",
    )
    missing = {subject for kind, subject, _ in site.check() if kind is K.BLOB_MISSING}
    assert missing == {named(1000 + i) for i in range(600)}
    assert len(missing) > BATCH


def test_a_row_that_is_purged_while_it_is_looked_at_is_not_found(site):
    class Purging(Around):
        def stat(self, blob_id: BlobId) -> BlobStat | None:
            if blob_id == blob_of(1) and site.memory.stat(blob_id):
                site.change(lambda unit: purge(unit, site))
                site.memory.delete(blob_id)
            return site.memory.stat(blob_id)

    site.blobs = Purging(site.memory)
    assert site.check() == []


def purge(unit: Unit, site: Installation, n: int = 1, state: S = S.PURGED) -> None:
    row = unit.attachments.get(named(n), EVERYTHING)
    assert row is not None
    unit.keys.destroy(row.id)
    unit.attachments.save(changed(row, state=state))
    if state is S.PURGED:
        unit.quotas.give_back_used(TICKET, size=10)


# -- blobs -------------------------------------------------------------------------------------------------------------


def test_an_old_blob_without_a_row_is_found_and_deleted(site):
    site.put_blob(9)
    site.later = 25 * HOUR
    assert site.check() == [(K.BLOB_ORPHAN, blob_of(9), False)]
    assert site.check(repair=True) == [(K.BLOB_ORPHAN, blob_of(9), True)]
    assert site.check() == []
    assert site.blobs.stat(blob_of(1)) is not None


def test_a_young_blob_without_a_row_is_somebodys_work_while_a_service_runs(site):
    site.put_blob(9)
    assert site.check(repair=True) == []
    assert site.check(repair=True, alone=True) == [(K.BLOB_ORPHAN, blob_of(9), True)]


def test_a_writers_leavings_without_a_row_are_found_and_deleted(site):
    site.blobs.create(blob_of(9), None).write(b"half")
    assert site.check(alone=True, repair=True) == [(K.BLOB_ORPHAN, blob_of(9), True)]
    assert list(site.blobs.iterate(blob_of(8))) == []


def test_a_blob_that_is_being_received_is_left_alone(site):
    site.change(lambda unit: site.add(unit, 4, S.RECEIVING))
    site.put_blob(4)
    site.change(lambda unit: site.add(unit, 5, S.RECEIVING))
    site.blobs.create(blob_of(5), None).write(b"half")
    assert site.check(repair=True) == []
    assert len(list(site.blobs.iterate(blob_of(3)))) == 2


def test_leavings_beside_a_finished_blob_are_found_and_not_deleted_with_it(site):
    class Both(Around):
        def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
            for stat in site.memory.iterate(after):
                yield stat
                if stat.blob_id == blob_of(1):
                    yield replace(stat, size=3, finished=False)

    site.blobs = Both(site.memory)
    assert site.check(repair=True, alone=True) == [(K.BLOB_UNFINISHED, named(1), False)]
    assert site.memory.stat(blob_of(1)) is not None


def test_leavings_that_become_a_blob_while_they_are_looked_at_are_not_found(site):
    site.change(lambda unit: site.add(unit, 4))
    writer = site.memory.create(blob_of(4), None)
    writer.write(bytes([4]) * 66)

    class Finishing(Around):
        def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
            yield from site.memory.iterate(after)
            if site.memory.stat(blob_of(4)) is None:
                writer.commit()

    site.blobs = Finishing(site.memory)
    assert site.check(alone=True) == [(K.BLOB_MISSING, named(4), False)]
    assert site.check(alone=True) == []


def test_a_tombstones_blob_is_found_and_deleted_however_young(site):
    site.put_blob(3)
    assert site.check() == [(K.TOMBSTONE_BLOB, named(3), False)]
    assert site.check(repair=True) == [(K.TOMBSTONE_BLOB, named(3), True)]
    assert site.blobs.stat(blob_of(3)) is None


def test_a_blob_that_a_purge_takes_away_while_it_is_looked_at_is_not_found(site):
    class Passing(Around):
        def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
            yield from site.memory.iterate(after)
            if site.memory.stat(blob_of(1)):
                site.change(lambda unit: purge(unit, site))
                site.memory.delete(blob_of(1))

    site.blobs = Passing(site.memory)
    assert site.check(repair=True) == []


def test_a_blob_whose_row_comes_to_life_before_the_repair_stays(site):
    site.change(lambda unit: site.add(unit, 4))
    site.put_blob(4)
    site.sql(f"UPDATE attachments SET blob_id = '{blob_of(77)}' WHERE id = '{named(4)}'")

    class Late(Around):
        def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
            if after is not None:  # the second look, after the row was not found
                site.sql(f"UPDATE attachments SET blob_id = '{blob_of(4)}' WHERE id = '{named(4)}'")
            return site.memory.iterate(after)

    site.blobs = Late(site.memory)
    site.later = 25 * HOUR
    assert (K.BLOB_ORPHAN, blob_of(4), False) in site.check(repair=True)
    assert site.memory.stat(blob_of(4)) is not None


def test_garbage_that_cannot_be_deleted_now_is_not_called_repaired(site):
    class ReadOnly(Around):
        def delete(self, blob_id: BlobId) -> None:
            raise BlobsUnavailable

    site.put_blob(9)
    site.blobs = ReadOnly(site.memory)
    assert site.check(repair=True, alone=True) == [(K.BLOB_ORPHAN, blob_of(9), False)]


def test_more_blobs_than_a_batch_are_all_looked_at(site):
    for n in range(BATCH + 100):
        site.put_blob(1000 + n, b"")
    assert len(site.check(alone=True)) == BATCH + 100


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_tombstones_key_is_found_and_destroyed(site):
    site.change(lambda unit: unit.keys.add(WrappedRow(named(3), "attachment", 1, b"sealed")))
    assert site.check() == [(K.TOMBSTONE_KEY, named(3), False)]
    assert site.check(repair=True) == [(K.TOMBSTONE_KEY, named(3), True)]
    assert site.check() == []


def test_an_erased_tickets_key_is_found_and_stays(site):
    site.change(lambda unit: erased_ticket(unit, site))
    assert site.check(repair=True) == [(K.TOMBSTONE_KEY, ERASED, False)]


def test_the_key_of_an_erased_ticket_under_a_hold_seals_the_holds_reason(site):
    hold = Hold(HoldId("hold"), ERASED, None, b"reason", date(2027, 1, 1), None, site.begun, None)
    site.change(lambda unit: erased_ticket(unit, site))
    site.change(lambda unit: unit.holds.add(hold))
    assert site.check() == []


ERASED = TicketId("erased-id")


def erased_ticket(unit: Unit, site: Installation) -> None:
    unit.tickets.put(replace(a_ticket(site.begun), id=ERASED, ref="T-2", erased_at=site.begun))
    unit.keys.add(WrappedRow(ERASED, "ticket", 1, b"sealed"))


@pytest.mark.parametrize("purpose", ["attachment", "ticket", "organisation"])
def test_a_key_of_nobody_is_found_and_stays(site, purpose):
    site.change(lambda unit: unit.keys.add(WrappedRow("nobody", purpose, 1, b"sealed")))
    assert site.check(repair=True) == [(K.KEY_ORPHAN, "nobody", False)]


def test_keys_under_an_unknown_generation_are_found(site):
    site.sql("UPDATE wrapped_keys SET generation = 7 WHERE purpose = 'attachment'")
    found = [(K.GENERATION_UNKNOWN, named(1), False), (K.GENERATION_UNKNOWN, named(2), False)]
    assert site.check(repair=True, generations=lambda: {1, 2}) == found
    assert site.check(generations=None) == []


def test_a_generation_that_came_while_the_keys_were_walked_over_is_known(site):
    answers = iter([{1}, {1, 2}])
    site.sql(f"UPDATE wrapped_keys SET generation = 2 WHERE owner_id = '{named(2)}'")
    assert site.check(generations=lambda: next(answers)) == []


# -- sums, journal, what is unfinished ---------------------------------------------------------------------------------


def test_a_tickets_and_a_links_sums_that_do_not_equal_their_rows_are_found_and_counted_anew(site):
    site.change(lambda unit: unit.quotas.claim(TICKET, size=5))
    site.change(lambda unit: unit.quotas.give_back_used(LINK, size=1))
    assert site.check() == [(K.QUOTA_WRONG, LINK, False), (K.QUOTA_WRONG, TICKET, False)]
    assert site.check(repair=True) == [(K.QUOTA_WRONG, LINK, True), (K.QUOTA_WRONG, TICKET, True)]
    assert site.check() == []


@pytest.mark.parametrize(("owner", "limits"), [(LINK, (5, 1000)), (TICKET, (None, None))])
def test_an_owner_that_is_not_counted_is_found_and_counted_under_its_own_limits(site, owner, limits):
    site.sql(f"DELETE FROM quotas WHERE owner_id = '{owner}'")
    assert site.check(repair=True) == [(K.QUOTA_WRONG, owner, True)]
    quota = site.records.read(lambda unit: unit.quotas.get(LinkId(owner)))
    assert quota is not None
    assert (quota.max_files, quota.max_bytes) == limits
    assert site.check() == []


def test_a_gap_in_the_journal_is_found_at_its_first_missing_index(site):
    site.sql("DROP TRIGGER journal_entries_stay", "DELETE FROM journal_entries WHERE position = 1")
    assert site.check(repair=True) == [(K.JOURNAL_GAP, "1", False)]


def test_a_journal_shorter_than_its_last_checkpoint_is_found(site):
    site.sql("DROP TRIGGER journal_entries_stay", "DELETE FROM journal_entries WHERE position >= 1")
    assert site.check() == [(K.JOURNAL_GAP, "1", False)]


def test_a_stale_upload_is_found_and_its_rows_stay(site):
    site.change(lambda unit: site.add(unit, 4, S.RECEIVING))
    site.blobs.create(blob_of(4), None).write(b"half")
    assert site.check() == []
    assert site.check(repair=True, alone=True) == [(K.UPLOAD_STALE, named(4), False)]
    site.later = 25 * HOUR
    assert site.check(repair=True) == [(K.UPLOAD_STALE, named(4), False)]
    assert site.records.read(lambda unit: unit.attachments.get(named(4), EVERYTHING)) is not None


def test_an_unfinished_purge_is_found(site):
    site.change(lambda unit: purge(unit, site, state=S.PURGING))
    assert site.check(repair=True) == [(K.PURGE_UNFINISHED, named(1), False)]
    assert site.blobs.stat(blob_of(1)) is not None


def test_a_purge_that_is_through_when_the_check_ends_is_not_found(site):
    site.change(lambda unit: purge(unit, site, state=S.PURGING))

    class Working(Around):
        def iterate(self, after: BlobId | None = None) -> Iterator[BlobStat]:
            if site.memory.stat(blob_of(1)):
                site.memory.delete(blob_of(1))
                site.change(lambda unit: purge(unit, site))
            return site.memory.iterate(after)

    site.blobs = Working(site.memory)
    assert site.check() == []


def test_every_kind_of_finding_has_its_test():
    text = Path(__file__).read_text()
    assert [kind for kind in FindingKind if f"K.{kind.name}" not in text] == []
