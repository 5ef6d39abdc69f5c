"""What a second place remembers and a database put back does not is done again, in one step no crash can halve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit import Lasting, Log, kept_checkpoints, kept_entries, verify
from audit.statement import Statement
from domain.actor import EVERYTHING, SYSTEM
from domain.attachment import AttachmentState, Scan
from domain.event import EventKind
from retention import Restoration
from tests.contract.records.given import a_download_link, digest
from tests.small_site import Crash, MemoryExport, PurgeSite


class RestoredSite(PurgeSite):
    """A site whose second place remembers more than it knows itself."""

    def __init__(self, folder):
        super().__init__(folder)
        self.place = MemoryExport()
        self.again = Log(self.signer, self.clock, self.ring.installation, self.place)

    def remember(self, *facts: tuple[EventKind, str] | tuple[EventKind, str, str]) -> None:
        lasting = tuple(Lasting(kind, 1000 + at, *rest) for at, (kind, *rest) in enumerate(facts))
        statement = Statement(self.log.origin, 2000, b"r" * 32, lasting)
        self.place.kept.append(self.signer.sign_note(str(statement)))

    def restore(self):
        return Restoration(self.records, self.purge, self.holds, self.again, self.clock).run()

    def held(self, ref):
        return self.records.read(lambda unit: unit.holds.held(self.ticket(ref).id))

    def hold(self, ref, reason="Tvist"):
        return self.records.write(lambda unit: self.holds.place_on_ticket(unit, SYSTEM, ref, reason, None)).hold


@pytest.fixture
def site(tmp_path):
    site = RestoredSite(tmp_path)
    yield site
    site.close()


def assert_gone(site, attachment):
    assert site.state(attachment).state is AttachmentState.PURGED
    assert site.blobs.stat(attachment.blob_id) is None
    assert site.records.read(lambda unit: unit.keys.get(attachment.id, "attachment")) is None


@pytest.mark.parametrize("begun", [True, False])
def test_what_was_erased_or_being_erased_is_erased_again_and_no_hold_stops_it(site, begun):
    ticket = site.put("T-1")
    gone, kept = site.send(ticket), site.send(ticket)
    site.hold("T-1")
    site.remember(
        (EventKind.PURGE_STARTED, gone.id)
        if begun
        else (EventKind.PURGE_FINISHED, gone.id, "01a2b3c4-0000-7000-8000-000000000000")
    )
    restored = site.restore()
    assert (restored.informed, restored.attachments, restored.failed) == (True, 1, 0)
    assert_gone(site, gone)
    assert site.state(kept).state is AttachmentState.AVAILABLE
    started = site.events(EventKind.PURGE_STARTED, gone.id)[-1]["facts"]
    assert started["reason"] == "restored"
    assert started["fact.erased_before_by"] == (None if begun else "01a2b3c4-0000-7000-8000-000000000000")
    assert site.state(gone).certificate_id is not None


def test_the_first_entry_tells_of_the_restore_and_of_what_is_given_up(site):
    ticket = site.put("T-1")
    attachment = site.send(ticket)
    before = len(site.events())
    site.remember((EventKind.PURGE_FINISHED, attachment.id, "c-1"))
    site.restore()
    told = site.events()[before]
    assert (told["kind"], told["actor"]["role"]) == ("site.restored", "system")
    facts = told["facts"]
    assert (facts["old_origin"], facts["old_size"], facts["old_root"]) == (site.log.origin, 2000, (b"r" * 32).hex())
    assert (facts["attachments"], facts["sessions"], facts["informed"]) == (1, 0, True)
    site.again.check_start(site.records)
    site.again.checkpoint(site.records)
    report = verify(kept_entries(site.records), kept_checkpoints(site.records), site.log.public_key)
    assert (report.intact, report.restored) == (True, (before,))


def test_a_second_restore_finds_nothing_left_to_do(site):
    ticket = site.put("T-1")
    attachment = site.send(ticket)
    site.remember((EventKind.PURGE_FINISHED, attachment.id, "c-1"), (EventKind.TICKET_ERASED, ticket.id))
    site.restore()
    again = site.restore()
    assert (again.attachments, again.tickets) == (0, 0)
    assert len(site.events(EventKind.PURGE_FINISHED)) == 1


@pytest.mark.parametrize("step", ["key-destroyed", "blob-removed", "read-back"])
def test_a_crash_after_the_one_step_leaves_it_to_the_start_of_the_service(site, step):
    attachment = site.send(site.put("T-1"))
    site.remember((EventKind.PURGE_FINISHED, attachment.id, "c-1"))
    site.steps.at = (step, 1)
    with pytest.raises(Crash):
        site.restore()
    site.steps.at = None
    site.again.check_start(site.records)  # no other restore is needed
    site.purge.recover()
    assert_gone(site, attachment)


def test_a_crash_before_the_one_step_is_done_leaves_everything_to_the_next_restore(site):
    attachment = site.send(site.put("T-1"))
    site.remember((EventKind.PURGE_FINISHED, attachment.id, "c-1"))
    entries = len(site.events())

    def dies(unit):
        newest, facts = site.again.forgotten(site.records)
        Restoration(site.records, site.purge, site.holds, site.again, site.clock)._apply(unit, newest, facts)
        raise Crash

    with pytest.raises(Crash):
        site.records.write(dies)
    assert len(site.events()) == entries
    assert site.state(attachment).state is AttachmentState.AVAILABLE
    assert site.restore().attachments == 1


def test_bytes_that_do_not_go_are_unreadable_and_told(site):
    attachment = site.send(site.put("T-1"))
    site.blobs.failing.add(attachment.blob_id)
    site.remember((EventKind.PURGE_FINISHED, attachment.id, "c-1"))
    assert site.restore().failed == 1
    assert site.state(attachment).state is AttachmentState.PURGING
    assert site.records.read(lambda unit: unit.keys.get(attachment.id, "attachment")) is None
    site.blobs.failing.clear()
    site.purge.recover()
    assert_gone(site, attachment)


def test_an_erased_ticket_loses_its_people_again_and_all_its_files(site):
    ticket = site.put("T-1", requester_email="asa@example.com", subject="Fakturan")
    attachment = site.send(ticket)
    site.remember((EventKind.TICKET_ERASED, ticket.id))
    assert site.restore().tickets == 1
    assert_gone(site, attachment)
    left = site.ticket("T-1")
    assert left.erased_at is not None
    assert (left.subject_sealed, left.requester_email_sealed, left.requester_email_digest) == (None, None, None)
    assert site.records.read(lambda unit: unit.keys.get(ticket.id, "ticket")) is None


def test_a_ticket_erased_again_whose_files_are_stuck_stays_open_and_empty(site):
    ticket = site.put("T-1", subject="Fakturan")
    attachment = site.send(ticket)
    site.blobs.failing.add(attachment.blob_id)
    site.remember((EventKind.TICKET_ERASED, ticket.id))
    site.restore()
    left = site.ticket("T-1")
    assert (left.erased_at, left.subject_sealed) == (None, None)


def test_whom_a_link_named_is_erased_again_where_it_had_been_and_else_only_the_link_ends(site):
    ticket = site.put("T-1")
    row = site.send(ticket)
    links = [
        replace(a_download_link(n), ticket_id=ticket.id, attachment_id=row.id, recipient_digest=b"d" * 32)
        for n in (1, 2)
    ]
    site.records.write(lambda unit: [unit.links.add(link, digest(link.id)) for link in links])
    site.remember((EventKind.LINK_REVOKED, links[0].id, "erased"), (EventKind.LINK_REVOKED, links[1].id))
    site.restore()
    erased, revoked = (site.records.read(lambda unit, one=link: unit.links.get(one.id, EVERYTHING)) for link in links)
    assert (erased.recipient_sealed, erased.recipient_digest) == (None, None)
    assert revoked.recipient_sealed == b"recipient"
    assert None not in {erased.revoked_at, revoked.revoked_at}


def test_a_hold_is_placed_again_once_and_one_released_since_is_not(site):
    held, own, released = site.put("HELD"), site.put("OWN"), site.put("RELEASED")
    organisation = site.put_organisation("acme")
    site.put("T-1", organisation="acme")
    kept = site.hold("OWN", "det egna")
    site.remember(
        (EventKind.HOLD_PLACED, "h-1", held.id),
        (EventKind.HOLD_PLACED, "h-2", own.id),
        (EventKind.HOLD_PLACED, "h-3", released.id),
        (EventKind.HOLD_RELEASED, "h-3", released.id),
        (EventKind.HOLD_PLACED, "h-4", organisation.id),
        (EventKind.HOLD_PLACED, "h-5", "nobody"),
    )
    assert site.restore().held == 2
    assert [site.held(ref) for ref in ("HELD", "OWN", "RELEASED", "T-1")] == [True, True, False, True]
    holds = site.records.read(lambda unit: unit.holds.on_ticket(own.id))
    assert [one.id for one in holds] == [kept.id]
    placed = site.records.read(lambda unit: unit.holds.on_ticket(held.id))[0]
    reason = site.records.read(lambda unit: site.holds.open_reason(unit, placed))
    assert reason.startswith("Held before a backup was put back.")


def test_a_hold_that_was_released_since_stays_until_somebody_releases_it_again(site):
    ticket = site.put("T-1")
    hold = site.hold("T-1")
    site.remember((EventKind.HOLD_RELEASED, hold.id, ticket.id))
    site.restore()
    assert site.held("T-1")


def test_a_verdict_is_the_last_word(site):
    ticket = site.put("T-1")
    waiting, clean = site.send(ticket), site.send(ticket)
    scanning = replace(waiting, state=AttachmentState.SCANNING, scan=Scan.PENDING, version=waiting.version + 1)
    site.records.write(lambda unit: unit.attachments.save(scanning))
    site.remember((EventKind.SCAN_FINISHED, waiting.id), (EventKind.SCAN_FINISHED, clean.id))
    assert site.restore().infected == 1
    assert (site.state(waiting).state, site.state(waiting).scan) == (AttachmentState.QUARANTINED, Scan.INFECTED)
    assert site.state(clean).state is AttachmentState.AVAILABLE


def test_what_the_backup_does_not_have_at_all_is_passed_over(site):
    site.remember(
        (EventKind.PURGE_FINISHED, "a-9", "c-9"),
        (EventKind.TICKET_ERASED, "t-9"),
        (EventKind.LINK_REVOKED, "l-9"),
        (EventKind.CREDENTIAL_REVOKED, "p-9"),
        (EventKind.SCAN_FINISHED, "a-9"),
    )
    restored = site.restore()
    assert (restored.attachments, restored.tickets, restored.revoked_links, restored.credentials) == (0, 0, 0, 0)


def test_without_a_second_place_an_epoch_begins_all_the_same(site):
    site.put("T-1")
    site.log.checkpoint(site.records)
    restored = Restoration(site.records, site.purge, site.holds, site.log, site.clock).run()
    assert not restored.informed
    site.log.checkpoint(site.records)
    report = verify(kept_entries(site.records), kept_checkpoints(site.records), site.log.public_key)
    assert (report.intact, len(report.restored)) == (True, 1)
