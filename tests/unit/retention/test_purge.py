"""What is due goes, with a certificate; what is not, stays; a run that was cut off is finished by the next."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from audit import kept_checkpoints, kept_entries, verify
from domain.actor import EVERYTHING, SYSTEM
from domain.attachment import AttachmentState
from domain.disposal import DueItem
from domain.errors import (
    StateConflict,
)
from domain.event import EventKind
from domain.ids import LinkId
from retention import Brakes, CertificateDesk, Pace, Policy, Purge
from tests.small_site import START, Crash, ManyAtOnce, PurgeSite
from tests.unit.retention.purged import ADMIN, LONG_AGO, certificates, due, gone, key_of


def test_what_is_due_is_gone_with_a_certificate(site):
    (attachment,) = due(site)
    report = site.purge.run(SYSTEM)
    assert (report.due, report.purged, report.resumed, report.failed, report.complete) == (1, 1, 0, [], True)
    said = gone(site, attachment)
    assert [one.attachment_id for one in report.items] == [attachment.id]
    del said["public_key"], said["unreadable"]
    assert said == {
        "type": "bilaga.purge-certificate",
        "version": 1,
        "certificate_id": site.state(attachment).certificate_id,
        "installation": site.ring.installation,
        "attachment_id": attachment.id,
        "ticket_id": attachment.ticket_id,
        "reason": "retention",
        "retention_class": "other",
        "rule": "P1Y after last_activity_at",
        "facts": {
            "time_zone": "Europe/Stockholm",
            "status": "open",
            "opened_at": None,
            "last_activity_at": "2020-01-01T00:00:00Z",
            "closed_at": None,
            "organisation_id": None,
            "rule": "others",
            "ground": "policy",
            "decision": None,
            "lost": None,
        },
        "due_at": "2021-01-01T00:00:00Z",
        "purged_at": "2026-11-24T11:00:00Z",
        "sealed_size": attachment.sealed_size,
        "sealed_sha256": attachment.sealed_sha256.hex(),
        "key_generation": 1,
        "journal_index": site.events(EventKind.PURGE_STARTED)[0]["index"],
    }


def test_the_certificate_says_when_every_copy_is_unreadable(site):
    (attachment,) = due(site)
    site.purge.run(SYSTEM)
    horizon = gone(site, attachment)["unreadable"]
    assert horizon["here"].startswith("at once")
    assert horizon["database_files"] == "within PT24H"
    assert horizon["all_copies"].startswith("within P30D")


def test_what_a_database_never_overwrites_is_unreadable_with_the_backups(site):
    (attachment,) = due(site)
    desk = CertificateDesk(site.signer, site.ring.installation, timedelta(days=9), overwritten=None)
    site.purge_with(certificates=desk).run(SYSTEM)
    assert gone(site, attachment)["unreadable"]["database_files"] == "within P9D"


def test_the_order_is_claim_key_blob_look_tombstone(site):
    due(site)
    site.purge.run(SYSTEM)
    assert site.steps.seen == ["claimed", "key-destroyed", "blob-removed", "read-back", "finished"]


def test_what_is_not_due_stays(site):
    attachment = site.send(site.put("T-1"))
    report = site.purge.run(SYSTEM)
    assert (report.due, report.purged) == (0, 0)
    assert site.state(attachment) == attachment
    assert key_of(site, attachment) is not None


def test_due_is_the_instant_itself_and_not_one_before(site):
    attachment = site.send(site.put("T-1", last_activity_at=START - timedelta(days=365)))
    due_at = site.ticket("T-1").purge_due_at
    site.clock.now = due_at - timedelta(microseconds=1)
    assert site.purge.run(SYSTEM).purged == 0
    site.clock.now = due_at
    assert site.purge.run(SYSTEM).purged == 1
    gone(site, attachment)


def test_a_hold_keeps_what_is_due_and_the_report_names_it(site):
    held, other = due(site, "T-1")[0], due(site, "T-2")[0]
    site.records.write(lambda unit: site.holds.place_on_ticket(unit, ADMIN, "T-1", "court", None))
    report = site.purge.run(SYSTEM)
    assert (report.due, report.purged, report.held) == (1, 1, 1)
    assert [one.attachment_id for one in report.kept_by_hold] == [held.id]
    assert site.state(held) == held
    assert site.ticket("T-1").subject_sealed is not None
    gone(site, other)
    site.records.write(lambda unit: site.holds.release_from_ticket(unit, ADMIN, "T-1", None))
    assert site.purge.run(SYSTEM).purged == 1
    gone(site, held)


def test_facts_are_looked_at_again_inside_the_transaction(site):
    """The stored date is an old policy's: the claim computes its own, leaves the file, and corrects the date."""
    (attachment,) = due(site)
    policy = Policy.from_mapping({"others": "P30Y"})
    purge = PurgeSite.purge_with(_with_policy(site, policy))
    report = purge.run(SYSTEM)
    assert (report.due, report.purged) == (1, 0)
    assert site.state(attachment) == attachment
    assert site.ticket("T-1").purge_due_at == datetime(2050, 1, 1, tzinfo=UTC)
    assert purge.run(SYSTEM).due == 0


class Racing:
    """Records in which something happens between the reading of what is due and the claim on it."""

    def __init__(self, site, meanwhile):
        self._site = site
        self._meanwhile = meanwhile

    def __getattr__(self, name):
        return getattr(self._site.records, name)

    def read(self, work):
        found = self._site.records.read(work)
        if isinstance(found, list) and found and isinstance(found[0], DueItem) and self._meanwhile:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        return found


RACES = {
    "a hold is placed": lambda site: site.records.write(
        lambda unit: site.holds.place_on_ticket(unit, ADMIN, "T-1", "court", None)
    ),
    "the organisation is held": lambda site: site.records.write(
        lambda unit: site.holds.place_on_organisation(unit, ADMIN, "acme", "court", None)
    ),
    "the ticket lives again": lambda site: site.put("T-1", last_activity_at=START, organisation=None),
    "the contract is prolonged": lambda site: site.put_organisation("acme", contract_ends_on=date(2026, 1, 1)),
    "the contract never ends": lambda site: site.put_organisation("acme", contract_ends_on=None),
}


@pytest.mark.parametrize("race", RACES)
def test_what_happens_before_the_claim_commits_cancels_it(site, race):
    ticket = site.put("T-1", organisation="acme")
    site.put_organisation("acme", contract_ends_on=date(2020, 1, 1))
    attachment = site.send(ticket)
    racing = Racing(site, lambda: RACES[race](site))
    purge = Purge(
        racing, site.blobs, site.keys, site.log, site.policy.of, clock=site.clock, brakes=Brakes(),
        certificates=CertificateDesk(site.signer, "i", timedelta(days=30)), pace=Pace(blobs_a_second=None),
    )  # fmt: skip
    report = purge.run(SYSTEM)
    assert racing._meanwhile is None
    assert (report.purged, report.failed) == (0, [])
    assert site.state(attachment) == attachment
    assert key_of(site, attachment) is not None


def _with_policy(site, policy):
    site.policy = policy
    return site


def test_a_dry_run_changes_nothing_and_may_look_ahead(site):
    (attachment,) = due(site)
    later = site.send(site.put("T-2"))
    before = len(site.events())
    assert [one.attachment_id for one in site.purge.run(ADMIN, dry_run=True).would_purge] == [attachment.id]
    ahead = site.purge.run(ADMIN, now=START + timedelta(days=400), dry_run=True)
    assert {one.attachment_id for one in ahead.would_purge} == {attachment.id, later.id}
    assert (ahead.dry_run, ahead.due, ahead.purged) == (True, 2, 0)
    assert len(site.events()) == before
    assert site.state(attachment) == attachment


def test_now_narrows_and_never_runs_ahead_of_the_clock(site):
    old = due(site)[0]
    young = site.send(site.put("T-2", last_activity_at=datetime(2024, 6, 1, tzinfo=UTC)))
    fresh = site.send(site.put("T-3"))
    assert site.purge.run(SYSTEM, now=datetime(2022, 1, 1, tzinfo=UTC)).purged == 1
    gone(site, old)
    assert site.state(young) == young
    report = site.purge.run(SYSTEM, now=START + timedelta(days=4000))
    assert (report.now, report.purged) == (START, 1)
    assert site.state(fresh) == fresh


def test_a_store_that_removes_many_at_once_is_asked_for_many(site):
    files = due(site, files=7)
    site.blobs.failing.add(files[2].blob_id)
    clearing = ManyAtOnce(site.blobs)
    pace = Pace(batch=5, threads=2, blobs_a_second=None)
    report = site.purge_with(pace=pace, clearing=clearing).run(SYSTEM)
    assert (report.purged, [one.attachment_id for one in report.failed]) == (6, [files[2].id])
    assert sorted(clearing.asked) == [2, 2, 3]
    for attachment in files[:2] + files[3:]:
        gone(site, attachment)
    assert site.state(files[2]).state is AttachmentState.PURGING
    site.blobs.failing.clear()
    assert site.purge_with(pace=pace, clearing=clearing).run(SYSTEM).resumed == 1
    gone(site, files[2])


def test_one_blob_that_cannot_be_removed_never_stops_the_run(site):
    files = due(site, files=5)
    site.blobs.failing.add(files[1].blob_id)
    site.blobs.lying.add(files[3].blob_id)
    report = site.purge.run(SYSTEM)
    assert (report.purged, report.complete) == (3, False)
    assert {(one.attachment_id, one.reason) for one in report.failed} == {
        (files[1].id, "store-unavailable"),
        (files[3].id, "store-unavailable"),
    }
    for index in (0, 2, 4):
        gone(site, files[index])
    for index in (1, 3):
        assert site.state(files[index]).state is AttachmentState.PURGING
        assert key_of(site, files[index]) is None
        assert site.events(EventKind.PURGE_FAILED, files[index].id)[0]["facts"] == {"code": "store-unavailable"}
    assert len(certificates(site)) == 3
    assert site.ticket("T-1").erased_at is None
    site.blobs.failing.clear()
    site.blobs.lying.clear()
    report = site.purge.run(SYSTEM)
    assert (report.purged, report.resumed, report.tickets_erased) == (2, 2, 1)
    for one in files:
        gone(site, one)


STEPS = ["claimed", "key-destroyed", "blob-removed", "read-back", "finished"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_crash_after_any_step_is_finished_by_the_next_run(site, step, nth):
    files = due(site, "T-1", 3) + due(site, "T-2", 3)
    purge = site.purge_with(pace=Pace(batch=2, threads=1, blobs_a_second=None))
    site.steps.at = (step, nth)
    with pytest.raises(Crash):
        purge.run(SYSTEM)
    for one in files:  # S-7: never a row without its blob that says it has one
        row = site.state(one)
        if row.state is AttachmentState.AVAILABLE:
            assert key_of(site, one) is not None
            assert site.blobs.stat(one.blob_id) is not None
        assert (row.state is AttachmentState.PURGED) == (row.certificate_id is not None)
    site.steps.at = None
    with pytest.raises(StateConflict):  # the dead run's lease is still there
        purge.run(SYSTEM)
    site.clock.go(seconds=21)
    report = purge.run(SYSTEM)
    assert report.complete
    for one in files:
        gone(site, one)
    quotas = site.records.read(lambda unit: list(unit.quotas.all()))
    assert [(one.used_files, one.used_bytes) for one in quotas] == [(0, 0), (0, 0)]
    assert len(certificates(site)) == 6
    assert report.tickets_erased == 2
    assert verify(kept_entries(site.records), kept_checkpoints(site.records), site.log.public_key).intact


def test_a_blob_that_comes_back_after_a_crash_is_removed_again(site):
    (attachment,) = due(site)
    site.steps.at = ("read-back", 1)
    with pytest.raises(Crash):
        site.purge.run(SYSTEM)
    with site.blobs.create(attachment.blob_id, None) as writer:  # the unlink was not durable (P3)
        writer.write(b"sealed")
        writer.commit()
    site.steps.at = None
    site.clock.go(seconds=21)
    assert site.purge.run(SYSTEM).resumed == 1
    gone(site, attachment)


def test_links_and_quota_end_with_the_file(site):
    from domain.link import Link, LinkKind, Terms

    ticket = site.put("T-1", last_activity_at=LONG_AGO)
    first = site.send(ticket)
    link = Link(
        LinkId("l"), LinkKind.DOWNLOAD, ticket.id, first.id, Terms(START + timedelta(days=9)), None, b"r", b"n",
        "sv", START, None, None, 0,
    )  # fmt: skip
    site.records.write(lambda unit: unit.links.add(link, bytes(32)))
    site.purge.run(SYSTEM)
    kept = site.records.read(lambda unit: unit.links.get(link.id, EVERYTHING))
    assert kept.revoked_at == START
    assert (kept.recipient_sealed, kept.note_sealed) == (None, None)
    quota = site.records.read(lambda unit: unit.quotas.get(ticket.id))
    assert (quota.used_files, quota.used_bytes) == (0, 0)


def test_an_expired_ticket_loses_its_persons_and_its_key(site):
    due(site)
    ticket = site.ticket("T-1")
    report = site.purge.run(SYSTEM)
    assert report.tickets_erased == 1
    erased = site.ticket("T-1")
    assert (erased.erased_at, erased.subject_sealed, erased.requester_email_sealed) == (START, None, None)
    assert (erased.requester_email_digest, erased.requester_name_sealed) == (None, None)
    assert site.records.read(lambda unit: unit.keys.get(ticket.id, "ticket")) is None
    (event,) = site.events(EventKind.TICKET_ERASED, ticket.id)
    assert (event["facts"]["keys"], event["facts"]["due_at"]) == (1, "2021-01-01T00:00:00Z")
    assert site.purge.run(SYSTEM).tickets_erased == 0


def test_a_ticket_with_files_of_its_own_time_left_keeps_its_persons(site):
    site.put("T-1", last_activity_at=LONG_AGO, organisation="acme", subject="s")
    site.put_organisation("acme", contract_ends_on=date(2026, 1, 1))
    assert site.purge.run(SYSTEM).tickets_erased == 0
    assert site.ticket("T-1").subject_sealed is not None
