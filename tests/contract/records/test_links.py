from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.actor import EVERYTHING, Scope
from domain.ids import AttachmentId, GrantId, LinkId, OrganisationId, TicketId
from domain.link import Link
from storage.records import Records
from tests.contract.records.given import (
    HOUR,
    T0,
    TICK,
    a_download_link,
    a_grant,
    a_ticket,
    an_attachment,
    an_organisation,
    an_upload_link,
    at_once,
    digest,
    number,
)

UPLOAD, DOWNLOAD = LinkId(number(1)), LinkId(number(2))
TICKET, ATTACHMENT = TicketId(number(1)), AttachmentId(number(1))


@pytest.fixture
def stored(records: Records) -> Records:
    """A ticket with an attachment, an upload link and a download link for three downloads."""

    def begin(unit):
        unit.organisations.put(an_organisation(1))
        unit.organisations.put(an_organisation(2))
        unit.tickets.put(a_ticket(1, organisation=1))
        unit.tickets.put(a_ticket(2, organisation=2))
        unit.attachments.add(an_attachment(1))
        unit.links.add(an_upload_link(1), digest("upload"))
        unit.links.add(a_download_link(2), digest("download"))

    records.write(begin)
    return records


def get(records: Records, link_id: LinkId):
    return records.read(lambda unit: unit.links.get(link_id, EVERYTHING))


def test_a_link_comes_back_as_it_was_added(stored):
    assert stored.read(lambda unit: unit.links.by_digest(digest("upload"))) == an_upload_link(1)
    assert stored.read(lambda unit: unit.links.by_digest(digest("download"))) == a_download_link(2)


def test_an_unknown_token_has_no_link(stored):
    assert stored.read(lambda unit: unit.links.by_digest(digest("other"))) is None


@pytest.mark.parametrize(
    "scope",
    [
        EVERYTHING,
        Scope(organisation_id=OrganisationId(number(1))),
        Scope(ticket_id=TICKET),
        Scope(organisation_id=OrganisationId(number(1)), ticket_id=TICKET),
    ],
)
def test_a_scope_that_sees_the_ticket_sees_its_links(stored, scope):
    assert stored.read(lambda unit: unit.links.get(UPLOAD, scope)) == an_upload_link(1)
    assert [link.id for link in stored.read(lambda unit: unit.links.of_ticket(TICKET, scope))] == [UPLOAD, DOWNLOAD]


@pytest.mark.parametrize(
    "scope",
    [
        Scope(organisation_id=OrganisationId(number(2))),
        Scope(ticket_id=TicketId(number(2))),
        Scope(organisation_id=OrganisationId(number(2)), ticket_id=TICKET),
    ],
)
def test_another_scope_sees_none_of_them(stored, scope):
    assert stored.read(lambda unit: unit.links.get(UPLOAD, scope)) is None
    assert stored.read(lambda unit: unit.links.of_ticket(TICKET, scope)) == []


def test_dead_links_stay_listed(stored):
    stored.write(lambda unit: unit.links.revoke(UPLOAD, at=T0))
    assert len(stored.read(lambda unit: unit.links.of_ticket(TICKET, EVERYTHING))) == 2


def test_a_link_is_revoked_once_and_keeps_that_instant(stored):
    assert stored.write(lambda unit: unit.links.revoke(UPLOAD, at=T0 + TICK)) is True
    assert stored.write(lambda unit: unit.links.revoke(UPLOAD, at=T0 + HOUR)) is False
    assert get(stored, UPLOAD).revoked_at == T0 + TICK
    assert get(stored, DOWNLOAD).revoked_at is None


def test_revoking_what_never_was_says_so(stored):
    assert stored.write(lambda unit: unit.links.revoke(LinkId(number(99)), at=T0)) is False


def test_revoking_a_link_ends_its_grants_and_no_others(stored):
    def grants(unit):
        unit.links.add(a_download_link(3), digest("third"))
        unit.grants.add(a_grant(1, link=2), digest("grant"))
        unit.grants.add(a_grant(2, link=3), digest("another"))
        unit.links.revoke(DOWNLOAD, at=T0 + TICK)

    stored.write(grants)
    now = T0 + 2 * TICK
    assert stored.write(lambda unit: unit.grants.spend(GrantId(number(1)), size=1, now=now)) is False
    assert stored.write(lambda unit: unit.grants.spend(GrantId(number(2)), size=1, now=now)) is True


def test_a_use_is_counted_while_the_link_is_alive(stored):
    assert stored.write(lambda unit: unit.links.count_use(DOWNLOAD, now=T0)) is True
    assert get(stored, DOWNLOAD).used == 1
    assert get(stored, UPLOAD).used == 0


def test_the_last_instant_before_expiry_counts_and_the_next_does_not(stored):
    assert stored.write(lambda unit: unit.links.count_use(DOWNLOAD, now=T0 + HOUR - TICK)) is True
    assert stored.write(lambda unit: unit.links.count_use(DOWNLOAD, now=T0 + HOUR)) is False
    assert get(stored, DOWNLOAD).used == 1


def test_no_use_is_counted_of_a_revoked_link(stored):
    stored.write(lambda unit: unit.links.revoke(DOWNLOAD, at=T0))
    assert stored.write(lambda unit: unit.links.count_use(DOWNLOAD, now=T0)) is False
    assert get(stored, DOWNLOAD).used == 0


def test_an_upload_link_is_never_used_as_a_download(stored):
    assert stored.write(lambda unit: unit.links.count_use(UPLOAD, now=T0)) is False


def test_a_link_without_a_limit_counts_on(stored):
    stored.write(lambda unit: unit.links.add(a_download_link(3, max_downloads=None), digest("third")))
    for _ in range(5):
        assert stored.write(lambda unit: unit.links.count_use(LinkId(number(3)), now=T0)) is True
    assert get(stored, LinkId(number(3))).used == 5


def test_of_many_uses_at_once_exactly_as_many_succeed_as_the_link_allows(stored):
    taken = at_once(16, lambda _: stored.write(lambda unit: unit.links.count_use(DOWNLOAD, now=T0)))
    assert sorted(taken) == [False] * 13 + [True] * 3
    assert get(stored, DOWNLOAD).used == 3


def test_revoking_at_once_is_won_by_one(stored):
    won = at_once(8, lambda i: stored.write(lambda unit: unit.links.revoke(DOWNLOAD, at=T0 + i * TICK)))
    assert won.count(True) == 1
    assert get(stored, DOWNLOAD).revoked_at == T0 + won.index(True) * TICK


def test_revoking_of_an_attachment_ends_its_links_and_its_grants(stored):
    def more(unit):
        unit.attachments.add(an_attachment(2))
        unit.links.add(a_download_link(3, attachment=1), digest("third"))
        unit.links.add(a_download_link(4, attachment=2), digest("fourth"))
        unit.links.revoke(LinkId(number(3)), at=T0)
        unit.grants.add(a_grant(1), digest("grant"))
        unit.grants.add(a_grant(2, link=4, attachment=2), digest("another"))

    stored.write(more)
    # The third had ended before, so one link ends now.
    assert stored.write(lambda unit: unit.links.revoke_of_attachment(ATTACHMENT, at=T0 + TICK)) == 1
    assert get(stored, DOWNLOAD).revoked_at == T0 + TICK
    assert get(stored, LinkId(number(3))).revoked_at == T0
    assert get(stored, LinkId(number(4))).revoked_at is None
    assert stored.read(lambda unit: unit.grants.by_digest(digest("grant"))).expires_at == T0 + TICK
    assert stored.write(lambda unit: unit.grants.spend(GrantId(number(1)), size=1, now=T0)) is False
    assert stored.write(lambda unit: unit.grants.spend(GrantId(number(2)), size=1, now=T0)) is True


def test_erasing_of_a_ticket_ends_its_links_and_leaves_nobody_named(stored):
    def more(unit):
        unit.links.add(an_upload_link(5, ticket=2), digest("elsewhere"))
        unit.links.revoke(UPLOAD, at=T0)
        unit.grants.add(a_grant(1), digest("grant"))
        unit.codes.put(DOWNLOAD, digest=digest("123456"), expires_at=T0 + HOUR, tries=5, sent_at=T0)

    stored.write(more)
    assert stored.write(lambda unit: unit.links.erase_of_ticket(TICKET, at=T0 + TICK)) == 2

    def emptied(link: Link, at: datetime) -> Link:
        return replace(link, revoked_at=at, recipient_sealed=None, note_sealed=None, passcode_hash=None, language=None)

    assert get(stored, UPLOAD) == emptied(an_upload_link(1), T0)
    assert get(stored, DOWNLOAD) == emptied(a_download_link(2), T0 + TICK)
    assert get(stored, LinkId(number(5))) == an_upload_link(5, ticket=2)
    assert stored.read(lambda unit: unit.codes.sent_at(DOWNLOAD)) is None
    assert stored.write(lambda unit: unit.grants.spend(GrantId(number(1)), size=1, now=T0)) is False


def test_erasing_twice_touches_nothing_the_second_time(stored):
    stored.write(lambda unit: unit.links.erase_of_ticket(TICKET, at=T0))
    assert stored.write(lambda unit: unit.links.erase_of_ticket(TICKET, at=T0 + timedelta(days=1))) == 0
    assert get(stored, DOWNLOAD).revoked_at == T0
