"""What a crash leaves, and what recovery makes of it (crash rows U1 to U4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crypto import new_blob_id
from domain.errors import BlobsUnavailable, RecordsUnavailable
from domain.ids import BlobId
from storage.blobs.memory import MemoryBlobStore
from tests.transfers import AGENT, MIB, TransferSite
from transfer import Recovery

LATER = timedelta(days=400)


class Crash(BaseException):
    """The process is gone: nothing after this runs, no cleaning up either."""


class CrashAt:
    """Stops at a step, once."""

    def __init__(self, step: str) -> None:
        self._step: str | None = step

    def __call__(self, step: str) -> None:
        if step == self._step:
            self._step = None
            raise Crash


def crash_at(site: TransferSite, step: str, *, undeclared: bool = False) -> None:
    """An upload by a link that stops at the step; unlike ``site.receive`` it abandons nothing."""
    incoming = site.by_link(site.upload_link(max_files=1, max_bytes=MIB).token)
    with pytest.raises(Crash):
        claim = site.reception.claim(incoming, "a.txt", None if undeclared else 4)
        sealed = site.reception.seal(claim, [b"text"])
        site.reception.finish([sealed])


@pytest.mark.parametrize("undeclared", [True, False])
@pytest.mark.parametrize("step", ["claimed", "sealed"])
def test_an_upload_that_was_not_acknowledged_is_taken_away(make_site, step, undeclared):
    site = make_site(steps=CrashAt(step))
    crash_at(site, step, undeclared=undeclared)
    assert len(site.kept()["rows"]) == 1
    assert site.recovery.at_start(alone=True) == 1
    kept = site.kept()
    assert (kept["rows"], kept["blobs"]) == ([], [])
    assert kept["keys"] == []
    assert all((quota.reserved_files, quota.reserved_bytes) == (0, 0) for quota in kept["quotas"])
    (event,) = site.events("upload.refused")
    assert event["facts"]["code"] == "interrupted"
    assert event["actor"]["role"] == "system"
    assert site.recovery.at_start(alone=True) == 0
    assert site.findings() == []


def test_an_upload_that_was_acknowledged_stays(make_site):
    site = make_site(steps=CrashAt("finished"))
    crash_at(site, "finished")
    before = site.kept()
    assert site.recovery.at_start(alone=True) == 0
    assert site.kept() == before
    assert site.findings() == []
    (row,) = before["rows"]
    assert site.read(AGENT, row.id) == b"text"


@pytest.mark.parametrize("step", ["abandoned", "ended"])
def test_a_blob_whose_row_is_gone_is_swept(make_site, step):
    site = make_site(steps=CrashAt(step))
    claim = site.reception.claim(site.by_agent(), "a.txt", 4)
    site.reception.seal(claim, [b"text"])
    with pytest.raises(Crash):
        if step == "abandoned":
            site.reception.abandon([claim])
        else:
            site.recovery.at_start(alone=True)
    kept = site.kept()
    assert (kept["rows"], len(kept["blobs"])) == ([], 1)
    site.clock.now = datetime.now(UTC)
    assert site.recovery.sweep() == 0  # too young to be judged
    site.clock.go(hours=25)
    assert site.recovery.sweep() == 1
    assert site.kept()["blobs"] == []
    assert site.findings() == []


def test_a_sweep_leaves_every_blob_that_a_row_names(site):
    attachment = site.received()
    orphan = new_blob_id()
    with site.blobs.create(orphan, None) as writer:
        writer.write(b"x")
        writer.commit()
    unfinished = new_blob_id()
    site.blobs.create(unfinished, None).write(b"x")
    site.clock.now = datetime.now(UTC) + LATER
    assert site.recovery.delete_orphans(site.clock()) == 2
    assert [stat.blob_id for stat in site.blobs.iterate()] == [attachment.blob_id]


def test_a_running_service_ends_only_what_is_stale(site):
    old = site.reception.claim(site.by_agent(), "a.txt", 1)
    site.clock.go(hours=23)
    young = site.reception.claim(site.by_agent(), "b.txt", 1)
    site.clock.go(hours=2)
    assert site.recovery.sweep() == 1
    assert [row.id for row in site.kept()["rows"]] == [young.attachment_id]
    assert old.attachment_id != young.attachment_id
    assert site.recovery.at_start(alone=False) == 0
    assert site.recovery.at_start(alone=True) == 1


def test_more_than_a_batch_is_ended_and_swept(site):
    recovery = Recovery(site.records, site.blobs, site.log, site.clock, batch=3)
    for _ in range(8):
        site.reception.claim(site.by_agent(), "a.txt", 1)
        site.blobs.create(new_blob_id(), None)
    assert recovery.at_start(alone=True) == 8
    assert recovery.delete_orphans(datetime.now(UTC) + LATER) == 8
    assert (site.kept()["rows"], site.kept()["blobs"]) == ([], [])


def test_one_bad_item_stops_nothing(make_site):
    blobs = StubbornStore()
    site = make_site(blobs=blobs)
    claims = [site.reception.claim(site.by_agent(), "a.txt", 1) for _ in range(3)]
    for claim in claims:
        site.reception.seal(claim, [b"x"])
    blobs.refused = {claims[1].blob_id}
    assert site.recovery.at_start(alone=True) == 2
    assert site.kept()["rows"] == []
    assert [blob[0] for blob in site.kept()["blobs"]] == [claims[1].blob_id]
    blobs.refused = set()
    assert site.recovery.delete_orphans(datetime.now(UTC) + LATER) == 1


def test_a_blob_that_cannot_be_deleted_now_is_left_to_the_sweep(make_site):
    blobs = StubbornStore()
    site = make_site(blobs=blobs)
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)
    site.reception.seal(claim, [b"x"])
    blobs.refused = {claim.blob_id}
    site.reception.abandon([claim])
    assert site.kept()["rows"] == []
    assert site.recovery.delete_orphans(datetime.now(UTC) + LATER) == 0
    blobs.refused = set()
    assert site.recovery.delete_orphans(datetime.now(UTC) + LATER) == 1


def test_what_cannot_be_abandoned_now_is_left_to_recovery(site):
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)
    site.reception.seal(claim, [b"x"])
    records = site.reception._records
    site.reception._records = DeadRecords()
    site.reception.abandon([claim])
    site.reception._records = records
    assert len(site.kept()["rows"]) == len(site.kept()["blobs"]) == 1
    assert Recovery(records, site.blobs, site.log, site.clock).at_start(alone=True) == 1
    assert site.kept()["blobs"] == []


class StubbornStore(MemoryBlobStore):
    """A store that cannot delete some blobs."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[BlobId] = set()

    def delete(self, blob_id):
        if blob_id in self.refused:
            raise BlobsUnavailable
        super().delete(blob_id)


class DeadRecords:
    """Records that do not answer."""

    def write(self, work):
        raise RecordsUnavailable
