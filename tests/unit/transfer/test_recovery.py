"""What a crash leaves, and what recovery makes of it (crash rows U1 to U4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from crypto import new_blob_id
from domain.errors import BlobsUnavailable, RecordsUnavailable, StateConflict
from domain.ids import BlobId
from keys import Node
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
    assert site.recovery.at_start() == 1
    kept = site.kept()
    assert (kept["rows"], kept["blobs"]) == ([], [])
    assert kept["keys"] == []
    assert all((quota.reserved_files, quota.reserved_bytes) == (0, 0) for quota in kept["quotas"])
    (event,) = site.events("upload.refused")
    assert event["facts"]["code"] == "interrupted"
    assert event["actor"]["role"] == "system"
    assert site.recovery.at_start() == 0
    assert site.findings() == []


def test_an_upload_that_was_acknowledged_stays(make_site):
    site = make_site(steps=CrashAt("finished"))
    crash_at(site, "finished")
    before = site.kept()
    assert site.recovery.at_start() == 0
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
            site.recovery.at_start()
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


def test_a_running_service_ends_what_it_could_not_give_up_and_nothing_that_is_under_way(site):
    working = site.reception.claim(site.by_agent(), "a.txt", 1)
    left = site.reception.claim(site.by_agent(), "b.txt", 1)
    records = site.reception._records
    site.reception._records = DeadRecords()
    site.reception.abandon([left])
    site.reception._records = records
    end_left = partial(site.recovery.end_left, site.node, site.reception.is_at_work)
    assert end_left() == 0  # too young: it may be one that is being claimed
    site.clock.go(days=30)
    assert end_left() == 1
    assert [row.id for row in site.kept()["rows"]] == [working.attachment_id]
    site.reception.finish([site.reception.seal(working, [b"x"])])
    assert site.findings() == []


class TwoNodes:
    """Two nodes on one database, as they are on a site that many processes serve."""

    def __init__(self, site: TransferSite) -> None:
        self.site = site
        self.one, self.other = Node(site.records, alone=False), Node(site.records, alone=False)
        site.reception._node = self.one.id
        self.beat()

    def beat(self) -> None:
        self.one.beat()
        self.other.beat()

    def go(self, node: Node, seconds: int) -> None:
        """Time goes by, and only this node says that it lives."""
        for _ in range(seconds):
            self.site.clock.go(seconds=1)
            node.beat()

    def end_left(self) -> int:
        return self.site.recovery.end_left(self.other, lambda attachment_id: False)


@pytest.fixture
def nodes(site):
    return TwoNodes(site)


def test_an_upload_of_another_node_that_lives_is_left_to_it_however_long_it_takes(site, nodes):
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)
    for _ in range(30):
        site.clock.go(seconds=3)
        nodes.beat()
    assert nodes.end_left() == 0
    site.reception.finish([site.reception.seal(claim, [b"x"])])


def test_an_upload_of_a_node_that_died_is_ended_by_another(site, nodes):
    site.reception.seal(site.reception.claim(site.by_agent(), "a.txt", 1), [b"x"])
    nodes.go(nodes.other, 19)
    assert nodes.end_left() == 0
    nodes.go(nodes.other, 2)
    assert nodes.end_left() == 1
    kept = site.kept()
    assert (kept["rows"], kept["blobs"], kept["keys"]) == ([], [], [])
    assert site.findings() == []


def test_an_upload_of_a_node_that_left_is_ended_at_once(site, nodes):
    site.reception.claim(site.by_agent(), "a.txt", 1)
    nodes.go(nodes.other, 19)
    nodes.one.beat()
    nodes.go(nodes.other, 2)
    assert nodes.end_left() == 0
    nodes.one.leave()
    assert nodes.end_left() == 1


def test_a_paused_node_that_wakes_up_finishes_nothing_and_leaves_nothing(site, nodes):
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)
    nodes.go(nodes.other, 21)
    assert nodes.end_left() == 1
    sealed = site.reception.seal(claim, [b"x"])
    with pytest.raises(StateConflict):
        site.reception.finish([sealed])
    assert len(site.kept()["blobs"]) == 1
    site.reception.abandon([claim])
    kept = site.kept()
    assert (kept["rows"], kept["blobs"], kept["keys"]) == ([], [], [])
    assert site.findings() == []


def test_after_an_outage_every_node_has_time_to_say_that_it_lives(site, nodes):
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)
    nodes.go(nodes.other, 21)
    nodes.one.beat()
    site.clock.go(minutes=10)  # the database did not answer anybody
    nodes.other.beat()
    assert nodes.end_left() == 0
    nodes.one.beat()
    for _ in range(5):
        site.clock.go(seconds=3)
        nodes.beat()
    assert nodes.end_left() == 0
    site.reception.finish([site.reception.seal(claim, [b"x"])])


def test_a_node_that_is_not_known_yet_judges_nobody(site, nodes):
    site.reception.claim(site.by_agent(), "a.txt", 1)
    site.clock.go(minutes=1)
    young = Node(site.records, alone=False)
    assert site.recovery.end_left(young, lambda attachment_id: False) == 0
    young.beat()
    assert site.recovery.end_left(young, lambda attachment_id: False) == 0


def test_more_than_a_batch_is_ended_and_swept(site):
    recovery = Recovery(site.records, site.blobs, site.log, site.clock, batch=3)
    for _ in range(8):
        site.reception.claim(site.by_agent(), "a.txt", 1)
        site.blobs.create(new_blob_id(), None)
    assert recovery.at_start() == 8
    assert recovery.delete_orphans(datetime.now(UTC) + LATER) == 8
    assert (site.kept()["rows"], site.kept()["blobs"]) == ([], [])


def test_one_bad_item_stops_nothing(make_site):
    blobs = StubbornStore()
    site = make_site(blobs=blobs)
    claims = [site.reception.claim(site.by_agent(), "a.txt", 1) for _ in range(3)]
    for claim in claims:
        site.reception.seal(claim, [b"x"])
    blobs.refused = {claims[1].blob_id}
    assert site.recovery.at_start() == 2
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
    assert Recovery(records, site.blobs, site.log, site.clock).at_start() == 1
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
