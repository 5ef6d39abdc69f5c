"""A person is erased: what may go goes with proof, what must stay is named, and whoever was killed goes on."""

from __future__ import annotations

import json
from datetime import date

import pytest

from audit import verify_certificate
from crypto import Secret, keyed_digest
from domain.actor import EVERYTHING, SYSTEM, Role
from domain.attachment import AttachmentState
from domain.errors import NotAllowed
from domain.event import EventKind
from subjects import Kept
from tests.small_site import Crash
from tests.transfers import ADMIN, AGENT, AUDITOR
from tests.unit.subjects.conftest import ANNA


def link_of(site, link):
    return site.records.read(lambda unit: unit.links.get(link.link.id, EVERYTHING))


def ticket_of(site, ref):
    return site.records.read(lambda unit: unit.tickets.get(ref, EVERYTHING))


def test_all_of_a_ticket_goes_with_certificates(site):
    ticket = site.of("T-2", subject="Mätaren")
    row, own = site.sent("T-2"), site.file(ticket, b"svar")
    link = site.download_link(own.id, recipient="annan@kund.example")
    report = site.erase()
    assert (report.found, report.complete, report.kept, report.tickets) == (True, True, [], ["T-2"])
    assert {file.attachment_id for file in report.files} == {row.id, own.id}
    for file in report.files:
        found = site.records.read(lambda unit, one=file: unit.certificates.get(one.certificate_id))
        verify_certificate(found.document, found.signature, site.log.public_key)
        assert json.loads(found.document)["reason"] == "erased"
    assert [site.row(one.id).state for one in (row, own)] == [AttachmentState.PURGED] * 2
    erased = ticket_of(site, "T-2")
    assert erased.erased_at is not None
    assert (erased.subject_sealed, erased.requester_email_sealed, erased.requester_email_digest) == (None, None, None)
    assert site.records.read(lambda unit: unit.keys.get(ticket, "ticket")) is None
    assert link_of(site, link).recipient_digest is None
    assert report.receipts == 1
    assert site.records.read(lambda unit: unit.receipts.of_ticket(ticket)) == []
    assert site.findings() == []


def test_a_customers_request_is_kept_while_the_contract_runs_and_until_its_time_is_up(site):
    site.customer("kund", name="Kunden", contract_ends_on=date(2027, 3, 31))
    site.file(site.of("T-2", organisation="kund"))
    rule = "P1Y after contract_ends_on"
    report = site.erase()
    (kept,) = report.kept
    assert (kept.what, kept.name, kept.by, kept.rule) == ("ticket", "T-2", "contract", rule)
    assert kept.until.isoformat() == "2028-04-01T00:00:00+00:00"
    assert (report.files, report.tickets, report.complete) == ([], [], True)
    site.clock.go(days=600)
    assert site.erase().tickets == ["T-2"]


def test_a_hold_keeps_and_is_named_without_its_reason(site):
    site.file(site.of("T-2"))
    site.hold("T-2")
    report = site.erase()
    assert [(kept.name, kept.by) for kept in report.kept] == [("T-2", "hold")]
    assert ticket_of(site, "T-2").requester_email_digest is not None
    site.records.write(lambda unit: site.holds.release_from_ticket(unit, SYSTEM, "T-2", None))
    assert site.erase().tickets == ["T-2"]


def test_a_dry_run_says_what_a_run_then_does_and_changes_nothing(site):
    site.customer("kund", name="Kunden")
    site.of("T-3", organisation="kund")
    site.sent("T-2" if site.of("T-2") else "")
    site.mail(ANNA)
    site.download_link(site.received().id, recipient=ANNA)
    before, events = site.ground.rows(), len(site.events())
    dry = site.erase(dry_run=True)
    assert site.ground.rows() == before
    assert len(site.events()) == events
    done = site.erase()
    for name in ("tickets", "links", "mails", "receipts", "uploads", "principals", "kept", "found"):
        assert getattr(dry, name) == getattr(done, name), name
    assert [file.attachment_id for file in dry.files] == [file.attachment_id for file in done.files]
    assert (len(dry.tickets), len(dry.kept), len(dry.links), dry.mails) == (1, 1, 1, 1)


def test_what_its_ticket_system_was_not_asked_about_for_long_is_not_erased_and_named(site):
    """S-69: whether a contract keeps it, nobody can tell."""
    site.file(site.of("T-2"))
    site.stale.add("T-2")
    for dry_run in (True, False):
        report = site.erase(dry_run=dry_run)
        assert [(one.what, one.name, one.reason) for one in report.failed] == [("ticket", "T-2", "facts-stale")]
        assert (report.tickets, report.files, report.complete) == ([], [], False)
    site.stale.clear()
    assert site.erase().tickets == ["T-2"]


def test_links_to_the_person_end_and_name_nobody_but_under_a_hold(site):
    free, held = site.received(), site.file(site.of("T-3", "annan@kund.example"))
    site.hold("T-3")
    one, two = site.download_link(free.id, recipient=ANNA), site.download_link(held.id, recipient=ANNA)
    report = site.erase()
    assert report.links == [one.link.id]
    assert report.kept == [Kept("link", two.link.id, "hold")]
    gone = link_of(site, one)
    assert (gone.recipient_sealed, gone.recipient_digest) == (None, None)
    assert gone.revoked_at is not None
    assert link_of(site, two).recipient_sealed is not None
    assert site.row(free.id).state is AttachmentState.AVAILABLE
    assert [event["subject"] for event in site.events(EventKind.LINK_REVOKED)] == [one.link.id]


def test_that_others_sent_something_of_a_customers_request_no_contract_keeps(site):
    site.customer("kund", name="Kunden")
    row = site.file(site.of("T-3", "annan@kund.example", organisation="kund"))
    link = site.download_link(row.id, recipient=ANNA)
    assert site.erase().links == [link.link.id]


def test_mails_that_wait_go_and_those_to_others_stay(site):
    site.mail(ANNA.lower())
    site.mail("annan@kund.example")
    report = site.erase()
    assert (report.mails, report.found) == (1, True)
    assert [mail.id for mail in site.records.read(lambda unit: unit.outbox.page(after=None, limit=9))] == [
        "m-annan@kund.example"
    ]


def test_the_name_of_who_cannot_come_in_any_more_goes_and_who_can_is_named(site):
    def made():
        return site.records.write(lambda unit: site.people.make_key(unit, SYSTEM, Role.AGENT, f"Anna {ANNA}"))

    ended, present = made().principal, made().principal
    site.records.write(lambda unit: site.people.disable(unit, SYSTEM, ended.id))
    report = site.erase()
    assert report.principals == [ended.id]
    assert report.kept == [Kept("principal", present.id, "access")]
    names = {
        one.id: site.people.name(one)
        for one in site.records.read(lambda unit: unit.access.principals(after=None, limit=9))
    }
    assert names == {ended.id: "(erased)", present.id: f"Anna {ANNA}"}


def test_uploads_under_way_end(site):
    site.of("T-2")
    incoming = site.by_link(site.upload_link("T-2").token)
    created = site.resuming.create(incoming, "halv.txt", length=10)
    site.resuming.append(created.token, incoming, [b"halv"], offset=0, size=4)
    report = site.erase()
    assert (report.uploads, report.tickets, report.complete) == (1, ["T-2"], True)
    assert site.findings() == []
    assert site.kept()["blobs"] == []


def test_what_the_store_does_not_let_go_is_reported_and_the_same_call_goes_on(site):
    row = site.file(site.of("T-2"))
    site.blobs.failing.add(row.blob_id)
    report = site.erase()
    assert not report.complete
    assert [(one.what, one.name) for one in report.failed] == [("file", row.id)]
    assert report.tickets == []
    assert site.records.read(lambda unit: unit.keys.get(row.id, "attachment")) is None
    site.blobs.failing.clear()
    again = site.erase()
    assert (again.complete, again.tickets, [file.attachment_id for file in again.files]) == (True, ["T-2"], [row.id])


@pytest.mark.parametrize(
    "step",
    [
        "subject-closed",
        "claimed",
        "key-destroyed",
        "blob-removed",
        "read-back",
        "finished",
        "subject-files",
        "subject-ticket",
        "subject-link",
    ],
)
def test_whoever_was_killed_at_a_step_goes_on_from_there(site, step):
    rows = [site.file(site.of(f"T-{number}")) for number in (2, 3)]
    link = site.download_link(site.received().id, recipient=ANNA)
    site.steps.at = (step, 1)
    with pytest.raises(Crash):
        site.erase()
    site.steps.at = None
    assert site.erase().complete
    assert [site.row(row.id).state for row in rows] == [AttachmentState.PURGED] * 2
    assert all(ticket_of(site, ref).erased_at for ref in ("T-2", "T-3"))
    assert link_of(site, link).recipient_sealed is None
    assert site.erase().found is False
    for kind in (EventKind.PURGE_STARTED, EventKind.KEY_DESTROYED, EventKind.PURGE_FINISHED):
        assert sorted(event["subject"] for event in site.events(kind)) == sorted(row.id for row in rows), kind
    assert site.findings() == []


def test_nobody_of_that_address_is_an_answer_and_an_entry(site):
    report = site.erase("ingen@kund.example")
    assert (report.found, report.complete) == (False, True)
    (event,) = site.events(EventKind.SUBJECT_ERASED)
    assert event["subject"] == report.request
    assert set(event["facts"].values()) == {0}


def test_the_log_commits_to_the_reason_and_keeps_none_of_it(site):
    site.of("T-2")
    report = site.erase(reason="Begäran 7 från Anna")
    (event,) = site.events(EventKind.SUBJECT_ERASED)
    said = keyed_digest(Secret(bytes.fromhex(report.reason_key)), "Begäran 7 från Anna")
    assert event["facts"]["reason_commitment"] == said.hex()
    assert "anna" not in json.dumps(site.events(), ensure_ascii=False).lower()


def test_an_admin_may_and_nobody_else(site):
    site.of("T-2")
    for actor in (AGENT, AUDITOR):
        with pytest.raises(NotAllowed):
            site.erase(actor=actor)
    assert site.erase(actor=ADMIN).tickets == ["T-2"]
