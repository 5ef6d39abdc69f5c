"""Making, listing and revoking links: by rights, with the token shown once and people's words sealed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crypto import TokenPurpose, is_token, token_digest
from domain.actor import EVERYTHING, Actor, Role
from domain.attachment import AttachmentState
from domain.errors import AlreadyPurged, BadInput, Gone, NotAllowed, NotFound, Quarantined, StateConflict
from domain.ids import AttachmentId, LinkId, TicketId
from domain.link import LinkKind
from tests.transfers import ADMIN, AGENT, AUDITOR, contact

CONNECTOR = Actor(Role.CONNECTOR)


def stored(site, link_id):
    return site.records.read(lambda unit: unit.links.get(link_id, EVERYTHING))


def test_an_upload_link_is_kept_under_its_tokens_digest_alone(site):
    issued = site.upload_link(
        expires_in="P1D", max_files=3, max_bytes=1000, allowed_types=[".pdf"], language="sv", note="Skicka loggen"
    )
    assert is_token(TokenPurpose.UPLOAD, issued.token)
    assert site.records.read(lambda unit: unit.links.by_digest(token_digest(issued.token))) == issued.link
    link = stored(site, issued.link.id)
    assert link == issued.link
    assert link.kind is LinkKind.UPLOAD
    assert link.terms.expires_at == site.clock() + timedelta(days=1)
    assert (link.terms.max_files, link.terms.max_bytes, link.terms.allowed_types) == (3, 1000, (".pdf",))
    assert link.language == "sv"
    assert link.created_by == AGENT.principal_id
    assert b"Skicka" not in link.note_sealed
    quota = site.records.read(lambda unit: unit.quotas.get(link.id))
    assert (quota.max_files, quota.max_bytes, quota.used_files) == (3, 1000, 0)


def test_a_download_link_names_its_attachment_and_seals_its_recipient(site):
    attachment = site.received()
    issued = site.download_link(attachment.id, max_downloads=2, recipient="åsa@example.org", language="en")
    assert is_token(TokenPurpose.DOWNLOAD, issued.token)
    link = stored(site, issued.link.id)
    assert (link.kind, link.attachment_id, link.ticket_id) == (LinkKind.DOWNLOAD, attachment.id, site.ticket)
    assert link.terms.expires_at == site.clock() + timedelta(days=7)
    assert link.terms.max_downloads == 2
    assert "åsa".encode() not in link.recipient_sealed


def test_the_log_tells_of_terms_and_of_no_words(site):
    issued = site.upload_link(note="hemligt", max_files=2)
    (made,) = site.events("link.made")
    assert made["subject"] == issued.link.id
    assert made["facts"]["max_files"] == 2
    assert made["facts"]["passcode"] is False
    assert "hemligt" not in str(made)
    assert issued.token not in str(made)


@pytest.mark.parametrize("actor", [AUDITOR, ADMIN, Actor(Role.REQUESTER, ticket_id=TicketId("x")), Actor(Role.CONTACT)])
def test_who_may_not_make_links_makes_none(site, actor):
    attachment = site.received()
    events = site.events()
    with pytest.raises(NotAllowed):
        site.upload_link(actor=actor)
    with pytest.raises(NotAllowed):
        site.download_link(attachment.id, actor=actor)
    assert site.events() == events


@pytest.mark.parametrize("actor", [AGENT, CONNECTOR])
def test_agents_and_connectors_make_them(site, actor):
    site.upload_link(actor=actor)
    site.download_link(site.received().id, actor=actor)


def test_a_contact_makes_links_of_its_own_organisation_only(site):
    own, other = site.put_organisation("own"), site.put_organisation("other")
    mine, theirs = site.put_ticket("T-2", own), site.put_ticket("T-3", other)
    site.upload_link("T-2", contact(own))
    my_file = site.receive(b"x", incoming=site.by_agent(mine)).files[0].attachment
    site.download_link(my_file.id, contact(own))
    their_file = site.receive(b"x", incoming=site.by_agent(theirs)).files[0].attachment
    with pytest.raises(NotFound):
        site.upload_link("T-3", contact(own))
    with pytest.raises(NotFound):
        site.download_link(their_file.id, contact(own))


def test_what_is_not_there_has_no_links(site):
    with pytest.raises(NotFound):
        site.upload_link("T-9")
    with pytest.raises(NotFound):
        site.download_link(AttachmentId("0"))
    claim = site.reception.claim(site.by_agent(), "a.txt", 1)
    with pytest.raises(NotFound):
        site.download_link(claim.attachment_id)


def test_an_erased_ticket_takes_no_more_links(site):
    site.erase_ticket(site.ticket)
    with pytest.raises(Gone):
        site.upload_link()


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (AttachmentState.PURGING, AlreadyPurged),
        (AttachmentState.PURGED, AlreadyPurged),
        (AttachmentState.QUARANTINED, Quarantined),
        (AttachmentState.DAMAGED, StateConflict),
    ],
)
def test_what_cannot_be_sent_is_not_handed_out(site, state, error):
    attachment = site.received()
    site.change(attachment.id, state=state)
    with pytest.raises(error):
        site.download_link(attachment.id)


def test_what_is_being_scanned_may_be_handed_out_already(site):
    attachment = site.received()
    site.change(attachment.id, state=AttachmentState.SCANNING)
    site.download_link(attachment.id)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"expires_in": "x"}, "expires_in"),
        ({"expires_at": "x"}, "expires_at"),
        ({"max_files": 0}, "max_files"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"allowed_types": ["x"]}, "allowed_types"),
        ({"language": "x"}, "language"),
        ({"note": "\0"}, "note"),
    ],
)
def test_a_wrong_wish_is_named_and_makes_nothing(site, terms, field):
    events, kept = site.events(), site.kept()
    with pytest.raises(BadInput) as refused:
        site.upload_link(**terms)
    assert refused.value.field == field
    assert (site.events(), site.kept()) == (events, kept)


def test_a_ticket_lists_all_its_links_with_their_words(site):
    attachment = site.received()
    up = site.upload_link(note="Hej", max_files=1)
    site.receive(b"x", incoming=site.by_link(up.token))
    down = site.download_link(attachment.id, recipient="a@b")
    site.revoke(up.link.id)
    views = site.records.read(lambda unit: site.listing.of_ticket(unit, AGENT, "T-1"))
    assert [view.link.id for view in views] == [up.link.id, down.link.id]
    assert [(view.note, view.recipient) for view in views] == [("Hej", None), (None, "a@b")]
    assert [view.quota.used_files if view.quota else None for view in views] == [1, None]
    assert [view.link.revoked_at for view in views] == [site.clock(), None]


def test_words_whose_key_is_gone_are_listed_as_none(site):
    site.upload_link(note="Hej")
    site.records.write(lambda unit: site.keys.destroy(unit, site.ticket))
    (view,) = site.records.read(lambda unit: site.listing.of_ticket(unit, AGENT, "T-1"))
    assert view.note is None


def test_links_are_listed_to_those_who_may_revoke_them(site):
    own = site.put_organisation("own")
    site.put_ticket("T-2", own)
    site.upload_link("T-2")

    def listed(actor, ref="T-2"):
        return site.records.read(lambda unit: site.listing.of_ticket(unit, actor, ref))

    for actor in (AGENT, ADMIN, CONNECTOR, contact(own)):
        assert len(listed(actor)) == 1
    with pytest.raises(NotFound):
        listed(contact(own), "T-1")
    with pytest.raises(NotAllowed):
        listed(AUDITOR)


def test_revoking_is_once_and_told_once(site):
    issued = site.upload_link()
    site.clock.go(minutes=1)
    assert site.revoke(issued.link.id, ADMIN) is True
    at = site.clock()
    site.clock.go(minutes=1)
    assert site.revoke(issued.link.id) is False
    assert stored(site, issued.link.id).revoked_at == at
    (event,) = site.events("link.revoked")
    assert event["subject"] == issued.link.id
    assert event["actor"]["role"] == "admin"


def test_who_may_not_revoke_revokes_nothing(site):
    own = site.put_organisation("own")
    issued = site.upload_link()
    with pytest.raises(NotAllowed):
        site.revoke(issued.link.id, AUDITOR)
    with pytest.raises(NotFound):
        site.revoke(issued.link.id, contact(own))
    with pytest.raises(NotFound):
        site.revoke(LinkId("0"))
    assert stored(site, issued.link.id).revoked_at is None
