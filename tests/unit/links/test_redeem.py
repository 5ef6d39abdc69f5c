"""Redeeming links: by the state of everything now, counted once, refused without a trace but the log's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from domain.actor import EVERYTHING
from domain.attachment import AttachmentState
from domain.errors import (
    AlreadyPurged,
    BilagaError,
    CodeNeeded,
    Damaged,
    LinkExpired,
    LinkRevoked,
    LinkUnknown,
    LinkUsedUp,
    NotReady,
    Quarantined,
    WrongPasscode,
)
from tests.transfers import ADDRESS, MIB
from transfer import Reading

NO_TOKENS = ["", "x", "u", "../../etc", "u" + "A" * 42, "u" + "A" * 44, "u" + "A" * 42 + "B", "u" + "%2f" * 14 + "A"]


def page(site, token):
    return site.records.read(lambda unit: site.redeeming.upload_page(unit, token))


def landing(site, token):
    return site.records.read(lambda unit: site.redeeming.download_page(unit, token))


def grant(site, token):
    return site.records.read(lambda unit: site.redeeming.grant(unit, token))


class NoDatabase:
    """A unit that must not be touched."""

    def __getattr__(self, name):
        raise AssertionError(name)


class TestUploadLinks:
    def test_it_gives_a_requester_of_its_ticket(self, site):
        issued = site.upload_link(max_files=2, max_bytes=100)
        given = site.redeem_upload(issued.token)
        assert given.link == issued.link
        assert given.ticket.id == given.actor.ticket_id == site.ticket
        assert (given.files_left, given.bytes_left) == (2, 100)

    def test_its_page_shows_note_and_what_is_left_and_changes_nothing(self, site):
        issued = site.upload_link(note="Skicka loggen", max_files=2)
        site.receive(b"x", incoming=site.by_link(issued.token))
        events = site.events()
        shown = page(site, issued.token)
        assert (shown.note, shown.grant.files_left, shown.passcode_needed) == ("Skicka loggen", 1, False)
        assert site.events() == events

    @pytest.mark.parametrize("token", NO_TOKENS)
    def test_what_is_no_token_is_unknown_before_any_database_work(self, site, token):
        for ask in (site.redeeming.upload, site.redeeming.upload_page, site.redeeming.download_page):
            with pytest.raises(LinkUnknown):
                ask(NoDatabase(), token)
        with pytest.raises(LinkUnknown):
            site.redeeming.grant(NoDatabase(), token)
        with pytest.raises(LinkUnknown):
            site.redeeming.take(NoDatabase(), token, address_digest=ADDRESS)
        site.redeeming.refused(NoDatabase(), token, LinkUnknown())

    def test_a_token_of_one_purpose_is_none_of_another(self, site):
        up = site.upload_link().token
        down = site.download_link(site.received().id).token
        _, granted = site.take(down)
        for token in (down, granted, "u" + down[1:], "u" + granted[1:]):
            with pytest.raises(LinkUnknown):
                site.redeem_upload(token)
        for token in (up, granted, "d" + up[1:]):
            with pytest.raises(LinkUnknown):
                landing(site, token)
        for token in (up, down, "g" + down[1:]):
            with pytest.raises(LinkUnknown):
                grant(site, token)

    def test_it_ends_when_it_expires_is_revoked_or_is_full(self, site):
        expiring, revoked = site.upload_link(expires_in="PT1H"), site.upload_link()
        full = site.upload_link(max_files=1)
        filled = site.upload_link(max_bytes=5)
        site.receive(b"x", incoming=site.by_link(full.token))
        site.receive(b"12345", incoming=site.by_link(filled.token))
        site.revoke(revoked.link.id)
        site.clock.go(hours=1)
        for issued, error in (
            (expiring, LinkExpired),
            (revoked, LinkRevoked),
            (full, LinkUsedUp),
            (filled, LinkUsedUp),
        ):
            for ask in (site.redeem_upload, lambda token: page(site, token)):
                with pytest.raises(error):
                    ask(issued.token)

    def test_a_file_on_its_way_does_not_make_it_full(self, site):
        issued = site.upload_link(max_files=1)
        site.reception.claim(site.by_link(issued.token), "a.txt", 1)
        assert site.redeem_upload(issued.token).files_left == 1

    def test_it_ends_with_its_ticket(self, site):
        issued = site.upload_link()
        site.erase_ticket(site.ticket)
        with pytest.raises(LinkRevoked):
            site.redeem_upload(issued.token)

    def test_a_passcode_is_asked_for_sending_and_not_for_seeing(self, site):
        issued = site.upload_link(passcode_hash=site.passcodes.hash("hemligt"))
        assert page(site, issued.token).passcode_needed
        with pytest.raises(WrongPasscode):
            site.redeem_upload(issued.token)
        proof = site.passcodes.prove(issued.link, "hemligt")
        given = site.records.read(lambda unit: site.redeeming.upload(unit, issued.token, passcode=proof))
        assert given.link == issued.link


class TestLanding:
    def test_it_shows_and_changes_nothing(self, site):
        attachment = site.receive(b"hello", "Räkning.txt").files[0].attachment
        issued = site.download_link(attachment.id, max_downloads=3, recipient="anna@example.org", language="sv")
        events = site.events()
        shown = landing(site, issued.token)
        assert (shown.name, shown.attachment.size, shown.downloads_left) == ("Räkning.txt", 5, 3)
        assert (shown.passcode_needed, shown.code_needed, shown.recipient_hint) == (False, True, "a•••@example.org")
        assert shown.link == issued.link
        assert site.events() == events
        assert site.row(attachment.id).download_count == 0

    def test_it_shows_what_is_still_being_scanned(self, site):
        attachment = site.received()
        issued = site.download_link(attachment.id)
        site.change(attachment.id, state=AttachmentState.SCANNING)
        assert landing(site, issued.token).attachment.state is AttachmentState.SCANNING


class TestTaking:
    def test_a_grant_is_an_hour_and_twice_the_file_and_some(self, site):
        attachment = site.received(b"hello")
        issued = site.download_link(attachment.id)
        given, token = site.take(issued.token)
        assert given.attachment_id == attachment.id
        assert given.expires_at == site.clock() + timedelta(hours=1)
        assert (given.budget, given.spent) == (10 + 16 * MIB, 0)
        assert grant(site, token) == given
        assert site.row(attachment.id).download_count == 1
        (event,) = site.events("link.redeemed")
        assert event["subject"] == issued.link.id
        assert event["facts"] == {"grant": given.id, "attachment": attachment.id, "used": 1}
        assert token not in str(site.events())

    def test_a_link_gives_as_often_as_it_says(self, site):
        issued = site.download_link(site.received().id, max_downloads=2)
        site.take(issued.token)
        site.take(issued.token)
        with pytest.raises(LinkUsedUp):
            site.take(issued.token)
        with pytest.raises(LinkUsedUp):
            landing(site, issued.token)

    @pytest.mark.parametrize("allowed", [1, 3])
    def test_of_many_at_once_no_more_get_it_than_may(self, site, allowed):
        attachment = site.received()
        issued = site.download_link(attachment.id, max_downloads=allowed)

        def take(_):
            try:
                return site.take(issued.token)
            except LinkUsedUp:
                return None

        with ThreadPoolExecutor(12) as threads:
            taken = [one for one in threads.map(take, range(36)) if one]
        assert len(taken) == allowed
        assert len({token for _, token in taken}) == allowed
        assert site.row(attachment.id).download_count == allowed
        assert len(site.events("link.redeemed")) == allowed

    @pytest.mark.parametrize(
        ("state", "error"),
        [
            (AttachmentState.SCANNING, NotReady),
            (AttachmentState.QUARANTINED, Quarantined),
            (AttachmentState.DAMAGED, Damaged),
            (AttachmentState.PURGING, AlreadyPurged),
            (AttachmentState.PURGED, AlreadyPurged),
        ],
    )
    def test_what_cannot_be_sent_is_not_counted(self, site, state, error):
        attachment = site.received()
        issued = site.download_link(attachment.id, max_downloads=1)
        site.change(attachment.id, state=state)
        check_untaken(site, issued, error)

    def test_a_dead_link_is_not_counted(self, site):
        attachment = site.received()
        expiring, revoked = site.download_link(attachment.id, expires_in="PT1H"), site.download_link(attachment.id)
        site.revoke(revoked.link.id)
        site.clock.go(hours=1)
        check_untaken(site, expiring, LinkExpired)
        check_untaken(site, revoked, LinkRevoked)

    def test_a_passcode_is_proven_first(self, site):
        attachment = site.received()
        issued = site.download_link(attachment.id, passcode_hash=site.passcodes.hash("hemligt"))
        other = site.download_link(attachment.id, passcode_hash=site.passcodes.hash("hemligt"))
        check_untaken(site, issued, WrongPasscode)
        check_untaken(site, issued, WrongPasscode, passcode=site.passcodes.prove(other.link, "hemligt"))
        site.take(issued.token, passcode=site.passcodes.prove(issued.link, "hemligt"))

    def test_a_right_passcode_revives_no_dead_link(self, site):
        issued = site.download_link(site.received().id, passcode_hash=site.passcodes.hash("hemligt"))
        proof = site.passcodes.prove(issued.link, "hemligt")
        site.revoke(issued.link.id)
        check_untaken(site, issued, LinkRevoked, passcode=proof)

    def test_a_recipients_code_is_proven_first(self, site):
        issued = site.download_link(site.received().id, recipient="a@b")
        check_untaken(site, issued, CodeNeeded)


def check_untaken(site, issued, error: type[BilagaError], **proofs):
    """The take is refused, and nothing was counted, given or written down."""
    events = site.events()
    with pytest.raises(error) as refused:
        site.take(issued.token, **proofs)
    assert type(refused.value) is error
    assert site.events() == events
    assert site.records.read(lambda unit: unit.links.get(issued.link.id, EVERYTHING)).used == 0
    if issued.link.attachment_id is not None:
        assert site.row(issued.link.attachment_id).download_count == 0


class TestGrants:
    def test_it_outlives_the_links_expiry_and_last_use(self, site):
        attachment = site.received()
        issued = site.download_link(attachment.id, max_downloads=1, expires_in="PT10M")
        _, token = site.take(issued.token)
        site.clock.go(minutes=30)
        assert site.read(Reading.by_grant(grant(site, token)), attachment.id) == b"hello"

    def test_it_ends_after_its_hour(self, site):
        _, token = site.take(site.download_link(site.received().id).token)
        site.clock.go(hours=1)
        with pytest.raises(LinkExpired):
            grant(site, token)

    def test_it_ends_when_its_link_is_revoked(self, site):
        issued = site.download_link(site.received().id)
        _, token = site.take(issued.token)
        site.revoke(issued.link.id)
        with pytest.raises(LinkRevoked):
            grant(site, token)

    @pytest.mark.parametrize("state", [AttachmentState.PURGING, AttachmentState.PURGED])
    def test_it_ends_when_its_attachment_is_purged(self, site, state):
        attachment = site.received()
        _, token = site.take(site.download_link(attachment.id).token)
        site.change(attachment.id, state=state)
        with pytest.raises(AlreadyPurged):
            grant(site, token)

    def test_those_that_are_over_are_swept(self, site):
        _, token = site.take(site.download_link(site.received().id).token)
        assert site.records.write(site.redeeming.sweep) == 0
        site.clock.go(hours=1, seconds=1)
        assert site.records.write(site.redeeming.sweep) == 1
        with pytest.raises(LinkUnknown):
            grant(site, token)


class TestRefusals:
    @pytest.mark.parametrize(
        ("cause", "word"),
        [
            (LinkExpired(), "expired"),
            (LinkRevoked(), "revoked"),
            (LinkUsedUp(), "used-up"),
            (AlreadyPurged(), "purged"),
            (WrongPasscode(), "passcode"),
            (CodeNeeded(), "recipient-code"),
            (NotReady(), "not-ready"),
        ],
    )
    def test_the_log_knows_the_true_cause(self, site, cause, word):
        issued = site.upload_link()
        site.records.write(lambda unit: site.redeeming.refused(unit, issued.token, cause))
        (event,) = site.events("link.refused")
        assert event["subject"] == issued.link.id
        assert event["facts"] == {"cause": word}

    def test_an_unknown_token_names_no_link(self, site):
        token = "d" + "A" * 43
        with pytest.raises(LinkUnknown):
            landing(site, token)
        site.records.write(lambda unit: site.redeeming.refused(unit, token, LinkUnknown()))
        (event,) = site.events("link.refused")
        assert (event["subject"], event["facts"]) == (None, {"cause": "unknown"})
        assert token not in str(event)

    def test_a_grants_refusal_names_its_link(self, site):
        issued = site.download_link(site.received().id)
        _, token = site.take(issued.token)
        site.records.write(lambda unit: site.redeeming.refused(unit, token, LinkExpired()))
        (event,) = site.events("link.refused")
        assert event["subject"] == issued.link.id
